"""Connections of ftplib to a service of one kind: ftp, ftps (AUTH TLS) or ftps-implicit. Data connections resume the
control connection's TLS session. What is done over them is left to the scripts.
"""

import ftplib
import socket
import ssl


class Reusing(ftplib.FTP_TLS):
    """Data connections resume the control connection's session; `resumed` has for each whether it did."""

    def __init__(self, **options):
        super().__init__(**options)
        self.resumed = []

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
            self.resumed.append(conn.session_reused)
        return conn, size


class Implicit(Reusing):
    """TLS from the first byte."""

    def connect(self, host="", port=0, timeout=-999, source_address=None):
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), 30, source_address or self.source_address)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def client(kind, **options):
    """A client that is not connected yet; whose certificate the server shows, it does not ask."""
    options.setdefault("timeout", 30)
    if kind == "ftp":
        return ftplib.FTP(**options)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return (Implicit if kind == "ftps-implicit" else Reusing)(context=context, **options)


def signed_in(kind, host, port, user, password, **options):
    """A client that is connected and signed in, its data connections private where there is TLS."""
    ftp = client(kind, **options)
    ftp.connect(host, port)
    ftp.login(user, password)
    if kind != "ftp":
        ftp.prot_p()
    return ftp
