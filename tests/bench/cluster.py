"""Three argosy nodes on one machine, each on an address of its own, and the load of writers on them; for the benchmarks
that change the configuration."""

import http.client
import json
import re
import signal
import ssl
import statistics
import subprocess
import sys
import time

from servers import ARGOSY, proportional_bytes, run

ADMIN_PORT, PEER_PORT, SFTP_PORT = 7443, 7401, 7422

# Each writer asks for the next change once the last one is answered.
WRITES = """
local n = 0
local base = %d * 1000000
request = function()
  n = n + 1
  return wrk.format("PUT", "/api/v1/account/b" .. (base + n %% 500),
    {["authorization"] = "Bearer %s", ["content-type"] = "application/json"},
    '{"spec":{"sessions_max":' .. (1 + n %% 900) .. '}}')
end
response = function(status)
  if status ~= 200 then bad = (bad or 0) + 1; if bad < 3 then print("status", status) end end
end
"""


def until(what, probe, seconds=60, every=0.1):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if probe():
                return
        except (subprocess.CalledProcessError, OSError, http.client.HTTPException):
            pass
        time.sleep(every)
    sys.exit("not within %d s: %s" % (seconds, what))


class Argosy:
    name = "argosy"

    def __init__(self, folder, network="127.0.9"):
        self.folder, self.running = folder, []
        self.addresses = ["%s.%d" % (network, number) for number in (1, 2, 3)]
        made = run(ARGOSY, "init", *self.flags(0), "--sftp-port", SFTP_PORT)
        self.token = next(line[7:].strip() for line in made.stdout.splitlines() if line.startswith("token: "))
        self.running.append(self.serve(0))
        self.answers(0)
        for number in (1, 2):
            join = run(ARGOSY, "token", "create", "--data", self.data(0)).stdout.split()[-1]
            run(ARGOSY, "join", *self.flags(number), "--token-stdin", input=join)
            self.running.append(self.serve(number))
            self.answers(number)
        until("three voters", lambda: sum(
            member["voter"] for member in self.ask("GET", "/api/v1/node")["nodes"]) == 3)

    def data(self, number):
        return self.folder / ("n%d" % (number + 1))

    def flags(self, number):
        address = self.addresses[number]
        return ["--data", self.data(number), "--name", "n%d" % (number + 1),
                "--peer", "%s:%d" % (address, PEER_PORT), "--service-address", address,
                "--admin", "%s:%d" % (address, ADMIN_PORT)]

    def serve(self, number):
        log = open(self.folder / ("n%d.log" % (number + 1)), "a")
        return subprocess.Popen([ARGOSY, "serve", "--data", self.data(number)], stdout=log, stderr=log)

    def answers(self, number):
        until("node %d answers" % number, lambda: run(ARGOSY, "status", "--data", self.data(number)))

    def request(self, method, path, body=None, number=0):
        context = ssl.create_default_context(cafile=self.data(0) / "cluster/ca.crt")
        connection = http.client.HTTPSConnection(self.addresses[number], ADMIN_PORT, timeout=60, context=context)
        headers = {"authorization": "Bearer " + self.token, "content-type": "application/json"}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def ask(self, method, path, body=None):
        status, text = self.request(method, path, body)
        if status != 200:
            sys.exit("%s %s: %d %s" % (method, path, status, text))
        return json.loads(text)

    def is_ready(self, number):
        return self.request("GET", "/health/ready", number=number)[0] == 200

    def apply(self, objects, together=500):
        """Makes the objects, so many in one transaction."""
        for begin in range(0, len(objects), together):
            self.ask("POST", "/api/v1/apply", {"objects": objects[begin:begin + together]})

    def memory(self, number):
        return proportional_bytes(self.running[number].pid)

    def end(self, number, how=signal.SIGTERM):
        self.running[number].send_signal(how)
        self.running[number].wait(60)

    def stop(self):
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(60)

    def target(self, number):
        return "https://%s:%d" % (self.addresses[number], ADMIN_PORT)

    def script(self, number):
        return WRITES % (number + 1, self.token)


def load(system, folder, writers, seconds):
    """Writes a second in all, and the median latency in milliseconds. One writer asks the first node; more are spread
    over the three."""
    nodes = [0] if writers == 1 else [0, 1, 2]
    clients = []
    for number in nodes:
        script = folder / ("%s-%d.lua" % (system.name, number))
        script.write_text(system.script(number))
        connections = writers // len(nodes) + (number < writers % len(nodes))
        clients.append(subprocess.Popen(
            ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", "-s", script, system.target(number)],
            stdout=subprocess.PIPE, text=True))
    rate, medians = 0.0, []
    for client in clients:
        text = client.communicate()[0]
        if "Non-2xx" in text or "Socket errors" in text:
            print(text, file=sys.stderr)
        rate += float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()
        medians.append(float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit])
    return rate, statistics.median(medians)
