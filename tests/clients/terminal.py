"""Runs a command on a terminal of its own and answers what it asks.

Arguments: command (list), steps: a list of [text to wait for, line to type or null], secrets: texts that must never
stand on the screen.
"""

import os
import pty
import select
import sys
import time

from client import ARGS, check, leave

child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "dumb"
    os.environ["LC_ALL"] = "C.UTF-8"
    os.execvp(ARGS["command"][0], ARGS["command"])

screen, seen = "", 0


def wait_for(text):
    """Reads until the text stands behind what was waited for before."""
    global screen, seen
    until = time.monotonic() + 30
    while text not in screen[seen:]:
        check(time.monotonic() < until, "%r was not shown; the screen: %r" % (text, screen))
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            got = os.read(terminal, 4096)
        except OSError:
            got = b""
        check(got, "it ended before %r; the screen: %r" % (text, screen))
        screen += got.decode(errors="replace")
    seen = screen.index(text, seen) + len(text)


for text, typed in ARGS["steps"]:
    wait_for(text)
    if typed is not None:
        # OpenSSH drops what was typed before it switched the echo off.
        time.sleep(0.3)
        os.write(terminal, (typed + "\n").encode())
for secret in ARGS.get("secrets", []):
    check(secret not in screen, "a secret was shown: %r" % screen)
sys.stdout.write(screen)
leave()
