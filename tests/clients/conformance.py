"""What the drivers of the conformance table share: a line of JSON on stdin is a step, {"answer"} its answer.

A step is {"do": NAME, ...}: NAME is a method of the driver, the other fields are its arguments. Paths are absolute; they
and names in answers have one character a byte. Contents lie in local files: `source` is sent, into `into` is written.
An answer is {"done"}, {"got"}, {"entries": [[name, kind, size]]}, {"names"}, {"is": [kind, size]}, {"time"}, {"mode"},
{"hash"} or {"refused": [code, text]}; {"failed"} is a trouble of the driver's own. What is expected stands in the table.
"""

import json
import sys
import traceback

from client import report


class Refused(Exception):
    """What the server said instead: the protocol's code, and its text."""

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code, self.text = code, text


def to_bytes(path):
    """A path of a step as the bytes that it stands for."""
    return path.encode("latin-1")


def to_text(name):
    """Bytes of the server as an answer has them."""
    return name.decode("latin-1")


def long_entry(line):
    """Name, kind and size of a line of `ls -l`."""
    mode, _, _, _, size, rest = line.split(None, 5)
    kind = {"-": "file", "d": "folder", "l": "link"}[mode[0]]
    # A date is three words of fixed width, `Nov 23 10:00` or `Nov 23  2026`, and one space.
    name = rest[13:]
    return [name.split(" -> ")[0] if kind == "link" else name, kind, int(size) if kind == "file" else 0]


def serve(driver):
    """Does steps until there are no more."""
    report(started=True)
    for line in sys.stdin:
        step = json.loads(line)
        try:
            answer = getattr(driver, step.pop("do"))(**step)
        except Refused as refused:
            answer = {"refused": [refused.code, refused.text]}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        report(answer=answer)
