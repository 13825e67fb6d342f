"""Proves an account step by step on one connection and checks each answer.

Arguments: steps, a list of {"by": "key" | "password" | "interactive", "user": name, "wrong": true, "expect": X} where X
is "in", "refused" or the list of methods that are left after a partial success.
"""

import paramiko

from client import ARGS, check, equal, leave, tcp
from rawsftp import Raw

connection = paramiko.ServiceRequestingTransport(tcp())
connection.banner_timeout = connection.auth_timeout = connection.handshake_timeout = 20
connection.start_client(timeout=20)
key = paramiko.Ed25519Key.from_private_key_file(ARGS["key"])


def prove(step):
    """Runs one step; gives "in", "refused" or the methods that are left."""
    user = step.get("user", ARGS["account"])
    password = "not " + ARGS["password"] if step.get("wrong") else ARGS["password"]
    try:
        if step["by"] == "key":
            left = connection.auth_publickey(user, key)
        elif step["by"] == "password":
            left = connection.auth_password(user, password, fallback=False)
        else:
            left = connection.auth_interactive(user, lambda title, text, fields: [password for _ in fields])
    except paramiko.BadAuthenticationType as error:
        return "refused" if not hasattr(error, "allowed_types") else "refused"
    except paramiko.AuthenticationException:
        return "refused"
    return sorted(left) if left else "in"


for number, step in enumerate(ARGS["steps"]):
    expected = step["expect"]
    found = prove(step)
    equal(found, sorted(expected) if isinstance(expected, list) else expected, "step %d, %r" % (number, step))
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
