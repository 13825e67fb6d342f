"""SFTP version 3 packet by packet over a paramiko channel: right ones, and any bytes at all."""

import struct

from client import transport

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = range(1, 11)
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = range(11, 21)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, _, _, OP_UNSUPPORTED = range(9)
FOR_READ, FOR_WRITE, APPEND, CREATE, TRUNCATE, EXCLUSIVE = 1, 2, 4, 8, 16, 32


class Ended(Exception):
    """The server ended the channel."""


def text(value):
    """A string of the protocol."""
    return struct.pack(">I", len(value)) + value


class Raw:
    """One SFTP channel."""

    def __init__(self, connection=None, init=True, timeout=20):
        self.transport = connection or transport()
        self.channel = self.transport.open_session(timeout=timeout)
        self.channel.settimeout(timeout)
        self.channel.invoke_subsystem("sftp")
        self.number = 0
        self.extensions = {}
        if init:
            self.send(bytes([INIT]) + struct.pack(">I", 3))
            kind, body = self.receive()
            assert kind == VERSION and struct.unpack(">I", body[:4]) == (3,), (kind, body)
            rest = body[4:]
            while rest:
                name, rest = self.take(rest)
                value, rest = self.take(rest)
                self.extensions[name] = value

    @staticmethod
    def take(body):
        """The string at the start, and the rest."""
        (length,) = struct.unpack(">I", body[:4])
        assert len(body) >= 4 + length, body[:100]
        return body[4 : 4 + length], body[4 + length :]

    def send(self, packet):
        """One packet: its length is added."""
        self.channel.sendall(struct.pack(">I", len(packet)) + packet)

    def exactly(self, count):
        """So many bytes of the answer."""
        found = b""
        while len(found) < count:
            more = self.channel.recv(count - len(found))
            if not more:
                raise Ended()
            found += more
        return found

    def receive(self):
        """Type and body of the next packet."""
        (length,) = struct.unpack(">I", self.exactly(4))
        assert 1 <= length <= 1 << 20, "a packet of %d bytes was announced" % length
        packet = self.exactly(length)
        return packet[0], packet[1:]

    def post(self, kind, body):
        """Sends a request, gives its number."""
        self.number += 1
        self.send(bytes([kind]) + struct.pack(">I", self.number) + body)
        return self.number

    def answer(self, number):
        """The next answer, which must be to `number`: its type, and its body without the number."""
        kind, body = self.receive()
        assert body[:4] == struct.pack(">I", number), "an answer to another request: %r" % body[:4]
        return kind, body[4:]

    def ask(self, kind, body):
        """Sends a request and waits for its answer."""
        return self.answer(self.post(kind, body))

    def status(self, kind, body):
        """The code of a status answer, or of no status at all: -type."""
        found, answer = self.ask(kind, body)
        return struct.unpack(">I", answer[:4])[0] if found == STATUS else -found

    def open(self, path, flags, attributes=b"\0\0\0\0"):
        """A handle, or the status code."""
        kind, body = self.ask(OPEN, text(path) + struct.pack(">I", flags) + attributes)
        return self.take(body)[0] if kind == HANDLE else struct.unpack(">I", body[:4])[0]

    def close(self, handle):
        """The status code."""
        return self.status(CLOSE, text(handle))

    def read(self, handle, offset, length):
        """Bytes, or the status code."""
        kind, body = self.ask(READ, text(handle) + struct.pack(">QI", offset, length))
        return self.take(body)[0] if kind == DATA else struct.unpack(">I", body[:4])[0]

    def write(self, handle, offset, data):
        """The status code."""
        return self.status(WRITE, text(handle) + struct.pack(">Q", offset) + text(data))

    def alive(self):
        """Whether the channel still answers a plain question."""
        kind, body = self.ask(REALPATH, text(b"."))
        return kind == NAME
