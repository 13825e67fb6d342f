//! Partials: staged uploads that their session has let go of, or that nobody writes to any more.
//!
//! Their account sees them with their size and can go on with them, from any node; nobody can read them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, OFlags, SeekFrom};
use rustix::io::Errno;

use super::{
    Stage, Staged, StagedName, Steps, Target, copy, random, rename_in, staging_folder, state_at, state_of, told,
};
use crate::clock::UnixMillis;
use crate::vfs::VfsError;
use crate::vfs::limits::{ATTEMPTS_MAX, QUIET_MILLIS, STAGED_MAX};
use crate::vfs::local::{self, FileState, Root};
use crate::vfs::pieces::Pieces;
use crate::vfs::resolve::{Asker, Spot};

/// A staged file that was looked at.
pub(in crate::vfs) struct Found {
    pub(in crate::vfs) name: StagedName,
    pub(in crate::vfs) state: FileState,
}

impl Found {
    /// Whether its account is shown it: it was kept, or nobody has written to it for a while.
    pub(in crate::vfs) fn is_shown(&self, now: UnixMillis) -> bool {
        self.name.kept || now.0.saturating_sub(self.state.changed.0) > QUIET_MILLIS
    }
}

/// The staged files of a folder that `wanted` picks, at most [`STAGED_MAX`].
pub(super) fn names_in(folder: &OwnedFd, wanted: impl Fn(&StagedName) -> bool) -> Result<Vec<StagedName>, VfsError> {
    let mut names = Vec::new();
    let entries = match local::entries(folder) {
        Ok(entries) => entries,
        Err(Errno::NOENT) => return Ok(names),
        Err(errno) => return Err(told("reading the staging folder", errno)),
    };
    for entry in entries.take(STAGED_MAX) {
        let entry = entry.map_err(|errno| told("reading the staging folder", errno))?;
        if let Some(name) = StagedName::parse(entry.file_name().to_bytes()).filter(&wanted) {
            names.push(name);
        }
    }
    Ok(names)
}

fn found(folder: &OwnedFd, names: Vec<StagedName>) -> Vec<Found> {
    let look = |name: StagedName| {
        let state = state_at(folder, &name.to_bytes()).ok()?;
        Some(Found { name, state })
    };
    names.into_iter().filter_map(look).collect()
}

/// The staged bytes of an upload in steps.
pub(in crate::vfs) fn of_upload(folder: &OwnedFd, id: u128) -> Result<Option<Found>, VfsError> {
    newest(folder, Target::of_upload(id), None)
}

/// The newest staged file of the account for a target.
fn newest(folder: &OwnedFd, target: Target, shown_at: Option<UnixMillis>) -> Result<Option<Found>, VfsError> {
    let names = names_in(folder, |name| name.target == target)?;
    Ok(found(folder, names)
        .into_iter()
        .filter(|found| shown_at.is_none_or(|now| found.is_shown(now)))
        .max_by_key(|found| found.state.changed))
}

/// The partial that the account is shown under a target where no finished file is.
pub(in crate::vfs) fn shown(asker: &Asker, spot: &Spot) -> Result<Option<Found>, VfsError> {
    let Some(folder) = staging_folder(&spot.root, asker.session.account(), false)? else {
        return Ok(None);
    };
    let target = Target::new(spot.parent(), spot.name());
    newest(&folder, target, Some(asker.inner.clock.now()))
}

/// All partials that the account is shown in a folder, with the names under which they will be published.
pub(in crate::vfs) fn shown_in(asker: &Asker, root: &Root, parent: &[u8]) -> Result<Vec<Found>, VfsError> {
    let Some(folder) = staging_folder(root, asker.session.account(), false)? else {
        return Ok(Vec::new());
    };
    let hash = Target::new(parent, b"").folder;
    let names = names_in(&folder, |name| name.target.folder == hash && !name.shown.is_empty())?;
    let now = asker.inner.clock.now();
    let mut all = found(&folder, names);
    all.retain(|found| found.is_shown(now));
    all.sort_by_key(|found| found.state.changed);
    Ok(all)
}

/// Removes the partial that the account is shown under a target; whether there was one.
pub(in crate::vfs) fn remove(asker: &Asker, spot: &Spot) -> Result<bool, VfsError> {
    let Some(folder) = staging_folder(&spot.root, asker.session.account(), false)? else {
        return Ok(false);
    };
    let target = Target::new(spot.parent(), spot.name());
    let now = asker.inner.clock.now();
    let mut removed = false;
    for found in found(&folder, names_in(&folder, |name| name.target == target)?) {
        if !found.is_shown(now) {
            continue;
        }
        match rustix::fs::unlinkat(&folder, found.name.to_bytes(), AtFlags::empty()) {
            Ok(()) => removed = true,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(told("removing the partial", errno)),
        }
    }
    Ok(removed)
}

/// Removes the kept partials of a target that was just published.
pub(super) fn drop_kept(folder: &OwnedFd, target: Target) {
    let kept = names_in(folder, |name| name.kept && name.target == target).unwrap_or_default();
    for name in kept {
        let _ = rustix::fs::unlinkat(folder, name.to_bytes(), AtFlags::empty());
    }
}

/// Goes on with the newest staged file of the account for this target, whoever holds it: it gets a higher
/// generation, and its old writer finds its name gone. `Err(spot)`: there is none.
///
/// A kept one, and one whose holder on this node waits at its lock, goes on as it is. Any other may have a writer that
/// has looked for the name and not yet written, so its bytes go on in a new file.
pub(in crate::vfs) fn take_over(asker: &Asker, spot: Spot) -> Result<Result<Arc<Staged>, Spot>, VfsError> {
    let target = Target::new(spot.parent(), spot.name());
    go_on(asker, spot, target, None)
}

/// The same for an upload in steps, whose record is locked: `steps` says its id.
pub(in crate::vfs) fn take_steps(asker: &Asker, spot: Spot, steps: Steps) -> Result<Option<Arc<Staged>>, VfsError> {
    let target = Target::of_upload(steps.id);
    go_on(asker, spot, target, Some(steps)).map(Result::ok)
}

fn go_on(
    asker: &Asker,
    spot: Spot,
    target: Target,
    mut steps: Option<Steps>,
) -> Result<Result<Arc<Staged>, Spot>, VfsError> {
    for attempt in 0..ATTEMPTS_MAX {
        let folder = staging_folder(&spot.root, asker.session.account(), false)?;
        let found = match &folder {
            Some(folder) => newest(folder, target, None)?,
            None => None,
        };
        let (Some(folder), Some(found)) = (folder, found) else {
            // One that went away meanwhile may have been published: no new file begins in its place.
            return if attempt == 0 {
                Ok(Err(spot))
            } else {
                Err(VfsError::TakenOver)
            };
        };
        let taken = found.name.taken(asker.inner.node, random(asker.inner.life)?);
        let (file, whole) = match take(asker, &spot, &folder, &found, &taken) {
            Ok(file) => file,
            // Another session was faster.
            Err(VfsError::TakenOver) => continue,
            Err(error) => return Err(error),
        };
        return Ok(Ok(Staged::begin(
            asker,
            spot,
            (folder, taken, file),
            Pieces::from_whole(whole),
            (None, steps.take()),
        )));
    }
    Err(VfsError::TakenOver)
}

/// Gives a staged file its next generation; the file and its bytes. A holder on this node is stopped between two of
/// its writes.
fn take(
    asker: &Asker,
    spot: &Spot,
    folder: &OwnedFd,
    found: &Found,
    taken: &StagedName,
) -> Result<(OwnedFd, u64), VfsError> {
    match asker.inner.held.by_file(&spot.place.storage.name, &found.name) {
        Some(holder) => {
            let mut state = holder.write();
            rename_in(folder, &found.name, taken)?;
            asker.inner.held.remove(&holder, &state);
            if state.stage == Stage::Active {
                state.stage = Stage::TakenOver;
            }
        }
        None if found.name.kept => rename_in(folder, &found.name, taken)?,
        None => return copy::take_copy(asker, spot, folder, (&found.name, taken)),
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, taken.to_bytes(), flags, rustix::fs::Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(VfsError::TakenOver),
        Err(errno) => return Err(told("opening the partial", errno)),
    };
    let whole = whole_bytes(&file)?;
    Ok((file, whole))
}

/// The bytes of a partial that are whole from its beginning. Its writer may have died between two pieces, so a file
/// with a hole is cut there.
fn whole_bytes(file: &OwnedFd) -> Result<u64, VfsError> {
    let size = state_of(file)
        .map_err(|errno| told("looking at the partial", errno))?
        .attributes
        .size;
    let whole = whole_of(file, size);
    if whole < size {
        rustix::fs::ftruncate(file, whole).map_err(|errno| told("cutting the partial", errno))?;
    }
    Ok(whole)
}

/// Where the first hole of a file of `size` bytes begins.
pub(super) fn whole_of(file: &OwnedFd, size: u64) -> u64 {
    match rustix::fs::seek(file, SeekFrom::Hole(0)) {
        Ok(hole) => hole.min(size),
        // An empty file, or a file system that knows no holes.
        Err(_) => size,
    }
}
