"""The EXTENDED requests: packet by packet on names that are not UTF-8, then paramiko's hashes and asyncssh's copy."""

import asyncio
import hashlib

import asyncssh

from client import ARGS, asyncssh_options, check, equal, leave, noise, paramiko_sftp
from rawsftp import *

ODD = b"/" + ARGS["folder"].encode() + b"-\xff\xfe\n\x80"
CONTENT = noise(5, 700_001)
raw = Raw(timeout=60)


def extended(name, *fields):
    """Type and body of the answer."""
    return raw.ask(EXTENDED, text(name) + b"".join(fields))


def code(name, *fields):
    """The code of a status answer, or of no status at all: -type."""
    found, body = extended(name, *fields)
    return struct.unpack(">I", body[:4])[0] if found == STATUS else -found


def only_name(answer, what):
    """The one name of a NAME answer."""
    kind, body = answer
    check(kind == NAME and body[:4] == b"\0\0\0\1", "%s: type %d, %r" % (what, kind, body[:80]))
    return raw.take(body[4:])[0]


def number(*values):
    return b"".join(struct.pack(">Q", value) for value in values)


def put(path, content):
    handle = raw.open(path, FOR_WRITE | CREATE | TRUNCATE)
    check(isinstance(handle, bytes), "OPEN of %r: %r" % (path, handle))
    for at in range(0, len(content), 200_000):
        equal(raw.write(handle, at, content[at : at + 200_000]), OK, "WRITE")
    equal(raw.close(handle), OK, "CLOSE")


def get(path):
    handle, found = raw.open(path, FOR_READ), b""
    while isinstance(piece := raw.read(handle, len(found), 200_000), bytes):
        found += piece
    equal(raw.close(handle), OK, "CLOSE")
    return found


def announced():
    for name, value in {
        b"posix-rename@openssh.com": b"1", b"statvfs@openssh.com": b"2", b"fstatvfs@openssh.com": b"2",
        b"hardlink@openssh.com": b"1", b"fsync@openssh.com": b"1", b"lsetstat@openssh.com": b"1",
        b"limits@openssh.com": b"1", b"expand-path@openssh.com": b"1", b"copy-data": b"1", b"home-directory": b"1",
        b"users-groups-by-id@openssh.com": b"1", b"md5-hash": b"1", b"md5-hash-handle": b"1",
    }.items():
        equal(raw.extensions.get(name), value, "what is announced of %r" % name)
    for name in (b"check-file", b"check-file-handle", b"check-file-name"):
        equal(set(raw.extensions[name].split(b",")), {b"md5", b"sha1", b"sha256", b"sha384", b"sha512"}, "hashes")


def homes_and_names():
    account = ARGS["account"].encode()
    for sent, expected in {b"~": b"/", b"~/a\xff/../b": b"/b", b"~" + account + b"/x": b"/x", b"c": b"/c"}.items():
        equal(only_name(extended(b"expand-path@openssh.com", text(sent)), "expand-path"), expected, "of %r" % sent)
    equal(code(b"expand-path@openssh.com", text(b"~nobody/x")), NO_SUCH_FILE, "another's home")
    for user in (b"", account):
        equal(only_name(extended(b"home-directory", text(user)), "home-directory"), b"/", "home of %r" % user)
    equal(code(b"home-directory", text(b"nobody")), NO_SUCH_FILE, "another's home")
    kind, body = raw.ask(STAT, text(ODD))
    user, group = struct.unpack(">II", body[12:20])
    numbers = struct.pack(">II", user, 4_000_000_000)
    kind, body = extended(b"users-groups-by-id@openssh.com", text(numbers), text(struct.pack(">I", group)))
    equal(kind, EXTENDED_REPLY, "users-groups-by-id")
    users, body = raw.take(body)
    groups, body = raw.take(body)
    equal((users, groups, body), (text(account) + text(b""), text(account), b""), "names")
    equal(code(b"users-groups-by-id@openssh.com", text(b"123"), text(b"")), BAD_MESSAGE, "half a number")


def attributes_of_links():
    link = ODD + b"-link"
    equal(raw.status(SYMLINK, text(ODD) + text(link)), OK, "SYMLINK")
    times = struct.pack(">III", 8, 1_000_000_000, 1_100_000_000)
    equal(code(b"lsetstat@openssh.com", text(link), times), OK, "lsetstat")
    kind, body = raw.ask(LSTAT, text(link))
    equal(struct.unpack(">II", body[-8:]), (1_000_000_000, 1_100_000_000), "times of the link")
    kind, body = raw.ask(STAT, text(link))
    check(struct.unpack(">II", body[-8:])[1] != 1_100_000_000, "lsetstat changed the target")
    equal(code(b"lsetstat@openssh.com", text(link), struct.pack(">II", 4, 0o600)), OP_UNSUPPORTED, "mode of a link")
    equal(code(b"lsetstat@openssh.com", text(ODD), struct.pack(">II", 4, 0o640)), OK, "mode of a file")
    equal(raw.status(REMOVE, text(link)), OK, "REMOVE")


def space_by_handle():
    handle = raw.open(ODD, FOR_READ)
    kind, body = extended(b"fstatvfs@openssh.com", text(handle))
    equal((kind, len(body)), (EXTENDED_REPLY, 88), "fstatvfs")
    raw.close(handle)
    equal(code(b"fstatvfs@openssh.com", text(handle)), FAILURE, "fstatvfs of a closed handle")


def copies():
    target = ODD + b"-copy"
    source, sink = raw.open(ODD, FOR_READ), raw.open(target, FOR_WRITE | CREATE | TRUNCATE)
    equal(code(b"copy-data", text(source), number(0, 0), text(sink), number(0)), OK, "copy-data")
    equal(code(b"copy-data", text(source), number(1000, 10), text(sink), number(0)), OK, "copy-data of a part")
    equal(code(b"copy-data", text(source), number(0, 1 << 40), text(sink), number(0)), EOF, "more than there is")
    equal(code(b"copy-data", text(sink), number(0, 10), text(sink), number(5)), OP_UNSUPPORTED, "from a write handle")
    equal(code(b"copy-data", text(source), number(0, 10), text(source), number(5)), OP_UNSUPPORTED, "to a read handle")
    equal(code(b"copy-data", text(b"12345678"), number(0, 0), text(sink), number(0)), FAILURE, "no such handle")
    equal((raw.close(source), raw.close(sink)), (OK, OK), "CLOSE")
    equal(get(target), CONTENT, "the copy")
    both = raw.open(target, FOR_READ | FOR_WRITE)
    equal(code(b"copy-data", text(both), number(0, 100), text(both), number(99)), OP_UNSUPPORTED, "an overlap")
    equal(code(b"copy-data", text(both), number(0, 100), text(both), number(100)), OK, "one beside the other")
    equal(raw.read(both, 100, 100), CONTENT[:100], "what was copied")
    raw.close(both)
    equal(raw.status(REMOVE, text(target)), OK, "REMOVE")


def hashes():
    handle = raw.open(ODD, FOR_READ)
    for name, first in ((b"check-file-name", ODD), (b"check-file-handle", handle), (b"check-file", handle)):
        for wanted in (b"md5", b"sha1", b"sha256", b"sha384", b"sha512"):
            for start, length, piece in ((0, 0, 0), (10, 1000, 0), (0, 0, 300_000), (5, 200_000, 256)):
                kind, body = extended(
                    name, text(first), text(b"crc32," + wanted), number(start, length), struct.pack(">I", piece))
                equal(kind, EXTENDED_REPLY, "%r %r %r" % (name, wanted, body[:80]))
                said, body = raw.take(body)
                used, body = raw.take(body)
                equal((said, used), (b"check-file", wanted), "what was hashed")
                part = CONTENT[start : start + length] if length else CONTENT[start:]
                pieces = [part[at : at + piece] for at in range(0, len(part), piece)] if piece else [part]
                expected = b"".join(hashlib.new(wanted.decode(), one).digest() for one in pieces)
                equal(body, expected, "%r %r %d %d %d" % (name, wanted, start, length, piece))
    ask = lambda list_, piece: code(b"check-file-name", text(ODD), text(list_), number(0, 0), struct.pack(">I", piece))
    equal(ask(b"crc32", 0), FAILURE, "an unknown hash")
    equal(ask(b"md5", 255), FAILURE, "a piece that is too short")
    equal(ask(b"sha512", 256), -EXTENDED_REPLY, "as many hashes as fit")
    for name, first in ((b"md5-hash", ODD), (b"md5-hash-handle", handle)):
        whole = hashlib.md5(CONTENT).digest()
        quick = hashlib.md5(CONTENT[:2048]).digest()
        for sent, expected in ((b"", whole), (quick, whole), (b"x" * 16, b"")):
            kind, body = extended(name, text(first), number(0, 0), text(sent))
            equal(kind, EXTENDED_REPLY, "%r: %r" % (name, body[:80]))
            said, body = raw.take(body)
            found, body = raw.take(body)
            equal((said, found, body), (b"md5-hash", expected, b""), "%r after %r" % (name, sent))
        part = hashlib.md5(CONTENT[7:1007]).digest()
        kind, body = extended(name, text(first), number(7, 1000), text(part))
        equal(raw.take(raw.take(body)[1])[0], part, "a part shorter than the quick check")
    raw.close(handle)
    equal(code(b"md5-hash", text(b"/missing"), number(0, 0), text(b"")), NO_SUCH_FILE, "a missing file")
    equal(code(b"md5-hash", text(b"/"), number(0, 0), text(b"")), FAILURE, "a folder")


def with_paramiko():
    client = paramiko_sftp()
    with client.open(ODD, "rb") as file:
        equal(file.check("sha1"), hashlib.sha1(CONTENT).digest(), "paramiko's check")
        equal(file.check("md5", 0, 0, 400_000), b"".join(
            hashlib.md5(part).digest() for part in (CONTENT[:400_000], CONTENT[400_000:])), "by blocks")


async def with_asyncssh():
    async with asyncssh.connect(**asyncssh_options()) as connection:
        async with connection.start_sftp_client() as client:
            check(client.supports_remote_copy, "asyncssh sees no copy-data")
            await client.remote_copy(ODD, ODD + b"-far")
            async with client.open(ODD + b"-far", "rb", encoding=None) as file:
                equal(await file.read(), CONTENT, "asyncssh's copy on the server")
            await client.remove(ODD + b"-far")


put(ODD, CONTENT)
for step in (announced, homes_and_names, attributes_of_links, space_by_handle, copies, hashes, with_paramiko):
    step()
asyncio.run(with_asyncssh())
check(raw.alive(), "the channel ended")
equal(raw.status(REMOVE, text(ODD)), OK, "REMOVE")
leave()
