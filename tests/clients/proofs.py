"""Proves an account step by step on one connection and checks each answer.

Arguments: steps, a list of {"by": "key" | "password" | "interactive", "user": name, "wrong": true, "expect": X} where X
is "in", "refused" or the list of methods that are left after a partial success; "left": the methods that a refusal names;
"asked": the prompts of keyboard-interactive in their order, each answered by the password.
"""

import paramiko

from client import ARGS, check, equal, leave, stepwise
from rawsftp import Raw

connection = stepwise()
key = paramiko.Ed25519Key.from_private_key_file(ARGS["key"])
prompts = []


def answers(password, fields):
    """What is typed: the password, whatever is asked."""
    prompts.extend(prompt for prompt, _ in fields)
    return [password for _ in fields]


def prove(step):
    """Runs one step; gives "in", "refused" or the methods that are left, and those that a refusal names."""
    prompts.clear()
    user = step.get("user", ARGS["account"])
    password = "not " + ARGS["password"] if step.get("wrong") else ARGS["password"]
    try:
        if step["by"] == "key":
            left = connection.auth_publickey(user, key)
        elif step["by"] == "password":
            left = connection.auth_password(user, password, fallback=False)
        else:
            left = connection.auth_interactive(user, lambda title, text, fields: answers(password, fields))
    except paramiko.BadAuthenticationType as error:
        return "refused", sorted(error.allowed_types)
    except paramiko.AuthenticationException as error:
        check(connection.is_active() and "timeout" not in str(error), "no answer: %s" % error)
        return "refused", None
    return (sorted(left) if left else "in"), None


for number, step in enumerate(ARGS["steps"]):
    expected = step["expect"]
    found, left = prove(step)
    equal(found, sorted(expected) if isinstance(expected, list) else expected, "step %d, %r" % (number, step))
    if "left" in step:
        equal(left, sorted(step["left"]), "left after step %d" % number)
    if "asked" in step:
        equal(prompts, step["asked"], "asked in step %d" % number)
    if found != "in":
        check(not connection.is_authenticated(), "half a proof is a whole login")
        try:
            connection.open_session(timeout=2)
        except Exception:
            pass
        else:
            raise SystemExit("FAILED: a channel opened after step %d" % number)
if found == "in":
    check(Raw(connection).alive(), "SFTP does not work")
leave()
