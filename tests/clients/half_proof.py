"""Proves the key, waits for a line on stdin, then proves the password. Reports {"half"}, {"in"} and {"ended"}."""

import sys

import paramiko

from client import ARGS, leave, report, stepwise
from rawsftp import Raw

connection = stepwise()
key = paramiko.Ed25519Key.from_private_key_file(ARGS["key"])
left = connection.auth_publickey(ARGS["account"], key)
report(half=left)
sys.stdin.readline()
try:
    connection.auth_password(ARGS["account"], ARGS["password"], fallback=False)
    report(**{"in": Raw(connection).alive()})
except paramiko.SSHException as error:
    report(ended=str(error), in_=False)
    leave()
connection.join()
report(ended="", in_=True)
leave()
