"""Signs in with a certificate through asyncssh; reports {"started"} and, once the server closes, {"ended"}."""

import asyncio

import asyncssh

from client import asyncssh_options, leave, report


async def stay():
    async with asyncssh.connect(**asyncssh_options()) as connection:
        async with connection.start_sftp_client() as client:
            await client.getcwd()
            report(started=True)
            await connection.wait_closed()


try:
    asyncio.run(stay())
    report(ended="the server closed")
except Exception as error:
    report(ended="%s: %s" % (type(error).__name__, error))
leave()
