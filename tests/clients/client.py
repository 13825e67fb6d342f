"""What the client scripts share: arguments, connections, checks. Nothing of the product's rules is in here."""

import json
import os
import socket
import sys
import threading
import time

ARGS = json.loads(sys.argv[1])


def check(holds, what):
    """Ends the script with `what` unless `holds`."""
    if not holds:
        raise SystemExit("FAILED: " + what)


def equal(found, expected, what):
    """Ends the script unless both are the same; long bytes are shortened."""
    if found != expected:
        raise SystemExit("FAILED: %s: found %.300r, expected %.300r" % (what, found, expected))


def refused(action, what, of=Exception):
    """Runs `action`, which must raise `of`; gives what was raised."""
    try:
        action()
    except of as error:
        return error
    raise SystemExit("FAILED: %s was not refused" % what)


def report(**fields):
    """Prints one line of JSON with the time of day."""
    fields["time"] = time.time()
    print(json.dumps(fields), flush=True)


def tcp(timeout=20):
    """A connection to the node, from this client's own address."""
    return socket.create_connection((ARGS["host"], ARGS["port"]), timeout, (ARGS["from"], 0))


def transport(auth=True, **options):
    """A paramiko transport; with `auth`, signed in."""
    import paramiko

    result = paramiko.Transport(tcp(), **options)
    result.banner_timeout = result.auth_timeout = result.handshake_timeout = 20
    result.start_client(timeout=20)
    if auth:
        sign_in(result)
    return result


def stepwise():
    """A connected paramiko transport that proves step by step, nothing proven yet."""
    import paramiko
    from paramiko.auth_handler import AuthOnlyHandler
    from paramiko.common import cMSG_USERAUTH_REQUEST

    class Early(AuthOnlyHandler):
        """Paramiko's own makes the event after it has sent the request, and so misses an answer that comes at once."""

        def send_auth_request(self, username, method, finish_message=None):
            self.auth_method, self.username = method, username
            message = paramiko.Message()
            message.add_byte(cMSG_USERAUTH_REQUEST)
            for text in username, "ssh-connection", method:
                message.add_string(text)
            finish_message(message)
            self.auth_event = threading.Event()
            with self.transport.lock:
                self.transport._send_message(message)
            return self.wait_for_response(self.auth_event)

    class Stepwise(paramiko.ServiceRequestingTransport):
        def get_auth_handler(self):
            return Early(self)

    result = Stepwise(tcp())
    result.banner_timeout = result.auth_timeout = result.handshake_timeout = 20
    result.start_client(timeout=20)
    return result


def sign_in(connection):
    """Proves the account by key or by password, as the arguments say."""
    import paramiko

    if ARGS.get("key"):
        connection.auth_publickey(ARGS["account"], paramiko.Ed25519Key.from_private_key_file(ARGS["key"]))
    else:
        connection.auth_password(ARGS["account"], ARGS["password"], fallback=False)


def paramiko_sftp():
    """A signed-in SFTP client; its transport is `.get_channel().get_transport()`."""
    import paramiko

    client = paramiko.SFTPClient.from_transport(transport())
    client.get_channel().settimeout(60)
    return client


def told_sftp(watched=True):
    """A signed-in SFTP client for a script that is told what to do: reports {"started"}, or {"ended"} where it was
    refused. `watched`: reports {"ended"} and leaves once the server closes."""
    try:
        client = paramiko_sftp()
    except Exception as error:
        report(ended="%s: %s" % (type(error).__name__, error))
        leave()
    report(started=True)

    def watch():
        connection = client.get_channel().get_transport()
        while connection.is_active() and not client.get_channel().closed:
            time.sleep(0.01)
        report(ended="the server closed")
        leave()

    if watched:
        threading.Thread(target=watch, daemon=True).start()
    return client


def close_whole(client, file):
    """Closes a paramiko file; raises what the server refuses, which paramiko's own close() keeps to itself."""
    from paramiko.sftp import CMD_CLOSE

    file.flush()
    if file.pipelined:
        client._finish_responses(file)
        file._check_exception()
    file._closed = True
    client._request(CMD_CLOSE, file.handle)


def asyncssh_options():
    """Options for asyncssh.connect."""
    options = dict(
        host=ARGS["host"],
        port=ARGS["port"],
        username=ARGS["account"],
        known_hosts=None,
        local_addr=(ARGS["from"], 0),
        config=None,
        agent_path=None,
        login_timeout=20,
        connect_timeout=20,
    )
    if ARGS.get("both"):
        options.update(client_keys=[ARGS["key"]], password=ARGS["password"])
    elif ARGS.get("key"):
        options.update(client_keys=[ARGS["key"]], preferred_auth="publickey")
    else:
        options.update(password=ARGS["password"], client_keys=None, preferred_auth="password")
    return options


def noise(seed, length):
    """Bytes that do not repeat, the same for the same seed."""
    import random

    return random.Random(seed).randbytes(length)


# Names that are bytes and nothing else: each must come back as it was sent.
ODD_NAMES = [
    b"a blank",
    b" at both ends ",
    b"new\nline",
    b"tab\tand\x01control\x7f",
    b"quote\"s'and`more",
    b"back\\slash\\..\\up",
    b"\xff\xfe\x80 not UTF-8",
    "\u00fc\u4e2d\U0001f6a2 text".encode(),
    b"-dash",
    b"*?[glob]",
    b"$HOME;`id`|&",
    b"' OR 1=1 --",
    b"%2e%2e%2f",
    b"...",
    b".hidden",
    b"n" * 255,
]


def ended(thread_function, seconds):
    """Runs a function in a thread and ends the script if it takes longer."""
    thread = threading.Thread(target=thread_function, daemon=True)
    thread.start()
    thread.join(seconds)
    check(not thread.is_alive(), "it takes longer than %s seconds" % seconds)


def leave():
    """Ends at once, whatever threads of a library still run."""
    sys.stdout.flush()
    os._exit(0)
