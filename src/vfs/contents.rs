//! Work on what files contain without moving it over the wire: hashes, and copies from one open file to another.
//!
//! Runs in bounded steps on the storage's pool; between two the session, the account and the right are asked for
//! anew, and others get their turn. How much one request may ask for is left to the protocols.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustix::io::Errno;

use super::file::Core;
use super::handle::OpenFile;
use super::limits::{CONTENT_READ_BYTES, CONTENT_STEP_BYTES};
use super::local::{FaultPoint, state_of, told};
use super::{Chunk, OpenOptions, Vfs, VfsError};
use crate::events::FileVerb;
use crate::path::VirtualPath;
use crate::session::Session;

/// A hash function. MD5 and SHA-1 are for clients that compare files; neither proves anything against an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Which bytes of a file are hashed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashing {
    /// The function.
    pub hash: Hash,
    /// The first byte.
    pub start: u64,
    /// Bytes; what lies beyond the end is left out. `None`: up to the end.
    pub length: Option<u64>,
    /// One hash for each piece of so many bytes (at least 1), the last one shorter. `None`: one hash for all.
    pub piece: Option<u64>,
    /// The most bytes that the hashes may take together; with more the answer is [`VfsError::Limit`].
    pub answer_bytes_max: usize,
}

impl Vfs {
    /// The hashes of a file by its path, as [`OpenFile::hashes`]. Whoever may read it may ask.
    pub async fn hashes(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        hashing: Hashing,
    ) -> Result<Vec<u8>, VfsError> {
        let asker = self.asker(session);
        let options = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        let opened = Self::open_file(&asker, path, &options).await;
        let result = match opened {
            Ok(file) => {
                let found = file.hashes(hashing).await;
                file.core()?.end_unrecorded();
                found
            }
            Err(error) => Err(error),
        };
        asker.recorded(FileVerb::Opened, path, None, result)
    }

    /// The numbers of the user and the group to whom new files belong.
    pub fn owner(&self) -> (u32, u32) {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    }
}

impl OpenFile {
    /// The hashes, one after the other. The file must be open for reading. Of no bytes there is one hash without
    /// pieces, and none with them.
    pub async fn hashes(&self, hashing: Hashing) -> Result<Vec<u8>, VfsError> {
        let core = self.core()?;
        core.check_read(hashing.start, 0)?;
        let end = hashing
            .length
            .map_or(u64::MAX, |length| hashing.start.saturating_add(length));
        let mut work = Work {
            hashing,
            at: hashing.start,
            end,
            running: Context::new(hashing.hash),
            piece_end: hashing.piece.map(|piece| hashing.start.saturating_add(piece.max(1))),
            begun: hashing.piece.is_none(),
            done: Vec::new(),
            ended: false,
        };
        while !work.ended {
            work = Self::run(core, move |core| work.step(core)).await?;
        }
        Ok(work.done)
    }

    /// Copies `length` bytes (`None`: all up to the end) from `from` on to `to` at `at`; how many there were. Both
    /// are open, this one for reading and `to` for writing; ranges of one file must not overlap
    /// ([`VfsError::Unsupported`]). A file opened to append gets the bytes at its end. The kernel copies where it
    /// can. What was copied before a failure stays.
    pub async fn copy_to(&self, from: u64, length: Option<u64>, to: &Self, at: u64) -> Result<u64, VfsError> {
        let (source, target) = (self.core()?.clone(), to.core()?.clone());
        source.check_read(from, 0)?;
        target.check_write(at, 0)?;
        let length = refuse_overlap(&source, &target, from, length, at).await?;
        let mut copied = 0;
        let mut by_kernel = source.place.storage.name == target.place.storage.name && !target.append;
        while copied < length {
            source.check_read(from + copied, 0)?;
            target.check_write(at.saturating_add(copied), 0)?;
            let step = (length - copied).min(CONTENT_STEP_BYTES);
            let (start, place) = (from + copied, at + copied);
            let moved = if by_kernel {
                let source = source.clone();
                let result = Self::run(&target, move |target| target.copy_from(&source, start, place, step)).await?;
                let Some(moved) = result else {
                    by_kernel = false;
                    continue;
                };
                moved
            } else {
                Self::copy_through(&source, &target, start, place, step).await?
            };
            if moved == 0 {
                break;
            }
            copied += moved;
        }
        Ok(copied)
    }

    /// A step of a copy that the kernel cannot make: each half on its own storage's pool.
    async fn copy_through(
        source: &Arc<Core>,
        target: &Arc<Core>,
        from: u64,
        at: u64,
        step: u64,
    ) -> Result<u64, VfsError> {
        let length = usize::try_from(step).map_or(CONTENT_READ_BYTES, |step| step.min(CONTENT_READ_BYTES));
        let chunk = source.asker.inner.buffers.take(length);
        let chunk = Self::run(source, move |source| source.read_rest(from, chunk, 0)).await?;
        let moved = chunk.len() as u64;
        if moved > 0 {
            target.check_write(at, chunk.len())?;
            Self::run(target, move |target| target.write(at, chunk.as_ref())).await?;
        }
        Ok(moved)
    }
}

/// How many bytes there are to copy, unless the two ranges are of one file and overlap.
async fn refuse_overlap(
    source: &Arc<Core>,
    target: &Arc<Core>,
    from: u64,
    length: Option<u64>,
    at: u64,
) -> Result<u64, VfsError> {
    let look = |core: &Core| state_of(&*core.fd).map_err(|errno| told("looking at the file", errno));
    let (found, other) = tokio::try_join!(OpenFile::run(source, look), OpenFile::run(target, look))?;
    let there = found.attributes.size.saturating_sub(from);
    let same = found.identity == other.identity;
    // What another file gets meanwhile is copied too, as it comes; of one file only what is there now.
    let length = match length {
        Some(length) if !same => length,
        None if !same => u64::MAX - from.max(at),
        wanted => wanted.map_or(there, |wanted| wanted.min(there)),
    };
    let at = if target.append { other.attributes.size } else { at };
    if same && from < at.saturating_add(length) && at < from.saturating_add(length) {
        return Err(VfsError::Unsupported(
            "a file cannot be copied onto itself where the two ranges overlap".to_owned(),
        ));
    }
    Ok(length)
}

/// Hashes under way.
struct Work {
    hashing: Hashing,
    at: u64,
    end: u64,
    running: Context,
    piece_end: Option<u64>,
    /// There is something to be hashed, or there are no pieces.
    begun: bool,
    done: Vec<u8>,
    ended: bool,
}

impl Work {
    /// Hashes at most [`CONTENT_STEP_BYTES`]; runs on the pool.
    fn step(mut self, core: &Core) -> Result<Self, VfsError> {
        core.check_read(self.at, 0)?;
        let mut chunk: Option<Chunk> = None;
        let stop = self.at.saturating_add(CONTENT_STEP_BYTES).min(self.end);
        while self.at < stop {
            let next = self.piece_end.map_or(stop, |piece_end| piece_end.min(stop)) - self.at;
            let next = usize::try_from(next).map_or(CONTENT_READ_BYTES, |next| next.min(CONTENT_READ_BYTES));
            let room = match chunk.take() {
                Some(used) if used.len() == next => used,
                _ => core.asker.inner.buffers.take(next),
            };
            let read = core.read_rest(self.at, room, 0)?;
            if read.is_empty() {
                self.end = self.at;
                break;
            }
            self.running.update(read.as_ref());
            self.begun = true;
            self.at += read.len() as u64;
            if Some(self.at) == self.piece_end {
                self.finish_piece()?;
            }
            chunk = Some(read);
        }
        if self.at >= self.end {
            if self.begun {
                self.finish_piece()?;
            }
            self.ended = true;
        }
        Ok(self)
    }

    fn finish_piece(&mut self) -> Result<(), VfsError> {
        let running = std::mem::replace(&mut self.running, Context::new(self.hashing.hash));
        running.finish(&mut self.done);
        self.begun = false;
        self.piece_end = self.hashing.piece.map(|piece| self.at.saturating_add(piece.max(1)));
        if self.done.len() > self.hashing.answer_bytes_max {
            return Err(VfsError::Limit(format!(
                "so many hashes take more than {} bytes: ask for larger pieces or for a part of the file",
                self.hashing.answer_bytes_max
            )));
        }
        Ok(())
    }
}

/// One hash under way.
pub struct RunningHash(Context);

enum Context {
    Md5(Box<md5::Context>),
    Sha(digest::Context),
}

impl RunningHash {
    /// Of no bytes yet.
    pub fn new(hash: Hash) -> Self {
        Self(Context::new(hash))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Puts the hash at the end of `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

impl Context {
    fn new(hash: Hash) -> Self {
        let algorithm = match hash {
            Hash::Md5 => return Self::Md5(Box::new(md5::Context::new())),
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        Self::Sha(digest::Context::new(algorithm))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(context) => context.consume(bytes),
            Self::Sha(context) => context.update(bytes),
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::Md5(context) => out.extend_from_slice(&context.finalize().0),
            Self::Sha(context) => out.extend_from_slice(context.finish().as_ref()),
        }
    }
}

impl Core {
    /// Lets the kernel copy at most `step` bytes from `source` to here; runs on the pool. `None`: it cannot.
    fn copy_from(&self, source: &Self, from: u64, at: u64, step: u64) -> Result<Option<u64>, VfsError> {
        let step = self.within_size(at, step);
        if step == 0 && source.attributes()?.size > from {
            self.check_size(at.saturating_add(1))?;
        }
        self.change_content(step, || {
            let faults = &self.asker.inner.faults;
            faults.check(FaultPoint::Write)?;
            if faults.errno(FaultPoint::CopyRange).is_some() {
                return Ok((at..at, None));
            }
            let (mut start, mut place) = (from, at);
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            loop {
                let copied =
                    rustix::fs::copy_file_range(&*source.fd, Some(&mut start), &*self.fd, Some(&mut place), step);
                match copied {
                    Ok(copied) => return Ok((at..at + copied as u64, Some(copied as u64))),
                    Err(Errno::INTR) => {}
                    Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => {
                        return Ok((at..at, None));
                    }
                    Err(errno) => return Err(told("copying within the storage", errno)),
                }
            }
        })
    }
}
