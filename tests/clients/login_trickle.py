"""Never signs in, but keeps sending. Reports after how many seconds the server ended it. Arguments: stage, seconds."""

import socket
import time

import paramiko

from client import ARGS, check, leave, report, tcp, transport

begun = time.time()
if ARGS["stage"] == "before-version":
    sock = tcp()
    sock.settimeout(0.2)
    while time.time() - begun < ARGS["seconds"]:
        try:
            sock.sendall(b"x\r\n" if int((time.time() - begun) * 5) % 3 == 0 else b"x")
            if sock.recv(1024) == b"":
                break
        except socket.timeout:
            pass
        except OSError:
            break
else:
    connection = transport(auth=False)
    while connection.is_active() and time.time() - begun < ARGS["seconds"]:
        try:
            connection.send_ignore(16)
        except (OSError, EOFError, paramiko.SSHException):
            break
        time.sleep(0.1)
report(after=time.time() - begun)
leave()
