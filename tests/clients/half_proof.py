"""Proves the key, waits for a line on stdin, then proves the password. Reports {"half"}, {"in"} and {"ended"}."""

import sys

import paramiko

from client import ARGS, leave, report, tcp
from rawsftp import Raw

connection = paramiko.ServiceRequestingTransport(tcp())
connection.banner_timeout = connection.auth_timeout = connection.handshake_timeout = 20
connection.start_client(timeout=20)
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
