"""Signs in through asyncssh, which presents a certificate that lies beside the key and proves what is asked for;
reports {"started"} and, once the server closes, {"ended"}. Arguments: once: leaves when it is in.
"""

import asyncio

import asyncssh

from client import ARGS, asyncssh_options, leave, report


async def stay():
    async with asyncssh.connect(**asyncssh_options()) as connection:
        async with connection.start_sftp_client() as client:
            await client.getcwd()
            report(started=True)
            if ARGS.get("once"):
                leave()
            await connection.wait_closed()


try:
    asyncio.run(stay())
    report(ended="the server closed")
except Exception as error:
    report(ended="%s: %s" % (type(error).__name__, error))
    if ARGS.get("once"):
        raise SystemExit("FAILED: %s" % error)
leave()
