//! The end of a staged upload: fsync, rename, fsync of the folder; only then is it answered.
//!
//! Everything is judged again here, on the latest view, before and after the fsync.

use std::sync::atomic::Ordering;

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;

use super::{MODE_MASK, Root, Stage, Staged, State, partial, split, state_at, told};
use crate::catalog::{Durability, Operation};
use crate::session::CloseReason;
use crate::vfs::local::{FaultPoint, FileState, is_storage_failure, rename_no_replace};
use crate::vfs::resolve::Asker;
use crate::vfs::{FileType, VfsError, notes};

impl Staged {
    /// Publishes the upload. A failure leaves it unpublished; whether it is kept is left to
    /// [`interrupt`](Self::interrupt). One that another handle has published is synced in place.
    pub(in crate::vfs) fn commit(&self, asker: &Asker) -> Result<(), VfsError> {
        let mut state = self.write();
        state.stage.check()?;
        let result = match state.stage {
            Stage::Published => {
                may_publish(asker, &state)?;
                self.sync_file(asker, &state)
            }
            _ => self.publish(asker, &mut state),
        };
        match &result {
            Ok(()) => asker.inner.health.worked(&self.storage),
            Err(error) => {
                if is_storage_failure(error) {
                    asker.inner.health.failed(&self.storage, error, &asker.inner.journal);
                }
                if state.stage == Stage::Active {
                    state.stage = Stage::Failed(error.clone());
                }
            }
        }
        result
    }

    fn publish(&self, asker: &Asker, state: &mut State) -> Result<(), VfsError> {
        may_publish(asker, state)?;
        let root = Root::open(&state.place.storage.spec.root)?;
        let (parent, name) = split(&state.rel);
        let folder = root.folder(parent)?;
        let replaced = match state_at(&folder, name) {
            Ok(seen) => Some(seen),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(told("looking at the target", errno)),
        };
        let own_reservation = is_own_reservation(state, replaced.as_ref());
        if let Some(replaced) = replaced.filter(|_| !own_reservation) {
            if replaced.attributes.file_type == FileType::Folder {
                return Err(VfsError::IsFolder);
            }
            self.take_over_looks(state, &replaced);
            notes::take_over(&self.file, &folder, name);
        }
        self.sync_file(asker, state)?;
        // The sync may have taken long: what was allowed before it may be no longer.
        may_publish(asker, state)?;
        let only_new = self.steps().is_some_and(|steps| steps.only_new);
        let replaces = own_reservation || !only_new && may_replace(asker, state);
        asker.inner.faults.check(FaultPoint::Rename)?;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::SkipRename) {
            return Ok(());
        }
        let staged_name = state.name.to_bytes();
        let renamed = if replaces {
            rustix::fs::renameat(&self.folder, &staged_name, &folder, name)
        } else {
            rename_no_replace((&self.folder, &staged_name), (&folder, name), &asker.inner.faults)
        };
        match renamed {
            Ok(()) => {}
            Err(Errno::NOENT) if state_at(&self.folder, &staged_name).is_err() => return Err(VfsError::TakenOver),
            Err(errno) => return Err(told("publishing the upload", errno)),
        }
        asker.inner.held.remove(self, state);
        state.stage = Stage::Published;
        state.reserved = None;
        partial::drop_kept(&self.folder, state.name.target);
        if is_strict(state) {
            root.sync_folder(parent, &asker.inner.faults)?;
        }
        Ok(())
    }

    /// The new file gets the mode and owner of the one that it replaces, as far as this process may give them.
    fn take_over_looks(&self, state: &State, replaced: &FileState) {
        let old = &replaced.attributes;
        if old.file_type != FileType::File {
            return;
        }
        self.changed();
        let result = rustix::fs::fchown(&*self.file, Some(Uid::from_raw(old.uid)), Some(Gid::from_raw(old.gid)));
        if let Err(errno) = result {
            tracing::debug!(storage = %self.storage, %errno, "a replaced file's owner could not be kept");
        }
        if !state.mode_set {
            // After the owner, whose change drops bits.
            let result = rustix::fs::fchmod(&*self.file, Mode::from_raw_mode(old.mode & MODE_MASK));
            if let Err(errno) = result {
                tracing::debug!(storage = %self.storage, %errno, "a replaced file's mode could not be kept");
            }
        }
    }

    /// fsync, unless the storage is relaxed or the client has asked for one since the last change. Never tried again
    /// after a failure: the kernel has forgotten by then.
    fn sync_file(&self, asker: &Asker, state: &State) -> Result<(), VfsError> {
        if !is_strict(state) || self.synced.load(Ordering::SeqCst) == self.changes() {
            return Ok(());
        }
        asker.inner.faults.check(FaultPoint::SyncFile).map_err(as_failed_sync)?;
        rustix::fs::fsync(&*self.file).map_err(|errno| as_failed_sync(told("syncing the upload", errno)))
    }
}

/// A failed fsync says nothing about which bytes are safe, whatever its number: such an upload is never kept.
fn as_failed_sync(error: VfsError) -> VfsError {
    match error {
        VfsError::Io(_) => error,
        error => VfsError::Io(format!("syncing the upload: {error}")),
    }
}

fn is_strict(state: &State) -> bool {
    state.place.storage.spec.durability == Durability::Strict
}

/// Whether what lies at the target is the empty file that this upload has put there.
fn is_own_reservation(state: &State, there: Option<&FileState>) -> bool {
    match (there, state.reserved) {
        (Some(there), Some(identity)) => there.identity == identity && there.attributes.size == 0,
        _ => false,
    }
}

/// The upload may still be published where it was begun: same storage, same folder, writing allowed.
fn may_publish(asker: &Asker, state: &State) -> Result<(), VfsError> {
    let access = asker.access()?;
    let place = &state.place;
    let moved = || {
        VfsError::Revoked(CloseReason::Revoked(
            "the folder of this upload was moved or taken away".into(),
        ))
    };
    let mount = access.mount_of(&place.path).ok_or_else(moved)?;
    let root = access
        .view()
        .storages
        .get(&mount.storage)
        .map(|storage| &storage.spec.root);
    let same = mount.at == place.at && mount.folder == place.folder && mount.storage == place.storage.name;
    if !same || root != Some(&place.storage.spec.root) {
        return Err(moved());
    }
    asker.may_carry(&access, &place.path)?;
    asker.may_carry(&access, &state.path)?;
    // A replaced file needs Overwrite at its open; at the end either right may publish, and which of them decides
    // whether a name that appeared meanwhile is replaced.
    match asker
        .may(Operation::Write, &place.path)
        .and_then(|()| asker.may(Operation::Write, &state.path))
    {
        Err(VfsError::Denied(operation)) => {
            if may_replace(asker, state) {
                Ok(())
            } else {
                Err(VfsError::Denied(operation))
            }
        }
        other => other,
    }
}

fn may_replace(asker: &Asker, state: &State) -> bool {
    asker.may(Operation::Overwrite, &state.place.path).is_ok() && asker.may(Operation::Overwrite, &state.path).is_ok()
}
