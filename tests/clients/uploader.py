"""Uploads file after file until a line comes on stdin, to the nodes in turn when one fails.

Reports {"acked", "sha256", "size"} once the server has taken a file, {"failed"} when it is unknown whether it has.
Arguments: hosts; prefix.
"""

import hashlib
import sys
import threading
import time

from client import ARGS, close_whole, leave, noise, paramiko_sftp, report

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
number = node = 0
client = None
while not stop.is_set():
    try:
        if client is None:
            ARGS["host"] = ARGS["hosts"][node % len(ARGS["hosts"])]
            client = paramiko_sftp()
            client.get_channel().settimeout(5)
        data = noise("%s%d" % (ARGS["prefix"], number), 20_000 + number * 7919 % 400_000)
        name = "%s-%d" % (ARGS["prefix"], number)
        file = client.open("/" + name, "wb")
        file.set_pipelined(True)
        file.write(data)
        close_whole(client, file)
        report(acked=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), host=ARGS["host"])
        number += 1
    except Exception as error:
        report(failed="%s-%d" % (ARGS["prefix"], number), error=repr(error), host=ARGS["host"])
        number += 1
        node += 1
        client = None
        time.sleep(0.05)
report(stopped=True)
leave()
