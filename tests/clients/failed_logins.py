"""Fails to sign in again and again, and reports how long each answer took. Arguments: tries, names (list)."""

import time

import paramiko

from client import ARGS, leave, report, transport

for attempt in range(ARGS["tries"]):
    name = ARGS["names"][attempt % len(ARGS["names"])]
    try:
        connection = transport(auth=False)
        begun = time.time()
        connection.auth_password(name, "wrong %d" % attempt, fallback=False)
        report(seconds=time.time() - begun, name=name, answer="accepted")
    except paramiko.AuthenticationException as error:
        report(seconds=time.time() - begun, name=name, answer=type(error).__name__ + ": " + str(error))
    except Exception as error:
        report(seconds=time.time() - begun, name=name, answer="ended: %s" % error)
    connection.close()
leave()
