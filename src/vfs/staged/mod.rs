//! Staged uploads: written in the hidden folder, published at their end, kept or removed when interrupted.
//!
//! The states of one upload and its steps. Which uploads a session holds is left to `held`; finding, taking over and
//! cleaning those of others to `partial` and `clean`; opening and writing files to `open` and `file`.

pub(super) mod clean;
mod copy;
pub(super) mod held;
mod name;
pub(super) mod partial;
mod publish;
pub(super) mod record;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use self::name::hash;
use super::limits::ATTEMPTS_MAX;
use super::local::{self, FaultPoint, MODE_MASK, Root, STAGING, split, state_at, state_of, told};
use super::pieces::Pieces;
use super::resolve::{Asker, Place, Spot};
use super::{AttributeChange, Attributes, VfsError};
use crate::ids::{Name, SessionId};
use crate::path::VirtualPath;

pub(super) use name::{StagedName, Target};

/// One staged upload that is open on this node.
pub(super) struct Staged {
    pub(super) session: SessionId,
    pub(super) storage: Name,
    /// The account's staging folder.
    folder: OwnedFd,
    /// The file itself, open for reading and writing; shared by all handles of the session.
    pub(super) file: Arc<OwnedFd>,
    /// Device and inode: whether the name still is this file.
    identity: (u64, u64),
    /// Handles that may write.
    writers: AtomicUsize,
    /// Counts what was done to the file itself; each is counted once it is done.
    changes: AtomicU64,
    /// How many of them are known to be on stable storage.
    synced: AtomicU64,
    /// An upload in steps: it is found by its id and not by its target, and is kept until it expires. The lock ends
    /// with it.
    steps: Option<Steps>,
    state: RwLock<State>,
    pub(super) pieces: Mutex<Pieces>,
}

/// What an upload in steps has besides.
pub(super) struct Steps {
    /// Its id.
    pub(super) id: u128,
    /// Nothing that has the name meanwhile is replaced.
    pub(super) only_new: bool,
    /// The locked record; changes with each new one.
    pub(super) lock: Mutex<OwnedFd>,
}

/// What changes in the life of a staged upload.
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) name: StagedName,
    /// Where it will be published; `place.path` is the path asked for.
    pub(super) place: Place,
    /// The same behind links.
    pub(super) path: VirtualPath,
    /// The same relative to the storage's root.
    pub(super) rel: Vec<u8>,
    /// The client has set a mode, which then wins over a replaced file's.
    pub(super) mode_set: bool,
    /// The empty file that reserves the name: device and inode.
    pub(super) reserved: Option<(u64, u64)>,
}

/// Where a staged upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Being written.
    Active,
    /// Under its name; the handles that are left write in place.
    Published,
    /// Its session removed it.
    Removed,
    /// Another session has taken it over.
    TakenOver,
    /// The storage failed; it will not be published.
    Failed(VfsError),
    /// Interrupted, then kept or removed.
    Ended,
}

impl Stage {
    /// Whether the upload can be written and published; why not.
    fn check(&self) -> Result<(), VfsError> {
        match self {
            Self::Active | Self::Published => Ok(()),
            Self::Removed => Err(VfsError::NotFound),
            Self::TakenOver | Self::Ended => Err(VfsError::TakenOver),
            Self::Failed(error) => Err(error.clone()),
        }
    }
}

/// The staging folder of one account, made where it is missing.
pub(super) fn staging_folder(root: &Root, account: &Name, make: bool) -> Result<Option<OwnedFd>, VfsError> {
    let rel = folder_of(account);
    match root.open_at(&rel, OFlags::PATH | OFlags::DIRECTORY, 0) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) if make => {
            root.make_all(&rel, 0o700)?;
            root.folder(&rel).map(Some)
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(told("opening the staging folder", errno)),
    }
}

/// The staging folder of an account, relative to the storage's root: hashed, so that no two names fall together on
/// a file system that ignores case.
fn folder_of(account: &Name) -> Vec<u8> {
    let name = account.as_str().as_bytes();
    let second = hash(&[b"2:", name].concat());
    let mut rel = STAGING.to_vec();
    rel.extend_from_slice(format!("/{:016x}{second:016x}", hash(name)).as_bytes());
    rel
}

/// 64 bits for the name of a staged file: the process's `life`, then 32 random ones.
pub(super) fn random(life: u32) -> Result<u64, VfsError> {
    Ok(u64::from(life) << 32 | u64::from(random_bits()?))
}

/// 32 random bits.
pub(super) fn random_bits() -> Result<u32, VfsError> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| VfsError::Io("no random numbers for the name of an upload".to_owned()))?;
    Ok(u32::from_ne_bytes(bytes))
}

impl Staged {
    /// Makes an empty staged file for a spot whose folder exists.
    pub(super) fn create(asker: &Asker, spot: Spot, mode: u32, exclusive: bool) -> Result<Arc<Self>, VfsError> {
        let target_folder = spot.root.folder(spot.parent())?;
        let device = state_of(&target_folder).map_err(|errno| told("looking at the folder", errno))?;
        let (folder, name, file) = create_file(asker, &spot, mode)?;
        let undo = || {
            let _ = rustix::fs::unlinkat(&folder, name.to_bytes(), AtFlags::empty());
        };
        let identity = state_of(&file)
            .map_err(|errno| told("looking at the upload", errno))
            .inspect_err(|_| undo())?
            .identity;
        if identity.0 != device.identity.0 {
            undo();
            return Err(VfsError::Unsupported(
                "this folder is another file system than its storage's root: make it a storage of its own".to_owned(),
            ));
        }
        let reserved = if exclusive {
            Some(reserve(&target_folder, spot.name(), mode, &file, &spot.rel).inspect_err(|_| undo())?)
        } else {
            None
        };
        Ok(Self::begin(
            asker,
            spot,
            (folder, name, file),
            Pieces::default(),
            (reserved, None),
        ))
    }

    /// Puts an open staged file in the hands of its session.
    fn begin(
        asker: &Asker,
        spot: Spot,
        (folder, name, file): (OwnedFd, StagedName, OwnedFd),
        pieces: Pieces,
        (reserved, steps): (Option<(u64, u64)>, Option<Steps>),
    ) -> Arc<Self> {
        let identity = state_of(&file).map_or((0, 0), |state| state.identity);
        let staged = Arc::new(Self {
            session: asker.session.id,
            storage: spot.place.storage.name.clone(),
            folder,
            file: Arc::new(file),
            identity,
            writers: AtomicUsize::new(1),
            changes: AtomicU64::new(1),
            synced: AtomicU64::new(0),
            steps,
            state: RwLock::new(State {
                stage: Stage::Active,
                name,
                place: spot.place,
                path: spot.path,
                rel: spot.rel,
                mode_set: false,
                reserved,
            }),
            pieces: Mutex::new(pieces),
        });
        asker.inner.held.insert(&staged);
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::PublishEarly) {
            staged.publish_early();
        }
        staged
    }

    /// Puts the upload under its name, whatever it holds.
    #[cfg(feature = "planted")]
    fn publish_early(&self) {
        let state = self.read();
        let (parent, name) = split(&state.rel);
        let folder = Root::open(&state.place.storage.spec.root).and_then(|root| root.folder(parent));
        if let Ok(folder) = folder {
            let from = state.name.to_bytes();
            // It may stand there already.
            let _ = rustix::fs::linkat(&self.folder, &from, &folder, name, AtFlags::empty());
        }
        drop(state);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it goes, unless a step on it is under way.
    pub(super) fn target_now(&self) -> Option<(Place, VirtualPath)> {
        let state = self.state.try_read().ok()?;
        Some((state.place.clone(), state.path.clone()))
    }

    /// What it has as an upload in steps.
    pub(super) fn steps(&self) -> Option<&Steps> {
        self.steps.as_ref()
    }

    /// The account's staging folder.
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Cuts it to `size` bytes, which it has.
    pub(super) fn cut(&self, size: u64) -> Result<(), VfsError> {
        let state = self.write();
        self.check_ours(&state)?;
        rustix::fs::ftruncate(&*self.file, size).map_err(|errno| told("cutting the upload", errno))?;
        self.changed();
        self.pieces().resized(size);
        Ok(())
    }

    pub(super) fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file itself was changed, or perhaps was.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// What an fsync that begins now puts on stable storage, for [`synced`](Self::synced).
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// An fsync that began at `changes` has succeeded.
    pub(super) fn synced(&self, changes: u64) {
        self.synced.fetch_max(changes, Ordering::SeqCst);
    }

    /// One more handle that may write.
    pub(super) fn add_writer(&self) {
        self.writers.fetch_add(1, Ordering::SeqCst);
    }

    /// One handle less; whether it was the last.
    pub(super) fn drop_writer(&self) -> bool {
        self.writers.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Looks whether the staged file still is ours: a takeover gives it another name. Asked before each write; the
    /// steps that move or remove the name fail by themselves once it is gone.
    pub(super) fn check_ours(&self, state: &State) -> Result<(), VfsError> {
        state.stage.check()?;
        if state.stage == Stage::Published {
            return Ok(());
        }
        match state_at(&self.folder, &state.name.to_bytes()) {
            Ok(seen) if seen.identity == self.identity => Ok(()),
            Ok(_) | Err(Errno::NOENT) => Err(VfsError::TakenOver),
            Err(errno) => Err(told("looking whether the upload was taken over", errno)),
        }
    }

    /// The storage failed under it: it will not be published.
    pub(super) fn fail(&self, error: &VfsError) {
        let mut state = self.write();
        if state.stage == Stage::Active {
            state.stage = Stage::Failed(error.clone());
        }
    }

    /// Changes attributes, for the session that holds it.
    pub(super) fn set_attributes(&self, change: &AttributeChange) -> Result<(), VfsError> {
        let mut state = self.write();
        self.check_ours(&state)?;
        if let Some(size) = change.size {
            rustix::fs::ftruncate(&*self.file, size).map_err(|errno| told("changing the size", errno))?;
            self.changed();
            self.pieces().resized(size);
        }
        let result = local::set_attributes(&*self.file, change);
        self.changed();
        state.mode_set |= result.is_ok() && change.mode.is_some();
        result
    }

    /// Its attributes, as its session sees them.
    pub(super) fn attributes(&self) -> Result<Attributes, VfsError> {
        state_of(&*self.file)
            .map(|state| state.attributes)
            .map_err(|errno| told("looking at the upload", errno))
    }

    /// Sends it to another target, for the session that holds it.
    pub(super) fn move_to(self: &Arc<Self>, asker: &Asker, to: Spot) -> Result<(), VfsError> {
        let mut state = self.write();
        if state.stage != Stage::Active {
            return state.stage.check();
        }
        let name = state.name.moved(Target::new(to.parent(), to.name()), to.name());
        self.rename_staged(&state.name, &name)?;
        self.free_reserved(&mut state);
        asker.inner.held.remove(self, &state);
        state.name = name;
        state.place = to.place;
        state.path = to.path;
        state.rel = to.rel;
        drop(state);
        asker.inner.held.insert(self);
        Ok(())
    }

    /// Removes it, for the session that holds it.
    pub(super) fn discard(&self, asker: &Asker) -> Result<(), VfsError> {
        let mut state = self.write();
        if !matches!(state.stage, Stage::Active | Stage::Failed(_)) {
            return state.stage.check();
        }
        asker.inner.held.remove(self, &state);
        self.free_reserved(&mut state);
        state.stage = Stage::Removed;
        match rustix::fs::unlinkat(&self.folder, state.name.to_bytes(), AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => Err(VfsError::TakenOver),
            Err(errno) => Err(told("removing the upload", errno)),
        }
    }

    /// The session lets go of it unfinished: it is kept for resume, cut to what is whole, or removed. Once it has
    /// the name of a kept one nothing here touches it again, and its bytes are on the storage: anyone may go on in it.
    pub(super) fn interrupt(&self, asker: &Asker, keep: bool) {
        let mut state = self.write();
        if !matches!(state.stage, Stage::Active | Stage::Failed(_)) {
            return;
        }
        let resumable = matches!(
            state.stage,
            Stage::Active
                | Stage::Failed(VfsError::Full | VfsError::Denied(_) | VfsError::Revoked(_) | VfsError::Stale(_))
        );
        let whole = self.pieces().whole();
        self.free_reserved(&mut state);
        let ours = self.check_name(&state);
        state.stage = Stage::Ended;
        // Only at the end is it let go: a session of this node that wants it waits for the lock until then.
        let letting_go = |state: &State| asker.inner.held.remove(self, state);
        if !ours {
            return letting_go(&state);
        }
        let keep = keep && whole > 0 || self.steps.is_some();
        let resumable = resumable || self.steps.is_some() && state.stage == Stage::Failed(VfsError::Exists);
        let result = if keep && resumable {
            let longer = state_of(&*self.file).is_ok_and(|seen| seen.attributes.size > whole);
            let cut = asker.inner.faults.check(FaultPoint::Cut).and_then(|()| {
                if longer {
                    rustix::fs::ftruncate(&*self.file, whole).map_err(|errno| told("cutting the upload", errno))?;
                }
                rustix::fs::fsync(&*self.file).map_err(|errno| told("syncing the upload", errno))
            });
            let kept = StagedName {
                kept: true,
                ..state.name.clone()
            };
            cut.and_then(|()| self.rename_staged(&state.name, &kept))
        } else {
            rustix::fs::unlinkat(&self.folder, state.name.to_bytes(), AtFlags::empty())
                .map_err(|errno| told("removing the upload", errno))
        };
        letting_go(&state);
        if let Err(error) = result {
            tracing::warn!(storage = %self.storage, %error, "an interrupted upload could not be put in order");
        }
    }

    fn check_name(&self, state: &State) -> bool {
        state_at(&self.folder, &state.name.to_bytes()).is_ok_and(|seen| seen.identity == self.identity)
    }

    fn rename_staged(&self, from: &StagedName, to: &StagedName) -> Result<(), VfsError> {
        rename_in(&self.folder, from, to)
    }

    /// Removes the empty file that reserves the name, if it still is that file and empty.
    fn free_reserved(&self, state: &mut State) {
        let Some(identity) = state.reserved.take() else { return };
        let Ok(root) = Root::open(&state.place.storage.spec.root) else {
            return;
        };
        release(&root, &state.rel, identity);
    }
}

/// Removes the reservation `rel` if it still is the empty file `identity`.
fn release(root: &Root, rel: &[u8], identity: (u64, u64)) {
    let (parent, name) = split(rel);
    let Ok(folder) = root.folder(parent) else { return };
    if state_at(&folder, name).is_ok_and(|seen| seen.identity == identity && seen.attributes.size == 0) {
        let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
    }
}

/// Renames within a staging folder; a name that is gone was taken over.
fn rename_in(folder: &OwnedFd, from: &StagedName, to: &StagedName) -> Result<(), VfsError> {
    match rustix::fs::renameat(folder, from.to_bytes(), folder, to.to_bytes()) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => Err(VfsError::TakenOver),
        Err(errno) => Err(told("renaming the staged upload", errno)),
    }
}

fn create_file(asker: &Asker, spot: &Spot, mode: u32) -> Result<(OwnedFd, StagedName, OwnedFd), VfsError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode & MODE_MASK);
    let target = Target::new(spot.parent(), spot.name());
    for _ in 0..ATTEMPTS_MAX {
        let Some(folder) = staging_folder(&spot.root, asker.session.account(), true)? else {
            continue;
        };
        let name = StagedName::new(target, spot.name(), asker.inner.node, random(asker.inner.life)?);
        match rustix::fs::openat(&folder, name.to_bytes(), flags, mode) {
            Ok(file) => return Ok((folder, name, file)),
            // Cleaning took the empty folder away at this moment, or the dice fell alike.
            Err(Errno::NOENT | Errno::EXIST) => {}
            Err(errno) => return Err(told("making the staged file", errno)),
        }
    }
    Err(VfsError::Io("the staging folder went away again and again".to_owned()))
}

/// Extended attribute of a staged file that names its reservation, so that a killed node's can be taken back.
const RESERVED_ATTRIBUTE: &str = "user.argosy.reserved";

/// Reserves a name with an empty file; fails if anything has it.
fn reserve(folder: &OwnedFd, name: &[u8], mode: u32, staged: &OwnedFd, rel: &[u8]) -> Result<(u64, u64), VfsError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let empty = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode & MODE_MASK))
        .map_err(|errno| told("reserving the name", errno))?;
    let identity = state_of(&empty)
        .map_err(|errno| told("looking at the reserved name", errno))?
        .identity;
    let mut note = format!("{:x}:{:x}:", identity.0, identity.1).into_bytes();
    note.extend_from_slice(rel);
    // Not every file system has extended attributes; without one a killed node leaves an empty file.
    let _ = rustix::fs::fsetxattr(staged, RESERVED_ATTRIBUTE, &note, rustix::fs::XattrFlags::empty());
    Ok(identity)
}
