//! From a session and a virtual path to a place on a storage, and to what may be done there.
//!
//! The decision itself is `access`'s, always on the latest view; walking the disk is left to `local`.

use std::sync::Arc;

use super::local::{Real, Root, STAGING, Seen, is_staging, join, real_path, split};
use super::{Inner, VfsError};
use crate::access::{Access, Decision};
use crate::catalog::{Mount, Object, Operation, Storage, View};
use crate::events::{Event, FileOperation, FileVerb};
use crate::path::VirtualPath;
use crate::session::{CloseReason, Session};

/// One session at the door.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) inner: Arc<Inner>,
    pub(super) session: Arc<Session>,
    /// What is spoken, for events.
    pub(super) protocol: &'static str,
}

/// Where a virtual path lies; the disk was not asked yet.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: VirtualPath,
    pub(super) storage: Arc<Object<Storage>>,
    /// Where the mount is seen.
    pub(super) at: VirtualPath,
    /// The mount's folder on the storage.
    pub(super) folder: VirtualPath,
}

impl Place {
    /// The mount's folder, relative to the storage's root.
    pub(super) fn folder_rel(&self) -> &[u8] {
        &self.folder.as_bytes()[1..]
    }

    /// The path below the mount's folder.
    pub(super) fn below(&self) -> &[u8] {
        self.path.below(&self.at).unwrap_or_default()
    }
}

/// A place that was looked at on the disk, with the path that goes through no link.
pub(super) struct Spot {
    pub(super) root: Root,
    pub(super) place: Place,
    /// Relative to the storage's root.
    pub(super) rel: Vec<u8>,
    /// The same as the account sees it; differs from the path asked for where a link was followed.
    pub(super) path: VirtualPath,
    pub(super) seen: Option<Seen>,
}

impl Spot {
    /// The folder that holds it, relative to the storage's root.
    pub(super) fn parent(&self) -> &[u8] {
        split(&self.rel).0
    }

    /// Its last component.
    pub(super) fn name(&self) -> &[u8] {
        split(&self.rel).1
    }

    /// What is there, or [`VfsError::NotFound`].
    pub(super) fn seen(&self) -> Result<&Seen, VfsError> {
        self.seen.as_ref().ok_or(VfsError::NotFound)
    }
}

/// What a path is to the tree of mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A mount's own folder.
    MountPoint,
    /// A folder above a mount.
    LeadsToMount,
    /// Anything else.
    Ordinary,
}

/// What `path` is to the tree of mounts.
pub(super) fn standing(access: &Access, path: &VirtualPath) -> Standing {
    let mut standing = Standing::Ordinary;
    if path.is_root() {
        return Standing::MountPoint;
    }
    for mount in access.mounts() {
        if mount.at == *path {
            return Standing::MountPoint;
        }
        if mount.at.is_within(path) {
            standing = Standing::LeadsToMount;
        }
    }
    standing
}

impl Asker {
    /// What the account has in the latest view; both are still good.
    pub(super) fn access(&self) -> Result<Access, VfsError> {
        self.session.check().map_err(VfsError::Revoked)?;
        let view = (self.inner.view)();
        self.inner.fresh(&view)?;
        let revoked = |what: &str| VfsError::Revoked(CloseReason::Revoked(what.to_owned()));
        let Some(account) = view.accounts.get(self.session.account()) else {
            return Err(revoked("the account was removed"));
        };
        if !account.spec.enabled {
            return Err(revoked("the account is disabled"));
        }
        if account.spec.expires_at.is_some_and(|at| self.inner.clock.now() >= at) {
            return Err(revoked("the account has expired"));
        }
        Ok(Access::of(view, account))
    }

    /// Whether the limits on files let one of this path in and out.
    pub(super) fn may_carry(&self, access: &Access, path: &VirtualPath) -> Result<(), VfsError> {
        access
            .may_carry(&self.session.service, path)
            .map_err(VfsError::NotTaken)
    }

    /// The same for a spot: for the path asked for, and for the one behind a link too.
    pub(super) fn may_carry_at(&self, spot: &Spot) -> Result<(), VfsError> {
        let access = self.access()?;
        self.may_carry(&access, &spot.place.path)?;
        self.may_carry(&access, &spot.path)
    }

    /// Refuses a file of `size` bytes where the limits on uploads do not let it become as large.
    pub(super) fn may_hold(&self, size: u64) -> Result<(), VfsError> {
        match self.access()?.upload_bytes_max(&self.session.service) {
            Some(max) if size > max => Err(too_large(max)),
            _ => Ok(()),
        }
    }

    /// Decides one operation on one path on the latest view.
    pub(super) fn may(&self, operation: Operation, path: &VirtualPath) -> Result<(), VfsError> {
        may(&self.access()?, operation, path)
    }

    /// Where `path` lies; `None`: in no mount.
    pub(super) fn place(&self, path: &VirtualPath) -> Result<Option<Place>, VfsError> {
        let access = self.access()?;
        if path.components().any(is_staging) {
            return Err(VfsError::InvalidName(format!(
                "`{}` is a name that the server keeps for itself",
                String::from_utf8_lossy(STAGING)
            )));
        }
        access
            .mount_of(path)
            .map(|mount| place_in(access.view(), mount, path))
            .transpose()
    }

    /// Where `path` lies, if `operation` may be done there. A path in no mount is denied where folders lead to
    /// mounts, and not found elsewhere.
    pub(super) fn permitted(&self, operation: Operation, path: &VirtualPath) -> Result<Place, VfsError> {
        let access = self.access()?;
        match self.place(path)? {
            Some(place) => may(&access, operation, path).map(|()| place),
            None if standing(&access, path) == Standing::Ordinary => Err(self.outside(&access, path)),
            None => Err(VfsError::Denied(operation)),
        }
    }

    /// The answer for a path in no mount that leads to none: making something next to mounts is not possible.
    fn outside(&self, access: &Access, path: &VirtualPath) -> VfsError {
        let parent = path.parent().unwrap_or_else(VirtualPath::root);
        match standing(access, &parent) {
            Standing::Ordinary => VfsError::NotFound,
            _ => VfsError::Denied(Operation::Write),
        }
    }

    /// Whether the attributes of `path` may be seen: by whoever may list its folder, or may do anything to it.
    pub(super) fn may_look(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let access = self.access()?;
        let parent = path.parent().unwrap_or_else(VirtualPath::root);
        let lists = may(&access, Operation::List, &parent).is_ok();
        let any = || {
            Operation::ALL
                .into_iter()
                .any(|operation| may(&access, operation, path).is_ok())
        };
        if lists || standing(&access, path) != Standing::Ordinary || any() {
            Ok(())
        } else {
            Err(VfsError::Denied(Operation::List))
        }
    }

    /// Looks at a place on the disk; runs on the pool. The mount's folder is made where it is missing.
    pub(super) fn spot(&self, place: Place, follow: bool) -> Result<Spot, VfsError> {
        let root = self.root(&place)?;
        let mut real = real_path(&root, place.folder_rel(), place.below(), follow);
        let missing = match &real {
            Ok(real) => real.seen.is_none(),
            Err(error) => *error == VfsError::NotFound,
        };
        let is_mounted = |root: &Root| matches!(root.look(place.folder_rel()), Ok(Some(_)));
        if missing && !place.folder.is_root() && !is_mounted(&root) {
            root.make_all(place.folder_rel(), MOUNT_FOLDER_MODE)?;
            real = real_path(&root, place.folder_rel(), place.below(), follow);
        }
        let Real { below, seen } = real?;
        let path = if below == place.below() {
            place.path.clone()
        } else {
            self.behind_link(&place, &below)?
        };
        let rel = join(place.folder_rel(), &below);
        Ok(Spot {
            root,
            place,
            rel,
            path,
            seen,
        })
    }

    /// Opens the root of a place's storage; a failure marks the storage.
    pub(super) fn root(&self, place: &Place) -> Result<Root, VfsError> {
        Root::open(&place.storage.spec.root).inspect_err(|error| {
            self.inner
                .health
                .failed(&place.storage.name, error, &self.inner.journal)
        })
    }

    /// The virtual path behind a link; it must lie in the same mount.
    fn behind_link(&self, place: &Place, below: &[u8]) -> Result<VirtualPath, VfsError> {
        let path = VirtualPath::resolve(&place.at, below).map_err(|error| VfsError::InvalidName(error.to_string()))?;
        match self.access()?.mount_of(&path) {
            Some(mount) if mount.at == place.at => Ok(path),
            _ => Err(VfsError::OutOfMount),
        }
    }

    /// Decides on the path asked for, and on the one behind a link too.
    pub(super) fn may_at(&self, operation: Operation, spot: &Spot) -> Result<(), VfsError> {
        let access = self.access()?;
        may(&access, operation, &spot.place.path)?;
        if spot.path != spot.place.path {
            may(&access, operation, &spot.path)?;
        }
        Ok(())
    }

    /// Runs `job` on the pool of a place's storage.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        place: &Place,
        job: impl FnOnce(&Self) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let asker = self.clone();
        self.inner.pool(&place.storage.name).run(move || job(&asker)).await
    }

    /// Writes the event of an operation that moves no bytes, and passes its result on.
    pub(super) fn recorded<T>(
        &self,
        verb: FileVerb,
        path: &VirtualPath,
        target: Option<&VirtualPath>,
        result: Result<T, VfsError>,
    ) -> Result<T, VfsError> {
        let refused = result.as_ref().err().map(ToString::to_string);
        self.record(verb, path, target, (0, 0), refused);
        result
    }

    /// Writes the event of an operation; `moved` is bytes and milliseconds.
    pub(super) fn record(
        &self,
        verb: FileVerb,
        path: &VirtualPath,
        target: Option<&VirtualPath>,
        moved: (u64, u64),
        refused: Option<String>,
    ) {
        self.inner.journal.record(Event::FileOperation(FileOperation {
            verb,
            account: self.session.account().clone(),
            peer: self.session.peer,
            protocol: self.protocol,
            session: self.session.id,
            path: path.clone(),
            target: target.cloned(),
            bytes: moved.0,
            millis: moved.1,
            refused,
        }));
    }
}

/// Mode of a mount's folder that the Vfs makes.
const MOUNT_FOLDER_MODE: u32 = 0o750;

/// The place of `path` in `mount`.
pub(super) fn place_in(view: &View, mount: &Mount, path: &VirtualPath) -> Result<Place, VfsError> {
    let Some(storage) = view.storages.get(&mount.storage) else {
        return Err(VfsError::Io(format!(
            "the storage `{}` of this folder does not exist",
            mount.storage
        )));
    };
    if mount.folder.components().any(is_staging) {
        return Err(VfsError::Io(format!(
            "the mount at {} names the staging folder",
            mount.at
        )));
    }
    Ok(Place {
        path: path.clone(),
        storage: storage.clone(),
        at: mount.at.clone(),
        folder: mount.folder.clone(),
    })
}

/// The decision as a result.
pub(super) fn may(access: &Access, operation: Operation, path: &VirtualPath) -> Result<(), VfsError> {
    match access.decide(operation, path) {
        Decision::Allow => Ok(()),
        Decision::Deny | Decision::NoMount => Err(VfsError::Denied(operation)),
    }
}

/// The answer to an upload that is larger than `max` bytes.
pub(super) fn too_large(max: u64) -> VfsError {
    VfsError::Limit(format!("an uploaded file may have at most {max} bytes here"))
}
