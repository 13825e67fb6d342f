"""As matrix.py, over HTTP: signs in, reports {"started"}; then for each line `OPERATION PATH` on stdin tries what the
right of this name allows, and reports {"did"} with {"denied"}: true, false, or the text of an error that is no denial.
Arguments: over, the kind of the service; face, `api` or `dav`.
"""

import sys

from client import ARGS, report
from http_client import Http, escaped

client = Http()
PREFIX = {"api": "/api/files/v1/tree", "dav": "/dav"}[ARGS["face"]]
report(started=True)


def at(path):
    return PREFIX + escaped(path)


def ask(method, path, query="", body=None, **headers):
    return client.ask(method, at(path) + query, headers, body)


def change(path):
    if ARGS["face"] == "api":
        return ask("PATCH", path, body='{"mode": "0600"}')
    set_time = """<?xml version="1.0"?><propertyupdate xmlns="DAV:"><set><prop>
        <Win32LastModifiedTime xmlns="urn:schemas-microsoft-com:">Tue, 24 Nov 2026 08:00:00 GMT</Win32LastModifiedTime>
        </prop></set></propertyupdate>"""
    status, headers, answer = ask("PROPPATCH", path, body=set_time)
    if status == 207 and b" 403 " in answer:
        status = 403
    return status, headers, answer


API = {
    "list": lambda path: ask("GET", path + "/"),
    "rename": lambda path: ask("POST", path, "?move-to=" + escaped(path + "-moved")),
    "make-folder": lambda path: ask("POST", path, "?make-folder"),
    "remove-folder": lambda path: ask("DELETE", path + "/"),
}
DAV = {
    "list": lambda path: ask("PROPFIND", path + "/", Depth="1"),
    "rename": lambda path: ask("MOVE", path, Destination=at(path + "-moved")),
    "make-folder": lambda path: ask("MKCOL", path + "/"),
    "remove-folder": lambda path: ask("DELETE", path + "/"),
}
DO = {
    "read": lambda path: ask("GET", path),
    "write": lambda path: ask("PUT", path, body="content"),
    "overwrite": lambda path: ask("PUT", path, body="content"),
    "delete": lambda path: ask("DELETE", path),
    "set-attributes": change,
    **{"api": API, "dav": DAV}[ARGS["face"]],
}
for line in sys.stdin:
    operation, path = line.rstrip("\n").split(" ", 1)
    status, _, answer = DO[operation](path)
    denied = status == 403 if status in (200, 201, 204, 207, 403) else "%d %s" % (status, answer[:200].decode())
    report(did=line.strip(), denied=denied)
