"""Packets that no right client sends, each on a channel of its own, next to a witness that must not notice.

A packet is answered with a status, or its channel or connection ends: silence is a failure.
"""

import socket
import struct

import paramiko

from client import check, equal, leave, transport
from rawsftp import *

REFUSED = (FAILURE, BAD_MESSAGE, NO_SUCH_FILE)
witness = Raw()


def end_of(raw, what):
    """The answer's code, or `ended`."""
    try:
        kind, body = raw.receive()
        return struct.unpack(">I", body[4:8])[0] if kind == STATUS else "type %d" % kind
    except (Ended, EOFError, OSError, paramiko.SSHException) as error:
        check(not isinstance(error, socket.timeout), "%s: no answer and no end" % what)
        return "ended"


def shapes():
    """Bytes that are no request: name, bytes, accepted ends."""
    number = struct.pack(">I", 77)
    yield "a length of 4 GiB", b"\xff\xff\xff\xff" + b"\x05" + number, ("ended", BAD_MESSAGE)
    yield "a length over the sign bit", b"\x80\x00\x00\x01" + b"\x05" + number, ("ended", BAD_MESSAGE)
    yield "a length of 16 MiB", struct.pack(">I", 16 << 20) + b"\x06" + number, ("ended", BAD_MESSAGE)
    yield "a length of 0", b"\0\0\0\0", ("ended", BAD_MESSAGE)
    yield "a type without a number", struct.pack(">I", 1) + b"\x05", ("ended", BAD_MESSAGE)
    for kind in (0, 21, 99, 101, 105, 199, 201, 255):
        packet = bytes([kind]) + number
        yield "the type %d" % kind, struct.pack(">I", len(packet)) + packet, (OP_UNSUPPORTED, BAD_MESSAGE, "ended")
    for kind in (OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR,
                 REALPATH, STAT, RENAME, READLINK, SYMLINK, EXTENDED):
        for what, body in (
            ("nothing in it", b""),
            ("half a length in it", b"\0\0"),
            ("a string longer than the packet", b"\0\0\xff\xff/x"),
            ("a string of 4 GiB", b"\xff\xff\xff\xff/x"),
        ):
            packet = bytes([kind]) + number + body
            yield "type %d with %s" % (kind, what), struct.pack(">I", len(packet)) + packet, (BAD_MESSAGE, FAILURE, OP_UNSUPPORTED, "ended")


def broken_shapes():
    for what, sent, accepted in shapes():
        raw = Raw()
        raw.channel.sendall(sent)
        found = end_of(raw, what)
        check(found in accepted, "%s: %r, expected one of %r" % (what, found, accepted))
        if found != "ended":
            check(raw.alive(), "%s: the channel was answered and then stopped" % what)
        raw.transport.close()
        check(witness.alive(), "%s: another session noticed" % what)


def before_init():
    raw = Raw(init=False)
    raw.post(STAT, text(b"/"))
    check(end_of(raw, "a request before INIT") in ("ended", BAD_MESSAGE, FAILURE), "a request before INIT was served")
    raw.transport.close()
    raw = Raw()
    raw.send(bytes([INIT]) + struct.pack(">I", 3))
    check(end_of(raw, "a second INIT") in ("ended", BAD_MESSAGE, FAILURE, OP_UNSUPPORTED, "type 2"), "a second INIT")
    raw.transport.close()


def wrong_values():
    raw = Raw()
    for handle in (b"", b"\0\0\0\1", b"99999999", b"/etc/passwd", b"h" * 256, b"h" * 300):
        check(raw.close(handle) in REFUSED, "CLOSE of the unknown handle %r" % handle[:20])
        check(raw.read(handle, 0, 100) in REFUSED, "READ of the unknown handle %r" % handle[:20])
        check(raw.write(handle, 0, b"x") in REFUSED, "WRITE of the unknown handle %r" % handle[:20])
    equal(raw.status(EXTENDED, text(b"no-such@example.com") + b"junk"), OP_UNSUPPORTED, "an unknown extension")
    folder = raw.ask(OPENDIR, text(b"/"))
    equal(folder[0], HANDLE, "OPENDIR")
    folder = raw.take(folder[1])[0]
    check(raw.read(folder, 0, 10) in REFUSED, "READ of a folder's handle")
    equal(raw.close(folder), OK, "CLOSE of a folder")
    check(raw.close(folder) in REFUSED, "a second CLOSE")
    file = raw.open(b"/values", FOR_READ | FOR_WRITE | CREATE | TRUNCATE)
    check(isinstance(file, bytes), "OPEN: %r" % file)
    equal(raw.write(file, 0, b"0123456789"), OK, "WRITE")
    check(raw.status(READDIR, text(file)) in REFUSED, "READDIR of a file's handle")
    for offset in (1 << 63, (1 << 64) - 1):
        found = raw.read(file, offset, 10)
        check(found in REFUSED + (EOF, OP_UNSUPPORTED), "READ at %d: %r" % (offset, found))
    check(raw.write(file, (1 << 64) - 1, b"xx") not in (OK, EOF), "WRITE at 2^64 - 1 was taken")
    check(raw.write(file, (1 << 63) - 1, b"xx") not in (OK, EOF), "WRITE over 2^63 was taken")
    equal(raw.read(file, 4, 0xFFFFFFFF), b"456789", "READ of 4 GiB")
    equal(raw.read(file, 10, 1), EOF, "READ at the end")
    equal(raw.close(file), OK, "CLOSE")
    for path in (b"/a\0b", b"/" + b"x" * 5000, b"/" + b"x/" * 3000):
        check(raw.status(STAT, text(path)) in (NO_SUCH_FILE, FAILURE, BAD_MESSAGE), "STAT of %r" % path[:20])

    found = raw.open(b"/values", FOR_READ, struct.pack(">I", 0xFFFFFFFF))
    check(found in (BAD_MESSAGE, FAILURE, OP_UNSUPPORTED), "OPEN with unknown attribute flags: %r" % found)
    check(raw.alive(), "the channel no longer answers")
    raw.transport.close()


def cut_short():
    """Ends in the middle of a packet: nothing of it is done."""
    raw = Raw()
    packet = bytes([REMOVE]) + struct.pack(">I", 5) + text(b"/values")
    raw.channel.sendall(struct.pack(">I", len(packet)) + packet[:-3])
    raw.channel.shutdown_write()
    check(end_of(raw, "an end inside a packet") in ("ended", BAD_MESSAGE), "an end inside a packet")
    raw.transport.close()
    check(witness.status(STAT, text(b"/values")) != NO_SUCH_FILE, "half a REMOVE was carried out")


def flood():
    """Many requests without reading an answer: memory is bounded, and all are answered once somebody reads."""
    raw = Raw(timeout=60)
    import threading

    count = 20_000

    def ask():
        for _ in range(count):
            raw.post(STAT, text(b"/"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(2)
    for _ in range(count):
        kind, _ = raw.receive()
        check(kind == ATTRS, "a flood of STAT was answered with type %d" % kind)
    raw.transport.close()


for step in (wrong_values, before_init, broken_shapes, cut_short, flood):
    step()
    check(witness.alive(), "%s: another session noticed" % step.__name__)
leave()
