"""Tries to leave the account's folders by every spelling. Arguments: marker, what the files outside hold;
outside, absolute paths of files that exist outside on the node's disk."""

import paramiko

from client import ARGS, check, equal, leave
from rawsftp import *

raw = Raw()
MARKER = ARGS["marker"].encode()


def read_all(path):
    handle = raw.open(path, FOR_READ)
    if not isinstance(handle, bytes):
        return b""
    found = raw.read(handle, 0, 100_000)
    raw.close(handle)
    return found if isinstance(found, bytes) else b""


def closed(path, what):
    """Nothing of the outside is seen at `path`."""
    check(MARKER not in read_all(path), "%s: the outside can be read by %r" % (what, path))
    for kind in (OPENDIR,):
        found, body = raw.ask(kind, text(path))
        if found == HANDLE:
            handle = raw.take(body)[0]
            found, body = raw.ask(READDIR, text(handle))
            check(found != NAME or b"outside-marker" not in body, "%s: the outside can be listed by %r" % (what, path))
            raw.close(handle)


def spellings(outside):
    """Ways to write a path to `outside` (absolute)."""
    up = b"../" * 30
    plain = outside.lstrip(b"/")
    yield outside
    yield up + plain
    yield b"/" + up + plain
    yield b"/x/" + up + plain
    yield b"/./../" + up + plain
    yield b"//" + up + plain
    yield b"..\\" * 30 + plain.replace(b"/", b"\\")
    yield b"/..%2f..%2f..%2f..%2f" + plain
    yield b"/%2e%2e/%2e%2e/%2e%2e/" + plain
    yield b"/..;/..;/..;/" + plain
    yield b"/....//....//....//" + plain
    yield b"/\xc0\xae\xc0\xae/\xc0\xae\xc0\xae/" + plain
    yield b"/proc/self/root/" + plain
    yield b"~/../" + up + plain
    yield b"~root/" + plain
    yield b"file://" + outside


for path in ARGS["outside"]:
    path = path.encode()
    for spelling in spellings(path):
        closed(spelling, "a path")
        status = raw.status(REMOVE, text(spelling))
        check(status != OK, "REMOVE of %r was answered with OK" % spelling)
        status = raw.status(RENAME, text(spelling) + text(b"/stolen"))
        check(status != OK, "RENAME of %r was answered with OK" % spelling)

# Links that a client makes: either refused, or they lead nowhere outside.
for number, path in enumerate(ARGS["outside"]):
    path = path.encode()
    for kind, target in enumerate((path, b"../" * 30 + path.lstrip(b"/"), path.rpartition(b"/")[0], b"/", b"..", b"../..")):
        link = b"/link-%d-%d" % (number, kind)
        # OpenSSH's order, which all servers follow: target first.
        raw.status(SYMLINK, text(target) + text(link))
        closed(link, "a link to %r" % target)
        closed(link + b"/" + path.rpartition(b"/")[2], "a link to %r" % target)
        closed(link + path, "a link to %r" % target)
        handle = raw.open(link, FOR_WRITE | CREATE)
        if isinstance(handle, bytes):
            raw.write(handle, 0, b"overwritten by a link")
            raw.close(handle)

# Links that somebody planted on the storage past the product.
for name in ("planted-file", "planted-folder", "planted-relative"):
    closed(b"/" + name.encode(), "a planted link")
    closed(b"/" + name.encode() + b"/outside-marker", "a planted link")
    status = raw.status(MKDIR, text(b"/" + name.encode() + b"/made") + b"\0\0\0\0")
    check(status != OK, "a folder was made through the planted link %s" % name)

# A hard link to what is outside.
for path in ARGS["outside"]:
    status = raw.status(EXTENDED, text(b"hardlink@openssh.com") + text(path.encode()) + text(b"/hard"))
    check(status != OK, "a hard link to %s was made" % path)
check(raw.alive(), "the session ended on the way")
leave()
