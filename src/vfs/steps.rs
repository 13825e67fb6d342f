//! Uploads in steps: begun by one request, gone on with by others, on any node, by their id; published by the last.
//!
//! Their bytes are staged as those of every upload; a record beside them says the rest and is the lock that lets one
//! at a time go on. What a request looks like is left to the protocols.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::file::Core;
use super::limits::STEP_UPLOADS_MAX;
use super::local::{check_reserve, state_of, told};
use super::open::{self, FILE_MODE};
use super::resolve::{Asker, Place, Spot, place_in};
use super::slots::OpenSlot;
use super::staged::record::{self, Locked, Looked, Record};
use super::staged::{StagedName, Steps, Target, partial, random, staging_folder};
use super::{FileType, OpenFile, Vfs, VfsError};
use crate::catalog::Operation;
use crate::clock::UnixMillis;
use crate::events::FileVerb;
use crate::path::VirtualPath;
use crate::session::Session;

/// An upload in steps that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Where it goes.
    pub path: VirtualPath,
    /// All bytes that it will have; `None`: that is said later.
    pub length: Option<u64>,
    /// A file that has the name at the end is replaced.
    pub overwrite: bool,
    /// The client's own words about it, given back as they came.
    pub note: String,
    /// How long it is kept after its last change.
    pub keep: Duration,
}

/// Where an upload in steps stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// Where it goes.
    pub path: VirtualPath,
    /// All bytes that it will have; `None`: not said yet.
    pub length: Option<u64>,
    /// The bytes that are there, on stable storage.
    pub offset: u64,
    /// The client's own words about it.
    pub note: String,
    /// When it goes unless it is gone on with.
    pub expires_at: UnixMillis,
}

/// An upload in steps in the hands of one request; nobody else goes on with it meanwhile, on any node. Dropped, what
/// came is kept.
pub struct StepUpload {
    file: OpenFile,
    state: UploadState,
    record: Record,
}

/// Where an upload was found: its storage by one of the account's own places on it.
struct Shelf {
    place: Place,
    id: u128,
}

impl Vfs {
    /// Begins an upload in steps; its id. Judged as any upload is: access, limits, patterns, room.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`VfsError::Limit`] where the account has [`STEP_UPLOADS_MAX`] open.
    pub async fn begin_steps(&self, session: &Arc<Session>, new: &NewUpload) -> Result<u128, VfsError> {
        let asker = self.asker(session);
        let result = begin(&asker, new).await;
        if let Err(error) = &result {
            asker.record(FileVerb::Opened, &new.path, None, (0, 0), Some(error.to_string()));
        }
        result
    }

    /// Where an upload of the account stands; `None`: somebody goes on with it at this moment.
    ///
    /// # Errors
    /// [`VfsError::NotFound`]: there is none of this id, it has expired, or it is another account's.
    pub async fn steps(&self, session: &Arc<Session>, id: u128) -> Result<Option<UploadState>, VfsError> {
        let asker = self.asker(session);
        let found = on_shelf(&asker, id, look).await?;
        match found {
            None => Ok(None),
            Some(Seen::Kept(state)) => Ok(Some(state)),
            // Its node died, or was too slow to tell: the bytes are put in order, and then they count.
            Some(Seen::LeftOpen) => {
                let Some(upload) = self.go_on_with_steps(session, id).await? else {
                    return Ok(None);
                };
                upload.rest().await.map(Some)
            }
        }
    }

    /// Goes on with an upload of the account; `None`: somebody else does at this moment.
    ///
    /// # Errors
    /// As [`steps`](Self::steps), and as [`open`](Self::open).
    pub async fn go_on_with_steps(&self, session: &Arc<Session>, id: u128) -> Result<Option<StepUpload>, VfsError> {
        let asker = self.asker(session);
        let slot = asker.inner.slots.take(asker.session.id)?;
        on_shelf(&asker, id, move |asker, shelf| go_on(asker, shelf, slot)).await
    }

    /// Ends an upload of the account and removes what came; `false`: somebody goes on with it at this moment.
    ///
    /// # Errors
    /// As [`steps`](Self::steps).
    pub async fn end_steps(&self, session: &Arc<Session>, id: u128) -> Result<bool, VfsError> {
        let asker = self.asker(session);
        let ended = on_shelf(&asker, id, |asker, shelf| {
            let Some((folder, locked)) = locked(asker, shelf)? else {
                return Ok(None);
            };
            record::remove(&folder, shelf.id)?;
            Ok(Some(locked.record.path()?))
        });
        let Some(path) = ended.await? else { return Ok(false) };
        asker.record(FileVerb::UploadAborted, &path, None, (0, 0), None);
        Ok(true)
    }
}

impl StepUpload {
    /// Where it stood when it was taken.
    pub fn state(&self) -> &UploadState {
        &self.state
    }

    /// To write to; never to be committed by itself.
    pub fn file(&self) -> &OpenFile {
        &self.file
    }

    /// Says how many bytes it will have, once; and from where on bytes do not count until they were compared with
    /// their checksum.
    ///
    /// # Errors
    /// The limits or the room left do not allow it, or the storage failed.
    pub async fn note(&mut self, length: Option<u64>, unchecked_from: Option<u64>) -> Result<(), VfsError> {
        let mut record = self.record.clone();
        record.length = record.length.or(length);
        record.unchecked_from = unchecked_from;
        if let Some(length) = record.length.filter(|_| self.record.length.is_none()) {
            self.file.announce(length).await?;
        }
        if record == self.record {
            return Ok(());
        }
        let next = record.clone();
        OpenFile::run(self.file.core()?, move |core| rewrite(core, &next)).await?;
        self.state.length = record.length;
        self.record = record;
        Ok(())
    }

    /// Throws away what came after the first `size` bytes.
    ///
    /// # Errors
    /// The upload was taken over, or the storage failed.
    pub async fn cut(&self, size: u64) -> Result<(), VfsError> {
        OpenFile::run(self.file.core()?, move |core| match &core.staged {
            Some(staged) => staged.cut(size),
            None => Err(VfsError::NotFound),
        })
        .await
    }

    /// Lets go of it: what came is on stable storage when this answers, and anyone of the account may go on.
    ///
    /// # Errors
    /// The storage failed; what is kept then is told by a later look.
    pub async fn rest(self) -> Result<UploadState, VfsError> {
        let (clock, record) = (self.file.core()?.asker.inner.clock.clone(), self.record);
        let mut state = self.state;
        let Some(core) = self.file.into_core() else {
            return Err(VfsError::NotFound);
        };
        let pool = core.asker.inner.pool(&core.place.storage.name);
        state.offset = pool
            .start(move || {
                core.sync()?;
                let whole = core.staged.as_ref().map_or(0, |staged| staged.pieces().whole());
                drop(core);
                Ok(whole)
            })
            .await?;
        state.offset = record
            .unchecked_from
            .map_or(state.offset, |from| from.min(state.offset));
        state.expires_at = record.expires_at(clock.now());
        Ok(state)
    }

    /// Publishes it as any upload is, and forgets it. Dropping the future does not stop it.
    ///
    /// # Errors
    /// As [`OpenFile::commit`]; where the name was taken meanwhile, or the right, it is kept.
    pub async fn publish(self) -> Result<(), VfsError> {
        let Some(core) = self.file.into_core() else {
            return Err(VfsError::NotFound);
        };
        let pool = core.asker.inner.pool(&core.place.storage.name);
        pool.start(move || {
            core.commit()?;
            if let Some(staged) = &core.staged
                && let Some(steps) = staged.steps()
            {
                record::forget(staged.folder(), steps.id);
            }
            Ok(())
        })
        .await
    }
}

/// Puts a new record in the place of the old one; the lock goes over to it.
fn rewrite(core: &Core, next: &Record) -> Result<(), VfsError> {
    let Some(staged) = &core.staged else {
        return Err(VfsError::NotFound);
    };
    let Some(steps) = staged.steps() else {
        return Err(VfsError::NotFound);
    };
    staged.check_ours(&staged.read())?;
    let locked = record::write(staged.folder(), steps.id, next)?;
    *steps.lock.lock().unwrap_or_else(PoisonError::into_inner) = locked;
    Ok(())
}

async fn begin(asker: &Asker, new: &NewUpload) -> Result<u128, VfsError> {
    let Some(place) = asker.place(&new.path)? else {
        return asker
            .permitted(Operation::Write, &new.path)
            .and(Err(VfsError::NotFound));
    };
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| VfsError::Io("no random numbers for an upload".to_owned()))?;
    let (id, new, job_place) = (u128::from_be_bytes(id), new.clone(), place.clone());
    let job = move |asker: &Asker| make(asker, job_place, &new, id);
    asker.run(&place, job).await.map(|()| id)
}

/// Judges a new upload and makes its empty staged file, kept, and its record; runs on the pool.
fn make(asker: &Asker, place: Place, new: &NewUpload, id: u128) -> Result<(), VfsError> {
    let spot = asker.spot(place, true)?;
    if spot.name().is_empty() {
        return Err(VfsError::IsFolder);
    }
    let wanted = match spot.seen.as_ref().map(|seen| seen.state.attributes.file_type) {
        None => Operation::Write,
        Some(FileType::File) if new.overwrite => Operation::Overwrite,
        Some(FileType::File) => return asker.may_at(Operation::Write, &spot).and(Err(VfsError::Exists)),
        Some(FileType::Folder) => return Err(VfsError::IsFolder),
        Some(FileType::Link | FileType::Other) => {
            return Err(VfsError::Unsupported("it is neither file nor folder".to_owned()));
        }
    };
    asker.may_carry_at(&spot)?;
    asker.may_at(wanted, &spot)?;
    let length = new.length.unwrap_or(0);
    asker.may_hold(length)?;
    let target_folder = spot.root.folder(spot.parent())?;
    let reserve = spot.place.storage.spec.reserve_bytes;
    check_reserve(&spot.root.folder(b"")?, reserve.saturating_add(length))?;
    let folder = staging_folder(&spot.root, asker.session.account(), true)?.ok_or(VfsError::NotFound)?;
    let identity = |fd: &OwnedFd| state_of(fd).map_err(|errno| told("looking at the folder", errno));
    if identity(&folder)?.identity.0 != identity(&target_folder)?.identity.0 {
        return Err(VfsError::Unsupported(
            "this folder is another file system than its storage's root: make it a storage of its own".to_owned(),
        ));
    }
    if record::ids_in(&folder)?.len() >= STEP_UPLOADS_MAX {
        return Err(VfsError::Limit(format!(
            "the account has {STEP_UPLOADS_MAX} uploads open; finish or end some"
        )));
    }
    let record = Record {
        overwrite: new.overwrite,
        note: new.note.clone(),
        ..Record::new(&new.path, new.length, new.keep)
    };
    let name = StagedName {
        kept: true,
        ..StagedName::new(Target::of_upload(id), b"", asker.inner.node, random(asker.inner.life)?)
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&folder, name.to_bytes(), flags, Mode::from_raw_mode(FILE_MODE))
        .and_then(rustix::fs::fsync)
        .map_err(|errno| told("making the staged file", errno))?;
    match record::write(&folder, id, &record) {
        Ok(_) => Ok(()),
        Err(error) => {
            let _ = record::remove(&folder, id);
            Err(error)
        }
    }
}

/// Runs `job` where the upload is; `None`: somebody has it.
async fn on_shelf<T: Send + 'static>(
    asker: &Asker,
    id: u128,
    job: impl FnOnce(&Asker, &Shelf) -> Result<Option<T>, VfsError> + Send + 'static,
) -> Result<Option<T>, VfsError> {
    let mut failed = None;
    for place in shelves(asker)? {
        let job_place = place.clone();
        let there = asker.run(&place, move |asker| {
            let root = asker.root(&job_place)?;
            let folder = staging_folder(&root, asker.session.account(), false)?;
            Ok(folder.is_some_and(|folder| record::is_there(&folder, id)))
        });
        // A storage that fails does not hide what is on another.
        let there = there.await.unwrap_or_else(|error| {
            failed = Some(error);
            false
        });
        if there {
            let shelf = Shelf {
                place: place.clone(),
                id,
            };
            return asker.run(&place, move |asker| job(asker, &shelf)).await;
        }
    }
    Err(failed.unwrap_or(VfsError::NotFound))
}

/// One place of the account on each of its storages.
fn shelves(asker: &Asker) -> Result<Vec<Place>, VfsError> {
    let access = asker.access()?;
    let mut places: Vec<Place> = Vec::new();
    for mount in access.mounts() {
        if places.iter().all(|place| place.storage.name != mount.storage) {
            places.extend(place_in(access.view(), mount, &mount.at));
        }
    }
    Ok(places)
}

/// The record, locked, of an upload that has not expired; `None`: somebody has it.
fn locked(asker: &Asker, shelf: &Shelf) -> Result<Option<(OwnedFd, Locked)>, VfsError> {
    let root = asker.root(&shelf.place)?;
    let folder = staging_folder(&root, asker.session.account(), false)?.ok_or(VfsError::NotFound)?;
    match record::lock(&folder, shelf.id)? {
        Looked::Missing => Err(VfsError::NotFound),
        Looked::Busy => Ok(None),
        Looked::Ours(locked) => {
            if expires_at(&folder, shelf.id, &locked)? <= asker.inner.clock.now() {
                record::remove(&folder, shelf.id)?;
                return Err(VfsError::NotFound);
            }
            Ok(Some((folder, locked)))
        }
    }
}

fn expires_at(folder: &OwnedFd, id: u128, locked: &Locked) -> Result<UnixMillis, VfsError> {
    let bytes = partial::of_upload(folder, id)?.map(|found| found.name);
    let bytes: Vec<&StagedName> = bytes.iter().collect();
    Ok(locked.record.expires_at(record::changed(folder, &locked.file, &bytes)))
}

/// What a look at an upload shows.
enum Seen {
    /// Its bytes are in order.
    Kept(UploadState),
    /// Whoever wrote to it has not put them in order.
    LeftOpen,
}

fn look(asker: &Asker, shelf: &Shelf) -> Result<Option<Seen>, VfsError> {
    let Some((folder, locked)) = locked(asker, shelf)? else {
        return Ok(None);
    };
    let Some(found) = partial::of_upload(&folder, shelf.id)? else {
        // It was published, and whoever did it died before the record went.
        record::forget(&folder, shelf.id);
        return Err(VfsError::NotFound);
    };
    if !found.name.kept {
        return Ok(Some(Seen::LeftOpen));
    }
    let size = found.state.attributes.size;
    let expires_at = expires_at(&folder, shelf.id, &locked)?;
    Ok(Some(Seen::Kept(stand(&locked.record, size, expires_at)?)))
}

fn stand(record: &Record, size: u64, expires_at: UnixMillis) -> Result<UploadState, VfsError> {
    Ok(UploadState {
        path: record.path()?,
        length: record.length,
        offset: record.unchecked_from.map_or(size, |from| from.min(size)),
        note: record.note.clone(),
        expires_at,
    })
}

fn go_on(asker: &Asker, shelf: &Shelf, slot: OpenSlot) -> Result<Option<StepUpload>, VfsError> {
    let Some((folder, locked)) = locked(asker, shelf)? else {
        return Ok(None);
    };
    let Locked { file, record } = locked;
    let moved = || VfsError::Unsupported("the folder of this upload was moved or taken away".to_owned());
    let place = asker.place(&record.path()?)?.ok_or_else(moved)?;
    if place.storage.name != shelf.place.storage.name {
        return Err(moved());
    }
    let spot: Spot = asker.spot(place, true)?;
    let steps = Steps {
        id: shelf.id,
        only_new: !record.overwrite,
        lock: Mutex::new(file),
    };
    let Some(core) = open::steps(asker, spot, steps, slot)? else {
        record::forget(&folder, shelf.id);
        return Err(VfsError::NotFound);
    };
    let whole = core.staged.as_ref().map_or(0, |staged| staged.pieces().whole());
    let state = stand(&record, whole, record.expires_at(asker.inner.clock.now()))?;
    if let Some(staged) = core.staged.as_ref().filter(|_| state.offset < whole) {
        staged.cut(state.offset)?;
    }
    Ok(Some(StepUpload {
        file: OpenFile::new(core),
        state,
        record,
    }))
}
