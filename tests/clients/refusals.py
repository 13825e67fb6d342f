"""Everything of SSH that is not SFTP: each request must be refused with an answer, and the connection must live on."""

import paramiko

from client import check, leave, refused, transport
from rawsftp import Raw

connection = transport()
REFUSED = paramiko.SSHException


def request(channel, name, *strings):
    """A channel request that wants a reply: paramiko's own methods do not ask for one everywhere."""
    message = paramiko.Message()
    message.add_byte(b"\x62")
    message.add_int(channel.remote_chanid)
    message.add_string(name)
    message.add_boolean(True)
    for string in strings:
        message.add_string(string)
    channel._event_pending()
    connection._send_user_message(message)
    channel._wait_for_event()


def on_channel(name, action):
    channel = connection.open_session(timeout=10)
    channel.settimeout(10)
    error = refused(lambda: action(channel), name, REFUSED)
    check("imeout" not in str(error), "%s: no answer (%s)" % (name, error))
    channel.close()


on_channel("shell", lambda channel: channel.invoke_shell())
on_channel("exec", lambda channel: channel.exec_command("id"))
on_channel("exec of scp", lambda channel: channel.exec_command("rm -rf /"))
on_channel("pty", lambda channel: channel.get_pty())
on_channel("x11", lambda channel: channel.request_x11(handler=lambda *_: None))
on_channel("environment", lambda channel: request(channel, "env", b"LD_PRELOAD", b"/tmp/x.so"))
on_channel("agent forwarding", lambda channel: request(channel, "auth-agent-req@openssh.com"))
on_channel("an unknown request", lambda channel: request(channel, "no-such@example.com"))
on_channel("another subsystem", lambda channel: channel.invoke_subsystem("netconf"))
refused(lambda: connection.request_port_forward("127.0.0.1", 0), "remote forwarding", REFUSED)
error = refused(
    lambda: connection.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1), timeout=10), "local forwarding", REFUSED
)
check(isinstance(error, paramiko.ChannelException), "local forwarding: %r" % error)
refused(lambda: connection.open_channel("x11", src_addr=("127.0.0.1", 1), timeout=10), "an X11 channel", REFUSED)
refused(lambda: connection.open_channel("no-such@example.com", timeout=10), "an unknown channel", REFUSED)
check(Raw(connection).alive(), "SFTP no longer works on this connection")
leave()
