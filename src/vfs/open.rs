//! Opening and making files: which way a file is opened, and which rights that takes.
//!
//! A new or emptied file is staged; an existing one is opened in place; a partial is gone on with.

use std::sync::Arc;

use rustix::fs::OFlags;

use super::file::{Core, Counts};
use super::local::{check_reserve, state_of, told};
use super::resolve::{Asker, Place, Spot};
use super::right::Right;
use super::slots::OpenSlot;
use super::staged::{Stage, Staged, Steps, partial};
use super::writes::Writes;
use super::{FileType, OpenOptions, VfsError};
use crate::catalog::Operation;

/// Mode of a new file unless the client says otherwise.
pub(super) const FILE_MODE: u32 = 0o644;

/// Opens a place as `options` say; runs on the pool.
pub(super) fn open(asker: &Asker, place: Place, options: &OpenOptions, slot: OpenSlot) -> Result<Core, VfsError> {
    if !options.write && (options.create || options.truncate || options.append || options.exclusive) {
        return Err(VfsError::Unsupported(
            "making or emptying a file needs it opened for writing".to_owned(),
        ));
    }
    if !options.write && !options.read {
        return Err(VfsError::Unsupported(
            "a file is opened for reading, for writing or for both".to_owned(),
        ));
    }
    let exclusive = options.create && options.exclusive;
    let spot = asker.spot(place, !exclusive)?;
    let opening = Opening { asker, options, slot };
    let held = asker
        .inner
        .held
        .get(asker.session.id, &spot.place.storage.name, &spot.rel);
    if let Some(staged) = held.filter(|staged| staged.read().stage == Stage::Active) {
        if exclusive {
            return Err(VfsError::Exists);
        }
        if !options.truncate {
            return opening.shared(spot, staged);
        }
    }
    let kind = spot.seen.as_ref().map(|seen| seen.state.attributes.file_type);
    match kind {
        Some(FileType::Folder) => Err(VfsError::IsFolder),
        Some(_) if exclusive => Err(VfsError::Exists),
        Some(FileType::Link) => Err(VfsError::NotFound),
        Some(FileType::Other) => Err(VfsError::Unsupported("it is neither file nor folder".to_owned())),
        Some(FileType::File) if options.truncate => opening.emptied(spot),
        Some(FileType::File) => opening.in_place(spot),
        None => opening.missing(spot, exclusive),
    }
}

/// Opens what was found at a place, to read; from memory, on the caller's thread.
pub(super) fn found(asker: &Asker, spot: Spot, options: &OpenOptions, slot: OpenSlot) -> Result<Core, VfsError> {
    match spot.seen()?.state.attributes.file_type {
        FileType::File => Opening { asker, options, slot }.in_place(spot),
        FileType::Folder => Err(VfsError::IsFolder),
        FileType::Link | FileType::Other => Err(VfsError::Unsupported("it is neither file nor folder".to_owned())),
    }
}

/// Goes on with an upload in steps; `None`: its bytes are gone. Runs on the pool.
pub(super) fn steps(asker: &Asker, spot: Spot, steps: Steps, slot: OpenSlot) -> Result<Option<Core>, VfsError> {
    let options = &OpenOptions {
        write: true,
        ..OpenOptions::default()
    };
    let opening = Opening { asker, options, slot };
    let rights = opening.either_right(&spot)?;
    check_reserve_at(&spot)?;
    let staged = partial::take_steps(asker, spot, steps)?;
    Ok(staged.map(|staged| opening.core_of(staged, rights)))
}

struct Opening<'a> {
    asker: &'a Asker,
    options: &'a OpenOptions,
    slot: OpenSlot,
}

impl Opening<'_> {
    /// The rights that are needed, if the account has them: for reading and for writing.
    fn rights(&self, spot: &Spot, writes: Operation) -> Result<(Option<Right>, Option<Right>), VfsError> {
        self.asker.may_carry_at(spot)?;
        let right = |wanted: bool, operation: Operation| {
            wanted
                .then(|| self.asker.may_at(operation, spot).map(|()| Right::new(operation)))
                .transpose()
        };
        Ok((
            right(self.options.read, Operation::Read)?,
            right(self.options.write, writes)?,
        ))
    }

    /// The rights by whichever of the two let the upload begin.
    fn either_right(&self, spot: &Spot) -> Result<(Option<Right>, Option<Right>), VfsError> {
        self.rights(spot, Operation::Write)
            .or_else(|error| self.rights(spot, Operation::Overwrite).map_err(|_| error))
    }

    /// An existing file, in place: readers see what is written at once.
    fn in_place(self, spot: Spot) -> Result<Core, VfsError> {
        let writes = if self.options.append {
            Operation::Append
        } else {
            Operation::Overwrite
        };
        let (reads, writes) = self.rights(&spot, writes)?;
        let mut flags = match (self.options.read, self.options.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        if self.options.append {
            flags |= OFlags::APPEND;
        }
        // NONBLOCK: a pipe that took the name meanwhile must not hold up the thread.
        flags |= OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = spot
            .root
            .open_at(&spot.rel, flags, 0)
            .map_err(|errno| told("opening the file", errno))?;
        let state = state_of(&fd).map_err(|errno| told("looking at the file", errno))?;
        if state.attributes.file_type != FileType::File {
            return Err(VfsError::Unsupported("it is no ordinary file any more".to_owned()));
        }
        if self.options.write {
            check_reserve(&fd, spot.place.storage.spec.reserve_bytes)?;
        }
        let mut core = self.core(spot.place, spot.path, Arc::new(fd), (reads, writes), None);
        core.found = Some(state.attributes);
        core.lies_on(spot.root.lies);
        Ok(core)
    }

    /// An existing file that is emptied: staged; the old one stays for the others until the end.
    fn emptied(self, spot: Spot) -> Result<Core, VfsError> {
        let rights = self.rights(&spot, Operation::Overwrite)?;
        let mode = spot.seen()?.state.attributes.mode;
        self.staged(spot, mode, false, rights)
    }

    /// A name that no finished file has.
    fn missing(self, spot: Spot, exclusive: bool) -> Result<Core, VfsError> {
        let options = self.options;
        if !options.write {
            // Where the account is shown a partial, it is told why it cannot read it.
            return Err(match partial::shown(self.asker, &spot)? {
                Some(_) => VfsError::Denied(Operation::Read),
                None => VfsError::NotFound,
            });
        }
        let rights = self.rights(&spot, Operation::Write)?;
        let spot = if options.truncate || exclusive {
            spot
        } else {
            check_reserve_at(&spot)?;
            match partial::take_over(self.asker, spot)? {
                Ok(staged) => return Ok(self.core_of(staged, rights)),
                Err(spot) => spot,
            }
        };
        if !options.create {
            return Err(VfsError::NotFound);
        }
        if spot.name().is_empty() {
            return Err(VfsError::IsFolder);
        }
        self.staged(spot, options.mode.unwrap_or(FILE_MODE), exclusive, rights)
    }

    /// A new staged upload.
    fn staged(
        self,
        spot: Spot,
        mode: u32,
        exclusive: bool,
        rights: (Option<Right>, Option<Right>),
    ) -> Result<Core, VfsError> {
        check_reserve_at(&spot)?;
        let staged = Staged::create(self.asker, spot, mode, exclusive)?;
        Ok(self.core_of(staged, rights))
    }

    /// The session's own staged upload once more.
    fn shared(self, spot: Spot, staged: Arc<Staged>) -> Result<Core, VfsError> {
        let rights = self.either_right(&spot)?;
        if self.options.write {
            staged.add_writer();
        }
        Ok(self.core_of(staged, rights))
    }

    fn core_of(self, staged: Arc<Staged>, rights: (Option<Right>, Option<Right>)) -> Core {
        let (place, path) = {
            let state = staged.read();
            (state.place.clone(), state.path.clone())
        };
        let fd = staged.file.clone();
        self.core(place, path, fd, rights, Some(staged))
    }

    fn core(
        self,
        place: Place,
        path: crate::path::VirtualPath,
        fd: Arc<std::os::fd::OwnedFd>,
        (reads, writes): (Option<Right>, Option<Right>),
        staged: Option<Arc<Staged>>,
    ) -> Core {
        Core {
            asker: self.asker.clone(),
            place,
            path,
            fd,
            found: None,
            reads,
            writes,
            append: self.options.append,
            staged,
            opened_at: self.asker.inner.clock.now(),
            counts: Counts::default(),
            queued: Writes::default(),
            _slot: self.slot,
        }
    }
}

fn check_reserve_at(spot: &Spot) -> Result<(), VfsError> {
    let reserve = spot.place.storage.spec.reserve_bytes;
    if reserve == 0 {
        return Ok(());
    }
    check_reserve(&spot.root.folder(b"")?, reserve)
}
