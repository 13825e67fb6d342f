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


def ends_with_a_word(name, action):
    """A program is refused outright, or the channel ends as a program that failed and says why on its error stream."""
    channel = connection.open_session(timeout=10)
    channel.settimeout(10)
    try:
        action(channel)
    except REFUSED:
        return
    check(channel.recv(1000) == b"", "%s: there is output" % name)
    check(len(channel.recv_stderr(1000)) > 10, "%s: no word of refusal" % name)
    check(channel.recv_exit_status() > 0, "%s: it ended with success" % name)
    channel.close()


ends_with_a_word("shell", lambda channel: channel.invoke_shell())
ends_with_a_word("exec", lambda channel: channel.exec_command("id"))
ends_with_a_word("exec of a removal", lambda channel: channel.exec_command("rm -rf /"))
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
