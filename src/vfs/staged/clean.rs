//! Cleaning of staged files: a node's own leftovers at its start, and by age those of nodes that have left.
//!
//! Never because a node seems dead: it may come back, and its sessions with it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, OFlags};

use super::copy::UNDER_WAY;
use super::partial::names_in;
use super::record;
use super::{RESERVED_ATTRIBUTE, Root, STAGING, StagedName, rename_in, state_at, told};
use crate::catalog::{Object, Storage};
use crate::vfs::limits::{CLEAN_MAX, CLEAN_WAIT};
use crate::vfs::local;
use crate::vfs::{Inner, Vfs, VfsError};

/// What a cleaning has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Interrupted uploads that are kept for resume from now on.
    pub kept: u64,
    /// Staged files removed.
    pub removed: u64,
}

impl Vfs {
    /// Puts this node's leftovers in order, on every storage: interrupted uploads of an earlier life are kept for
    /// resume or removed, as each storage says. To be called once per process, on a view that has the storages;
    /// before the services open, so that they are shown at once, but later does no harm. A storage that fails is
    /// logged and left for the next time; one that hangs is waited for at most [`CLEAN_WAIT`].
    pub async fn clean_at_start(&self) -> Cleaned {
        self.clean(at_start).await
    }

    /// Removes the staged files of nodes that are not in `members` (any more), and the kept ones of this node, once
    /// nobody has touched them for `age`. `members` are the ids of all nodes in the cluster, alive or not.
    pub async fn clean_departed(&self, members: &[u64], age: Duration) -> Cleaned {
        let members: Arc<[u64]> = members.into();
        self.clean(move |inner, storage| departed(inner, storage, &members, age))
            .await
    }

    async fn clean<J>(&self, job: J) -> Cleaned
    where
        J: Fn(&Inner, &Object<Storage>) -> Result<Cleaned, VfsError> + Clone + Send + 'static,
    {
        let mut all = Cleaned::default();
        let mut running = tokio::task::JoinSet::new();
        for storage in (self.inner.view)().storages.values() {
            let (inner, job, storage) = (self.inner.clone(), job.clone(), storage.clone());
            let (pool, name) = (inner.pool(&storage.name), storage.name.clone());
            running.spawn(async move {
                let cleaning = pool.run(move || job(&inner, &storage));
                // The job goes on by itself on the pool.
                let late = |_| Err(VfsError::Io("the storage took too long to be cleaned".to_owned()));
                let result = tokio::time::timeout(CLEAN_WAIT, cleaning).await;
                (name, result.unwrap_or_else(late))
            });
        }
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok((_, Ok(cleaned))) => {
                    all.kept += cleaned.kept;
                    all.removed += cleaned.removed;
                }
                Ok((name, Err(error))) => self.inner.health.failed(&name, &error, &self.inner.journal),
                Err(error) => tracing::error!(%error, "the cleaning of a storage ended without an answer"),
            }
        }
        all
    }
}

/// Puts this node's leftovers on one storage in order: each is kept or removed, as the storage says. What this
/// process has made itself is left alone, so it may run, and go on late, while uploads begin and end.
pub(in crate::vfs) fn at_start(inner: &Inner, storage: &Object<Storage>) -> Result<Cleaned, VfsError> {
    let mut cleaned = Cleaned::default();
    let root = Root::open(&storage.spec.root)?;
    for_each_account(&root, |folder| {
        let earlier = |name: &StagedName| name.random >> 32 != u64::from(inner.life);
        let own = names_in(folder, |name| name.node == inner.node && !name.kept && earlier(name))?;
        for name in own {
            if inner.held.by_file(&storage.name, &name).is_some() {
                continue;
            }
            free_reserved(&root, folder, &name);
            let steps = name.target.is_of_upload();
            let empty = state_at(folder, &name.to_bytes()).is_ok_and(|seen| seen.attributes.size == 0);
            let resumable = !empty && name.target != UNDER_WAY && storage.spec.keep_interrupted;
            if (resumable || steps) && sync(folder, &name) {
                let kept = StagedName {
                    kept: true,
                    ..name.clone()
                };
                cleaned.kept += u64::from(rename_in(folder, &name, &kept).is_ok());
            } else {
                cleaned.removed += u64::from(remove(folder, &name));
            }
        }
        Ok(())
    })?;
    Ok(cleaned)
}

/// Removes the staged files on one storage of nodes that are no members any more, and the kept ones of this node,
/// once nobody has touched them for `age`.
pub(in crate::vfs) fn departed(
    inner: &Inner,
    storage: &Object<Storage>,
    members: &[u64],
    age: Duration,
) -> Result<Cleaned, VfsError> {
    let mut cleaned = Cleaned::default();
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let root = Root::open(&storage.spec.root)?;
    for_each_account(&root, |folder| {
        cleaned.removed += record::expire(folder, inner.clock.now())?;
        let theirs = |name: &StagedName| !members.contains(&name.node) && name.node != inner.node;
        let ours = |name: &StagedName| name.node == inner.node && name.kept;
        for name in names_in(folder, |name| theirs(name) || ours(name))? {
            let old = state_at(folder, &name.to_bytes())
                .is_ok_and(|seen| inner.clock.now().0.saturating_sub(seen.changed.0) >= age);
            if old {
                free_reserved(&root, folder, &name);
                cleaned.removed += u64::from(remove(folder, &name));
            }
        }
        Ok(())
    })?;
    Ok(cleaned)
}

/// Puts what a killed process left in the kernel's memory on the storage, where other nodes see it.
fn sync(folder: &OwnedFd, name: &StagedName) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name.to_bytes(), flags, rustix::fs::Mode::empty())
        .is_ok_and(|file| rustix::fs::fsync(file).is_ok())
}

fn remove(folder: &OwnedFd, name: &StagedName) -> bool {
    rustix::fs::unlinkat(folder, name.to_bytes(), AtFlags::empty()).is_ok()
}

/// Runs `each` on every account's staging folder and takes empty ones away.
fn for_each_account(root: &Root, mut each: impl FnMut(&OwnedFd) -> Result<(), VfsError>) -> Result<(), VfsError> {
    let all = match root.open_at(STAGING, OFlags::PATH | OFlags::DIRECTORY, 0) {
        Ok(all) => all,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(told("opening the staging folder", errno)),
    };
    let folders = local::entries(&all).map_err(|errno| told("reading the staging folder", errno))?;
    for entry in folders.take(CLEAN_MAX) {
        let entry = entry.map_err(|errno| told("reading the staging folder", errno))?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let rel = [STAGING, b"/", name.to_bytes()].concat();
        let Ok(folder) = root.folder(&rel) else { continue };
        each(&folder)?;
        // Fails unless it is empty; a writer that needs it at this moment makes it again.
        let _ = rustix::fs::unlinkat(&all, name, AtFlags::REMOVEDIR);
    }
    Ok(())
}

/// Takes back the empty file that reserved a name for a staged file whose node was killed.
fn free_reserved(root: &Root, folder: &OwnedFd, name: &StagedName) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(folder, name.to_bytes(), flags, rustix::fs::Mode::empty()) else {
        return;
    };
    let mut note = vec![0; 64 + crate::path::PATH_BYTES_MAX * 2];
    let Ok(length) = rustix::fs::fgetxattr(&file, RESERVED_ATTRIBUTE, &mut note[..]) else {
        return;
    };
    let mut parts = note[..length].splitn(3, |byte| *byte == b':');
    let mut number = || u64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok();
    if let (Some(device), Some(inode)) = (number(), number()) {
        super::release(root, parts.next().unwrap_or_default(), (device, inode));
    }
}
