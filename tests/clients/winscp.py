"""What WinSCP asks of a server, packet by packet, where WinSCP itself does not run: an upload under a name of its own
that is then renamed, times set after the close, resuming, appending, a folder listed with its parent.

Arguments: phase, "break" (an upload is begun and the connection cut) or "resume" (it is gone on with, and all the rest).
"""

import os
import stat

import paramiko

from client import ARGS, check, equal, leave, noise
from rawsftp import *

PIECE = 32_768 - 13
CONTENT = noise(11, 900_000)
HALF = 400_000
TIMES = (1_500_000_000, 1_400_000_000)
raw = Raw(timeout=60)


def extended(name, *fields):
    """Type and body of the answer."""
    return raw.ask(EXTENDED, text(name) + b"".join(fields))


def attributes(path, kind=STAT):
    """Attributes of a path; None where nothing is."""
    found, body = raw.ask(kind, text(path))
    if found == STATUS:
        equal(struct.unpack(">I", body[:4])[0], NO_SUCH_FILE, "STAT of %r" % path)
        return None
    message = paramiko.Message(body)
    return paramiko.SFTPAttributes._from_msg(message)


def names(folder):
    """Names of a folder as READDIR gives them."""
    kind, body = raw.ask(OPENDIR, text(folder))
    equal(kind, HANDLE, "OPENDIR of %r" % folder)
    handle, found = raw.take(body)[0], []
    while (answer := raw.ask(READDIR, text(handle)))[0] == NAME:
        message = paramiko.Message(answer[1])
        for _ in range(message.get_int()):
            name, _ = message.get_binary(), message.get_binary()
            paramiko.SFTPAttributes._from_msg(message)
            found.append(name)
    equal(raw.close(handle), OK, "CLOSE of a folder")
    return found


def real(path):
    """The canonical form of a path."""
    kind, body = raw.ask(REALPATH, text(path))
    equal(kind, NAME, "REALPATH of %r" % path)
    return raw.take(body[4:])[0]


def pipelined(handle, content, at):
    """Writes as WinSCP does: all requests first, their answers after."""
    numbers = []
    for start in range(0, len(content), PIECE):
        body = text(handle) + struct.pack(">Q", at + start) + text(content[start : start + PIECE])
        numbers.append(raw.post(WRITE, body))
    for number in numbers:
        kind, body = raw.answer(number)
        equal((kind, body[:4]), (STATUS, struct.pack(">I", OK)), "WRITE")


def finish(part, target):
    """Times and mode after the close, the old file away, the part renamed over it."""
    times = struct.pack(">III", 4 | 8, 0o644, TIMES[0]) + struct.pack(">I", TIMES[1])
    equal(raw.status(SETSTAT, text(part) + times), OK, "SETSTAT of mode and times after the close")
    if attributes(target) is not None:
        equal(raw.status(REMOVE, text(target)), OK, "REMOVE of what is replaced")
    equal(raw.status(RENAME, text(part) + text(target)), OK, "RENAME of the part")
    found = attributes(target)
    equal((found.st_size, found.st_mtime, stat.S_IMODE(found.st_mode)), (len(CONTENT), TIMES[1], 0o644), "the file")
    check(attributes(part) is None, "the part is still there")


def get(path):
    handle, found = raw.open(path, FOR_READ), b""
    check(isinstance(handle, bytes), "OPEN of %r: %r" % (path, handle))
    while isinstance(piece := raw.read(handle, len(found), PIECE), bytes):
        found += piece
    equal(piece, EOF, "the end")
    equal(raw.close(handle), OK, "CLOSE")
    return found


def start():
    """The questions of the first seconds."""
    equal(real(b"."), b"/", "the first folder")
    equal(real(b"/here/../."), b"/", "a path that is none yet")
    kind, body = extended(b"statvfs@openssh.com", text(b"/"))
    equal((kind, len(body)), (EXTENDED_REPLY, 88), "statvfs")
    for path in b"/", b"/..", b"/.":
        check(stat.S_ISDIR(attributes(path).st_mode), "%r is no folder" % path)


def listings():
    equal(raw.status(MKDIR, text(b"/deep") + struct.pack(">I", 0)), OK, "MKDIR")
    equal(raw.status(MKDIR, text(b"/deep/er") + struct.pack(">I", 0)), OK, "MKDIR")
    found = names(b"/deep")
    check(b"er" in found, "%r" % found)
    equal(sorted(names(b"/deep/er/..")), sorted(found), "a folder by way of one in it")
    equal(real(b"/deep/er/.."), b"/deep", "up")
    equal(real(b"/deep/."), b"/deep", "here")
    check(b"deep" in names(b"/deep/../"), "the root, with a slash at its end")


def overwritten():
    """A second upload to the same name: the old one stays whole until the rename."""
    part = b"/file.dat.filepart"
    handle = raw.open(part, FOR_WRITE | CREATE | TRUNCATE)
    pipelined(handle, CONTENT[::-1], 0)
    equal(get(b"/file.dat"), CONTENT, "the old file while the new one arrives")
    equal(raw.close(handle), OK, "CLOSE")
    finish(part, b"/file.dat")
    equal(get(b"/file.dat"), CONTENT[::-1], "the new file")


def in_place():
    """Without a part: times by the handle before the close, then text appended, then a copy beside it."""
    handle = raw.open(b"/direct", FOR_WRITE | CREATE | TRUNCATE, struct.pack(">II", 4, 0o600))
    pipelined(handle, CONTENT, 0)
    times = struct.pack(">III", 8, *TIMES)
    equal(raw.status(FSETSTAT, text(handle) + times), OK, "FSETSTAT of times before the close")
    equal(raw.close(handle), OK, "CLOSE")
    equal((attributes(b"/direct").st_size, attributes(b"/direct").st_mtime), (len(CONTENT), TIMES[1]), "the file")
    handle = raw.open(b"/direct", FOR_WRITE | APPEND)
    check(isinstance(handle, bytes), "OPEN to append: %r" % handle)
    pipelined(handle, b"+more", len(CONTENT))
    equal(raw.close(handle), OK, "CLOSE")
    equal(get(b"/direct"), CONTENT + b"+more", "what was appended")
    source, sink = raw.open(b"/direct", FOR_READ), raw.open(b"/direct copy", FOR_WRITE | CREATE | TRUNCATE)
    kind, body = extended(b"copy-data", text(source), struct.pack(">QQ", 0, 0), text(sink), struct.pack(">Q", 0))
    equal((kind, body[:4]), (STATUS, struct.pack(">I", OK)), "copy-data")
    equal((raw.close(source), raw.close(sink)), (OK, OK), "CLOSE")
    equal(get(b"/direct copy"), CONTENT + b"+more", "the copy")


if ARGS["phase"] == "break":
    start()
    begun = raw.open(b"/file.dat.filepart", FOR_WRITE | CREATE | TRUNCATE)
    pipelined(begun, CONTENT[:HALF], 0)
    raw.transport.sock.close()
    os._exit(0)
start()
size = attributes(b"/file.dat.filepart").st_size
check(0 < size <= HALF, "%d bytes are left of %d" % (size, HALF))
again = raw.open(b"/file.dat.filepart", FOR_WRITE)
check(isinstance(again, bytes), "OPEN to resume: %r" % again)
pipelined(again, CONTENT[size:], size)
equal(raw.close(again), OK, "CLOSE")
finish(b"/file.dat.filepart", b"/file.dat")
equal(get(b"/file.dat"), CONTENT, "what was resumed")
overwritten()
in_place()
listings()
leave()
