"""FileZilla's own program for SFTP, told what to do as FileZilla tells it: lines in, coded lines out. Contents go
through memory that FileZilla shares with it, so files are left to other clients here.

Arguments: ppk (the key in PuTTY's form), home (a folder for what it writes), folder, by ("key" or "password"),
account_password.
"""

import os
import subprocess
import threading
import time

from client import ARGS, check, equal, leave

REPLY, DONE, LISTED, HOST, PROMPT = "0", "1", "8", "9", "<"
# Lines without a code that follow: a time and a name, a port.
FURTHER = {LISTED: 2, HOST: 1}
program = subprocess.Popen(
    ["setpriv", "--pdeathsig", "KILL", "--", "fzsftp"],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env=dict(os.environ, HOME=ARGS["home"]),
    text=True,
    errors="surrogateescape",
)
lines, arrived = [], threading.Condition()


def read():
    for line in program.stdout:
        with arrived:
            lines.append(line.rstrip("\n"))
            arrived.notify_all()
    with arrived:
        lines.append(REPLY + "it ended")
        arrived.notify_all()


threading.Thread(target=read, daemon=True).start()


def type_in(line):
    program.stdin.write(line + "\n")
    program.stdin.flush()


def answer(what, wanted, seconds=30):
    """All lines up to one of a code in `wanted`."""
    until = time.monotonic() + seconds
    with arrived:
        while True:
            begun = end = 0
            while end < len(lines):
                begun, end = end, end + 1 + FURTHER.get(lines[end][:1], 0)
                if lines[begun][:1] in wanted and end <= len(lines):
                    found = lines[:end]
                    del lines[:end]
                    return found
            check(arrived.wait(until - time.monotonic()), "%s: no answer, but %r" % (what, lines))


def tell(line, works=True):
    """Gives a command, and what came up to its end: a reply with a text, or done with 1 for success, 0 for not."""
    type_in(line)
    found = answer(line, (REPLY, DONE))
    last = found[-1]
    done = last[:1] == REPLY or last == DONE + "1"
    equal(done, works, "%s: %r" % (line, found))
    return found


def listing():
    """Names, each with its time."""
    found = tell("ls")
    rows = [at for at, line in enumerate(found) if line[:1] == LISTED]
    return {found[at + 2]: int(found[at + 1]) for at in rows}


answer("start", (REPLY,))
# No limits of speed, either way.
type_in("-0-")
type_in("-1-")
if ARGS["by"] == "key":
    tell('keyfile "%s"' % ARGS["ppk"])
type_in('open "%s@%s" %d' % (ARGS["account"], ARGS["host"], ARGS["port"]))
answer("the host key", (HOST,))
type_in("-y")
if ARGS["by"] == "password":
    answer("the password's prompt", (PROMPT,))
    type_in(ARGS["account_password"])
signed_in = answer("the login", (DONE,))
equal(signed_in[-1], DONE + "1", "the login: %r" % signed_in)
top, inner = ARGS["folder"], "in \u00fc " + ARGS["by"]
if ARGS["by"] == "key":
    tell('mkdir "/%s"' % top)
check("planted" in listing(), "a file that is there is not listed")
tell('cd "/%s"' % top)
tell('mkdir "%s"' % inner)
# Done says nothing of a chmod: its text does.
type_in('chmod 700 "%s"' % inner)
check("0755 -> 0700" in answer("chmod", (DONE,))[-2], "the mode")
tell('chmtime 1700000000 "/%s/%s"' % (top, inner))
equal(tell('mtime "/%s/%s"' % (top, inner))[-1], REPLY + "1700000000", "the time that was set")
equal(listing().get(inner), 1700000000, "the time that is listed")
tell('mkdir "kept"', works=ARGS["by"] == "key")
tell('mv "%s" "moved"' % inner)
check(inner not in listing(), "it was moved")
tell('rmdir "moved"')
equal(set(listing()), {"kept"}, "what is left")
tell('cd "none"', works=False)
tell('rm "none"', works=False)
type_in("quit")
leave()
