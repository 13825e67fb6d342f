"""Signs in, opens SFTP, reports {"started"}; then for each line `OPERATION PATH` on stdin tries what the right of this
name allows, and reports {"did"} with {"denied"}: true, false, or the text of an error that is no denial. Argument: over,
"sftp" or "scp", by which it tries.
"""

import errno
import shlex
import sys

from client import ARGS, close_whole, report, told_sftp

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


def old_scp(flags, sent):
    def copy(path):
        channel = client.get_channel().get_transport().open_session(timeout=20)
        channel.settimeout(30)
        channel.exec_command("scp %s -- %s" % (flags, shlex.quote(path)))
        channel.sendall(sent)
        channel.shutdown_write()
        out = b""
        while piece := channel.recv(65536):
            out += piece
        status = channel.recv_exit_status()
        channel.close()
        if b"Permission denied" in out:
            raise IOError(errno.EACCES, out)
        if status != 0:
            raise IOError(errno.EIO, out)

    return copy


SCP = {
    "read": old_scp("-f", b"\0\0\0"),
    "list": old_scp("-r -f", b"\0\0\0"),
    "write": old_scp("-t", b"C0644 7 name\ncontent\0"),
    "overwrite": old_scp("-t", b"C0644 7 name\ncontent\0"),
    "make-folder": old_scp("-r -t", b"D0755 0 name\nE\n"),
}
SFTP = {
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
DO = {"sftp": SFTP, "scp": SCP}[ARGS["over"]]
for line in sys.stdin:
    operation, path = line.rstrip("\n").split(" ", 1)
    try:
        DO[operation](path)
        denied = False
    except Exception as error:
        is_denial = isinstance(error, IOError) and error.errno == errno.EACCES
        denied = True if is_denial else "%s: %s" % (type(error).__name__, error)
    report(did=line.strip(), denied=denied)
