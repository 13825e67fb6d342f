"""Writes a file slowly and reports: {"bytes"} as it goes, {"ended"} when the server ends it, {"closed"} when it took it.

Arguments: path; pause, seconds between writes of 32 KiB; count, how many; hold: before closing, wait for a line on stdin.
"""

import sys
import time

from client import ARGS, close_whole, leave, noise, paramiko_sftp, report

client = paramiko_sftp()
try:
    handle = client.open(ARGS["path"], ARGS.get("mode", "wb"))
    report(started=True)
    for number in range(ARGS.get("count", 1_000_000)):
        handle.write(noise(number, 32768))
        report(bytes=(number + 1) * 32768)
        time.sleep(ARGS.get("pause", 0.02))
    if ARGS.get("hold"):
        report(holding=True)
        sys.stdin.readline()
    close_whole(client, handle)
    report(closed=True)
except Exception as error:
    report(ended="%s: %s" % (type(error).__name__, error))
leave()
