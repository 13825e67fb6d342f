"""Lists a folder with many entries. Arguments: path, count. Reports the names' digest."""

import hashlib

from client import ARGS, check, equal, leave, report
from rawsftp import *

raw = Raw(timeout=60)
kind, body = raw.ask(OPENDIR, text(ARGS["path"].encode()))
equal(kind, HANDLE, "OPENDIR")
handle = raw.take(body)[0]
names, packets = [], 0
while True:
    kind, body = raw.ask(READDIR, text(handle))
    if kind == STATUS:
        equal(struct.unpack(">I", body[:4])[0], EOF, "the end of the listing")
        break
    packets += 1
    check(len(body) < 1 << 18, "one answer has %d bytes" % len(body))
    (count,) = struct.unpack(">I", body[:4])
    check(count > 0, "an answer without a name")
    rest = body[4:]
    for _ in range(count):
        name, rest = raw.take(rest)
        _, rest = raw.take(rest)
        flags = struct.unpack(">I", rest[:4])[0]
        length = 4 + 8 * (flags & 1) + 8 * (flags >> 1 & 1) + 4 * (flags >> 2 & 1) + 8 * (flags >> 3 & 1)
        check(flags & ~15 == 0, "attribute flags %x" % flags)
        rest = rest[length:]
        names.append(name)
names = [name for name in names if name not in (b".", b"..")]
equal(len(names), ARGS["count"], "entries")
equal(len(set(names)), len(names), "different entries")
report(packets=packets)
leave()
