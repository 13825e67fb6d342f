"""A login under way: connects, and before each step waits for a line on stdin. Reports {"at"} and at the end {"ended"}.

Arguments: stop, `before-proof` (keys exchanged, nothing proven) or `before-channel` (signed in, no channel yet).
"""

import sys

from client import ARGS, leave, report, sign_in, transport
from rawsftp import Raw

connection = transport(auth=False)
try:
    if ARGS["stop"] == "before-channel":
        sign_in(connection)
    report(at=ARGS["stop"])
    sys.stdin.readline()
    if ARGS["stop"] == "before-proof":
        sign_in(connection)
    report(ended="", in_=Raw(connection).alive())
except Exception as error:
    report(ended="%s: %s" % (type(error).__name__, error), in_=False)
leave()
