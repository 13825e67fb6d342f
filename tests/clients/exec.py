"""Runs commands on channels of one connection: {"commands": [{"command", "send", "keep"}]}, where `send` goes to the
standard input, one character a byte, and the end after it unless `keep`. Reports {"did", "out", "err", "status"} for each.
"""

import threading

from client import ARGS, leave, report, transport

connection = transport()


def feed(channel, case):
    try:
        channel.sendall(case.get("send", "").encode("latin-1"))
        if not case.get("keep"):
            channel.shutdown_write()
    except OSError:
        # The server has ended the program before it had everything.
        pass


for case in ARGS["commands"]:
    channel = connection.open_session(timeout=20)
    channel.settimeout(30)
    channel.exec_command(case["command"])
    sender = threading.Thread(target=feed, args=(channel, case), daemon=True)
    sender.start()
    out = err = b""
    while piece := channel.recv(65536):
        out += piece
    while piece := channel.recv_stderr(65536):
        err += piece
    status = channel.recv_exit_status()
    sender.join(20)
    channel.close()
    report(did=case["command"], out=out.decode("latin-1"), err=err.decode("latin-1"), status=status)
leave()
