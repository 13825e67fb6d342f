"""As matrix.py, over FTP: signs in, reports {"started"}; then for each line `OPERATION PATH` on stdin tries what the
right of this name allows, and reports {"did"} with {"denied"}: true, false, or the text of an error that is no denial.
Argument: over, the kind of the service.
"""

import ftplib
import io
import sys

from client import ARGS, report
from ftp_client import signed_in

login = [ARGS[name] for name in ("over", "host", "port", "account", "password")]
client = signed_in(*login, source_address=(ARGS["from"], 0))
report(started=True)


def send(verb):
    return lambda path: client.storbinary("%s %s" % (verb, path), io.BytesIO(b"content"))


DO = {
    "read": lambda path: client.retrbinary("RETR " + path, lambda piece: None),
    "list": lambda path: list(client.mlsd(path)),
    "write": send("STOR"),
    "overwrite": send("STOR"),
    "append": send("APPE"),
    "rename": lambda path: client.rename(path, path + "-moved"),
    "delete": client.delete,
    "make-folder": client.mkd,
    "remove-folder": client.rmd,
    "set-attributes": lambda path: client.sendcmd("SITE CHMOD 600 " + path),
}
for line in sys.stdin:
    operation, path = line.rstrip("\n").split(" ", 1)
    try:
        DO[operation](path)
        denied = False
    except ftplib.Error as error:
        told = str(error)
        is_denial = told.startswith("550") and ("may not" in told or "leads out" in told)
        denied = True if is_denial else told
    report(did=line.strip(), denied=denied)
