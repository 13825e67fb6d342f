//! # WebDAV
//!
//! **Where.** Services of the kinds `http` and `https` with `webdav` serve an account's files under `/dav/` by WebDAV,
//! classes 1, 2 and 3 (RFC 4918): as a network drive of Windows, macOS and Linux, and for rclone, Cyberduck, WinSCP,
//! cadaver and others. `OPTIONS` is answered to everybody; everything else asks for a name and a password (Basic) or a
//! client certificate, never for the cookie of a browser. Windows sends Basic by HTTPS alone.
//!
//! | Client | How |
//! |---|---|
//! | Windows | map a network drive to `https://files.example.org/dav/` |
//! | macOS | Finder, Go, Connect to Server: `https://files.example.org/dav/` |
//! | GNOME, KDE | `davs://files.example.org/dav/`, `webdavs://files.example.org/dav/` |
//! | davfs2 | `mount -t davfs https://files.example.org/dav/ /mnt`; `buf_size 64` in its settings for Linux 6.16 and later |
//! | rclone | type `webdav`, vendor `owncloud`, which keeps the times of files |
//!
//! **Writing.** A file is there whole, under its name, when the answer to its `PUT` comes, or not at all. `COPY` and
//! `DELETE` of a folder go through all in it, at most 100,000 entries and 64 folders deep; what was refused is listed
//! in the answer (207), the rest is done. A `MOVE` gives what it replaces another name first and removes it last; one
//! from one storage to another is a copy, and then the source is removed. `X-OC-MTime` sets a file's time.
//!
//! **Locks** hold on every node, from the answer to `LOCK` on, wherever the next request goes. They last 600 seconds
//! unless the client asks for fewer or more, at most 3,600, and end by themselves when nobody renews them: no lock
//! outlives a client or a node that is gone. An account has at most 2,000. They bind WebDAV and nothing else: who writes
//! by SFTP, FTP or the file API, or in the browser, is not kept out. Only the account that took a lock can use its
//! token. Without a quorum no lock can be taken; writes are judged by the locks that the node knows of.
//!
//! **Properties** that clients set stay with the file: through a `MOVE`, a `COPY` and a `PUT` over it, and when it is
//! moved by another protocol. They lie in the extended attribute `user.argosy.dav`, at most 16 KiB a file and no more
//! than the file system keeps (ext4 about 4 KiB, NFS before version 4.2 none): beyond that they are refused with 507 or
//! 403. Of `Win32LastModifiedTime` and `DAV:getlastmodified` the file gets its time. The quota properties tell the room
//! on the storage.
//!
//! **Bounds.** `PROPFIND` tells of a folder and what is right in it; with `Depth: infinity` it is refused. It is sent
//! as it is read, however large the folder. XML is at most 64 KiB (256 KiB for `PROPPATCH`) and 64 elements deep;
//! document types and entities are refused. A `Destination` on another host or outside of `/dav/` is refused with 502.
//! The fragment of an address (`#...`) is not looked at.
