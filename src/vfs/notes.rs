//! Notes: a few bytes that a protocol keeps with a file or folder, beside its content; and where a path lies for all
//! accounts alike.
//!
//! A note is an extended attribute of the file: it goes with it when it is moved, and an upload that replaces the file
//! takes it over. What stands in one is left to the protocol.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{OFlags, XattrFlags};
use rustix::io::Errno;

use super::handle::OpenFile;
use super::limits::NOTE_BYTES_MAX;
use super::local::told;
use super::resolve::{Asker, Place, Standing, standing};
use super::{FileType, Vfs, VfsError};
use crate::catalog::{self, Operation};
use crate::events::FileVerb;
use crate::path::VirtualPath;
use crate::session::Session;

const NOTE_ATTRIBUTE: &str = "user.argosy.dav";

impl Vfs {
    /// Where `path` lies on its storage, behind links; nothing need be there, but its folder must. `None`: in no
    /// storage, as a folder that only leads to mounts. With `changing` it is told to whoever may change something
    /// there, else as [`attributes`](Self::attributes).
    pub async fn location(
        &self,
        session: &Arc<Session>,
        path: &VirtualPath,
        changing: bool,
    ) -> Result<Option<catalog::Place>, VfsError> {
        let asker = self.asker(session);
        let Some(place) = asker.place(path)? else {
            return Ok(None);
        };
        if changing {
            may_change(&asker, path)?;
        } else {
            asker.may_look(path)?;
        }
        let storage = place.storage.name.clone();
        let job_place = place.clone();
        let found = asker.run(&place, move |asker| rel_of(asker, job_place)).await?;
        let Some(rel) = found else { return Ok(None) };
        let path = VirtualPath::parse(&rel).map_err(|error| VfsError::InvalidName(error.to_string()))?;
        Ok(Some(catalog::Place { storage, path }))
    }

    /// The note of a file or folder, behind a link; empty: none. Allowed as [`attributes`](Self::attributes) is.
    pub async fn note(&self, session: &Arc<Session>, path: &VirtualPath) -> Result<Bytes, VfsError> {
        let asker = self.asker(session);
        let Some(place) = asker.place(path)? else {
            return Ok(Bytes::new());
        };
        asker.may_look(path)?;
        let job_place = place.clone();
        let job = move |asker: &Asker| {
            let spot = asker.spot(job_place, true)?;
            if spot.path != spot.place.path {
                asker.may_look(&spot.path)?;
            }
            match &spot.seen {
                Some(seen) => read(format!("/proc/self/fd/{}", seen.fd.as_raw_fd()), true),
                None => Ok(Bytes::new()),
            }
        };
        asker.run(&place, job).await
    }

    /// The notes of these entries of a folder, in their order; empty: none. Allowed to whoever may list it.
    pub async fn notes_in(
        &self,
        session: &Arc<Session>,
        folder: &VirtualPath,
        names: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, VfsError> {
        let asker = self.asker(session);
        let Some(place) = asker.place(folder)? else {
            return Ok(vec![Bytes::new(); names.len()]);
        };
        asker.may(Operation::List, folder)?;
        let job_place = place.clone();
        asker.run(&place, move |asker| read_all(asker, job_place, &names)).await
    }

    /// Gives a file or folder a note of at most [`NOTE_BYTES_MAX`] in place of the one it has; empty: none.
    ///
    /// # Errors
    /// [`VfsError::Unsupported`] where the storage's file system keeps none, [`VfsError::Full`] where this one is too
    /// long for it.
    pub async fn set_note(&self, session: &Arc<Session>, path: &VirtualPath, note: Bytes) -> Result<(), VfsError> {
        let asker = self.asker(session);
        let job = move |asker: &Asker, place| write(asker, place, &note);
        let result = Self::on_one(&asker, [Operation::SetAttributes], path, job).await;
        asker.recorded(FileVerb::AttributesSet, path, None, result)
    }

    /// Gives a folder the note of another; both rights as for [`note`](Self::note) and [`set_note`](Self::set_note).
    pub async fn copy_note(
        &self,
        session: &Arc<Session>,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<(), VfsError> {
        let note = self.note(session, from).await?;
        if note.is_empty() {
            return Ok(());
        }
        self.set_note(session, to, note).await
    }
}

impl OpenFile {
    /// An upload gets the note of `from`, an open file, even none; it takes over no other at its end. Where notes
    /// cannot be kept, it has none.
    pub async fn take_note(&self, from: &Self) -> Result<(), VfsError> {
        let (source, target) = (from.core()?.clone(), self.core()?);
        target.check_write(0, 0)?;
        let note = Self::run(&source, |source| {
            read(format!("/proc/self/fd/{}", source.fd.as_raw_fd()), true)
        })
        .await?;
        Self::run(target, move |target| {
            let set = rustix::fs::fsetxattr(&*target.fd, NOTE_ATTRIBUTE, &note, XattrFlags::empty());
            if let Err(errno) = set {
                tracing::debug!(%errno, "the note of a copied file could not be kept");
            }
            Ok(())
        })
        .await
    }
}

/// An upload takes over the note of the file that it replaces, unless it was given one.
pub(super) fn take_over(upload: &OwnedFd, folder: &OwnedFd, replaced: &[u8]) {
    let Some(path) = path_in(folder, replaced) else { return };
    let note = match read(&path, false) {
        Ok(note) if !note.is_empty() => note,
        _ => return,
    };
    let set = rustix::fs::fsetxattr(upload, NOTE_ATTRIBUTE, &note, XattrFlags::CREATE);
    if let Err(errno) = set {
        tracing::debug!(%errno, "the note of a replaced file could not be kept");
    }
}

/// Any right to change something at `path` is there.
fn may_change(asker: &Asker, path: &VirtualPath) -> Result<(), VfsError> {
    let changes = [
        Operation::Write,
        Operation::Overwrite,
        Operation::Append,
        Operation::Delete,
        Operation::Rename,
        Operation::MakeFolder,
        Operation::RemoveFolder,
        Operation::SetAttributes,
    ];
    if changes.iter().any(|operation| asker.may(*operation, path).is_ok()) {
        return Ok(());
    }
    asker.may(Operation::Write, path)
}

fn rel_of(asker: &Asker, place: Place) -> Result<Option<Vec<u8>>, VfsError> {
    let path = place.path.clone();
    match asker.spot(place, true) {
        Ok(spot) => Ok(Some(spot.rel)),
        Err(VfsError::NotFound) if standing(&asker.access()?, &path) != Standing::Ordinary => Ok(None),
        Err(error) => Err(error),
    }
}

/// A name in a folder that is open, for calls that take paths alone.
fn path_in(folder: &OwnedFd, name: &[u8]) -> Option<Vec<u8>> {
    if name.is_empty() || name.contains(&b'/') {
        return None;
    }
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    Some(path)
}

fn read<P: rustix::path::Arg>(path: P, follow: bool) -> Result<Bytes, VfsError> {
    let mut room = vec![0_u8; NOTE_BYTES_MAX];
    let length = if follow {
        rustix::fs::getxattr(path, NOTE_ATTRIBUTE, &mut room[..])
    } else {
        rustix::fs::lgetxattr(path, NOTE_ATTRIBUTE, &mut room[..])
    };
    match length {
        Ok(length) => {
            room.truncate(length);
            Ok(room.into())
        }
        // None, none possible, or somebody else's that is longer than ours.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::RANGE | Errno::NOENT) => {
            Ok(Bytes::new())
        }
        Err(errno) => Err(told("reading the note of a file", errno)),
    }
}

fn read_all(asker: &Asker, place: Place, names: &[Bytes]) -> Result<Vec<Bytes>, VfsError> {
    let none = || vec![Bytes::new(); names.len()];
    let asked = place.path.clone();
    let access = asker.access()?;
    let spot = match asker.spot(place, true) {
        Ok(spot) if spot.seen.is_some() => spot,
        _ => return Ok(none()),
    };
    asker.may_at(Operation::List, &spot)?;
    let folder = spot.root.folder(&spot.rel)?;
    let one = |name: &Bytes| {
        let ordinary = asked
            .join(name)
            .is_ok_and(|path| standing(&access, &path) == Standing::Ordinary);
        match path_in(&folder, name).filter(|_| ordinary) {
            Some(path) => read(path, false),
            None => Ok(Bytes::new()),
        }
    };
    names.iter().map(one).collect()
}

fn write(asker: &Asker, place: Place, note: &[u8]) -> Result<(), VfsError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(VfsError::Limit(format!(
            "a file can have at most {NOTE_BYTES_MAX} bytes of properties"
        )));
    }
    let spot = asker.spot(place, true)?;
    asker.may_at(Operation::SetAttributes, &spot)?;
    let kind = spot.seen()?.state.attributes.file_type;
    if !matches!(kind, FileType::File | FileType::Folder) {
        return Err(VfsError::Unsupported(
            "only files and folders have properties to set".to_owned(),
        ));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = spot
        .root
        .open_at(&spot.rel, flags, 0)
        .map_err(|errno| told("opening the file to set its properties", errno))?;
    let done = if note.is_empty() {
        rustix::fs::fremovexattr(&fd, NOTE_ATTRIBUTE)
    } else {
        rustix::fs::fsetxattr(&fd, NOTE_ATTRIBUTE, note, XattrFlags::empty())
    };
    match done {
        Ok(()) => Ok(()),
        Err(Errno::NODATA) => Ok(()),
        Err(Errno::OPNOTSUPP) => Err(VfsError::Unsupported(
            "the storage's file system keeps no properties with files".to_owned(),
        )),
        // More than this file system keeps with one file.
        Err(Errno::TOOBIG | Errno::RANGE | Errno::NOSPC) => Err(VfsError::Full),
        Err(errno) => Err(told("setting the properties of a file", errno)),
    }
}
