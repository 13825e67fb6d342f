"""What a partner's asyncssh does: parallel transfers, trees, names as bytes, hard links, fsync, statvfs."""

import asyncio
import os
import pathlib
import stat
import tempfile

import asyncssh

from client import ARGS, ODD_NAMES, asyncssh_options, check, equal, noise


async def refused(action, what, of=asyncssh.SFTPError):
    try:
        await action
    except of as error:
        return error
    raise SystemExit("FAILED: %s was not refused" % what)


async def transfers(sftp, folder, local):
    data = noise(1, 9_000_000)
    (local / "big").write_bytes(data)
    await sftp.put(str(local / "big"), folder + "/big")
    await sftp.get(folder + "/big", str(local / "back"))
    equal((local / "back").read_bytes(), data, "bytes there and back")
    await asyncio.gather(*(sftp.put(str(local / "big"), folder + "/big%d" % n) for n in range(4)))
    sizes = await asyncio.gather(*(sftp.getsize(folder + "/big%d" % n) for n in range(4)))
    equal(sizes, [len(data)] * 4, "sizes of parallel uploads")
    async with sftp.open(folder + "/big0", "ab") as file:
        await file.write(b"more")
    async with sftp.open(folder + "/big0", "rb") as file:
        equal(await file.read(10, len(data) - 6), data[-6:] + b"more", "the end after an append")


async def names(sftp, folder):
    odd = folder.encode() + b"/odd"
    await sftp.mkdir(odd)
    for name in ODD_NAMES:
        async with sftp.open(odd + b"/" + name, "wb") as file:
            await file.write(name)
    found = sorted(name for name in await sftp.listdir(odd) if name not in (b".", b".."))
    equal(found, sorted(ODD_NAMES), "names in a listing")
    for name in ODD_NAMES:
        async with sftp.open(odd + b"/" + name, "rb") as file:
            equal(await file.read(), name, "bytes of %r" % name)


async def tree(sftp, folder, local):
    top = local / "tree"
    expected = {}
    for number in range(60):
        path = top / ("d%d" % (number % 6)) / ("e%d" % (number % 4)) / ("f%d" % number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(number, number * 997))
        expected[str(path.relative_to(top))] = path.read_bytes()
    await sftp.put(str(top), folder + "/tree", recurse=True, preserve=True)
    await sftp.get(folder + "/tree", str(local / "tree-back"), recurse=True, preserve=True)
    back = pathlib.Path(local / "tree-back")
    found = {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()}
    equal(found, expected, "a tree there and back")
    equal((back / "d0/e0/f0").stat().st_mtime_ns // 10**9, (top / "d0/e0/f0").stat().st_mtime_ns // 10**9, "a time")
    await sftp.rmtree(folder + "/tree")
    await refused(sftp.stat(folder + "/tree"), "stat of a removed tree", asyncssh.SFTPNoSuchFile)


async def extensions(sftp, folder):
    await sftp.link(folder + "/big", folder + "/hard")
    equal(await sftp.getsize(folder + "/hard"), await sftp.getsize(folder + "/big"), "size of a hard link")
    await sftp.remove(folder + "/hard")
    check(await sftp.isfile(folder + "/big"), "the file is gone with its second name")
    space = await sftp.statvfs(folder)
    check(space.blocks > 0 and space.bavail <= space.blocks and space.namemax == 255, "statvfs: %r" % space)
    async with sftp.open(folder + "/synced", "wb") as file:
        await file.write(b"x" * 100)
        await file.fsync()
    await sftp.posix_rename(folder + "/synced", folder + "/big1")
    equal(await sftp.getsize(folder + "/big1"), 100, "size after posix-rename over a file")
    limits = sftp.limits
    check(limits.max_read_len >= 32768 and limits.max_write_len >= 32768, "limits: %r" % limits)


async def attributes(sftp, folder):
    await sftp.setstat(folder + "/big2", asyncssh.SFTPAttrs(permissions=0o604))
    await sftp.setstat(folder + "/big2", asyncssh.SFTPAttrs(atime=5, mtime=1_234_567_890))
    found = await sftp.stat(folder + "/big2")
    equal((stat.S_IMODE(found.permissions), found.mtime), (0o604, 1_234_567_890), "attributes")
    await sftp.symlink(folder + "/big2", folder + "/absolute")
    target = await sftp.readlink(folder + "/absolute")
    check(target.endswith("big2"), "an absolute link reads as %r" % target)
    equal(await sftp.getsize(folder + "/absolute"), 9_000_000, "size through an absolute link")
    equal(await sftp.realpath(folder + "/absolute/../big2"), folder + "/big2", "realpath")


async def main():
    folder = "/" + ARGS["folder"]
    async with asyncssh.connect(**asyncssh_options()) as connection:
        async with connection.start_sftp_client() as sftp:
            await sftp.mkdir(folder)
            with tempfile.TemporaryDirectory() as local:
                local = pathlib.Path(local)
                await transfers(sftp, folder, local)
                await names(sftp, folder)
                await tree(sftp, folder, local)
            await extensions(sftp, folder)
            await attributes(sftp, folder)


asyncio.run(asyncio.wait_for(main(), 100))
os._exit(0)
