"""The two servers that the SFTP benchmarks compare, each on a port and an address of its own, and their CPU time."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ARGOSY = pathlib.Path(os.environ.get("ARGOSY", REPOSITORY / "target/release/argosy"))
OURS, THEIRS = "127.0.7.1", "127.0.7.2"
ADMIN_PORT, PEER_PORT, OUR_PORT, THEIR_PORT = 7443, 7401, 7422, 7423
TICKS = os.sysconf("SC_CLK_TCK")


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **options)


def until(what, probe, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if probe():
                return
        except (subprocess.CalledProcessError, OSError):
            pass
        time.sleep(0.1)
    sys.exit("not within %d s: %s" % (seconds, what))


def check_programs():
    if not ARGOSY.exists():
        sys.exit("%s is missing: cargo build --release" % ARGOSY)
    if not os.path.exists("/usr/sbin/sshd"):
        sys.exit("sshd is missing: apt-get install --no-install-recommends openssh-server")


def cpu_of(pid):
    """CPU seconds of a process and of its children that were waited for."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def tree_of(pid):
    """The process and all that come from it and still run."""
    found = [pid]
    try:
        for child in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split():
            found += tree_of(int(child))
    except OSError:
        pass
    return found


def cpu_of_tree(pid):
    total = 0
    for one in tree_of(pid):
        try:
            total += cpu_of(one)
        except OSError:
            pass
    return total


def proportional_bytes(pid):
    """Memory of a process and of all that come from it; a page that several share is divided among them."""
    total = 0
    for one in tree_of(pid):
        try:
            text = pathlib.Path("/proc/%d/smaps_rollup" % one).read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    return total


class Ours:
    """One node in a folder, with an account for each storage."""

    name = "argosy"

    def __init__(self, folder, key, roots, unauthenticated_max=None):
        data = folder / "node"
        run(ARGOSY, "init", "--data", data, "--name", "bench", "--peer", "%s:%d" % (OURS, PEER_PORT),
            "--service-address", OURS, "--admin", "%s:%d" % (OURS, ADMIN_PORT), "--sftp-port", OUR_PORT)
        log = open(folder / "node.log", "w")
        self.process = subprocess.Popen([ARGOSY, "serve", "--data", data], stdout=log, stderr=log)
        until("the node answers", lambda: run(ARGOSY, "status", "--data", data))
        objects = []
        for place, root in roots.items():
            for durability in ("strict", "relaxed"):
                name = "%s-%s" % (place, durability)
                objects.append({"kind": "storage", "name": name, "spec": {
                    "root": str(root), "durability": durability, "reserve_bytes": 0}})
                objects.append({"kind": "account", "name": name, "spec": {
                    "keys": [{"key": pathlib.Path(str(key) + ".pub").read_text().strip()}],
                    "home": {"storage": name, "folder": "/ours"}}})
        if unauthenticated_max:
            found = json.loads(run(ARGOSY, "get", "service", "sftp", "--output", "json", "--data", data).stdout)
            spec = found["spec"]
            spec["sessions_max"] = spec["connections_per_address_max"] = 10_000
            spec["unauthenticated_max"] = spec["unauthenticated_per_address_max"] = unauthenticated_max
            objects.append({"kind": "service", "name": "sftp", "spec": spec})
        run(ARGOSY, "apply", "-f", "-", "--wait", "--data", data, input=json.dumps({"objects": objects}))

    def target(self, place, durability):
        return "%s-%s@%s" % (place, durability, OURS), OUR_PORT, "/"

    def cpu(self):
        return cpu_of(self.process.pid)

    def memory(self):
        return proportional_bytes(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Theirs:
    """OpenSSH's sshd with its in-process SFTP server, on a port of its own."""

    name = "OpenSSH"

    def __init__(self, folder, key, roots, unauthenticated_max=10):
        self.roots = roots
        os.makedirs("/run/sshd", exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host-key")
        shutil.copy(str(key) + ".pub", folder / "authorized")
        config = folder / "sshd_config"
        config.write_text("\n".join([
            "Port %d" % THEIR_PORT, "ListenAddress %s" % THEIRS, "HostKey %s" % (folder / "host-key"),
            "AuthorizedKeysFile %s" % (folder / "authorized"), "PermitRootLogin yes", "StrictModes no", "UsePAM no",
            "MaxStartups %d" % unauthenticated_max, "PidFile none", "Subsystem sftp internal-sftp", ""]))
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", config, "-E", folder / "sshd.log"])
        time.sleep(0.5)

    def target(self, place, _durability):
        return "root@%s" % THEIRS, THEIR_PORT, "%s/theirs/" % self.roots[place]

    def cpu(self):
        return cpu_of_tree(self.process.pid)

    def memory(self):
        return proportional_bytes(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
