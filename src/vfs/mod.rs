//! The ONLY door to files: resolve, decide, upload, download, list. Every protocol goes through here.
//!
//! Who asks comes in as a [`Session`]; what it may, `access` decides on the latest view at each use. Wire formats
//! and status codes are left to `protocols`.

mod change;
mod file;
mod health;
pub mod limits;
mod listing;
mod local;
mod open;
mod pieces;
mod pool;
mod relocate;
mod resolve;
mod slots;
mod staged;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::catalog::{Object, Operation, Storage};
use crate::clock::{Clock, UnixMillis};
use crate::events::{FileVerb, Journal};
use crate::ids::Name;
use crate::path::VirtualPath;
use crate::session::{CloseReason, Session};

use file::Core;
use health::Health;
use listing::Reader;
use local::Faults;
use pool::Pool;
use resolve::{Asker, Place, Standing, standing};
use slots::Slots;
use staged::held::Held;

pub use staged::clean::Cleaned;

pub use crate::catalog::ViewSource;

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
    view: ViewSource,
    clock: Clock,
    journal: Journal,
    node: u64,
    pools: Mutex<HashMap<Name, Pool>>,
    held: Held,
    slots: Arc<Slots>,
    health: Health,
    faults: Faults,
}

impl Inner {
    /// The pool of a storage.
    fn pool(&self, storage: &Name) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(storage.clone()).or_insert_with(Pool::new).clone()
    }
}

/// An open file. Dropping it without [`commit`](Self::commit) interrupts an upload: nothing is published.
pub struct OpenFile {
    /// `None` only while it is being dropped.
    core: Option<Arc<Core>>,
}

/// A folder being read; memory does not grow with the folder.
pub struct Listing {
    asker: Asker,
    storage: Option<Name>,
    reader: Arc<Mutex<Reader>>,
}

impl Vfs {
    /// `node` is this node's id; it stands in the names of staged uploads.
    pub fn new(view: ViewSource, clock: Clock, journal: Journal, node: u64) -> Self {
        Self::with_faults(view, clock, journal, node, Faults::default())
    }

    fn with_faults(view: ViewSource, clock: Clock, journal: Journal, node: u64, faults: Faults) -> Self {
        Self {
            inner: Arc::new(Inner {
                view,
                clock,
                journal,
                node,
                pools: Mutex::default(),
                held: Held::default(),
                slots: Arc::default(),
                health: Health::default(),
                faults,
            }),
        }
    }

    fn asker(&self, session: &Arc<Session>) -> Asker {
        Asker {
            inner: self.inner.clone(),
            session: session.clone(),
        }
    }

    /// Attributes; `follow` looks behind a symbolic link at the end. Allowed to whoever may list the folder that
    /// holds the path, or may do anything to the path itself.
    pub async fn attributes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        follow: bool,
    ) -> Result<Attributes, VfsError> {
        let asker = self.asker(session);
        let Some(place) = asker.place(path)? else {
            let (_, account) = asker.account()?;
            return match standing(&account.spec, path) {
                Standing::Ordinary => Err(VfsError::NotFound),
                _ => Ok(listing::virtual_folder(self.inner.clock.now())),
            };
        };
        asker.may_look(path)?;
        let job_place = place.clone();
        asker
            .run(&place, move |asker| change::attributes(asker, job_place, follow))
            .await
    }

    /// Opens a folder for reading.
    pub async fn list(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<Listing, VfsError> {
        let asker = self.asker(session);
        let result = self.open_listing(&asker, path).await;
        asker.recorded(FileVerb::Listed, path, None, result)
    }

    async fn open_listing(&self, asker: &Asker, path: &VirtualPath) -> Result<Listing, VfsError> {
        let listing = |storage, reader| Listing {
            asker: asker.clone(),
            storage,
            reader: Arc::new(Mutex::new(reader)),
        };
        let Some(place) = asker.place(path)? else {
            let (_, account) = asker.account()?;
            return match standing(&account.spec, path) {
                Standing::Ordinary => Err(VfsError::NotFound),
                _ => Ok(listing(None, Reader::of_mounts(asker, path)?)),
            };
        };
        asker.may(Operation::List, path)?;
        let job_place = place.clone();
        let reader = asker.run(&place, move |asker| Reader::open(asker, job_place)).await?;
        Ok(listing(Some(place.storage.name.clone()), reader))
    }

    /// Opens or makes a file. A new or emptied file is staged and published by [`OpenFile::commit`]; an existing one
    /// is opened in place; a partial of the account is gone on with, which takes it from whoever held it.
    pub async fn open(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        options: &OpenOptions,
    ) -> Result<OpenFile, VfsError> {
        let asker = self.asker(session);
        let result = Self::open_file(&asker, path, options).await;
        if let Err(error) = &result {
            asker.record(FileVerb::Opened, path, None, (0, 0), Some(error.to_string()));
        }
        result
    }

    async fn open_file(asker: &Asker, path: &VirtualPath, options: &OpenOptions) -> Result<OpenFile, VfsError> {
        let wanted = if options.write {
            Operation::Write
        } else {
            Operation::Read
        };
        let Some(place) = asker.place(path)? else {
            // Says why: a folder that leads to mounts, or nothing at all.
            return asker.permitted(wanted, path).and(Err(VfsError::NotFound));
        };
        if !options.write {
            asker.may(Operation::Read, path)?;
        }
        let slot = asker.inner.slots.take(asker.session.id)?;
        let options = options.clone();
        let job_place = place.clone();
        let core = asker
            .run(&place, move |asker| open::open(asker, job_place, &options, slot))
            .await?;
        Ok(OpenFile {
            core: Some(Arc::new(core)),
        })
    }

    /// Changes attributes by path.
    pub async fn set_attributes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        change: &AttributeChange,
    ) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let change = change.clone();
        let job = move |asker: &Asker, place| change::set_attributes(asker, place, &change);
        // Write alone allows it on the session's own upload; which one is needed shows on the disk.
        let either = [Operation::SetAttributes, Operation::Write];
        let result = Self::on_one(&asker, either, path, job).await;
        asker.recorded(FileVerb::AttributesSet, path, None, result)
    }

    /// Makes one folder.
    pub async fn make_folder(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        mode: Option<u32>,
    ) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let job = move |asker: &Asker, place| change::make_folder(asker, place, mode);
        let result = Self::on_one(&asker, [Operation::MakeFolder], path, job).await;
        asker.recorded(FileVerb::FolderMade, path, None, result)
    }

    /// Removes an empty folder.
    pub async fn remove_folder(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let result = Self::on_one(&asker, [Operation::RemoveFolder], path, change::remove_folder).await;
        asker.recorded(FileVerb::FolderRemoved, path, None, result)
    }

    /// Removes a file or a link.
    pub async fn remove(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let result = Self::on_one(&asker, [Operation::Delete], path, change::remove).await;
        asker.recorded(FileVerb::Deleted, path, None, result)
    }

    /// Moves; without `overwrite` an existing target is left alone and the answer is [`VfsError::Exists`]. With it,
    /// an existing target needs the right to overwrite; the right to delete is not asked for.
    pub async fn rename(
        &self,
        session: &Arc<Session>,
        from: &VirtualPath,
        to: &VirtualPath,
        overwrite: bool,
    ) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let rights = (Operation::Rename, Operation::Rename);
        let job = move |asker: &Asker, from, to| relocate::rename(asker, from, to, overwrite);
        let result = Self::on_two(&asker, rights, (from, to), job).await;
        asker.recorded(FileVerb::Renamed, from, Some(to), result)
    }

    /// Makes a symbolic link at `link`; `target` is what the client sent. An absolute target is stored relative
    /// within its mount; one that leaves the mount is refused.
    pub async fn make_link(&self, session: &Arc<Session>, target: &[u8], link: &VirtualPath) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let target = target.to_vec();
        let job = move |asker: &Asker, place| relocate::make_link(asker, &target, place);
        let result = Self::on_one(&asker, [Operation::Links], link, job).await;
        asker.recorded(FileVerb::Linked, link, None, result)
    }

    /// Gives a file a second name.
    pub async fn make_hard_link(
        &self,
        session: &Arc<Session>,
        existing: &VirtualPath,
        link: &VirtualPath,
    ) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let rights = (Operation::Links, Operation::Links);
        let result = Self::on_two(&asker, rights, (existing, link), relocate::make_hard_link).await;
        asker.recorded(FileVerb::Linked, existing, Some(link), result)
    }

    /// Where a symbolic link points, as relative text. Allowed as [`attributes`](Self::attributes) is.
    pub async fn read_link(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<Bytes, VfsError> {
        let asker = self.asker(session);
        let place = asker.place(path)?.ok_or(VfsError::NotFound)?;
        asker.may_look(path)?;
        let job_place = place.clone();
        asker
            .run(&place, move |asker| relocate::read_link(asker, job_place))
            .await
    }

    /// Space of the file system behind a path. Allowed as [`attributes`](Self::attributes) is.
    pub async fn space(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<Space, VfsError> {
        let asker = self.asker(session);
        let place = asker.place(path)?.ok_or(VfsError::NotFound)?;
        asker.may_look(path)?;
        let job_place = place.clone();
        let job = move |asker: &Asker| {
            let spot = asker.spot(job_place, true)?;
            // A name that only a staged upload has lies on the same file system as its folder.
            let there = if spot.seen.is_some() {
                spot.rel.as_slice()
            } else {
                spot.parent()
            };
            spot.root.space(there)
        };
        asker.run(&place, job).await
    }

    /// Puts this node's leftovers in order, on every storage: interrupted uploads of an earlier life are kept for
    /// resume or removed, as each storage says. To be called before the services open. A storage that fails is
    /// logged and left for the next time.
    pub async fn clean_at_start(&self) -> Cleaned {
        self.clean(staged::clean::at_start).await
    }

    /// Removes the staged files of nodes that are not in `members` (any more), and the kept ones of this node, once
    /// nobody has touched them for `age`. `members` are the ids of all nodes in the cluster, alive or not.
    pub async fn clean_departed(&self, members: &[u64], age: Duration) -> Cleaned {
        let members: Arc<[u64]> = members.into();
        self.clean(move |inner, storage| staged::clean::departed(inner, storage, &members, age))
            .await
    }

    async fn clean<J>(&self, job: J) -> Cleaned
    where
        J: Fn(&Inner, &Object<Storage>) -> Result<Cleaned, VfsError> + Clone + Send + 'static,
    {
        let mut all = Cleaned::default();
        let view = (self.inner.view)();
        for storage in view.storages.values() {
            let (inner, job, name, storage) = (self.inner.clone(), job.clone(), &storage.name, storage.clone());
            match self.inner.pool(name).run(move || job(&inner, &storage)).await {
                Ok(cleaned) => {
                    all.kept += cleaned.kept;
                    all.removed += cleaned.removed;
                }
                Err(error) => self.inner.health.failed(name, &error, &self.inner.journal),
            }
        }
        all
    }

    /// The storages that failed last and have not worked since.
    pub fn unhealthy_storages(&self) -> Vec<Name> {
        self.inner.health.unhealthy()
    }

    /// Runs an operation on one path, if any of `either` may be done there.
    async fn on_one<const N: usize>(
        asker: &Asker,
        either: [Operation; N],
        path: &VirtualPath,
        job: impl FnOnce(&Asker, Place) -> Result<(), VfsError> + Send + 'static,
    ) -> Result<(), VfsError> {
        let mut refused = None;
        for operation in either {
            match asker.permitted(operation, path) {
                Ok(place) => {
                    let job_place = place.clone();
                    return asker.run(&place, move |asker| job(asker, job_place)).await;
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(VfsError::NotFound))
    }

    /// Runs an operation on two paths of one storage, if the rights are there at both.
    async fn on_two(
        asker: &Asker,
        rights: (Operation, Operation),
        paths: (&VirtualPath, &VirtualPath),
        job: impl FnOnce(&Asker, Place, Place) -> Result<(), VfsError> + Send + 'static,
    ) -> Result<(), VfsError> {
        let first = asker.permitted(rights.0, paths.0)?;
        let second = asker.permitted(rights.1, paths.1)?;
        if first.storage.spec.root != second.storage.spec.root {
            return Err(VfsError::CrossesStorages);
        }
        let place = first.clone();
        asker.run(&place, move |asker| job(asker, first, second)).await
    }
}

impl OpenFile {
    fn core(&self) -> Result<&Arc<Core>, VfsError> {
        self.core.as_ref().ok_or(VfsError::NotFound)
    }

    async fn run<T: Send + 'static>(
        core: &Arc<Core>,
        job: impl FnOnce(&Core) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let pool = core.asker.inner.pool(&core.place.storage.name);
        let core = core.clone();
        pool.run(move || job(&core)).await
    }

    /// Reads at most `length` bytes at `offset`; fewer only at the end; empty: the end. Many may run at a time.
    /// `length` is at most [`limits::READ_BYTES_MAX`].
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, VfsError> {
        let core = self.core()?;
        core.check_read(offset, length)?;
        let mut buffer = vec![0; length];
        let (done, complete) = core.read_cached(offset, &mut buffer);
        let buffer = if complete {
            buffer.truncate(done);
            buffer
        } else {
            Self::run(core, move |core| core.read_rest(offset, buffer, done)).await?
        };
        core.count_read(buffer.len());
        Ok(buffer.into())
    }

    /// Writes all of `chunk` at `offset` (at the end, if opened to append). Many may run at a time. `chunk` is at
    /// most [`limits::WRITE_BYTES_MAX`].
    pub async fn write_at(&self, offset: u64, chunk: Bytes) -> Result<(), VfsError> {
        let core = self.core()?;
        core.check_write(offset, chunk.len())?;
        Self::run(core, move |core| core.write(offset, &chunk)).await
    }

    /// Attributes of the open file.
    pub async fn attributes(&self) -> Result<Attributes, VfsError> {
        let core = self.core()?;
        core.asker.session.check().map_err(VfsError::Revoked)?;
        Self::run(core, Core::attributes).await
    }

    /// Changes attributes of the open file.
    pub async fn set_attributes(&self, change: &AttributeChange) -> Result<(), VfsError> {
        let core = self.core()?;
        let change = change.clone();
        let result = Self::run(core, move |core| core.set_attributes(&change)).await;
        core.asker
            .recorded(FileVerb::AttributesSet, &core.place.path, None, result)
    }

    /// Puts what was written so far on stable storage, as fsync(2).
    pub async fn sync(&self) -> Result<(), VfsError> {
        let core = self.core()?;
        core.asker.session.check().map_err(VfsError::Revoked)?;
        Self::run(core, Core::sync).await
    }

    /// Ends the use of the file. For an upload: fsync, rename, fsync the folder; once this answers, the file is
    /// whole, under its name, on stable storage.
    pub async fn commit(mut self) -> Result<(), VfsError> {
        let Some(core) = self.core.take() else {
            return Err(VfsError::NotFound);
        };
        // The core's last hold must end on the pool even when nobody waits for the answer.
        let pool = core.asker.inner.pool(&core.place.storage.name);
        pool.run(move || core.commit()).await
    }

    /// Bytes read and written through this handle.
    pub fn moved(&self) -> (u64, u64) {
        self.core.as_ref().map_or((0, 0), |core| core.moved())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            let pool = core.asker.inner.pool(&core.place.storage.name);
            pool.submit(move || drop(core));
        }
    }
}

impl Listing {
    /// At most `max` further entries; none: the end. Entries `.` and `..` are not given.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Entry>, VfsError> {
        let (asker, reader) = (self.asker.clone(), self.reader.clone());
        let job = move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.next(&asker, max)
        };
        match &self.storage {
            Some(storage) => self.asker.inner.pool(storage).run(job).await,
            None => job(),
        }
    }
}
