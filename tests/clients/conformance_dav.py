"""The conformance table's driver for WebDAV. Argument: over, the kind of the service."""

import email.utils
import json
import xml.etree.ElementTree as xml

from conformance import Refused, serve
from http_client import Http, escaped, unescaped

PREFIX = "/dav"
DONE = {"done": True}
MICROSOFT = "urn:schemas-microsoft-com:"


class WebDav:
    def __init__(self):
        self.http = Http()

    @staticmethod
    def at(path):
        # A dot alone is taken out by the client (RFC 3986, 5.2.4).
        return PREFIX + escaped("/".join(part for part in path.split("/") if part != "."))

    def ask(self, method, path, headers=None, body=None, fine=()):
        status, found, answer = self.http.ask(method, self.at(path), headers, body)
        if status >= 300 and status not in fine:
            raise Refused(status, json.loads(answer)["detail"] if answer[:1] == b"{" else answer.decode())
        return status, found, answer

    def put(self, path, source):
        with open(source, "rb") as file:
            self.ask("PUT", path, body=file.read())
        return DONE

    def put_dated(self, path, source, time):
        with open(source, "rb") as file:
            _, found, _ = self.ask("PUT", path, {"X-OC-MTime": str(time)}, file.read())
        assert found["X-OC-MTime"] == "accepted", found
        return DONE

    def get(self, path, into):
        _, _, answer = self.ask("GET", path)
        with open(into, "wb") as file:
            file.write(answer)
        return {"got": True}

    def get_from(self, path, into, offset):
        status, found, answer = self.ask("GET", path, {"Range": "bytes=%d-" % offset}, fine=[416])
        if status == 416:
            assert found["Content-Range"] == "bytes */%d" % offset, found["Content-Range"]
            answer = b""
        with open(into, "wb") as file:
            file.write(answer)
        return {"got": True}

    def move(self, path, to, overwrite):
        self.ask("MOVE", path, {"Destination": self.at(to), "Overwrite": overwrite})
        return DONE

    def rename(self, path, to):
        return self.move(path, to, "T")

    def rename_new(self, path, to):
        return self.move(path, to, "F")

    def delete(self, path):
        self.ask("DELETE", path)
        return DONE

    def make_folder(self, path):
        self.ask("MKCOL", path.rstrip("/") + "/")
        return DONE

    make_new_folder = make_folder

    def look(self, path, depth):
        """Href, kind, size and time of what PROPFIND tells."""
        _, _, answer = self.ask("PROPFIND", path, {"Depth": depth})
        found = []
        for response in xml.fromstring(answer).iter("{DAV:}response"):
            properties = response.find("{DAV:}propstat/{DAV:}prop")
            folder = properties.find("{DAV:}resourcetype/{DAV:}collection") is not None
            size = 0 if folder else int(properties.findtext("{DAV:}getcontentlength"))
            time = properties.findtext("{DAV:}getlastmodified")
            found.append((response.findtext("{DAV:}href"), "folder" if folder else "file", size, time))
        return found

    def list(self, path):
        own, *entries = self.look(path.rstrip("/") + "/", "1")
        name = lambda href: unescaped(href.rstrip("/").rpartition("/")[2])
        return {"entries": [[name(href), kind, size] for href, kind, size, _ in entries]}

    def names(self, path):
        return {"names": [entry[0] for entry in self.list(path)["entries"]]}

    def stat(self, path):
        [(_, kind, size, _)] = self.look(path, "0")
        return {"is": [kind, size]}

    def modified(self, path):
        [(_, _, _, time)] = self.look(path, "0")
        return {"time": int(email.utils.parsedate_to_datetime(time).timestamp())}

    def set_modified(self, path, time):
        moment = email.utils.formatdate(time, usegmt=True)
        body = ('<propertyupdate xmlns="DAV:"><set><prop><Win32LastModifiedTime xmlns="%s">%s</Win32LastModifiedTime>'
                "</prop></set></propertyupdate>" % (MICROSOFT, moment))
        _, _, answer = self.ask("PROPPATCH", path, body=body)
        for propstat in xml.fromstring(answer).iter("{DAV:}propstat"):
            status = int(propstat.findtext("{DAV:}status").split(" ")[1])
            if status != 200:
                raise Refused(status, propstat.findtext("{DAV:}responsedescription") or answer.decode())
        return DONE


serve(WebDav())
