//! Moving and linking: operations with two names.
//!
//! A rename takes the right to rename at both ends, and to overwrite where the target exists; the right to delete is
//! not asked for, since what is replaced is what Overwrite is about. Everything here runs on the pool.

use bytes::Bytes;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::change::{own_upload, refuse_mounts};
use super::local::{FaultPoint, is_staging, link_text, rename_no_replace, told};
use super::resolve::{Asker, Place, Spot};
use super::{FileType, VfsError};
use crate::access::may_move_folder;
use crate::catalog::{Durability, Operation};
use crate::path::{PATH_BYTES_MAX, VirtualPath};

/// Moves a file, a link or a folder.
pub(super) fn rename(asker: &Asker, from: Place, to: Place, overwrite: bool) -> Result<(), VfsError> {
    refuse_mounts(asker, &from.path, VfsError::Denied(Operation::Rename))?;
    refuse_mounts(asker, &to.path, VfsError::Denied(Operation::Rename))?;
    let from = asker.spot(from, false)?;
    let to = asker.spot(to, false)?;
    asker.may_at(Operation::Rename, &from)?;
    asker.may_at(Operation::Rename, &to)?;
    refuse_guarded(asker, &from, &to)?;
    refuse_untaken(asker, &from, &to)?;
    if from.place.storage.spec.root != to.place.storage.spec.root {
        return Err(VfsError::CrossesStorages);
    }
    let own = own_upload(asker, &from);
    if own.is_none() && from.seen.is_none() {
        return Err(VfsError::NotFound);
    }
    if from.rel == to.rel {
        return if overwrite { Ok(()) } else { Err(VfsError::Exists) };
    }
    let below_itself = to
        .rel
        .strip_prefix(from.rel.as_slice())
        .is_some_and(|rest| rest.starts_with(b"/"));
    if below_itself {
        return Err(VfsError::Unsupported("a folder cannot be moved into itself".to_owned()));
    }
    let target_exists = to.seen.is_some() || own_upload(asker, &to).is_some();
    if target_exists {
        if !overwrite {
            return Err(VfsError::Exists);
        }
        asker.may_at(Operation::Overwrite, &to)?;
    }
    if let Some(staged) = own {
        to.root.folder(to.parent())?;
        return staged.move_to(asker, to);
    }
    move_on_disk(asker, &from, &to, overwrite)?;
    if let Some(staged) = own_upload(asker, &to) {
        // The session moved a file over its own unfinished upload, which is gone as any replaced file.
        let _ = staged.discard(asker);
    }
    Ok(())
}

fn move_on_disk(asker: &Asker, from: &Spot, to: &Spot, overwrite: bool) -> Result<(), VfsError> {
    let source = from.root.folder(from.parent())?;
    let target = to.root.folder(to.parent())?;
    asker.inner.faults.check(FaultPoint::Rename)?;
    let may_replace = overwrite && asker.may_at(Operation::Overwrite, to).is_ok();
    let renamed = if may_replace {
        rustix::fs::renameat(&source, from.name(), &target, to.name())
    } else {
        rename_no_replace((&source, from.name()), (&target, to.name()), &asker.inner.faults)
    };
    match renamed {
        Ok(()) => {}
        // It appeared after it was looked for.
        Err(Errno::EXIST) if overwrite && !may_replace => return Err(VfsError::Denied(Operation::Overwrite)),
        Err(Errno::EXIST) if may_replace => return Err(VfsError::NotEmpty),
        Err(Errno::INVAL) => {
            return Err(VfsError::Unsupported("a folder cannot be moved into itself".to_owned()));
        }
        Err(errno) => return Err(told("renaming", errno)),
    }
    if from.place.storage.spec.durability == Durability::Strict {
        to.root.sync_folder(to.parent(), &asker.inner.faults)?;
        if from.parent() != to.parent() {
            from.root.sync_folder(from.parent(), &asker.inner.faults)?;
        }
    }
    Ok(())
}

/// A folder with a denial below it that would not hold at the target alike stays where it is.
fn refuse_guarded(asker: &Asker, from: &Spot, to: &Spot) -> Result<(), VfsError> {
    let is_folder =
        |spot: &Spot| matches!(&spot.seen, Some(seen) if seen.state.attributes.file_type == FileType::Folder);
    if !is_folder(from) {
        return Ok(());
    }
    let access = asker.access()?;
    let free = may_move_folder(&access, &from.place.path, &to.place.path)
        && (from.path == from.place.path && to.path == to.place.path || may_move_folder(&access, &from.path, &to.path));
    if free {
        Ok(())
    } else {
        Err(VfsError::Denied(Operation::Rename))
    }
}

/// A file keeps a name that may be carried, before and after: else a new name would be a way round the limits.
fn refuse_untaken(asker: &Asker, from: &Spot, to: &Spot) -> Result<(), VfsError> {
    match &from.seen {
        Some(seen) if seen.state.attributes.file_type == FileType::Folder => Ok(()),
        _ => asker.may_carry_at(from).and_then(|()| asker.may_carry_at(to)),
    }
}

/// Gives a file a second name. Under it another grant decides, so every right to change the content that the new
/// folder may give must be held at the existing name already; else links and read would become a way to write.
pub(super) fn make_hard_link(asker: &Asker, existing: Place, link: Place) -> Result<(), VfsError> {
    refuse_mounts(asker, &link.path, VfsError::Exists)?;
    let existing = asker.spot(existing, false)?;
    let link = asker.spot(link, false)?;
    for (operation, spot) in [
        (Operation::Links, &existing),
        (Operation::Read, &existing),
        (Operation::Overwrite, &existing),
        (Operation::Append, &existing),
        (Operation::SetAttributes, &existing),
        (Operation::Delete, &existing),
        (Operation::Links, &link),
        (Operation::Write, &link),
    ] {
        asker.may_at(operation, spot)?;
    }
    refuse_untaken(asker, &existing, &link)?;
    if existing.place.storage.spec.root != link.place.storage.spec.root {
        return Err(VfsError::CrossesStorages);
    }
    if own_upload(asker, &existing).is_some() {
        return Err(VfsError::Unsupported(
            "an unfinished upload cannot be linked".to_owned(),
        ));
    }
    match existing.seen()?.state.attributes.file_type {
        FileType::File => {}
        FileType::Folder => return Err(VfsError::IsFolder),
        _ => return Err(VfsError::Unsupported("only files can have a second name".to_owned())),
    }
    if link.seen.is_some() || own_upload(asker, &link).is_some() {
        return Err(VfsError::Exists);
    }
    let source = existing.root.folder(existing.parent())?;
    let target = link.root.folder(link.parent())?;
    rustix::fs::linkat(&source, existing.name(), &target, link.name(), AtFlags::empty())
        .map_err(|errno| told("linking", errno))
}

/// Makes a symbolic link.
pub(super) fn make_link(asker: &Asker, target: &[u8], link: Place) -> Result<(), VfsError> {
    refuse_mounts(asker, &link.path, VfsError::Exists)?;
    let spot = asker.spot(link, false)?;
    asker.may_at(Operation::Links, &spot)?;
    if spot.seen.is_some() || own_upload(asker, &spot).is_some() {
        return Err(VfsError::Exists);
    }
    // Relative to where it will really lie, which is behind the links that led here.
    let text = relative_text(
        asker,
        target,
        &Place {
            path: spot.path.clone(),
            ..spot.place.clone()
        },
    )?;
    let folder = spot.root.folder(spot.parent())?;
    rustix::fs::symlinkat(text.as_slice(), &folder, spot.name()).map_err(|errno| told("linking", errno))
}

/// Where a symbolic link points, as relative text; a link that leaves its mount tells nothing.
pub(super) fn read_link(asker: &Asker, place: Place) -> Result<Bytes, VfsError> {
    let spot = asker.spot(place, false)?;
    asker.may_look(&spot.path)?;
    let seen = spot.seen()?;
    if seen.state.attributes.file_type != FileType::Link {
        return Err(VfsError::Unsupported("it is no symbolic link".to_owned()));
    }
    let text = link_text(&seen.fd).map_err(|errno| told("reading the link", errno))?;
    let mut place = spot.place;
    place.path = spot.path;
    if text.first() == Some(&b'/') {
        return Err(VfsError::OutOfMount);
    }
    relative_text(asker, &text, &place)?;
    Ok(text)
}

/// The text that is stored for a link to `target`: relative, and not out of the mount.
fn relative_text(asker: &Asker, target: &[u8], link: &Place) -> Result<Vec<u8>, VfsError> {
    if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
        return Err(VfsError::InvalidName("the target of the link is no path".to_owned()));
    }
    let parent = link.path.parent().unwrap_or_else(VirtualPath::root);
    let parent_parts: Vec<&[u8]> = parts(parent.below(&link.at).unwrap_or_default());
    let mut depth = parent_parts.len();
    if target.first() != Some(&b'/') {
        for part in parts(target) {
            match part {
                b"." => {}
                b".." => depth = depth.checked_sub(1).ok_or(VfsError::OutOfMount)?,
                _ => depth += 1,
            }
        }
    }
    let path = VirtualPath::resolve(&parent, target).map_err(|error| VfsError::InvalidName(error.to_string()))?;
    if path.components().any(is_staging) || parts(target).into_iter().any(is_staging) {
        return Err(VfsError::InvalidName(
            "the target of the link is a name that the server keeps".to_owned(),
        ));
    }
    if asker.access()?.mount_of(&path).is_none_or(|mount| mount.at != link.at) {
        return Err(VfsError::OutOfMount);
    }
    if target.first() != Some(&b'/') {
        return Ok(target.to_vec());
    }
    let target_parts = parts(path.below(&link.at).unwrap_or_default());
    let shared = parent_parts
        .iter()
        .zip(&target_parts)
        .take_while(|(one, other)| one == other)
        .count();
    let up = std::iter::repeat_n(&b".."[..], parent_parts.len() - shared);
    let text: Vec<&[u8]> = up.chain(target_parts[shared..].iter().copied()).collect();
    if text.is_empty() {
        return Ok(b".".to_vec());
    }
    Ok(text.join(&b'/'))
}

fn parts(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect()
}
