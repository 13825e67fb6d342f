"""Signs in by keyboard-interactive with the password. Arguments: wrong: answer wrongly, which must be refused."""

import paramiko

from client import ARGS, check, leave, transport
from rawsftp import Raw

connection = transport(auth=False)
prompts = []


def answer(title, instructions, fields):
    prompts.extend(fields)
    check(all(not echo for _, echo in fields), "the password would be shown: %r" % fields)
    return ["wrong" if ARGS.get("wrong") else ARGS["password"] for _ in fields]


try:
    connection.auth_interactive(ARGS["account"], answer)
    check(not ARGS.get("wrong"), "a wrong answer was accepted")
    check(Raw(connection).alive(), "SFTP does not work")
except paramiko.AuthenticationException:
    check(ARGS.get("wrong"), "the right answer was refused")
check(prompts, "nothing was asked")
leave()
