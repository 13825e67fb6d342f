//! The handle of an open file that protocols hold: judges on the caller's thread, works on the storage's pool.
//!
//! What is done on the disk is left to `file`.

use std::future::{Future, ready};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;

use super::cached;
use super::file::Core;
use super::pace::Direction;
use super::writes::Writes;
use super::{AttributeChange, Attributes, Chunk, VfsError};
use crate::events::FileVerb;

/// An open file. Dropping it without [`commit`](Self::commit) interrupts an upload: nothing is published.
pub struct OpenFile {
    /// `None` only while it is being dropped.
    core: Option<Arc<Core>>,
}

impl OpenFile {
    pub(super) fn new(core: Core) -> Self {
        Self {
            core: Some(Arc::new(core)),
        }
    }

    pub(super) fn core(&self) -> Result<&Arc<Core>, VfsError> {
        self.core.as_ref().ok_or(VfsError::NotFound)
    }

    /// What stands behind it, for one who ends it otherwise; the core's last hold must end on the pool.
    pub(super) fn into_core(mut self) -> Option<Arc<Core>> {
        self.core.take()
    }

    pub(super) async fn run<T: Send + 'static>(
        core: &Arc<Core>,
        job: impl FnOnce(&Core) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let pool = core.asker.inner.pool(&core.place.storage.name);
        let core = core.clone();
        pool.run(move || job(&core)).await
    }

    /// Reads at most `length` bytes at `offset`; fewer only at the end; empty: the end. Many may run at a time.
    /// `length` is at most [`limits::READ_BYTES_MAX`](super::limits::READ_BYTES_MAX).
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, VfsError> {
        self.read_chunk(offset, length).await.map(Bytes::from)
    }

    /// As [`read_at`](Self::read_at), with room before the bytes for a protocol's own header.
    pub async fn read_chunk(&self, offset: u64, length: usize) -> Result<Chunk, VfsError> {
        let core = self.core()?;
        core.check_read(offset, length)?;
        let paid = core.pace(Direction::Down, length as u64).await?;
        let mut chunk = core.asker.inner.buffers.take(length);
        let (done, complete) = core.read_cached(offset, chunk.room());
        if complete {
            chunk.truncate(done);
        } else {
            chunk = Self::run(core, move |core| core.read_rest(offset, chunk, done)).await?;
        }
        paid.refund((length - chunk.len()) as u64);
        core.count_read(chunk.len());
        Ok(chunk)
    }

    /// Writes all of `chunk` at `offset` (at the end, if opened to append). Many may wait at a time, at most
    /// [`limits::WRITES_WAITING_MAX`](super::limits::WRITES_WAITING_MAX); they are done in the order of their first
    /// poll. `chunk` is at most [`limits::WRITE_BYTES_MAX`](super::limits::WRITE_BYTES_MAX). A write whose caller goes
    /// away is done all the same.
    pub async fn write_at(&self, offset: u64, chunk: Bytes) -> Result<(), VfsError> {
        let core = self.core()?;
        core.check_write(offset, chunk.len())?;
        core.pace(Direction::Up, chunk.len() as u64).await?;
        Writes::write(core, offset, chunk).await
    }

    /// The client says how many bytes it will send: refuses at once what the limits or the room left would refuse
    /// later. Nothing is reserved.
    pub async fn announce(&self, bytes: u64) -> Result<(), VfsError> {
        let core = self.core()?;
        core.check_write(0, 0)?;
        Self::run(core, move |core| core.check_announced(bytes)).await
    }

    /// Attributes of the open file.
    pub async fn attributes(&self) -> Result<Attributes, VfsError> {
        let core = self.core()?;
        core.asker.session.check().map_err(VfsError::Revoked)?;
        if core.answers_from_memory() {
            return core.attributes();
        }
        Self::run(core, Core::attributes).await
    }

    /// Attributes as they were when an existing file was opened; of any other, now.
    pub async fn found(&self) -> Result<Attributes, VfsError> {
        match &self.core()?.found {
            Some(found) => Ok(found.clone()),
            None => self.attributes().await,
        }
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
    /// whole, under its name, on stable storage. The call begins it: dropping the future does not stop it.
    pub fn commit(mut self) -> impl Future<Output = Result<(), VfsError>> + Send + 'static {
        let ending = match self.core.take() {
            None => Either::Left(ready(Err(VfsError::NotFound))),
            Some(core) if cached::ends_at_once(&core) => Either::Left(ready(core.commit())),
            Some(core) => {
                let pool = core.asker.inner.pool(&core.place.storage.name);
                // The core's last hold must end on the pool even when nobody waits for the answer.
                Either::Right(pool.start(move || core.commit()))
            }
        };
        drop(self);
        ending
    }

    /// Bytes read and written through this handle.
    pub fn moved(&self) -> (u64, u64) {
        self.core.as_ref().map_or((0, 0), |core| core.moved())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            if cached::ends_at_once(&core) {
                return;
            }
            let pool = core.asker.inner.pool(&core.place.storage.name);
            pool.submit(move || drop(core));
        }
    }
}
