//! The ONLY door to files: resolve, decide, upload, download, list. Every protocol goes through here.
//!
//! Who asks comes in as a [`Session`]; what it may, `access` decides on the latest view at each use. Wire formats
//! and status codes are left to `protocols`.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Operation, View};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::path::VirtualPath;
use crate::session::{CloseReason, Session};

/// Gives the latest applied view; read at each use.
pub type ViewSource = Arc<dyn Fn() -> Arc<View> + Send + Sync>;

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
            Self::Limit(what) | Self::Unsupported(what) | Self::InvalidName(what) | Self::Io(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for VfsError {}

/// The door. One per node; cheap to clone.
#[derive(Clone)]
pub struct Vfs {
    inner: Arc<Inner>,
}

struct Inner {
    _view: ViewSource,
    _clock: Clock,
    _journal: Journal,
    _node: u64,
}

/// An open file. Dropping it without [`commit`](Self::commit) interrupts an upload: nothing is published.
pub struct OpenFile {
    _vfs: Vfs,
}

/// A folder being read; memory does not grow with the folder.
pub struct Listing {
    _vfs: Vfs,
}

#[expect(clippy::unimplemented, reason = "the contract, being filled in")]
impl Vfs {
    /// `node` is this node's id; it stands in the names of staged uploads.
    pub fn new(view: ViewSource, clock: Clock, journal: Journal, node: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                _view: view,
                _clock: clock,
                _journal: journal,
                _node: node,
            }),
        }
    }

    /// Attributes; `follow` looks behind a symbolic link at the end.
    pub async fn attributes(
        &self,
        _session: &Arc<Session>,
        _path: &VirtualPath,
        _follow: bool,
    ) -> Result<Attributes, VfsError> {
        unimplemented!()
    }

    /// Opens a folder for reading.
    pub async fn list(&self, _session: &Arc<Session>, _path: &VirtualPath) -> Result<Listing, VfsError> {
        unimplemented!()
    }

    /// Opens or makes a file.
    pub async fn open(
        &self,
        _session: &Arc<Session>,
        _path: &VirtualPath,
        _options: &OpenOptions,
    ) -> Result<OpenFile, VfsError> {
        unimplemented!()
    }

    /// Changes attributes by path.
    pub async fn set_attributes(
        &self,
        _session: &Arc<Session>,
        _path: &VirtualPath,
        _change: &AttributeChange,
    ) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Makes one folder.
    pub async fn make_folder(
        &self,
        _session: &Arc<Session>,
        _path: &VirtualPath,
        _mode: Option<u32>,
    ) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Removes an empty folder.
    pub async fn remove_folder(&self, _session: &Arc<Session>, _path: &VirtualPath) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Removes a file or a link.
    pub async fn remove(&self, _session: &Arc<Session>, _path: &VirtualPath) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Moves; without `overwrite` an existing target is left alone and the answer is [`VfsError::Exists`].
    pub async fn rename(
        &self,
        _session: &Arc<Session>,
        _from: &VirtualPath,
        _to: &VirtualPath,
        _overwrite: bool,
    ) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Makes a symbolic link at `link`; `target` is what the client sent. An absolute target is stored relative
    /// within its mount; one that leaves the mount is refused.
    pub async fn make_link(
        &self,
        _session: &Arc<Session>,
        _target: &[u8],
        _link: &VirtualPath,
    ) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Gives a file a second name.
    pub async fn make_hard_link(
        &self,
        _session: &Arc<Session>,
        _existing: &VirtualPath,
        _link: &VirtualPath,
    ) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Where a symbolic link points, as a virtual path or relative text.
    pub async fn read_link(&self, _session: &Arc<Session>, _path: &VirtualPath) -> Result<Bytes, VfsError> {
        unimplemented!()
    }

    /// Space of the file system behind a path.
    pub async fn space(&self, _session: &Arc<Session>, _path: &VirtualPath) -> Result<Space, VfsError> {
        let _ = &self.inner;
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, reason = "the contract, being filled in")]
impl OpenFile {
    /// Reads at most `length` bytes at `offset`; fewer only at the end; empty: the end. Many may run at a time.
    pub async fn read_at(&self, _offset: u64, _length: usize) -> Result<Bytes, VfsError> {
        unimplemented!()
    }

    /// Writes all of `chunk` at `offset` (at the end, if opened to append). Many may run at a time.
    pub async fn write_at(&self, _offset: u64, _chunk: Bytes) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Attributes of the open file.
    pub async fn attributes(&self) -> Result<Attributes, VfsError> {
        unimplemented!()
    }

    /// Changes attributes of the open file.
    pub async fn set_attributes(&self, _change: &AttributeChange) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Puts what was written so far on stable storage, as fsync(2).
    pub async fn sync(&self) -> Result<(), VfsError> {
        unimplemented!()
    }

    /// Ends the use of the file. For an upload: fsync, rename, fsync the folder; once this answers, the file is
    /// whole, under its name, on stable storage.
    pub async fn commit(self) -> Result<(), VfsError> {
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, reason = "the contract, being filled in")]
impl Listing {
    /// At most `max` further entries; none: the end. Entries `.` and `..` are not given.
    pub async fn next(&mut self, _max: usize) -> Result<Vec<Entry>, VfsError> {
        unimplemented!()
    }
}
