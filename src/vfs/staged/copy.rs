//! Copies another node's staged file into a new one, so that its old holder's descriptor reaches nothing any more.
//!
//! Which file is taken over, and what happens to the old one, is left to `partial`.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::partial::whole_of;
use super::{MODE_MASK, StagedName, Target, random, rename_in, state_of, told};
use crate::vfs::limits::{COPY_BUFFER_BYTES, COPY_STEP_BYTES};
use crate::vfs::local::{self, FaultPoint, check_reserve};
use crate::vfs::resolve::{Asker, Spot};
use crate::vfs::{AttributeChange, VfsError};

/// The target of a copy under way: no account is shown it, and nobody goes on with it. No real name has this hash.
pub(super) const UNDER_WAY: Target = Target { folder: 0, name: 0 };

/// Goes on with `found` in a new file under the name `taken`; the new file and its bytes. The old name goes away
/// last: whoever it belonged to then finds it gone, and a holder that has looked for it already changes the old file
/// alone. [`VfsError::TakenOver`]: someone else was faster.
pub(super) fn take_copy(
    asker: &Asker,
    spot: &Spot,
    folder: &OwnedFd,
    (found, taken): (&StagedName, &StagedName),
) -> Result<(OwnedFd, u64), VfsError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let old = match rustix::fs::openat(folder, found.to_bytes(), flags, Mode::empty()) {
        Ok(old) => old,
        Err(Errno::NOENT) => return Err(VfsError::TakenOver),
        Err(errno) => return Err(told("opening the partial", errno)),
    };
    let under_way = StagedName::new(UNDER_WAY, b"", asker.inner.node, random(asker.inner.life)?);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let new = rustix::fs::openat(folder, under_way.to_bytes(), flags, Mode::from_raw_mode(0o600))
        .map_err(|errno| told("making a new file for the partial", errno))?;
    let undo = |name: &StagedName| {
        let _ = rustix::fs::unlinkat(folder, name.to_bytes(), AtFlags::empty());
    };
    let copied = copy(asker, spot, &old, &new)
        .and_then(|copied| rename_in(folder, &under_way, taken).map(|()| copied))
        .inspect_err(|_| undo(&under_way))?;
    match rustix::fs::unlinkat(folder, found.to_bytes(), AtFlags::empty()) {
        Ok(()) => Ok((new, copied)),
        Err(errno) => {
            undo(taken);
            match errno {
                Errno::NOENT => Err(VfsError::TakenOver),
                errno => Err(told("removing the old partial", errno)),
            }
        }
    }
}

/// Copies what is whole, with mode and times; how many bytes that was.
fn copy(asker: &Asker, spot: &Spot, old: &OwnedFd, new: &OwnedFd) -> Result<u64, VfsError> {
    let looks = state_of(old)
        .map_err(|errno| told("looking at the partial", errno))?
        .attributes;
    let whole = whole_of(old, looks.size);
    let mut done = 0;
    let mut by_kernel = true;
    let mut buffer = Vec::new();
    while done < whole {
        // A long copy ends with its session, and before the storage is too full.
        asker.session.check().map_err(VfsError::Revoked)?;
        check_reserve(new, spot.place.storage.spec.reserve_bytes)?;
        let step = usize::try_from(whole - done).map_or(COPY_STEP_BYTES, |rest| rest.min(COPY_STEP_BYTES));
        if by_kernel {
            match kernel_copies(asker, (old, new), done, step) {
                Ok(0) => by_kernel = false,
                Ok(copied) => done += copied as u64,
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => by_kernel = false,
                Err(errno) => return Err(told("copying the partial", errno)),
            }
            continue;
        }
        buffer.resize(step.min(COPY_BUFFER_BYTES), 0);
        match rustix::io::pread(old, &mut buffer[..], done) {
            // Its old holder has cut it meanwhile.
            Ok(0) => break,
            Ok(read) => {
                write_all(new, done, &buffer[..read])?;
                done += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(told("reading the partial", errno)),
        }
    }
    let looks = AttributeChange {
        mode: Some(looks.mode & MODE_MASK),
        times: Some((looks.accessed, looks.modified)),
        ..AttributeChange::default()
    };
    local::set_attributes(new, &looks)?;
    Ok(done)
}

fn kernel_copies(asker: &Asker, (old, new): (&OwnedFd, &OwnedFd), at: u64, step: usize) -> Result<usize, Errno> {
    if let Some(errno) = asker.inner.faults.errno(FaultPoint::CopyRange) {
        return Err(errno);
    }
    let (mut from, mut to) = (at, at);
    rustix::fs::copy_file_range(old, Some(&mut from), new, Some(&mut to), step)
}

fn write_all(file: &OwnedFd, at: u64, bytes: &[u8]) -> Result<(), VfsError> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pwrite(file, &bytes[done..], at + done as u64) {
            Ok(0) => return Err(VfsError::Io("copying the partial: the storage took no byte".to_owned())),
            Ok(written) => done += written,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(told("writing the partial", errno)),
        }
    }
    Ok(())
}
