//! Operations on names: look, set attributes, make and remove folders, remove files.
//!
//! Moving and linking are left to `relocate`. Everything here runs on the pool.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::local::{self, MODE_MASK, told};
use super::resolve::{Asker, Place, Spot, Standing, standing};
use super::staged::{Stage, Staged, partial};
use super::{AttributeChange, Attributes, FileType, VfsError};
use crate::catalog::Operation;
use crate::path::VirtualPath;

/// Mode of a new folder unless the client says otherwise.
const FOLDER_MODE: u32 = 0o755;

/// The upload that the session holds under this name.
pub(super) fn own_upload(asker: &Asker, spot: &Spot) -> Option<Arc<Staged>> {
    let held = asker
        .inner
        .held
        .get(asker.session.id, &spot.place.storage.name, &spot.rel);
    held.filter(|staged| staged.read().stage == Stage::Active)
}

/// Attributes of a place.
pub(super) fn attributes(asker: &Asker, place: Place, follow: bool) -> Result<Attributes, VfsError> {
    let asked = place.path.clone();
    let standing = standing(&asker.access()?, &asked);
    let virtual_folder = || super::listing::virtual_folder(asker.inner.clock.now());
    let spot = match asker.spot(place, follow) {
        Err(VfsError::NotFound) if standing == Standing::LeadsToMount => return Ok(virtual_folder()),
        other => other?,
    };
    if spot.path != asked {
        asker.may_look(&spot.path)?;
    }
    if let Some(staged) = own_upload(asker, &spot) {
        return staged.attributes();
    }
    match &spot.seen {
        Some(seen) => Ok(seen.state.attributes.clone()),
        None if standing == Standing::LeadsToMount => Ok(virtual_folder()),
        None => match partial::shown(asker, &spot)? {
            Some(found) => Ok(found.state.attributes),
            None => Err(VfsError::NotFound),
        },
    }
}

/// Changes attributes by path; `follow`: behind a symbolic link at its end. The session's own upload needs the right
/// to write only.
pub(super) fn set_attributes(
    asker: &Asker,
    place: Place,
    change: &AttributeChange,
    follow: bool,
) -> Result<(), VfsError> {
    let spot = asker.spot(place, follow)?;
    if let Some(size) = change.size {
        asker.may_hold(size)?;
        asker.may_carry_at(&spot)?;
    }
    if let Some(staged) = own_upload(asker, &spot) {
        asker
            .may_at(Operation::Write, &spot)
            .or_else(|error| asker.may_at(Operation::Overwrite, &spot).map_err(|_| error))?;
        return staged.set_attributes(change);
    }
    asker.may_at(Operation::SetAttributes, &spot)?;
    let access = match (spot.seen()?.state.attributes.file_type, change.size) {
        (FileType::File, Some(_)) => OFlags::WRONLY,
        (FileType::Folder, Some(_)) => return Err(VfsError::IsFolder),
        (FileType::File | FileType::Folder, None) => OFlags::RDONLY,
        (FileType::Link, _) if !follow => return set_link_attributes(&spot, change),
        _ => {
            return Err(VfsError::Unsupported(
                "only files and folders have attributes to set".to_owned(),
            ));
        }
    };
    let fd = spot
        .root
        .open_at(
            &spot.rel,
            access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY,
            0,
        )
        .map_err(|errno| told("opening the file to change its attributes", errno))?;
    if let Some(size) = change.size {
        rustix::fs::ftruncate(&fd, size).map_err(|errno| told("changing the size", errno))?;
    }
    local::set_attributes(&fd, change)
}

/// Changes attributes of a symbolic link itself: of those a client may set, Linux has only the times.
fn set_link_attributes(spot: &Spot, change: &AttributeChange) -> Result<(), VfsError> {
    if change.size.is_some() || change.mode.is_some() {
        return Err(VfsError::Unsupported(
            "a symbolic link has neither size nor mode to set".to_owned(),
        ));
    }
    let folder = spot.root.folder(spot.parent())?;
    local::set_link_attributes(&folder, spot.name(), change)
}

/// Makes one folder.
pub(super) fn make_folder(asker: &Asker, place: Place, mode: Option<u32>) -> Result<(), VfsError> {
    refuse_mounts(asker, &place.path, VfsError::Exists)?;
    let spot = asker.spot(place, false)?;
    asker.may_at(Operation::MakeFolder, &spot)?;
    if spot.seen.is_some() || own_upload(asker, &spot).is_some() {
        return Err(VfsError::Exists);
    }
    let folder = spot.root.folder(spot.parent())?;
    let mode = Mode::from_raw_mode(mode.unwrap_or(FOLDER_MODE) & MODE_MASK);
    rustix::fs::mkdirat(&folder, spot.name(), mode).map_err(|errno| told("making the folder", errno))
}

/// Removes an empty folder; never one that is a mount or leads to one.
pub(super) fn remove_folder(asker: &Asker, place: Place) -> Result<(), VfsError> {
    refuse_mounts(asker, &place.path, VfsError::Denied(Operation::RemoveFolder))?;
    let spot = asker.spot(place, false)?;
    asker.may_at(Operation::RemoveFolder, &spot)?;
    if spot.seen()?.state.attributes.file_type != FileType::Folder {
        return Err(VfsError::NotFolder);
    }
    let folder = spot.root.folder(spot.parent())?;
    match rustix::fs::unlinkat(&folder, spot.name(), AtFlags::REMOVEDIR) {
        Err(Errno::EXIST) => Err(VfsError::NotEmpty),
        Err(errno) => Err(told("removing the folder", errno)),
        Ok(()) => Ok(()),
    }
}

/// Removes a file or a link; of the session's own upload and of a partial, what is staged.
pub(super) fn remove(asker: &Asker, place: Place) -> Result<(), VfsError> {
    refuse_mounts(asker, &place.path, VfsError::IsFolder)?;
    let spot = asker.spot(place, false)?;
    asker.may_at(Operation::Delete, &spot)?;
    let own = own_upload(asker, &spot);
    if let Some(staged) = &own {
        staged.discard(asker)?;
    }
    if spot.seen.is_none() {
        let removed = own.is_some() || partial::remove(asker, &spot)?;
        return if removed { Ok(()) } else { Err(VfsError::NotFound) };
    }
    let folder = spot.root.folder(spot.parent())?;
    match rustix::fs::unlinkat(&folder, spot.name(), AtFlags::empty()) {
        // The file that only reserved the name went with the upload.
        Err(Errno::NOENT) if own.is_some() => Ok(()),
        Err(errno) => Err(told("removing the file", errno)),
        Ok(()) => Ok(()),
    }
}

/// Refuses a path that is a mount, or leads to one.
pub(super) fn refuse_mounts(asker: &Asker, path: &VirtualPath, error: VfsError) -> Result<(), VfsError> {
    match standing(&asker.access()?, path) {
        Standing::Ordinary => Ok(()),
        Standing::MountPoint | Standing::LeadsToMount => Err(error),
    }
}

/// Changes attributes of a published file through a handle.
pub(super) fn set_in_place(fd: &OwnedFd, change: &AttributeChange, writable: bool) -> Result<(), VfsError> {
    if let Some(size) = change.size {
        if !writable {
            return Err(VfsError::Unsupported("the file was not opened for writing".to_owned()));
        }
        rustix::fs::ftruncate(fd, size).map_err(|errno| told("changing the size", errno))?;
    }
    local::set_attributes(fd, change)
}
