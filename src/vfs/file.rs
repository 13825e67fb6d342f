//! An open file: reading, writing, its end. Everything runs on the storage's pool but a read from the page cache and a
//! write to a file system that is nothing but memory.
//!
//! Opening is left to `open`; how an upload is published to `staged`.

use std::io::IoSliceMut;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::{Errno, ReadWriteFlags};

use super::change::set_in_place;
use super::limits::{READ_BYTES_MAX, READ_INLINE_BYTES_MAX, ROOM_CHECK_BYTES, WRITE_BYTES_MAX};
use super::local::{self, FaultPoint, Lies, check_reserve, is_storage_failure, state_of, told};
use super::resolve::{Asker, Place, too_large};
use super::right::Right;
use super::slots::OpenSlot;
use super::staged::{Stage, Staged};
use super::writes::Writes;
use super::{AttributeChange, Attributes, Chunk, VfsError};
use crate::catalog::{Durability, Operation};
use crate::clock::UnixMillis;
use crate::events::FileVerb;
use crate::path::VirtualPath;

/// What stands behind an [`OpenFile`](super::OpenFile).
pub(super) struct Core {
    pub(super) asker: Asker,
    pub(super) place: Place,
    /// Behind links.
    pub(super) path: VirtualPath,
    pub(super) fd: Arc<OwnedFd>,
    /// What was found when it was opened in place.
    pub(super) found: Option<Attributes>,
    pub(super) reads: Option<Right>,
    pub(super) writes: Option<Right>,
    pub(super) append: bool,
    pub(super) staged: Option<Arc<Staged>>,
    pub(super) opened_at: UnixMillis,
    pub(super) counts: Counts,
    pub(super) queued: Writes,
    pub(super) _slot: OpenSlot,
}

/// What changes while a file is open.
#[derive(Default)]
pub(super) struct Counts {
    read: AtomicU64,
    written: AtomicU64,
    /// Bytes written at the last look at the room left.
    room_checked: AtomicU64,
    /// The end was reached in order.
    ended: AtomicBool,
    /// The kernel cannot read this file without perhaps waiting.
    waits: AtomicBool,
    /// On what sort of file system it lies; `None`: it cannot be told.
    lies: OnceLock<Option<Lies>>,
    /// A write in place has failed; the end says so.
    failed: Mutex<Option<VfsError>>,
    /// Held while one chunk goes to the end.
    appending: Mutex<()>,
}

impl Core {
    /// Whether an acknowledged end means that the disk has it.
    pub(super) fn is_strict(&self) -> bool {
        self.place.storage.spec.durability == Durability::Strict
    }

    /// Whether the file lies on a file system that is nothing but memory.
    pub(super) fn in_memory(&self) -> bool {
        self.lies() == Some(Lies::InMemory)
    }

    /// Whether the file lies on a file system of this machine's own.
    pub(super) fn answers_from_memory(&self) -> bool {
        matches!(self.lies(), Some(Lies::InMemory | Lies::OnOwnDisk))
    }

    fn lies(&self) -> Option<Lies> {
        *self.counts.lies.get_or_init(|| local::lies(&*self.fd))
    }

    /// It was told already on what sort of file system this lies.
    pub(super) fn lies_on(&self, lies: Option<Lies>) {
        if lies.is_some() {
            let _ = self.counts.lies.set(lies);
        }
    }

    /// Reads what memory holds, on the caller's thread. `true`: the end was reached or all was there.
    pub(super) fn read_cached(&self, offset: u64, buffer: &mut [u8]) -> (usize, bool) {
        let mut done = 0;
        if buffer.len() > READ_INLINE_BYTES_MAX {
            return (0, false);
        }
        while done < buffer.len() {
            let flags = if self.in_memory() {
                ReadWriteFlags::empty()
            } else if self.counts.waits.load(Ordering::Relaxed) {
                return (done, false);
            } else {
                ReadWriteFlags::NOWAIT
            };
            let rest = &mut [IoSliceMut::new(&mut buffer[done..])];
            match rustix::io::preadv2(&*self.fd, rest, offset + done as u64, flags) {
                Ok(0) => return (done, true),
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.counts.waits.store(true, Ordering::Relaxed);
                    return (done, false);
                }
                Err(_) => return (done, false),
            }
        }
        (done, true)
    }

    /// Reads the rest, waiting for the disk; runs on the pool.
    pub(super) fn read_rest(&self, offset: u64, mut chunk: Chunk, mut done: usize) -> Result<Chunk, VfsError> {
        while done < chunk.len() {
            match rustix::io::pread(&*self.fd, &mut chunk.room()[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    let error = told("reading the file", errno);
                    self.note_failure(&error);
                    return Err(error);
                }
            }
        }
        chunk.truncate(done);
        Ok(chunk)
    }

    /// Whether a read makes sense: its range, its length.
    pub(super) fn check_read(&self, offset: u64, length: usize) -> Result<(), VfsError> {
        self.judge(self.reads.as_ref())?;
        if length > READ_BYTES_MAX {
            return Err(VfsError::Limit(format!("a read is at most {READ_BYTES_MAX} bytes")));
        }
        if offset
            .checked_add(length as u64)
            .is_none_or(|end| end > i64::MAX as u64)
        {
            return Err(VfsError::Unsupported("the offset lies beyond any file".to_owned()));
        }
        Ok(())
    }

    /// Counts bytes that go to the client.
    pub(super) fn count_read(&self, bytes: usize) {
        self.counts.read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.asker.session.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether a write makes sense: its right, its range, its length.
    pub(super) fn check_write(&self, offset: u64, length: usize) -> Result<(), VfsError> {
        self.judge(self.writes.as_ref())?;
        if length > WRITE_BYTES_MAX {
            return Err(VfsError::Limit(format!("a write is at most {WRITE_BYTES_MAX} bytes")));
        }
        if !self.append
            && offset
                .checked_add(length as u64)
                .is_none_or(|end| end > i64::MAX as u64)
        {
            return Err(VfsError::Limit("the offset lies beyond any file".to_owned()));
        }
        if self.append {
            return Ok(());
        }
        self.check_size(offset.saturating_add(length as u64))
    }

    /// Refuses an upload that would become larger than the limits let it; then it is not published either.
    pub(super) fn check_size(&self, size: u64) -> Result<(), VfsError> {
        let Some(max) = self.writes.as_ref().and_then(Right::upload_bytes_max) else {
            return Ok(());
        };
        if size <= max {
            return Ok(());
        }
        let mut failed = self.counts.failed.lock().unwrap_or_else(PoisonError::into_inner);
        Err(failed.get_or_insert(too_large(max)).clone())
    }

    /// Refuses an upload of `bytes` bytes that the limits do not let in or for which there is no room now; runs on the
    /// pool.
    pub(super) fn check_announced(&self, bytes: u64) -> Result<(), VfsError> {
        self.check_size(bytes)?;
        check_reserve(&self.fd, self.place.storage.spec.reserve_bytes.saturating_add(bytes))
    }

    /// How many of `more` bytes at `offset` the limit still has room for.
    pub(super) fn within_size(&self, offset: u64, more: u64) -> u64 {
        let max = self.writes.as_ref().and_then(Right::upload_bytes_max);
        max.map_or(more, |max| more.min(max.saturating_sub(offset)))
    }

    /// [`Self::check_size`] for the file as it is and `more` bytes at its end; runs on the pool.
    fn check_end(&self, more: u64) -> Result<(), VfsError> {
        if self.writes.as_ref().and_then(Right::upload_bytes_max).is_none() {
            return Ok(());
        }
        let size = self.attributes()?.size;
        self.check_size(size.saturating_add(more))
    }

    /// Writes one chunk; runs on the pool, or where it cannot wait.
    pub(super) fn write(&self, offset: u64, chunk: &[u8]) -> Result<(), VfsError> {
        self.change_content(chunk.len() as u64, || {
            let _appending = self
                .append
                .then(|| self.counts.appending.lock().unwrap_or_else(PoisonError::into_inner));
            let offset = match &self.staged {
                Some(_) if self.append => {
                    let seen = state_of(&*self.fd).map_err(|errno| told("looking for the end", errno))?;
                    seen.attributes.size
                }
                _ => offset,
            };
            self.write_all(offset, chunk)?;
            Ok((offset..offset + chunk.len() as u64, ()))
        })
    }

    /// Does what changes the content of the file by at most `bytes` more; `change` tells which bytes it has written.
    /// Runs on the pool.
    pub(super) fn change_content<T>(
        &self,
        bytes: u64,
        change: impl FnOnce() -> Result<(Range<u64>, T), VfsError>,
    ) -> Result<T, VfsError> {
        if self.counts.ended.load(Ordering::SeqCst) {
            return Err(VfsError::Unsupported(
                "the file was closed before this write".to_owned(),
            ));
        }
        if let Some(error) = self
            .counts
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            return Err(error);
        }
        let result = self.check_room(bytes).and_then(|()| match &self.staged {
            // The upload cannot be published, moved or taken over by this node while the content changes.
            Some(staged) => {
                let state = staged.read();
                staged.check_ours(&state)?;
                let changed = change();
                staged.changed();
                let (written, result) = changed?;
                if state.stage == Stage::Active {
                    staged.pieces().wrote(written.start, written.end);
                }
                Ok((written, result))
            }
            None => change(),
        });
        match result {
            Ok((written, result)) => {
                let bytes = written.end - written.start;
                self.counts.written.fetch_add(bytes, Ordering::Relaxed);
                self.asker.session.bytes_in.fetch_add(bytes, Ordering::Relaxed);
                Ok(result)
            }
            Err(error) => {
                if is_storage_failure(&error) {
                    self.note_failure(&error);
                }
                Err(error)
            }
        }
    }

    fn write_all(&self, offset: u64, chunk: &[u8]) -> Result<(), VfsError> {
        self.asker.inner.faults.check(FaultPoint::Write)?;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::LoseTheEnd) && offset >= 256 * 1024 {
            return Ok(());
        }
        let mut done = 0;
        while done < chunk.len() {
            match rustix::io::pwrite(&*self.fd, &chunk[done..], offset + done as u64) {
                Ok(0) => return Err(VfsError::Io("writing the file: the storage took no byte".to_owned())),
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(told("writing the file", errno)),
            }
        }
        Ok(())
    }

    /// Refuses more bytes once the storage has less room than it must keep.
    fn check_room(&self, more: u64) -> Result<(), VfsError> {
        if self.append {
            self.check_end(more)?;
        }
        let reserve = self.place.storage.spec.reserve_bytes;
        let written = self.counts.written.load(Ordering::Relaxed) + more;
        let checked = self.counts.room_checked.load(Ordering::Relaxed);
        if reserve == 0 || written < checked.saturating_add(ROOM_CHECK_BYTES) {
            return Ok(());
        }
        self.counts.room_checked.store(written, Ordering::Relaxed);
        check_reserve(&self.fd, reserve)
    }

    /// A failure of the storage ends this upload and marks the storage.
    fn note_failure(&self, error: &VfsError) {
        let inner = &self.asker.inner;
        inner.health.failed(&self.place.storage.name, error, &inner.journal);
        if self.writes.is_none() {
            return;
        }
        if let Some(staged) = &self.staged {
            staged.fail(error);
        }
        let mut failed = self.counts.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| error.clone());
    }

    /// Bytes read and written so far.
    pub(super) fn moved(&self) -> (u64, u64) {
        let counts = &self.counts;
        (
            counts.read.load(Ordering::Relaxed),
            counts.written.load(Ordering::Relaxed),
        )
    }

    /// statx of the open file; runs on the pool.
    pub(super) fn attributes(&self) -> Result<Attributes, VfsError> {
        state_of(&*self.fd)
            .map(|state| state.attributes)
            .map_err(|errno| told("looking at the file", errno))
    }

    /// Changes attributes; runs on the pool. On an upload of the session's own the right to write is enough.
    pub(super) fn set_attributes(&self, change: &AttributeChange) -> Result<(), VfsError> {
        if let Some(size) = change.size {
            self.asker.may_hold(size)?;
        }
        match &self.staged {
            Some(staged) if self.writes.is_some() => {
                self.own_right(staged)?;
                staged.set_attributes(change)
            }
            Some(_) => Err(VfsError::Unsupported("the file was not opened for writing".to_owned())),
            None => {
                let asker = &self.asker;
                asker.may(Operation::SetAttributes, &self.place.path)?;
                asker.may(Operation::SetAttributes, &self.path)?;
                set_in_place(&self.fd, change, self.writes.is_some())
            }
        }
    }

    /// The right to write where the upload is still staged, to change attributes where it is published.
    fn own_right(&self, staged: &Staged) -> Result<(), VfsError> {
        self.judge(self.writes.as_ref())?;
        let state = staged.read();
        if state.stage == Stage::Published {
            self.asker.may(Operation::SetAttributes, &state.place.path)?;
        }
        Ok(())
    }

    /// fsync, asked for by the client; runs on the pool.
    pub(super) fn sync(&self) -> Result<(), VfsError> {
        if let Some(error) = self
            .counts
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            return Err(error);
        }
        let faults = &self.asker.inner.faults;
        let changes = self.staged.as_ref().map(|staged| staged.changes());
        let synced = faults
            .check(FaultPoint::SyncFile)
            .and_then(|()| rustix::fs::fsync(&*self.fd).map_err(|errno| told("syncing the file", errno)))
            .map_err(|error| VfsError::Io(error.to_string()));
        match (&synced, &self.staged, changes) {
            (Err(error), ..) => self.note_failure(error),
            (Ok(()), Some(staged), Some(changes)) => staged.synced(changes),
            _ => {}
        }
        synced
    }

    /// The end in order; runs on the pool.
    pub(super) fn commit(&self) -> Result<(), VfsError> {
        let result = self.finish();
        self.counts.ended.store(true, Ordering::SeqCst);
        self.let_go();
        self.record_end(result.as_ref().err());
        result
    }

    /// The end of a file that was only looked into: its bytes went nowhere, and who looked has recorded it.
    pub(super) fn end_unrecorded(&self) {
        self.counts.ended.store(true, Ordering::SeqCst);
    }

    fn finish(&self) -> Result<(), VfsError> {
        if self.writes.is_none() {
            return Ok(());
        }
        if let Some(error) = self
            .counts
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            return Err(error);
        }
        if let Some(staged) = &self.staged {
            // The limit may have fallen since, and what was kept of an interrupted upload may be above it.
            let size = self.attributes()?.size;
            self.asker.may_hold(size).inspect_err(|error| staged.fail(error))?;
            return staged.commit(&self.asker);
        }
        self.judge(self.writes.as_ref())?;
        if self.is_strict() && self.counts.written.load(Ordering::Relaxed) > 0 {
            self.sync()?;
        }
        Ok(())
    }

    /// This handle writes no more; an upload that nobody else writes and that is not published is interrupted.
    fn let_go(&self) {
        let (Some(staged), Some(_)) = (&self.staged, &self.writes) else {
            return;
        };
        if staged.drop_writer() {
            let failed = self
                .counts
                .failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(error) = failed {
                // Nobody is to go on with what may not be finished.
                staged.fail(&error);
            }
            let view = (self.asker.inner.view)();
            let storage = view.storages.get(&staged.storage);
            let keep = storage.map_or(self.place.storage.spec.keep_interrupted, |storage| {
                storage.spec.keep_interrupted
            });
            staged.interrupt(&self.asker, keep);
        }
    }

    fn record_end(&self, error: Option<&VfsError>) {
        let counts = &self.counts;
        let written = counts.written.load(Ordering::Relaxed);
        let read = counts.read.load(Ordering::Relaxed);
        let uploads = self.writes.is_some() && (self.staged.is_some() || written > 0 || self.reads.is_none());
        let ended = counts.ended.load(Ordering::SeqCst);
        let (verb, bytes) = match (uploads, ended) {
            (true, true) => (FileVerb::Uploaded, written),
            (true, false) => (FileVerb::UploadAborted, written),
            (false, _) => (FileVerb::Downloaded, read),
        };
        let millis = u64::try_from(self.asker.inner.clock.now().0 - self.opened_at.0).unwrap_or(0);
        let path = match &self.staged {
            Some(staged) => staged.read().place.path.clone(),
            None => self.place.path.clone(),
        };
        self.asker
            .record(verb, &path, None, (bytes, millis), error.map(ToString::to_string));
    }
}

impl Drop for Core {
    /// The end out of order. The owner sees to it that this happens on the pool.
    fn drop(&mut self) {
        if !self.counts.ended.load(Ordering::SeqCst) {
            self.let_go();
            self.record_end(None);
        }
    }
}
