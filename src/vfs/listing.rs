//! A folder's entries in batches: those on the disk, the mounts, the session's own uploads and the partials.
//!
//! Memory does not grow with the folder; only mounts and uploads of the account, which are bounded, are held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;

use super::limits::ENTRIES_MAX;
use super::local::{is_staging, state_at, told};
use super::resolve::{Asker, Place, Spot, Standing, standing};
use super::slots::OpenSlot;
use super::staged::partial;
use super::{Attributes, Entry, FileType, VfsError};
use crate::access::Access;
use crate::catalog::{Mount, Operation};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::path::VirtualPath;

/// A folder being read; memory does not grow with the folder.
pub struct Listing {
    pub(super) asker: Asker,
    pub(super) storage: Option<(Name, OpenSlot)>,
    pub(super) reader: Arc<Mutex<Reader>>,
}

impl Listing {
    /// At most `max` further entries; none: the end. Entries `.` and `..` are not given.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Entry>, VfsError> {
        let (asker, reader) = (self.asker.clone(), self.reader.clone());
        let job = move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.next(&asker, max)
        };
        match &self.storage {
            Some((storage, _)) => self.asker.inner.pool(storage).run(job).await,
            None => job(),
        }
    }
}

/// The state of one listing; lives on the pool while a batch is read.
pub(super) struct Reader {
    path: VirtualPath,
    /// The folder on the disk; `None`: none, or read to its end.
    folder: Option<Dir>,
    /// Given first, in place of what the disk has under the name: mounts and the session's own uploads.
    first: BTreeMap<Bytes, Attributes>,
    /// Names already given from `first`.
    given: BTreeSet<Bytes>,
    /// Given last, unless the disk has the name: partials.
    last: BTreeMap<Bytes, Attributes>,
}

/// Attributes of a folder that exists in the tree of mounts only.
pub(super) fn virtual_folder(now: UnixMillis) -> Attributes {
    Attributes {
        file_type: FileType::Folder,
        size: 0,
        mode: 0o555,
        uid: 0,
        gid: 0,
        accessed: now,
        modified: now,
        links: 2,
        mark: 0,
    }
}

/// The names in `path` that lead to mounts, as folders.
fn mount_names(access: &Access, path: &VirtualPath, now: UnixMillis) -> BTreeMap<Bytes, Attributes> {
    access
        .mounts()
        .filter_map(|mount| mount.at.below(path))
        .filter_map(|below| below.split(|byte| *byte == b'/').next())
        .filter(|name| !name.is_empty())
        .map(|name| (Bytes::copy_from_slice(name), virtual_folder(now)))
        .collect()
}

impl Reader {
    /// A folder that exists in the tree of mounts only.
    pub(super) fn of_mounts(asker: &Asker, path: &VirtualPath) -> Result<Self, VfsError> {
        let access = asker.access()?;
        Ok(Self {
            path: path.clone(),
            folder: None,
            first: mount_names(&access, path, asker.inner.clock.now()),
            given: BTreeSet::new(),
            last: BTreeMap::new(),
        })
    }

    /// Opens a folder; runs on the pool.
    pub(super) fn open(asker: &Asker, place: Place) -> Result<Self, VfsError> {
        let access = asker.access()?;
        let path = place.path.clone();
        let spot = match asker.spot(place, true) {
            Ok(spot) => spot,
            Err(VfsError::NotFound) if standing(&access, &path) == Standing::LeadsToMount => {
                return Self::of_mounts(asker, &path);
            }
            Err(error) => return Err(error),
        };
        if spot.seen.is_none() && standing(&access, &path) == Standing::LeadsToMount {
            return Self::of_mounts(asker, &path);
        }
        asker.may_at(Operation::List, &spot)?;
        if spot.seen()?.state.attributes.file_type != FileType::Folder {
            return Err(VfsError::NotFolder);
        }
        let fd = spot
            .root
            .open_at(&spot.rel, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, 0)
            .map_err(|errno| told("opening the folder", errno))?;
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        let storage = &spot.place.storage.name;
        for staged in asker.inner.held.in_folder(asker.session.id, storage, &spot.rel) {
            let name = super::local::split(&staged.read().rel).1.to_vec();
            first.insert(Bytes::from(name), staged.attributes()?);
        }
        for found in partial::shown_in(asker, &spot.root, &spot.rel)? {
            last.insert(Bytes::from(found.name.shown), found.state.attributes);
        }
        first.extend(mount_attributes(asker, &access, &spot, &path));
        Ok(Self {
            path,
            folder: Some(Dir::new(fd).map_err(|errno| told("reading the folder", errno))?),
            first,
            given: BTreeSet::new(),
            last,
        })
    }

    /// At most `max` further entries; none: the end. Runs on the pool.
    pub(super) fn next(&mut self, asker: &Asker, max: usize) -> Result<Vec<Entry>, VfsError> {
        asker.session.check().map_err(VfsError::Revoked)?;
        let access = asker.access()?;
        if standing(&access, &self.path) == Standing::Ordinary || self.folder.is_some() {
            super::resolve::may(&access, Operation::List, &self.path)?;
        }
        let max = max.clamp(1, ENTRIES_MAX);
        let mut entries = Vec::new();
        while entries.len() < max {
            let Some((name, attributes)) = self.first.pop_first() else {
                break;
            };
            self.given.insert(name.clone());
            entries.push(Entry { name, attributes });
        }
        while entries.len() < max {
            match self.next_on_disk()? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        while entries.len() < max && self.folder.is_none() {
            let Some((name, attributes)) = self.last.pop_first() else {
                break;
            };
            if !self.given.contains(&name) {
                entries.push(Entry { name, attributes });
            }
        }
        Ok(entries)
    }

    fn next_on_disk(&mut self) -> Result<Option<Entry>, VfsError> {
        while let Some(folder) = &mut self.folder {
            let Some(entry) = folder.read() else {
                self.folder = None;
                break;
            };
            let entry = match entry {
                Ok(entry) => entry,
                // The folder was removed meanwhile.
                Err(Errno::NOENT) => {
                    self.folder = None;
                    break;
                }
                Err(errno) => return Err(told("reading the folder", errno)),
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || is_staging(name) || self.given.contains(name) {
                continue;
            }
            let fd = folder.fd().map_err(|errno| told("reading the folder", errno))?;
            let state = match state_at(fd, name) {
                Ok(state) => state,
                // Removed since the folder was read.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(told("looking at an entry", errno)),
            };
            if !self.last.is_empty() {
                self.last.remove(name);
            }
            return Ok(Some(Entry {
                name: Bytes::copy_from_slice(name),
                attributes: state.attributes,
            }));
        }
        Ok(None)
    }
}

/// The mounts seen in `path`, with the attributes of their own folders where those lie on the storage `root`. Others
/// are not asked: a storage that hangs must not hold up the listing of another.
fn mount_attributes(asker: &Asker, access: &Access, spot: &Spot, path: &VirtualPath) -> BTreeMap<Bytes, Attributes> {
    let mut names = mount_names(access, path, asker.inner.clock.now());
    for (name, attributes) in &mut names {
        let Ok(child) = path.join(name) else { continue };
        // The first at a place hides the others.
        let there = access.mounts().find(|mount| mount.at == child);
        let here = |mount: &&Mount| mount.storage == spot.place.storage.name;
        let Some(mount) = there.filter(here) else {
            continue;
        };
        if let Ok(Some(seen)) = spot.root.look(&mount.folder.as_bytes()[1..]) {
            *attributes = seen.state.attributes;
        }
    }
    names
}
