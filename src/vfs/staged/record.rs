//! The record of an upload in steps: a small file beside its staged bytes, so that every node finds it and one at a
//! time goes on.
//!
//! What is done with the upload is left to `steps`; the bytes themselves to `partial`.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::partial::names_in;
use super::{StagedName, Target, random_bits, state_at, state_of, told};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::vfs::VfsError;
use crate::vfs::limits::{ATTEMPTS_MAX, RECORD_BYTES_MAX, STAGED_MAX};
use crate::vfs::local;

const PREFIX: &str = "upload-";
/// What is written before it gets its name.
const UNFINISHED: &str = ".upload-";

/// What is known of an upload in steps besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::vfs) struct Record {
    /// The virtual path's bytes.
    pub(in crate::vfs) path: Vec<u8>,
    /// All bytes that it will have; `None`: not said yet.
    pub(in crate::vfs) length: Option<u64>,
    /// A file that has the name at the end is replaced.
    pub(in crate::vfs) overwrite: bool,
    /// The client's own words about it.
    pub(in crate::vfs) note: String,
    /// How long it is kept after its last change, in seconds.
    pub(in crate::vfs) keep_seconds: u64,
    /// The bytes from here on were not compared with their checksum: they do not count.
    pub(in crate::vfs) unchecked_from: Option<u64>,
}

impl Record {
    pub(in crate::vfs) fn new(path: &VirtualPath, length: Option<u64>, keep: Duration) -> Self {
        Self {
            path: path.as_bytes().to_vec(),
            length,
            overwrite: false,
            note: String::new(),
            keep_seconds: keep.as_secs(),
            unchecked_from: None,
        }
    }

    /// Where it goes.
    pub(in crate::vfs) fn path(&self) -> Result<VirtualPath, VfsError> {
        VirtualPath::parse(&self.path).map_err(|error| VfsError::InvalidName(error.to_string()))
    }

    /// When it expires, if its bytes were changed last at `changed`.
    pub(in crate::vfs) fn expires_at(&self, changed: UnixMillis) -> UnixMillis {
        let keep = i64::try_from(self.keep_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        UnixMillis(changed.0.saturating_add(keep))
    }
}

/// A record that nobody else has while it lives.
pub(in crate::vfs) struct Locked {
    pub(in crate::vfs) file: OwnedFd,
    pub(in crate::vfs) record: Record,
}

/// What a look for a record comes to.
pub(in crate::vfs) enum Looked {
    /// There is none.
    Missing,
    /// Somebody goes on with the upload at this moment.
    Busy,
    /// It is ours for now.
    Ours(Locked),
}

fn name_of(id: u128) -> String {
    format!("{PREFIX}{id:032x}")
}

/// The ids of the uploads in an account's staging folder.
pub(in crate::vfs) fn ids_in(folder: &OwnedFd) -> Result<Vec<u128>, VfsError> {
    let mut ids = Vec::new();
    let entries = local::entries(folder).map_err(|errno| told("reading the staging folder", errno))?;
    for entry in entries.take(STAGED_MAX) {
        let entry = entry.map_err(|errno| told("reading the staging folder", errno))?;
        let id = entry
            .file_name()
            .to_str()
            .ok()
            .and_then(|name| name.strip_prefix(PREFIX));
        ids.extend(id.and_then(|id| u128::from_str_radix(id, 16).ok()));
    }
    Ok(ids)
}

/// Whether there is a record of this upload.
pub(in crate::vfs) fn is_there(folder: &OwnedFd, id: u128) -> bool {
    state_at(folder, name_of(id).as_bytes()).is_ok()
}

/// Locks a record and reads it. The lock ends with the descriptor, so with a killed process too.
pub(in crate::vfs) fn lock(folder: &OwnedFd, id: u128) -> Result<Looked, VfsError> {
    let name = name_of(id);
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS_MAX {
        let file = match rustix::fs::openat(folder, &name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Looked::Missing),
            Err(errno) => return Err(told("opening the upload's record", errno)),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Looked::Busy),
            Err(errno) => return Err(told("locking the upload's record", errno)),
        }
        // Another may have been put in its place before it was locked.
        let same = state_of(&file)
            .and_then(|ours| state_at(folder, name.as_bytes()).map(|there| there.identity == ours.identity));
        if same == Ok(true) {
            let record = read(&file)?;
            return Ok(Looked::Ours(Locked { file, record }));
        }
    }
    Ok(Looked::Busy)
}

fn read(file: &OwnedFd) -> Result<Record, VfsError> {
    let mut bytes = vec![0; RECORD_BYTES_MAX];
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(file, &mut bytes[done..], done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(told("reading the upload's record", errno)),
        }
    }
    serde_json::from_slice(&bytes[..done])
        .map_err(|error| VfsError::Io(format!("the record of an upload cannot be read: {error}")))
}

/// Puts a record in the place of the one that was there, whole or not at all, and locked from the beginning; it is on
/// stable storage when this answers.
pub(in crate::vfs) fn write(folder: &OwnedFd, id: u128, record: &Record) -> Result<OwnedFd, VfsError> {
    let failed = |errno| told("writing the upload's record", errno);
    let text = serde_json::to_vec(record).map_err(|error| VfsError::Io(error.to_string()))?;
    if text.len() > RECORD_BYTES_MAX {
        return Err(VfsError::Limit("what was said of the upload is too long".to_owned()));
    }
    let unfinished = format!("{UNFINISHED}{id:032x}-{:08x}", random_bits()?);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, &unfinished, flags, Mode::from_raw_mode(0o600)).map_err(failed)?;
    let put = || {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
        let mut done = 0;
        while done < text.len() {
            match rustix::io::pwrite(&file, &text[done..], done as u64) {
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        rustix::fs::fsync(&file).map_err(failed)?;
        rustix::fs::renameat(folder, &unfinished, folder, name_of(id)).map_err(failed)?;
        sync(folder)
    };
    match put() {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = rustix::fs::unlinkat(folder, &unfinished, AtFlags::empty());
            Err(error)
        }
    }
}

/// The names in an account's staging folder are on stable storage when this answers.
pub(in crate::vfs) fn sync(folder: &OwnedFd) -> Result<(), VfsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, ".", flags, Mode::empty())
        .and_then(rustix::fs::fsync)
        .map_err(|errno| told("syncing the staging folder", errno))
}

/// The record goes.
pub(in crate::vfs) fn forget(folder: &OwnedFd, id: u128) {
    let _ = rustix::fs::unlinkat(folder, name_of(id), AtFlags::empty());
}

/// The staged bytes of an upload and then its record go.
pub(in crate::vfs) fn remove(folder: &OwnedFd, id: u128) -> Result<(), VfsError> {
    let target = Target::of_upload(id);
    for name in names_in(folder, |name| name.target == target)? {
        match rustix::fs::unlinkat(folder, name.to_bytes(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(told("removing the upload", errno)),
        }
    }
    forget(folder, id);
    Ok(())
}

/// Removes the uploads of an account that have expired; how many.
pub(super) fn expire(folder: &OwnedFd, now: UnixMillis) -> Result<u64, VfsError> {
    let mut removed = 0;
    let ids = ids_in(folder)?;
    let staged = if ids.is_empty() {
        Vec::new()
    } else {
        names_in(folder, |name| name.target.is_of_upload())?
    };
    for id in ids {
        let target = Target::of_upload(id);
        let bytes: Vec<&StagedName> = staged.iter().filter(|name| name.target == target).collect();
        let Ok(Looked::Ours(locked)) = lock(folder, id) else {
            continue;
        };
        if locked.record.expires_at(changed(folder, &locked.file, &bytes)) <= now {
            remove(folder, id)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// When an upload was changed last: its bytes, or what is known of it.
pub(in crate::vfs) fn changed(folder: &OwnedFd, record: &OwnedFd, bytes: &[&StagedName]) -> UnixMillis {
    let record = state_of(record).map_or(UnixMillis(0), |state| state.attributes.modified);
    let bytes = bytes
        .iter()
        .filter_map(|name| state_at(folder, &name.to_bytes()).ok())
        .map(|state| state.changed);
    bytes.fold(record, Ord::max)
}
