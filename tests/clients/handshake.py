"""Garbage before, inside and instead of the SSH handshake, and messages of a later stage before authentication."""

import os
import socket
import struct
import time

import paramiko

from client import ARGS, check, leave, tcp, transport
from rawsftp import Raw

witness = Raw()


def banner(sock):
    found = b""
    while b"\n" not in found:
        more = sock.recv(1024)
        if not more:
            break
        found += more
    return found


def types(answer):
    """The types of the unencrypted packets in what the server sent."""
    found = []
    while len(answer) > 5:
        found.append(answer[5])
        answer = answer[4 + struct.unpack(">I", answer[:4])[0] :]
    return found


def ends(sock, what, may_stay, seconds):
    """The server ends the connection in time, and sends little until then. A right packet at the wrong time may
    also be answered with UNIMPLEMENTED; the grace time ends the connection then."""
    sock.settimeout(seconds)
    answer = b""
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                break
            answer += more
            check(len(answer) < 1 << 20, "%s: the server sends on and on" % what)
    except socket.timeout:
        check(may_stay, "%s: the connection is still open after %d s" % (what, seconds))
        stray = set(types(answer)) - {1, 2, 3, 4, 20}
        check(not stray, "%s: the server went on with messages %s" % (what, stray))
    except OSError:
        pass
    sock.close()


def after(what, *parts, may_stay=False):
    sock = tcp()
    answer = banner(sock)
    check(answer.startswith(b"SSH-2.0-"), "%s: the server began with %r" % (what, answer))
    try:
        for part in parts:
            sock.sendall(part)
    except OSError:
        pass
    ends(sock, what, may_stay, 1 if may_stay else 15)
    check(witness.alive(), "%s: another session noticed" % what)


hello = b"SSH-2.0-test\r\n"
after("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
after("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500))
after("zeros", b"\0" * 65536)
after("noise", os.urandom(65536))
after("a line that does not end", b"A" * 1_000_000)
after("a thousand lines", b"no SSH\r\n" * 100_000)
after("SSH 1", b"SSH-1.5-old\r\n")
after("noise after the version", hello, os.urandom(100_000))
after("a packet of 4 GiB", hello, b"\xff\xff\xff\xff" + os.urandom(100))
after("a packet of 0", hello, b"\0\0\0\0" * 100)
after("padding over the packet", hello, struct.pack(">IB", 12, 255) + os.urandom(100))


def packet(payload):
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + b"\0" * padding


after("an empty KEXINIT", hello, packet(b"\x14"))
after("KEXINIT with a list of 4 GiB", hello, packet(b"\x14" + b"c" * 16 + b"\xff\xff\xff\xff"))
after("KEXINIT with no algorithm", hello, packet(b"\x14" + b"c" * 16 + b"\0\0\0\0" * 10 + b"\0" * 5))
after("NEWKEYS first", hello, packet(b"\x15"), may_stay=True)
after("USERAUTH_REQUEST in clear", hello, packet(b"\x32" + b"\0\0\0\4root\0\0\0\x0essh-connection\0\0\0\4none"), may_stay=True)
after("USERAUTH_SUCCESS in clear", hello, packet(b"\x34"), may_stay=True)
after("CHANNEL_OPEN in clear", hello, packet(b"\x5a\0\0\0\7session\0\0\0\0\0\x20\0\0\0\0\x80\0"), may_stay=True)


def message(kind, *strings, tail=b""):
    result = paramiko.Message()
    result.add_byte(bytes([kind]))
    for string in strings:
        result.add_string(string)
    result.add_bytes(tail)
    return result


# After the key exchange, before authentication: nothing of a later stage may be taken.
LATER = {
    "USERAUTH_SUCCESS": message(52),
    "CHANNEL_OPEN": message(90, b"session", tail=struct.pack(">III", 0, 1 << 21, 32768)),
    "CHANNEL_REQUEST": message(98, tail=struct.pack(">I", 0) + b"\0\0\0\tsubsystem\1\0\0\0\4sftp"),
    "CHANNEL_DATA": message(94, tail=struct.pack(">I", 0) + b"\0\0\0\5\0\0\0\1\1"),
    "CHANNEL_WINDOW_ADJUST": message(93, tail=struct.pack(">II", 0, 0xFFFFFFFF)),
    "CHANNEL_CLOSE": message(97, tail=struct.pack(">I", 5)),
    "GLOBAL_REQUEST": message(80, b"tcpip-forward", tail=b"\1\0\0\0\0\0\0\0\0"),
    "USERAUTH_INFO_RESPONSE": message(61, tail=struct.pack(">I", 0)),
    "USERAUTH_INFO_RESPONSE with 4 G answers": message(61, tail=struct.pack(">I", 0xFFFFFFFF)),
    "an unknown message": message(192),
}
for what, sent in LATER.items():
    connection = transport(auth=False)
    connection._send_message(sent)
    time.sleep(0.05)
    check(not connection.is_authenticated(), "%s: signed in without a proof" % what)
    try:
        channel = connection.open_session(timeout=3)
        check(False, "%s: a channel was opened without a proof" % what)
    except Exception as error:
        check(not isinstance(error, SystemExit), str(error))
    connection.close()
    check(witness.alive(), "%s: another session noticed" % what)
leave()
