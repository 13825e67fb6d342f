"""Signs in, opens SFTP, reports {"started"}; then for each line on stdin does what it says and reports {"did"} with
{"error"} and {"seconds"}. Reports {"ended"} once the server closes.

`put PATH BYTES`, `append PATH BYTES`, `into PATH BYTES` (from the start, in place), `truncate PATH BYTES`,
`get PATH`, `rename PATH PATH`, `link PATH PATH`, `size PATH BYTES`.
"""

import sys
import time

from client import check, close_whole, noise, report, told_sftp

client = told_sftp()


def put(mode):
    def carry(path, size):
        file = client.open(path, mode)
        file.set_pipelined(True)
        try:
            file.write(noise(1, int(size)))
        finally:
            close_whole(client, file)

    return carry


def get(path):
    with client.open(path, "rb") as file:
        file.prefetch()
        file.read()


def size(path, expected):
    check(client.stat(path).st_size == int(expected), "the size of " + path)


DO = {
    "put": put("wb"),
    "append": put("ab"),
    "into": put("r+b"),
    "truncate": lambda path, size: client.truncate(path, int(size)),
    "get": get,
    "rename": client.rename,
    "link": lambda path, to: client.symlink(path, to),
    "size": size,
}
for line in sys.stdin:
    verb, *words = line.split()
    begun = time.monotonic()
    try:
        DO[verb](*words)
        error = None
    except (Exception, SystemExit) as problem:
        error = "%s: %s" % (type(problem).__name__, problem)
    report(did=line.strip(), error=error, seconds=time.monotonic() - begun)
