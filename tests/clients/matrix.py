"""Signs in, opens SFTP, reports {"started"}; then for each line `OPERATION PATH` on stdin tries what the right of this
name allows, and reports {"did"} with {"denied"}: true, false, or the text of an error that is no denial.
"""

import errno
import sys

from client import close_whole, report, told_sftp

client = told_sftp(watched=False)


def read(path):
    with client.open(path, "rb") as file:
        file.read(1)


def put(mode):
    def into(path):
        file = client.open(path, mode)
        file.write(b"content")
        close_whole(client, file)

    return into


DO = {
    "read": read,
    "list": client.listdir,
    "write": put("wb"),
    "overwrite": put("wb"),
    "append": put("ab"),
    "rename": lambda path: client.rename(path, path + "-moved"),
    "delete": client.remove,
    "make-folder": client.mkdir,
    "remove-folder": client.rmdir,
    "set-attributes": lambda path: client.chmod(path, 0o600),
    "links": lambda path: client.symlink("target", path),
}
for line in sys.stdin:
    operation, path = line.rstrip("\n").split(" ", 1)
    try:
        DO[operation](path)
        denied = False
    except Exception as error:
        is_denial = isinstance(error, IOError) and error.errno == errno.EACCES
        denied = True if is_denial else "%s: %s" % (type(error).__name__, error)
    report(did=line.strip(), denied=denied)
