"""The conformance table's driver for the file API. Argument: over, the kind of the service."""

import datetime
import json

from conformance import Refused, serve
from http_client import Http, escaped, unescaped

TREE = "/api/files/v1/tree"
DONE = {"done": True}


def moment(time):
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class FileApi:
    def __init__(self):
        self.http = Http()

    def ask(self, method, path, query="", headers=None, body=None, fine=()):
        # A dot alone is taken out by the client (RFC 3986, 5.2.4).
        path = "/".join(part for part in path.split("/") if part != ".")
        target = TREE + escaped(path) + ("?" + query if query else "")
        status, headers, answer = self.http.ask(method, target, headers, body)
        if status >= 300 and status not in fine:
            raise Refused(status, json.loads(answer)["detail"])
        return status, headers, answer

    def put(self, path, source):
        with open(source, "rb") as file:
            self.ask("PUT", path, body=file.read())
        return DONE

    def put_dated(self, path, source, time):
        self.put(path, source)
        return self.set_modified(path, time)

    def get(self, path, into):
        _, _, answer = self.ask("GET", path)
        with open(into, "wb") as file:
            file.write(answer)
        return {"got": True}

    def get_from(self, path, into, offset):
        headers = {"Range": "bytes=%d-" % offset}
        status, found, answer = self.ask("GET", path, headers=headers, fine=[416])
        if status == 416:
            # What curl and others make of it: it is whole already.
            assert found["Content-Range"] == "bytes */%d" % offset, found["Content-Range"]
            answer = b""
        with open(into, "wb") as file:
            file.write(answer)
        return {"got": True}

    def rename(self, path, to):
        self.ask("POST", path, "overwrite&move-to=" + escaped(to))
        return DONE

    def rename_new(self, path, to):
        self.ask("POST", path, "move-to=" + escaped(to))
        return DONE

    def delete(self, path):
        self.ask("DELETE", path)
        return DONE

    def make_folder(self, path):
        self.ask("POST", path, "make-folder")
        return DONE

    make_new_folder = make_folder

    def remove_folder(self, path):
        self.ask("DELETE", path.rstrip("/") + "/")
        return DONE

    def list(self, path):
        """By pages of three, so that there are some."""
        entries, after = [], ""
        while True:
            _, _, answer = self.ask("GET", path.rstrip("/") + "/", "limit=3" + after)
            page = json.loads(answer)
            for entry in page["entries"]:
                name = unescaped(entry["href"].rstrip("/").rpartition("/")[2])
                entries.append([name, entry["type"], entry.get("size", 0)])
            if not page.get("next"):
                return {"entries": entries}
            after = "&after=" + page["next"].partition("&after=")[2]

    def names(self, path):
        return {"names": [entry[0] for entry in self.list(path)["entries"]]}

    def look(self, path, query="stat"):
        return json.loads(self.ask("GET", path, query)[2])

    def stat(self, path):
        entry = self.look(path)
        return {"is": [entry["type"], entry.get("size", 0)]}

    def modified(self, path):
        text = self.look(path)["modified"]
        return {"time": int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())}

    def change(self, path, **fields):
        self.ask("PATCH", path, headers={"Content-Type": "application/json"}, body=json.dumps(fields))
        return DONE

    def set_modified(self, path, time):
        return self.change(path, modified=moment(time))

    def mode(self, path):
        return {"mode": int(self.look(path)["mode"], 8)}

    def set_mode(self, path, mode):
        return self.change(path, mode="%04o" % mode)

    def hash(self, path):
        return {"hash": self.look(path, "checksum=sha-256")["checksum"]["value"]}


serve(FileApi())
