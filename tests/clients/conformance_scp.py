"""The conformance table's driver for the scp of old and the hash commands: a channel for each step, record by record."""

import contextlib
import shlex

from client import transport
from conformance import Refused, serve, to_bytes, to_text

DONE = {"done": True}


def quoted(path):
    return shlex.quote(path).encode("latin-1")


class Channel:
    """One program on the server."""

    def __init__(self, connection, command):
        self.channel = connection.open_session(timeout=20)
        self.channel.settimeout(30)
        self.channel.exec_command(command)
        self.rest = b""

    def exactly(self, count):
        """So many bytes, or those that came before the end."""
        while len(self.rest) < count:
            more = self.channel.recv(1 << 16)
            if not more:
                break
            self.rest += more
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def line(self):
        """Without its end; nothing: the end of the channel."""
        line = b""
        while (byte := self.exactly(1)) not in (b"", b"\n"):
            line += byte
        return line

    def accepted(self):
        """The answer to a record."""
        answer = self.exactly(1)
        if answer != b"\0":
            raise Refused(answer[0] if answer else -1, to_text(self.line()))

    def send(self, record):
        self.channel.sendall(record)
        self.accepted()

    def end(self):
        """The program's own end."""
        self.channel.shutdown_write()
        out = self.rest
        while more := self.channel.recv(1 << 16):
            out += more
        err = b""
        while more := self.channel.recv_stderr(1 << 16):
            err += more
        status = self.channel.recv_exit_status()
        return out, err, status


class Record:
    """What `scp -r -p -f` gives for a file or a folder."""

    def __init__(self, depth, kind, modified, line):
        mode, size, name = line[1:].split(b" ", 2)
        self.depth, self.kind, self.modified = depth, kind, modified
        self.mode, self.size, self.name = int(mode, 8), int(size), name
        self.content = b""


class Scp:
    def __init__(self):
        self.connection = transport()

    @contextlib.contextmanager
    def program(self, command, path):
        channel = Channel(self.connection, command + b" -- " + quoted(path))
        try:
            yield channel
        finally:
            channel.channel.close()

    def give(self, path, flags, records):
        """Sends records to `scp -t`."""
        with self.program(b"scp " + flags + b" -t", path) as channel:
            channel.accepted()
            for record in records:
                channel.send(record)
            out, err, status = channel.end()
        if status != 0:
            raise Refused(status, to_text(out + err))
        return DONE

    def file(self, path, source):
        with open(source, "rb") as file:
            content = file.read()
        name = to_bytes(path).rpartition(b"/")[2]
        return [b"C0644 %d %s\n" % (len(content), name), content + b"\0"]

    def put(self, path, source):
        return self.give(path, b"", self.file(path, source))

    def put_dated(self, path, source, time):
        return self.give(path, b"-p", [b"T%d 0 %d 0\n" % (time, time)] + self.file(path, source))

    def make_folder(self, path):
        name = to_bytes(path).rpartition(b"/")[2]
        return self.give(path, b"-r", [b"D0755 0 %s\n" % name, b"E\n"])

    def take(self, path, flags):
        """All that `scp -f` gives."""
        with self.program(b"scp " + flags + b" -f", path) as channel:
            found = self.records(channel)
            out, err, status = channel.end()
        if status != 0 or not found:
            raise Refused(status, to_text(out + err))
        return found

    @staticmethod
    def records(channel):
        found, depth, modified = [], 0, None
        channel.channel.sendall(b"\0")
        while line := channel.line():
            what = line[:1]
            if what in (b"\1", b"\2"):
                raise Refused(line[0], to_text(line[1:]))
            if what == b"T":
                modified = int(line[1:].split()[0])
            elif what == b"E":
                depth -= 1
            else:
                found.append(Record(depth, "folder" if what == b"D" else "file", modified, line))
                depth += what == b"D"
            channel.channel.sendall(b"\0")
            if what == b"C":
                found[-1].content = channel.exactly(found[-1].size)
                channel.accepted()
                channel.channel.sendall(b"\0")
        return found

    def get(self, path, into):
        found = self.take(path, b"")
        with open(into, "wb") as file:
            file.write(found[0].content)
        return {"got": True}

    def inside(self, path):
        return [record for record in self.take(path, b"-r") if record.depth == 1]

    def list(self, path):
        return {"entries": [[to_text(one.name), one.kind, one.size] for one in self.inside(path)]}

    def names(self, path):
        return {"names": [to_text(one.name) for one in self.inside(path)]}

    def look(self, path):
        return self.take(path, b"-r -p")[0]

    def stat(self, path):
        found = self.look(path)
        return {"is": [found.kind, found.size]}

    def modified(self, path):
        return {"time": self.look(path).modified}

    def mode(self, path):
        return {"mode": self.look(path).mode}

    def hash(self, path):
        with self.program(b"sha256sum", path) as channel:
            out, err, status = channel.end()
        if status != 0:
            raise Refused(status, to_text(err))
        return {"hash": to_text(out).lstrip("\\").split(" ")[0]}


serve(Scp())
