"""The conformance table's driver for FTP and FTPS, any server's. Argument: over, the kind of the service."""

import datetime
import ftplib
import ssl

from client import ARGS
from conformance import Refused, long_entry, serve
from ftp_client import signed_in

DONE = {"done": True}
KINDS = {"file": "file", "dir": "folder", "OS.unix=symlink": "link", "OS.unix=slink": "link"}


def moment(time):
    """Seconds since 1970 as MFMT has them."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y%m%d%H%M%S")


def seconds(text):
    found = datetime.datetime.strptime(text[:14], "%Y%m%d%H%M%S")
    return int(found.replace(tzinfo=datetime.timezone.utc).timestamp())


def connected():
    # One character a byte, also where names are no text; the password is sent as the bytes that it is.
    password = ARGS["password"].encode().decode("latin-1")
    login = (ARGS["over"], ARGS["host"], ARGS["port"], ARGS["account"], password)
    return signed_in(*login, encoding="latin-1", source_address=(ARGS["from"], 0))


class Ftp:
    def __init__(self):
        self.ftp = connected()

    def send(self, verb, path, source, rest=None):
        self.ftp.voidcmd("TYPE I")
        trouble = None
        with open(source, "rb") as file, self.ftp.transfercmd("%s %s" % (verb, path), rest) as conn:
            try:
                while piece := file.read(1 << 16):
                    conn.sendall(piece)
                if isinstance(conn, ssl.SSLSocket):
                    conn.unwrap()
            except OSError as error:
                # Perhaps the server has refused it meanwhile, and says why.
                trouble = error
        self.ftp.voidresp()
        if trouble:
            raise trouble
        return DONE

    def put(self, path, source):
        return self.send("STOR", path, source)

    def put_at(self, path, source, offset):
        return self.send("STOR", path, source, rest=offset)

    def append(self, path, source):
        return self.send("APPE", path, source)

    def put_dated(self, path, source, time):
        self.send("STOR", path, source)
        self.ftp.voidcmd("MFMT %s %s" % (moment(time), path))
        return DONE

    def get(self, path, into):
        return self.get_from(path, into, None)

    def get_from(self, path, into, offset):
        with open(into, "wb") as file:
            self.ftp.retrbinary("RETR " + path, file.write, rest=offset)
        return {"got": True}

    def rename(self, path, to):
        self.ftp.rename(path, to)
        return DONE

    def delete(self, path):
        self.ftp.delete(path)
        return DONE

    def make_folder(self, path):
        self.ftp.voidcmd("MKD " + path)
        return DONE

    make_new_folder = make_folder

    def remove_folder(self, path):
        self.ftp.rmd(path)
        return DONE

    def lines(self, command):
        found = []
        self.ftp.retrlines(command, found.append)
        return found

    def list(self, path):
        def entry(line):
            facts, name = self.facts(line)
            kind = KINDS[facts["type"]]
            return [name, kind, int(facts["size"]) if kind == "file" else 0]

        own = ("cdir", "pdir")
        found = [line for line in self.lines("MLSD " + path) if self.facts(line)[0]["type"] not in own]
        return {"entries": [entry(line) for line in found]}

    def list_long(self, path):
        return {"entries": [long_entry(line) for line in self.lines("LIST " + path)]}

    def names(self, path):
        return {"names": self.lines("NLST " + path)}

    @staticmethod
    def facts(line):
        facts, _, name = line.partition(" ")
        pairs = [fact.partition("=") for fact in facts.rstrip(";").split(";")]
        return {fact.lower(): value for fact, _, value in pairs}, name

    def look(self, path):
        told = self.ftp.sendcmd("MLST " + path)
        return self.facts(told.splitlines()[1].lstrip(" "))[0]

    def stat(self, path):
        facts = self.look(path)
        kind = KINDS[facts["type"]]
        if kind != "file":
            return {"is": [kind, 0]}
        self.ftp.voidcmd("TYPE I")
        size = self.ftp.size(path)
        assert size == int(facts["size"]), "SIZE says %s and MLST %s" % (size, facts["size"])
        return {"is": [kind, size]}

    def modified(self, path):
        return {"time": seconds(self.ftp.sendcmd("MDTM " + path)[4:])}

    def set_modified(self, path, time):
        self.ftp.voidcmd("MFMT %s %s" % (moment(time), path))
        return DONE

    def mode(self, path):
        facts = self.look(path)
        if "unix.mode" not in facts:
            raise Refused(0, "MLST does not tell the mode")
        return {"mode": int(facts["unix.mode"], 8)}

    def set_mode(self, path, mode):
        self.ftp.voidcmd("SITE CHMOD %o %s" % (mode, path))
        return DONE

    def hash(self, path):
        return {"hash": self.ftp.sendcmd("HASH " + path).split(" ")[3].lower()}


class Steps:
    """The steps of `Ftp`: what the server refuses in its own words; a connection that it ended is begun anew."""

    def __init__(self):
        self.ftp = Ftp()

    def __getattr__(self, name):
        def step(**arguments):
            for path in {"path", "to"} & set(arguments):
                # TELNET's escape byte stands for itself where it is doubled (RFC 959, 4.1.3).
                arguments[path] = arguments[path].replace("\xff", "\xff\xff")
            try:
                return getattr(self.ftp, name)(**arguments)
            except ftplib.Error as error:
                raise Refused(int(str(error)[:3]), str(error)[4:])
            except (EOFError, OSError) as error:
                self.ftp = Ftp()
                raise Refused(0, "the connection ended: %s" % error)

        return step


serve(Steps())
