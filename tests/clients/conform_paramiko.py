"""What a partner's paramiko does in a day: put, get, resume, rename, links, attributes, deep trees, odd names."""

import stat
import time

import paramiko

from client import ARGS, ODD_NAMES, check, equal, leave, noise, paramiko_sftp, refused

client = paramiko_sftp()
folder = "/" + ARGS["folder"]
client.mkdir(folder)
client.chdir(folder)


def content(name):
    with client.open(name, "rb") as file:
        file.prefetch()
        return file.read()


def put_and_get():
    for size in (0, 1, 32767, 32768, 32769, 3_000_001):
        data = noise(size, size)
        with client.open("f%d" % size, "wb") as file:
            file.set_pipelined(True)
            file.write(data)
        equal(client.stat("f%d" % size).st_size, size, "size after put")
        equal(content("f%d" % size), data, "bytes of a file of %d" % size)
    with client.open("f3000001", "rb") as file:
        equal(file.readv([(0, 10), (2_999_991, 10), (1_500_000, 100_000)]).__next__(), noise(3_000_001, 3_000_001)[:10], "readv")


def resume():
    data = noise(7, 500_000)
    with client.open("resumed", "wb") as file:
        file.write(data[:200_000])
    with client.open("resumed", "ab") as file:
        file.write(data[200_000:350_000])
    with client.open("resumed", "r+b") as file:
        file.seek(350_000)
        file.write(data[350_000:])
    equal(content("resumed"), data, "bytes of a resumed upload")
    with client.open("resumed", "r+b") as file:
        file.seek(100)
        file.write(b"inside")
        file.seek(90)
        equal(file.read(30), data[90:100] + b"inside" + data[106:120], "a read through the handle that has written")


def sparse():
    with client.open("sparse", "wb") as file:
        file.seek(5 << 30)
        file.write(b"end")
    equal(client.stat("sparse").st_size, (5 << 30) + 3, "size of a file with a hole")
    with client.open("sparse", "rb") as file:
        file.seek((5 << 30) - 2)
        equal(file.read(10), b"\0\0end", "bytes around the end of a hole")
    client.truncate("sparse", 10)
    equal(content("sparse"), b"\0" * 10, "a file that was cut")
    client.truncate("sparse", 20)
    equal(content("sparse"), b"\0" * 20, "a file that was grown")
    client.remove("sparse")


def exclusive():
    with client.open("new", "wx") as file:
        file.write(b"1")
    refused(lambda: client.open("new", "wx"), "an exclusive create of an existing name", IOError)
    equal(content("new"), b"1", "the file that was there")


def rename():
    with client.open("from", "wb") as file:
        file.write(b"moved")
    client.rename("from", "to")
    equal(content("to"), b"moved", "a renamed file")
    refused(lambda: client.stat("from"), "stat of the old name", FileNotFoundError)
    with client.open("other", "wb") as file:
        file.write(b"other")
    refused(lambda: client.rename("other", "to"), "a rename onto an existing name", IOError)
    equal(content("to"), b"moved", "the target of a refused rename")
    client.posix_rename("other", "to")
    equal(content("to"), b"other", "the target of posix-rename")
    client.mkdir("folder-a")
    client.rename("folder-a", "folder-b")
    check(stat.S_ISDIR(client.stat("folder-b").st_mode), "a renamed folder is no folder")


def links():
    client.symlink("to", "link")
    equal(client.readlink("link"), "to", "readlink")
    check(stat.S_ISLNK(client.lstat("link").st_mode), "lstat of a link does not show a link")
    check(stat.S_ISREG(client.stat("link").st_mode), "stat of a link does not show the file")
    equal(content("link"), b"other", "a read through a link")
    client.symlink("missing", "dangling")
    refused(lambda: client.stat("dangling"), "stat of a dangling link", FileNotFoundError)
    client.remove("link")
    equal(content("to"), b"other", "the file behind a removed link")


def attributes():
    client.chmod("to", 0o640)
    equal(stat.S_IMODE(client.stat("to").st_mode), 0o640, "mode")
    client.utime("to", (1_000_000_000, 1_100_000_000))
    found = client.stat("to")
    equal((found.st_atime, found.st_mtime), (1_000_000_000, 1_100_000_000), "times")
    client.chmod("to", 0o6755)
    equal(stat.S_IMODE(client.stat("to").st_mode) & 0o6000, 0, "set-id bits")
    with client.open("to", "r+b") as file:
        file.chmod(0o600)
        file.truncate(2)
        equal(file.stat().st_size, 2, "fstat after ftruncate")
    equal(stat.S_IMODE(client.stat("to").st_mode), 0o600, "mode by handle")


def odd_names():
    client.mkdir("odd")
    for number, name in enumerate(ODD_NAMES):
        path = b"odd/" + name
        with client.open(path, "wb") as file:
            file.write(name)
        equal(content(path), name, "bytes of the file %r" % name)
        client.rename(path, b"odd/moved")
        client.rename(b"odd/moved", path)
        if number % 2:
            client.remove(path)
            refused(lambda: client.stat(path), "stat of the removed %r" % name, FileNotFoundError)


def deep_tree():
    path = folder
    for depth in range(100):
        path += "/d%02d" % depth
        client.mkdir(path)
    with client.open(path + "/leaf", "wb") as file:
        file.write(b"deep")
    equal(content(path + "/leaf"), b"deep", "a file 100 folders deep")
    refused(lambda: client.rmdir(folder + "/d00"), "removal of a folder that is not empty", IOError)
    client.remove(path + "/leaf")
    while path != folder:
        client.rmdir(path)
        path = path.rpartition("/")[0]


def refusals():
    refused(lambda: client.open("missing", "rb"), "a read of a missing file", FileNotFoundError)
    refused(lambda: client.listdir("missing"), "a listing of a missing folder", FileNotFoundError)
    refused(lambda: client.listdir("to"), "a listing of a file", IOError)
    refused(lambda: client.mkdir("odd"), "a folder over an existing one", IOError)
    refused(lambda: client.remove("odd"), "a removal of a folder as a file", IOError)
    refused(lambda: client.rmdir("to"), "a removal of a file as a folder", IOError)
    refused(lambda: client.open("no/such/folder/file", "wb"), "a file in a missing folder", FileNotFoundError)
    refused(lambda: client.open("x" * 256, "wb"), "a name of 256 bytes", IOError)


begun = time.time()
for step in (put_and_get, resume, sparse, exclusive, rename, links, attributes, odd_names, deep_tree, refusals):
    step()
equal(client.normalize("a/../b/./c//d"), folder + "/b/c/d", "realpath")
listed = {entry.filename: entry for entry in client.listdir_attr(".")}
equal(listed["f3000001"].st_size, 3_000_001, "a size in a listing")
check("f3000001" in listed["f3000001"].longname, "the long name does not hold the name")
client.get_channel().get_transport().close()
leave()
