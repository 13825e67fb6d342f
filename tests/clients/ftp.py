"""ftplib against one service: `ftp.py HOST PORT USER PASSWORD KIND FOLDER`; KIND is ftp, ftps or ftps-implicit.

Bytes are compared here; what was found is printed as one JSON line.
"""

import ftplib
import hashlib
import io
import json
import random
import socket
import ssl
import sys


class Reusing(ftplib.FTP_TLS):
    """Data connections resume the control connection's session."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


class Implicit(Reusing):
    """TLS from the first byte."""

    def connect(self, host="", port=0, timeout=-999, source_address=None):
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), 30)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def client(kind):
    if kind == "ftp":
        return ftplib.FTP(timeout=30)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return (Implicit if kind == "ftps-implicit" else Reusing)(context=context, timeout=30)


def check(ftp, folder):
    content = random.Random(7).randbytes(3_000_001)
    ftp.mkd(folder)
    ftp.cwd(folder)
    assert ftp.pwd() == folder, ftp.pwd()
    ftp.storbinary("STOR f", io.BytesIO(content))
    assert ftp.size("f") == len(content)
    back = io.BytesIO()
    ftp.retrbinary("RETR f", back.write)
    assert back.getvalue() == content, "a download"
    back = io.BytesIO()
    ftp.retrbinary("RETR f", back.write, rest=1_000_000)
    assert back.getvalue() == content[1_000_000:], "a download from the middle"
    ftp.storbinary("STOR g", io.BytesIO(content[:1_000_000]))
    ftp.storbinary("STOR g", io.BytesIO(content[1_000_000:]), rest=1_000_000)
    hashed = ftp.sendcmd("HASH g").split()
    assert hashlib.sha256(content).hexdigest() in hashed, hashed
    facts = dict(ftp.mlsd(facts=["type", "size"]))
    assert facts["g"] == {"type": "file", "size": str(len(content))}, facts
    assert sorted(ftp.nlst()) == ["f", "g"], ftp.nlst()
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert len(lines) == 2, lines
    ftp.storlines("STOR text", io.BytesIO(b"a\nb\n"))
    lines = []
    ftp.retrlines("RETR text", lines.append)
    assert lines == ["a", "b"], lines
    ftp.rename("g", "h\u00e9")
    ftp.sendcmd("MFMT 20200102030405 h\u00e9")
    assert ftp.sendcmd("MDTM h\u00e9") == "213 20200102030405"
    conn = ftp.transfercmd("RETR f")
    conn.recv(1000)
    assert ftp.abort()[:3] in ("426", "226"), "ABOR"
    conn.close()
    assert ftp.getresp()[:3] == "226"
    assert ftp.sendcmd("NOOP")[:3] == "200"
    for name in ("f", "h\u00e9", "text"):
        ftp.delete(name)
    ftp.cwd("/")
    ftp.rmd(folder)
    for line, code in (("XYZZY", "500"), ("MODE Z", "504"), ("SITE EXEC ls", "502"), ("CWD missing", "550")):
        try:
            ftp.sendcmd(line)
            raise AssertionError(line)
        except ftplib.error_perm as error:
            assert str(error).startswith(code), error


def main():
    host, port, user, password, kind, folder = sys.argv[1:7]
    ftp = client(kind)
    ftp.connect(host, int(port))
    ftp.login(user, password)
    if kind != "ftp":
        ftp.prot_p()
    check(ftp, folder)
    ftp.set_pasv(False)
    out = io.BytesIO(b"active")
    ftp.storbinary("STOR active", out)
    back = io.BytesIO()
    ftp.retrbinary("RETR active", back.write)
    assert back.getvalue() == b"active"
    ftp.delete("active")
    ftp.quit()
    print(json.dumps({"ok": True}))


main()
