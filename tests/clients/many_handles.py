"""Opens 5,000 handles on one session; past the limit the answer is a status, and closing makes room again."""

from client import check, equal, leave
from rawsftp import *

raw = Raw(timeout=60)
other = Raw()
handle = raw.open(b"/one", FOR_WRITE | CREATE)
check(isinstance(handle, bytes), "the first OPEN: %r" % handle)
equal(raw.write(handle, 0, b"content"), OK, "WRITE")
equal(raw.close(handle), OK, "CLOSE")

handles, refusals = [], 0
for first in range(0, 5_000, 100):
    numbers = [raw.post(OPEN, text(b"/one") + struct.pack(">I", FOR_READ) + b"\0\0\0\0") for _ in range(100)]
    answers = dict()
    for _ in numbers:
        kind, body = raw.receive()
        if kind == HANDLE:
            handles.append(raw.take(body[4:])[0])
        else:
            (code,) = struct.unpack(">I", body[4:8])
            check(kind == STATUS and code == FAILURE, "handle %d: type %d code %d" % (len(handles), kind, code))
            check(len(raw.take(body[8:])[0]) > 5, "the refusal says nothing")
            refusals += 1
check(len(handles) + refusals == 5_000, "answers are missing")
check(len(handles) >= 64, "only %d handles were given" % len(handles))
check(len(set(handles)) == len(handles), "a handle was given twice")
equal(raw.read(handles[-1], 0, 100), b"content", "READ of the last handle")
check(other.alive(), "another session noticed")
for handle in handles:
    equal(raw.close(handle), OK, "CLOSE")
handle = raw.open(b"/one", FOR_READ)
check(isinstance(handle, bytes), "no OPEN after all were closed: %r" % handle)
print("%d handles, %d refusals" % (len(handles), refusals))
leave()
