"""What the scripts for HTTP share: a connection that stays, requests as the account of the arguments."""

import base64
import http.client
import ssl
from urllib.parse import quote, unquote_to_bytes

from client import ARGS

UNRESERVED = "-._~/"


def escaped(path):
    """A path, one character a byte, as a target has it."""
    return quote(path.encode("latin-1"), safe=UNRESERVED)


def unescaped(target):
    return unquote_to_bytes(target).decode("latin-1")


class Http:
    """One connection; it is begun anew when the server has ended it."""

    def __init__(self):
        plain = "%s:%s" % (ARGS["account"], ARGS["password"])
        self.proof = "Basic " + base64.b64encode(plain.encode()).decode()
        where = (ARGS["host"], ARGS["port"])
        options = {"timeout": 20, "source_address": (ARGS["from"], 0)}
        if ARGS["over"] == "https":
            context = ssl._create_unverified_context()
            self.connection = http.client.HTTPSConnection(*where, context=context, **options)
        else:
            self.connection = http.client.HTTPConnection(*where, **options)

    def ask(self, method, target, headers=None, body=None):
        """Status, headers, body."""
        headers = {"Authorization": self.proof, **(headers or {})}
        try:
            self.connection.request(method, target, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except BaseException:
            self.connection.close()
            raise
