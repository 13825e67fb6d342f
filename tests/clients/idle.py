"""Signs in, opens SFTP, reports {"started"}, and then for each line on stdin does what it says and reports {"did"}.

`stat PATH`, `list PATH`, `put PATH`, `get PATH`, `mkdir PATH`, `remove PATH`. Reports {"ended"} once the server closes.
"""

import sys

from client import close_whole, report, told_sftp

client = told_sftp()


def put(path):
    file = client.open(path, "wb")
    file.write(b"content")
    close_whole(client, file)


def get(path):
    with client.open(path, "rb") as file:
        file.read()


DO = {
    "stat": client.stat,
    "list": client.listdir,
    "put": put,
    "get": get,
    "mkdir": client.mkdir,
    "remove": client.remove,
}
for line in sys.stdin:
    verb, path = line.rstrip("\n").split(" ", 1)
    try:
        DO[verb](path)
        report(did=line.strip(), error=None)
    except Exception as error:
        report(did=line.strip(), error="%s: %s" % (type(error).__name__, error))
