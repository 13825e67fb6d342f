"""ftplib against one service: `ftp.py HOST PORT USER PASSWORD KIND FOLDER`; KIND is ftp, ftps or ftps-implicit.

Bytes are compared here; what was found is printed as one JSON line.
"""

import ftplib
import hashlib
import io
import json
import random
import sys

from ftp_client import signed_in


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
    ftp = signed_in(kind, host, int(port), user, password)
    check(ftp, folder)
    ftp.set_pasv(False)
    out = io.BytesIO(b"active")
    ftp.storbinary("STOR active", out)
    back = io.BytesIO()
    ftp.retrbinary("RETR active", back.write)
    assert back.getvalue() == b"active"
    ftp.delete("active")
    if kind != "ftp":
        assert len(ftp.resumed) > 10 and all(ftp.resumed), "TLS sessions of data connections: %s" % ftp.resumed
    ftp.quit()
    print(json.dumps({"ok": True}))


main()
