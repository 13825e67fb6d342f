//! EXTENDED requests as bytes: OpenSSH's (its PROTOCOL file, section 4) and those of
//! draft-ietf-secsh-filexfer-extensions-00 and draft-ietf-secsh-filexfer-09 (section 9.1).
//!
//! What they do is left to `extensions`.

use bytes::{Buf, Bytes};

use super::{Fields, Request, WireAttributes};
use crate::protocols::sftp::limits::IDS_MAX;

/// Names and values that VERSION announces. Paramiko takes the value of `check-file` as its list of hashes.
pub const ANNOUNCED: &[(&str, &str)] = &[
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
    ("check-file", "sha256,sha384,sha512,sha1,md5"),
    ("check-file-handle", "sha256,sha384,sha512,sha1,md5"),
    ("check-file-name", "sha256,sha384,sha512,sha1,md5"),
    ("md5-hash", "1"),
    ("md5-hash-handle", "1"),
];

/// A file in a request that has a form for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its handle.
    Handle(Bytes),
    /// By its path.
    Path(Bytes),
}

/// A request that version 3 itself does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// limits@openssh.com
    Limits,
    /// lsetstat@openssh.com: of a symbolic link its own attributes.
    Lsetstat {
        /// The path.
        path: Bytes,
        /// What to set.
        attributes: WireAttributes,
    },
    /// expand-path@openssh.com
    ExpandPath {
        /// A path that may begin with `~`.
        path: Bytes,
    },
    /// home-directory
    HomeDirectory {
        /// Whose; empty: one's own.
        user: Bytes,
    },
    /// users-groups-by-id@openssh.com
    NamesById {
        /// Numbers of users.
        users: Vec<u32>,
        /// Numbers of groups.
        groups: Vec<u32>,
    },
    /// copy-data
    CopyData {
        /// The handle that is read.
        from: Bytes,
        /// Where reading begins.
        from_offset: u64,
        /// Bytes; 0: up to the end.
        length: u64,
        /// The handle that is written.
        to: Bytes,
        /// Where writing begins.
        to_offset: u64,
    },
    /// check-file-handle, check-file-name, and check-file, which is Paramiko's name for the first.
    CheckFile {
        /// The file.
        file: Named,
        /// Names of hashes with commas between, the preferred one first.
        hashes: Bytes,
        /// The first byte.
        start: u64,
        /// Bytes; 0: up to the end.
        length: u64,
        /// Bytes of each piece; 0: one hash for all.
        piece: u32,
    },
    /// md5-hash, md5-hash-handle
    Md5Hash {
        /// The file.
        file: Named,
        /// The first byte.
        start: u64,
        /// Bytes; 0: up to the end.
        length: u64,
        /// What the client has as the hash of the first 2,048 bytes; empty: nothing.
        quick: Bytes,
    },
}

pub(super) fn read(fields: &mut Fields) -> Option<Request> {
    let name = fields.bytes()?;
    let extended = match &name[..] {
        b"posix-rename@openssh.com" => {
            return Some(Request::PosixRename {
                from: fields.bytes()?,
                to: fields.bytes()?,
            });
        }
        b"fsync@openssh.com" => {
            return Some(Request::Fsync {
                handle: fields.bytes()?,
            });
        }
        b"hardlink@openssh.com" => {
            return Some(Request::Hardlink {
                existing: fields.bytes()?,
                link: fields.bytes()?,
            });
        }
        b"statvfs@openssh.com" => return Some(Request::Statvfs { path: fields.bytes()? }),
        b"fstatvfs@openssh.com" => {
            return Some(Request::Fstatvfs {
                handle: fields.bytes()?,
            });
        }
        b"limits@openssh.com" => Extended::Limits,
        b"lsetstat@openssh.com" => Extended::Lsetstat {
            path: fields.bytes()?,
            attributes: fields.attributes()?,
        },
        b"expand-path@openssh.com" => Extended::ExpandPath { path: fields.bytes()? },
        b"home-directory" => Extended::HomeDirectory { user: fields.bytes()? },
        b"users-groups-by-id@openssh.com" => Extended::NamesById {
            users: numbers(fields.bytes()?)?,
            groups: numbers(fields.bytes()?)?,
        },
        b"copy-data" => Extended::CopyData {
            from: fields.bytes()?,
            from_offset: fields.u64()?,
            length: fields.u64()?,
            to: fields.bytes()?,
            to_offset: fields.u64()?,
        },
        b"check-file-name" => check_file(Named::Path(fields.bytes()?), fields)?,
        b"check-file-handle" | b"check-file" => check_file(Named::Handle(fields.bytes()?), fields)?,
        b"md5-hash" => md5_hash(Named::Path(fields.bytes()?), fields)?,
        b"md5-hash-handle" => md5_hash(Named::Handle(fields.bytes()?), fields)?,
        _ => return Some(Request::Unknown),
    };
    Some(Request::Extended(extended))
}

fn check_file(file: Named, fields: &mut Fields) -> Option<Extended> {
    Some(Extended::CheckFile {
        file,
        hashes: fields.bytes()?,
        start: fields.u64()?,
        length: fields.u64()?,
        piece: fields.u32()?,
    })
}

fn md5_hash(file: Named, fields: &mut Fields) -> Option<Extended> {
    Some(Extended::Md5Hash {
        file,
        start: fields.u64()?,
        length: fields.u64()?,
        quick: fields.bytes()?,
    })
}

/// Numbers one after the other.
fn numbers(mut bytes: Bytes) -> Option<Vec<u32>> {
    let count = bytes.len() / 4;
    (bytes.len().is_multiple_of(4) && count <= IDS_MAX).then(|| (0..count).map(|_| bytes.get_u32()).collect())
}
