"""The servers that the FTP benchmark compares: Argosy, vsftpd, ProFTPD, and nginx for handshakes; each on an address of
its own, with the same certificate, and stopped by the one who started it.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

from servers import ADMIN_PORT, ARGOSY, OURS, PEER_PORT, cpu_of_tree, proportional_bytes, run, until

ADDRESSES = {"argosy": OURS, "vsftpd": "127.0.7.3", "ProFTPD": "127.0.7.4", "nginx": "127.0.7.5"}
FTPS_PORT, FTP_PORT, IMPLICIT_PORT = 7621, 7622, 7623
USER, PASSWORD = "bench", "a password for benchmarks only"
# Without rights, and with a home that is there: vsftpd goes there first.
OWNER = "daemon"
PROGRAMS = {"vsftpd": os.environ.get("VSFTPD", "/usr/sbin/vsftpd"), "ProFTPD": "/usr/sbin/proftpd",
            "nginx": "/usr/sbin/nginx"}
INSTALL = "apt-get install --no-install-recommends "
# Debian installs one FTP server at a time: the other is unpacked.
ADVICE = {"vsftpd": "apt-get download vsftpd && dpkg -x vsftpd_*.deb FOLDER, then VSFTPD=FOLDER/usr/sbin/vsftpd",
          "ProFTPD": INSTALL + "proftpd-core proftpd-mod-crypto", "nginx": INSTALL + "nginx-light"}


def check_programs(names):
    for name in names:
        if name == "argosy":
            found, advice = ARGOSY, "cargo build --release"
        else:
            found, advice = PROGRAMS[name], ADVICE[name]
        if not os.path.exists(found):
            sys.exit("%s is missing: %s" % (found, advice))


def make_certificate(folder):
    """A self-signed P-256 certificate for all of them: its file and its key's."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    names = ",".join("IP:" + address for address in ADDRESSES.values())
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=bench", "-addext", "subjectAltName=" + names, "-keyout", key, "-out", chain)
    return chain, key


class Server:
    """What all have: a process, started and stopped by its id."""

    def __init__(self, name, folder, root):
        self.name, self.folder, self.address = name, folder / name, ADDRESSES[name]
        self.folder.mkdir()
        self.root = root / name
        self.root.mkdir()
        self.process = None

    def start(self, *words):
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    def credentials(self, _durability):
        return USER, PASSWORD

    def cpu(self):
        return cpu_of_tree(self.process.pid)

    def memory(self):
        return proportional_bytes(self.process.pid)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Argosy(Server):
    """One node with an account for each durability."""

    def __init__(self, folder, root, certificate, connections):
        super().__init__("argosy", folder, root)
        data = self.folder / "node"
        run(ARGOSY, "init", "--data", data, "--name", "bench", "--peer", "%s:%d" % (OURS, PEER_PORT),
            "--service-address", OURS, "--admin", "%s:%d" % (OURS, ADMIN_PORT))
        self.start(ARGOSY, "serve", "--data", data)
        until("the node answers", lambda: run(ARGOSY, "status", "--data", data))
        objects = [{"kind": "certificate", "name": "bench", "spec": {
            "chain": certificate[0].read_text(), "private": certificate[1].read_text()}}]
        limits = {"sessions_max": connections, "unauthenticated_max": connections,
                  "unauthenticated_per_address_max": connections, "connections_per_address_max": connections}
        kinds = [("ftps", FTPS_PORT, "40000-40999"), ("ftp", FTP_PORT, "41000-41999"),
                 ("ftps-implicit", IMPLICIT_PORT, "42000-42999")]
        for kind, port, ports in kinds:
            spec = {"kind": kind, "port": port, "ftp": {"passive_ports": ports}, **limits}
            if kind != "ftp":
                spec["tls"] = {"certificates": ["bench"]}
            objects.append({"kind": "service", "name": "bench-" + kind, "spec": spec})
        for durability in ("strict", "relaxed"):
            objects.append({"kind": "storage", "name": durability, "spec": {
                "root": str(self.root), "durability": durability, "reserve_bytes": 0}})
            objects.append({"kind": "account", "name": self.credentials(durability)[0], "spec": {
                "password": PASSWORD, "home": {"storage": durability, "folder": "/files"}}})
        (self.root / "files").mkdir()
        run(ARGOSY, "apply", "-f", "-", "--wait", "--data", data, input=json.dumps({"objects": objects}))
        self.files, self.prefix = self.root / "files", ""

    def credentials(self, durability):
        return "%s-%s" % (USER, durability), PASSWORD


class Vsftpd(Server):
    """vsftpd for its anonymous user, so that no account of the machine is touched; two processes would be needed for
    two ports, so one listens where FTPS is and clear connections come to it as well."""

    def __init__(self, folder, root, certificate, connections):
        super().__init__("vsftpd", folder, root)
        self.files, self.prefix = self.root / "files", "files/"
        self.files.mkdir()
        run("chown", OWNER, self.files)
        (self.folder / "empty").mkdir()
        config = self.folder / "vsftpd.conf"
        config.write_text("\n".join([
            "listen=YES", "background=NO", "listen_address=%s" % self.address, "listen_port=%d" % FTPS_PORT,
            "anonymous_enable=YES", "no_anon_password=YES", "local_enable=NO", "ftp_username=%s" % OWNER,
            "anon_root=%s" % self.root, "write_enable=YES", "anon_upload_enable=YES", "anon_other_write_enable=YES",
            "anon_world_readable_only=NO", "anon_umask=022", "secure_chroot_dir=%s" % (self.folder / "empty"),
            "seccomp_sandbox=NO", "pasv_min_port=40000", "pasv_max_port=40999", "max_clients=%d" % connections,
            "max_per_ip=%d" % connections, "idle_session_timeout=3600", "xferlog_enable=NO",
            "ssl_enable=YES", "allow_anon_ssl=YES", "require_ssl_reuse=NO", "ssl_ciphers=HIGH",
            "rsa_cert_file=%s" % certificate[0], "rsa_private_key_file=%s" % certificate[1], ""]))
        self.start(PROGRAMS["vsftpd"], config)

    def credentials(self, _durability):
        return "anonymous", "bench"


class Proftpd(Server):
    """ProFTPD by itself, with a password file of its own; TLS and clear on one port."""

    def __init__(self, folder, root, certificate, connections):
        super().__init__("ProFTPD", folder, root)
        self.files, self.prefix = self.root / "files", ""
        self.files.mkdir()
        run("chown", OWNER, self.files)
        owner = run("id", "-u", OWNER).stdout.strip()
        group = run("id", "-gn", OWNER).stdout.strip()
        hashed = run("openssl", "passwd", "-6", PASSWORD).stdout.strip()
        users = self.folder / "users"
        users.write_text("%s:%s:%s:%s::%s:/bin/sh\n" % (
            USER, hashed, owner, run("id", "-g", OWNER).stdout.strip(), self.files))
        users.chmod(0o600)
        config = self.folder / "proftpd.conf"
        config.write_text("\n".join([
            "LoadModule mod_tls.c", "ServerType standalone", "DefaultAddress %s" % self.address, "Port %d" % FTPS_PORT,
            "SocketBindTight on", "UseIPv6 off", "User %s" % OWNER, "Group %s" % group, "RequireValidShell off",
            "AuthOrder mod_auth_file.c", "AuthUserFile %s" % users, "PassivePorts 40000 40999",
            "MaxInstances %d" % connections, "MaxClients none", "TimeoutIdle 3600", "TimeoutNoTransfer 3600",
            "UseReverseDNS off", "WtmpLog off", "TransferLog none", "SystemLog %s" % (self.folder / "system-log"),
            "PidFile %s" % (self.folder / "pid"), "ScoreboardFile %s" % (self.folder / "scoreboard"),
            "DelayEngine off", "AllowOverwrite on", "UseSendfile on",
            "TLSEngine on", "TLSRequired off", "TLSProtocol TLSv1.2 TLSv1.3", "TLSOptions NoSessionReuseRequired",
            "TLSECCertificateFile %s" % certificate[0], "TLSECCertificateKeyFile %s" % certificate[1],
            "<Limit ALL>", "AllowAll", "</Limit>", ""]))
        self.start(PROGRAMS["ProFTPD"], "-n", "-c", config)


class Nginx(Server):
    """nginx with one worker: handshakes only."""

    def __init__(self, folder, root, certificate):
        super().__init__("nginx", folder, root)
        config = self.folder / "nginx.conf"
        config.write_text("\n".join([
            "daemon off; worker_processes 1; pid %s; error_log %s;" % (self.folder / "pid", self.folder / "errors"),
            "events { worker_connections 1024; }",
            "http { access_log off; server { listen %s:%d ssl; ssl_certificate %s; ssl_certificate_key %s;" % (
                self.address, IMPLICIT_PORT, certificate[0], certificate[1]),
            "ssl_protocols TLSv1.3; ssl_session_cache off; return 204; } }", ""]))
        self.start(PROGRAMS["nginx"], "-e", self.folder / "errors", "-c", config)


def port_of(server, clear):
    return FTP_PORT if clear and server.name == "argosy" else FTPS_PORT


def wait_for(server, port):
    import socket

    until("%s answers" % server.name, lambda: socket.create_connection((server.address, port), 1).close() or True)
