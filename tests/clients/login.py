"""Signs in, opens SFTP, asks one question, leaves. Fails if any of it does."""

from client import check, leave, paramiko_sftp

client = paramiko_sftp()
check(client.normalize(".") == "/", "the home is not at /")
client.get_channel().get_transport().close()
leave()
