"""The conformance table's driver for SFTP, packet by packet: the server's own codes and names that are bytes."""

import stat
import struct

from conformance import Refused, long_entry, serve, to_bytes, to_text
from rawsftp import *

DONE = {"done": True}
# A request carries at most so much, whatever a server may take.
PIECE = 32_768
SIZE_IS, MODE_IS, TIMES_ARE, OWNER_IS = 1, 4, 8, 2


def kind_of(mode):
    return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"


class Sftp:
    def __init__(self):
        self.raw = Raw()

    def ask(self, kind, body):
        """Type and body of the answer; a status other than OK and EOF is a refusal."""
        found, answer = self.raw.ask(kind, body)
        if found == STATUS:
            (code,) = struct.unpack(">I", answer[:4])
            if code not in (OK, EOF):
                raise Refused(code, to_text(Raw.take(answer[4:])[0]))
        return found, answer

    def change(self, kind, body):
        self.ask(kind, body)
        return DONE

    def open(self, path, flags):
        _, answer = self.ask(OPEN, text(to_bytes(path)) + struct.pack(">I", flags) + b"\0\0\0\0")
        return text(Raw.take(answer)[0])

    def send(self, path, source, flags, offset=0):
        handle = self.open(path, flags)
        with open(source, "rb") as file:
            while piece := file.read(PIECE):
                self.ask(WRITE, handle + struct.pack(">Q", offset) + text(piece))
                offset += len(piece)
        return self.change(CLOSE, handle)

    def put(self, path, source):
        return self.send(path, source, FOR_WRITE | CREATE | TRUNCATE)

    def put_at(self, path, source, offset):
        return self.send(path, source, FOR_WRITE, offset)

    def append(self, path, source):
        return self.send(path, source, FOR_WRITE | CREATE | APPEND)

    def put_dated(self, path, source, time):
        self.put(path, source)
        return self.set_modified(path, time)

    def get_from(self, path, into, offset):
        handle = self.open(path, FOR_READ)
        with open(into, "wb") as file:
            while True:
                found, answer = self.ask(READ, handle + struct.pack(">QI", offset, PIECE))
                if found != DATA:
                    break
                piece = Raw.take(answer)[0]
                offset += len(piece)
                file.write(piece)
        self.ask(CLOSE, handle)
        return {"got": True}

    def get(self, path, into):
        return self.get_from(path, into, 0)

    def rename(self, path, to):
        """Over what has the name: an extension of OpenSSH's."""
        return self.change(EXTENDED, text(b"posix-rename@openssh.com") + text(to_bytes(path)) + text(to_bytes(to)))

    def rename_new(self, path, to):
        return self.change(RENAME, text(to_bytes(path)) + text(to_bytes(to)))

    def delete(self, path):
        return self.change(REMOVE, text(to_bytes(path)))

    def make_folder(self, path):
        return self.change(MKDIR, text(to_bytes(path)) + b"\0\0\0\0")

    make_new_folder = make_folder

    def remove_folder(self, path):
        return self.change(RMDIR, text(to_bytes(path)))

    def link(self, path, target):
        # OpenSSH's order, which all servers follow: target first.
        return self.change(SYMLINK, text(to_bytes(target)) + text(to_bytes(path)))

    def read_folder(self, path):
        """Name, long name and attributes of all entries."""
        _, answer = self.ask(OPENDIR, text(to_bytes(path)))
        handle = text(Raw.take(answer)[0])
        found = []
        while True:
            kind, answer = self.ask(READDIR, handle)
            if kind != NAME:
                break
            (count,), rest = struct.unpack(">I", answer[:4]), answer[4:]
            for _ in range(count):
                name, rest = Raw.take(rest)
                long, rest = Raw.take(rest)
                attributes, rest = self.attributes(rest)
                if name not in (b".", b".."):
                    found.append((to_text(name), to_text(long), attributes))
        self.ask(CLOSE, handle)
        return found

    @staticmethod
    def attributes(body):
        """Size, mode and modification time at the start, and the rest."""
        (flags,), body = struct.unpack(">I", body[:4]), body[4:]
        size = mode = modified = None
        if flags & SIZE_IS:
            (size,), body = struct.unpack(">Q", body[:8]), body[8:]
        if flags & OWNER_IS:
            body = body[8:]
        if flags & MODE_IS:
            (mode,), body = struct.unpack(">I", body[:4]), body[4:]
        if flags & TIMES_ARE:
            (_, modified), body = struct.unpack(">II", body[:8]), body[8:]
        return (size, mode, modified), body

    def list(self, path):
        def entry(name, size, mode):
            kind = kind_of(mode)
            return [name, kind, size if kind == "file" else 0]

        return {"entries": [entry(name, size, mode) for name, _, (size, mode, _) in self.read_folder(path)]}

    def list_long(self, path):
        return {"entries": [long_entry(long) for _, long, _ in self.read_folder(path)]}

    def names(self, path):
        return {"names": [name for name, _, _ in self.read_folder(path)]}

    def look(self, path):
        return self.attributes(self.ask(STAT, text(to_bytes(path)))[1])[0]

    def stat(self, path):
        size, mode, _ = self.look(path)
        kind = kind_of(mode)
        return {"is": [kind, size if kind == "file" else 0]}

    def modified(self, path):
        return {"time": self.look(path)[2]}

    def mode(self, path):
        return {"mode": self.look(path)[1] & 0o7777}

    def set_modified(self, path, time):
        return self.change(SETSTAT, text(to_bytes(path)) + struct.pack(">III", TIMES_ARE, time, time))

    def set_mode(self, path, mode):
        return self.change(SETSTAT, text(to_bytes(path)) + struct.pack(">II", MODE_IS, mode))

    def hash(self, path):
        body = text(to_bytes(path)) + text(b"sha256") + struct.pack(">QQI", 0, 0, 0)
        _, answer = self.ask(EXTENDED, text(b"check-file-name") + body)
        _, answer = Raw.take(answer)
        algorithm, found = Raw.take(answer)
        assert algorithm == b"sha256", algorithm
        return {"hash": found.hex()}


serve(Sftp())
