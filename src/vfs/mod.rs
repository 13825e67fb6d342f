//! The ONLY door to files: resolve, decide, upload, download, list. Every protocol goes through here.
//!
//! Who asks comes in as a [`Session`]; what it may, `access` decides on the latest view at each use. Wire formats
//! and status codes are left to `protocols`.
//!
//! - Each call asks the latest view: session, account, right; an open file asks again at each read, write and end,
//!   and judges anew where the view has changed. A path behind a symbolic link is decided on as well.
//! - A new or emptied file is staged in the hidden folder `.argosy-staging` at its storage's root and published at its
//!   end. A storage is one file system.
//! - A staged upload that its session has let go of, or that nobody has written to for
//!   [`limits::QUIET_MILLIS`], is a *partial*: its account sees it, opens it for writing without truncate to go on,
//!   or removes it. Going on takes it from whoever still holds it, on any node: the staged file gets a new name with a
//!   higher generation, and the old holder, who looks for the name before each write and can publish or delete
//!   only by it, is told [`VfsError::TakenOver`]. What another node may still write to goes on as a copy, so that a
//!   write that was under way there never reaches what is published here; what was kept goes on as it is.
//! - A handle that only reads never publishes; of several that write, each end publishes what is there.
//! - Blocking work runs on threads of the storage's own; on the caller's runs only what memory answers: reads from the
//!   page cache, and, on this machine's own file systems, looks at and opens of what was looked up before.

mod buffers;
mod cached;
mod change;
mod contents;
mod file;
mod handle;
mod health;
pub mod limits;
mod listing;
mod local;
mod looks;
mod notes;
mod open;
mod pace;
mod permissions;
mod pieces;
mod pool;
mod relocate;
mod resolve;
mod right;
mod slots;
mod staged;
mod steps;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod types;
mod writes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::catalog::{AgeSource, Operation, View, ViewSource};
use crate::clock::Clock;
use crate::events::{FileVerb, Journal};
use crate::ids::Name;
use crate::path::VirtualPath;
use crate::session::Session;

use health::Health;
pub use listing::Listing;
use listing::Reader;
use local::Faults;
use pace::Pace;
use pool::Pool;
use resolve::{Asker, Place, Standing, standing};
use slots::Slots;
use staged::held::Held;

pub use buffers::{Buffers, Chunk};
pub use contents::{Hash, Hashing, RunningHash};
pub use handle::OpenFile;
pub use looks::{long_line, put_name};
pub use permissions::Permissions;
pub use staged::clean::Cleaned;
pub use steps::{NewUpload, StepUpload, UploadState};
pub use types::{AttributeChange, Attributes, Entry, FileType, OpenOptions, Space, VfsError};

/// The door. One per node; cheap to clone.
#[derive(Clone)]
pub struct Vfs {
    inner: Arc<Inner>,
    /// What events say was spoken; `None`: the session's protocol.
    protocol: Option<&'static str>,
}

struct Inner {
    view: ViewSource,
    clock: Clock,
    journal: Journal,
    node: u64,
    /// Random at each start: tells what this process has staged from what an earlier one left.
    life: u32,
    pools: Mutex<HashMap<Name, Pool>>,
    held: Held,
    slots: Arc<Slots>,
    health: Health,
    faults: Faults,
    buffers: Arc<Buffers>,
    pace: Pace,
    /// How long ago a leader was confirmed; unset: not known, and nothing is refused for it.
    confirmed: OnceLock<AgeSource>,
}

impl Inner {
    /// Refuses what would be done by a view that is older than the settings allow.
    fn fresh(&self, view: &View) -> Result<(), VfsError> {
        let stale = self.confirmed.get().and_then(|confirmed| view.stale(|| confirmed()));
        stale.map_or(Ok(()), |reason| Err(VfsError::Stale(reason)))
    }

    /// The pool of a storage.
    fn pool(&self, storage: &Name) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(storage.clone()).or_insert_with(Pool::new).clone()
    }
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
                life: staged::random_bits().unwrap_or_default(),
                pools: Mutex::default(),
                held: Held::default(),
                slots: Slots::of_process(),
                health: Health::default(),
                faults,
                buffers: Arc::default(),
                pace: Pace::default(),
                confirmed: OnceLock::new(),
            }),
            protocol: None,
        }
    }

    /// The same door for a session that speaks more than one protocol: what is done through it is recorded under this
    /// one's name.
    pub fn speaking(&self, protocol: &'static str) -> Self {
        Self {
            inner: self.inner.clone(),
            protocol: Some(protocol),
        }
    }

    /// From now on nothing is done while `confirmed` is above the settings' `staleness_max_seconds`; the first that is
    /// given stays.
    pub fn refuse_when_older(&self, confirmed: AgeSource) {
        let _ = self.inner.confirmed.set(confirmed);
    }

    fn asker(&self, session: &Arc<Session>) -> Asker {
        Asker {
            inner: self.inner.clone(),
            session: session.clone(),
            protocol: self.protocol.unwrap_or(session.protocol()),
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
            return match standing(&asker.access()?, path) {
                Standing::Ordinary => Err(VfsError::NotFound),
                _ => Ok(listing::virtual_folder(self.inner.clock.now())),
            };
        };
        asker.may_look(path)?;
        if let Some(seen) = cached::spot(&asker, &place).and_then(|spot| spot.seen) {
            return Ok(seen.state.attributes);
        }
        let job_place = place.clone();
        asker
            .run(&place, move |asker| change::attributes(asker, job_place, follow))
            .await
    }

    /// What the session may do by the latest view, for who offers nothing that would be refused. Nothing is looked up
    /// on a storage: each step is decided again when it is done.
    pub fn permissions(&self, session: &Arc<Session>) -> Result<Permissions, VfsError> {
        self.asker(session).access().map(Permissions)
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
            return match standing(&asker.access()?, path) {
                Standing::Ordinary => Err(VfsError::NotFound),
                _ => Ok(listing(None, Reader::of_mounts(asker, path)?)),
            };
        };
        asker.may(Operation::List, path)?;
        let slot = asker.inner.slots.take(asker.session.id)?;
        let job_place = place.clone();
        let reader = asker.run(&place, move |asker| Reader::open(asker, job_place)).await?;
        Ok(listing(Some((place.storage.name.clone(), slot)), reader))
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
        if options.only_reads()
            && let Some(spot) = cached::spot(asker, &place)
        {
            return open::found(asker, spot, options, slot).map(OpenFile::new);
        }
        let options = options.clone();
        let job_place = place.clone();
        let core = asker
            .run(&place, move |asker| open::open(asker, job_place, &options, slot))
            .await?;
        Ok(OpenFile::new(core))
    }

    /// Changes attributes by path, behind a symbolic link at its end.
    pub async fn set_attributes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        change: &AttributeChange,
    ) -> Result<(), VfsError> {
        self.change_attributes(session, path, change, true).await
    }

    /// Changes attributes by path; of a symbolic link at its end its own, of which only the times can be changed.
    pub async fn set_link_attributes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        change: &AttributeChange,
    ) -> Result<(), VfsError> {
        self.change_attributes(session, path, change, false).await
    }

    async fn change_attributes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        change: &AttributeChange,
        follow: bool,
    ) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let change = change.clone();
        let job = move |asker: &Asker, place| change::set_attributes(asker, place, &change, follow);
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

    /// Gives a file a second name. Whoever does it must be allowed to change the file under the name that it has.
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
