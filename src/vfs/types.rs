//! What the Vfs is asked and what it answers: options, attributes, entries, errors.
//!
//! Wire forms and status codes are left to `protocols`.

use bytes::Bytes;

use crate::catalog::Operation;
use crate::clock::UnixMillis;
use crate::session::CloseReason;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum FileType {
    File,
    Folder,
    Link,
    Other,
}

/// What is known of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub file_type: FileType,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner's number on the storage.
    pub uid: u32,
    /// Group's number on the storage.
    pub gid: u32,
    /// Last access.
    pub accessed: UnixMillis,
    /// Last change of the content.
    pub modified: UnixMillis,
    /// Number of names.
    pub links: u64,
    /// Differs, together with the size, between two contents of a name, even of the same millisecond; the same on all
    /// nodes. 0: not known.
    pub mark: u64,
}

/// What to change; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeChange {
    /// New size: cuts, or grows with zeros (a hole).
    pub size: Option<u64>,
    /// New permission bits; set-id bits are never set.
    pub mode: Option<u32>,
    /// Owner and group; refused as unsupported unless equal to what is there.
    pub owner: Option<(u32, u32)>,
    /// Access and modification time.
    pub times: Option<(UnixMillis, UnixMillis)>,
}

/// How to open a file; the protocol's own flags are mapped to this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Reads are wanted.
    pub read: bool,
    /// Writes are wanted.
    pub write: bool,
    /// Every write goes to the end, whatever its offset.
    pub append: bool,
    /// Make it if it is missing.
    pub create: bool,
    /// Empty it (the old file stays for others until the new one is published).
    pub truncate: bool,
    /// Fail if the name exists; reserves the name.
    pub exclusive: bool,
    /// Mode of a new file; default 0o644.
    pub mode: Option<u32>,
}

impl OpenOptions {
    /// An existing file is read and nothing else.
    pub(super) fn only_reads(&self) -> bool {
        let others = [self.write, self.append, self.create, self.truncate, self.exclusive];
        self.read && !others.contains(&true)
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// One name, bytes.
    pub name: Bytes,
    /// Of the entry itself: links are not followed.
    pub attributes: Attributes,
}

/// Space of a file system (statvfs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of statvfs(3)")]
pub struct Space {
    pub bsize: u64,
    pub frsize: u64,
    pub blocks: u64,
    pub bfree: u64,
    pub bavail: u64,
    pub files: u64,
    pub ffree: u64,
    pub favail: u64,
    pub fsid: u64,
    pub flag: u64,
    pub namemax: u64,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VfsError {
    /// Nothing has this name.
    NotFound,
    /// Something has this name already.
    Exists,
    /// The account may not do this here.
    Denied(Operation),
    /// It is a folder.
    IsFolder,
    /// It is no folder.
    NotFolder,
    /// The folder is not empty.
    NotEmpty,
    /// Over a named limit; the text says which.
    Limit(String),
    /// The storage has no room, or a quota is used up.
    Full,
    /// The storage cannot do this, or the request makes no sense there; the text says what.
    Unsupported(String),
    /// The path or link leads out of its mount, or loops.
    OutOfMount,
    /// Source and target lie on different storages.
    CrossesStorages,
    /// A part of the path is no valid name here.
    InvalidName(String),
    /// The session is closed or the credential revoked.
    Revoked(CloseReason),
    /// Files of this name are not carried here; the text says why.
    NotTaken(String),
    /// This node has had no confirmed leader for too long; the text says how long.
    Stale(String),
    /// The upload was taken over by another session.
    TakenOver,
    /// The storage failed; the text is for the log and holds no secret.
    Io(String),
}

impl std::fmt::Display for VfsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file or folder"),
            Self::Exists => f.write_str("a file or folder of this name exists"),
            Self::Denied(operation) => write!(f, "the account may not `{}` here", operation.word()),
            Self::IsFolder => f.write_str("it is a folder"),
            Self::NotFolder => f.write_str("it is no folder"),
            Self::NotEmpty => f.write_str("the folder is not empty"),
            Self::Full => f.write_str("the storage has no room left"),
            Self::OutOfMount => f.write_str("the path leads out of the folders of this account"),
            Self::CrossesStorages => f.write_str("source and target lie on different storages"),
            Self::Revoked(reason) => write!(f, "the session has ended: {reason}"),
            Self::TakenOver => f.write_str("another session has taken over this upload"),
            Self::Limit(what)
            | Self::Unsupported(what)
            | Self::InvalidName(what)
            | Self::NotTaken(what)
            | Self::Stale(what)
            | Self::Io(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for VfsError {}
