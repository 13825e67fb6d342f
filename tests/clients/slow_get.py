"""Reads a file slowly and reports: {"bytes"} as it goes, {"ended"} with the reason when the server ends it.

Arguments: path; pause, seconds between reads of 32 KiB.
"""

import time

from client import ARGS, leave, paramiko_sftp, report

client = paramiko_sftp()
handle = client.open(ARGS["path"], "rb")
total = 0
report(started=True)
try:
    while True:
        read = handle.read(32768)
        if not read:
            report(ended="end of file", total=total)
            break
        total += len(read)
        report(bytes=total)
        time.sleep(ARGS.get("pause", 0.02))
except Exception as error:
    report(ended="%s: %s" % (type(error).__name__, error), total=total)
leave()
