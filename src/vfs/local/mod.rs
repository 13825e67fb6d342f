//! The local back end: a storage's folder on this machine, a shared mount or a disk.
//!
//! Every path goes through `openat2` beneath the storage's root and through no symbolic link: links are walked in
//! `walk`, one at a time, so that what was decided and what is opened are the same. What a path means to an account
//! is left to `resolve`.

mod errors;
mod faults;
mod walk;

use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use rustix::fs::{
    AtFlags, CWD, Dir, FsWord, Mode, OFlags, RenameFlags, ResolveFlags, Statx, StatxFlags, StatxTimestamp, Timespec,
    Timestamps,
};
use rustix::io::Errno;

use super::{AttributeChange, Attributes, FileType, Space, VfsError};
use crate::clock::UnixMillis;

pub(super) use errors::{is_storage_failure, told};
pub(super) use faults::{FaultPoint, Faults};
pub(super) use walk::{Real, real_path};

/// The folder at a storage's root that holds uploads until they are published. Clients cannot name, list or reach
/// it: a component of this name is refused everywhere.
pub(super) const STAGING: &[u8] = b".argosy-staging";

/// Whether a component is the staging folder's name, on file systems that ignore case too.
pub(super) fn is_staging(component: &[u8]) -> bool {
    component.eq_ignore_ascii_case(STAGING)
}

/// Mode bits that a client may set: permissions and the sticky bit, never set-id.
pub(super) const MODE_MASK: u32 = 0o1777;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_SYMLINKS);

/// A handle of a storage's root folder, opened for one call: a file system mounted later is seen at once.
pub(super) struct Root {
    fd: OwnedFd,
    /// On what sort of file system; `None`: nobody has looked.
    pub(super) lies: Option<Lies>,
}

/// A file or folder that was looked at, with its handle (`O_PATH`).
pub(super) struct Seen {
    pub(super) fd: OwnedFd,
    pub(super) state: FileState,
}

/// What statx tells.
#[derive(Clone)]
pub(super) struct FileState {
    pub(super) attributes: Attributes,
    /// Device and inode: who it is, whatever its name.
    pub(super) identity: (u64, u64),
    /// Last change of content or attributes; cannot be set by anybody.
    pub(super) changed: UnixMillis,
}

impl Root {
    /// Opens the root. It is never made: a missing one is a file system that is not mounted.
    pub(super) fn open(path: &[u8]) -> Result<Self, VfsError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, lies: None }),
            Err(errno) => Err(VfsError::Io(format!(
                "opening the storage's root `{}`: {errno}; is its file system mounted?",
                String::from_utf8_lossy(path)
            ))),
        }
    }

    /// Opens the root if that needs no waiting, and if no look at what is in it does: the file system is one that keeps
    /// in memory what it has looked up, and asks nobody else.
    pub(super) fn open_cached(path: &[u8]) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
        let lies = lies(&fd).filter(|lies| *lies != Lies::Elsewhere);
        lies.is_some().then_some(Self { fd, lies })
    }

    /// As [`look`](Self::look), from memory alone: `None` where that is not enough, or nothing has the name.
    pub(super) fn look_cached(&self, rel: &[u8]) -> Option<Seen> {
        let rel: &[u8] = if rel.is_empty() { b"." } else { rel };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = BENEATH.union(ResolveFlags::CACHED).union(ResolveFlags::NO_XDEV);
        let fd = rustix::fs::openat2(&self.fd, rel, flags, Mode::empty(), resolve).ok()?;
        let state = state_of(&fd).ok()?;
        Some(Seen { fd, state })
    }

    /// Opens `rel` (no leading `/`; empty: the root itself) beneath the root, through no link.
    pub(super) fn open_at(&self, rel: &[u8], flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        let rel: &[u8] = if rel.is_empty() { b"." } else { rel };
        let mode = if flags.contains(OFlags::CREATE) {
            Mode::from_raw_mode(mode)
        } else {
            Mode::empty()
        };
        rustix::fs::openat2(&self.fd, rel, flags | OFlags::CLOEXEC, mode, BENEATH)
    }

    /// A handle of a folder, for calls relative to it.
    pub(super) fn folder(&self, rel: &[u8]) -> Result<OwnedFd, VfsError> {
        self.open_at(rel, OFlags::PATH | OFlags::DIRECTORY, 0)
            .map_err(|errno| told("opening the folder", errno))
    }

    /// Looks at `rel` itself: a link at its end is not followed. `None`: nothing has the name.
    pub(super) fn look(&self, rel: &[u8]) -> Result<Option<Seen>, Errno> {
        match self.open_at(rel, OFlags::PATH | OFlags::NOFOLLOW, 0) {
            Ok(fd) => {
                let state = state_of(&fd)?;
                Ok(Some(Seen { fd, state }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Makes `rel` and all folders that lead to it.
    pub(super) fn make_all(&self, rel: &[u8], mode: u32) -> Result<(), VfsError> {
        let mut end = 0;
        while end < rel.len() {
            end = rel[end + 1..]
                .iter()
                .position(|byte| *byte == b'/')
                .map_or(rel.len(), |at| end + 1 + at);
            let (parent, name) = split(&rel[..end]);
            let folder = self.folder(parent)?;
            match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(told("making the folder", errno)),
            }
        }
        Ok(())
    }

    /// Puts the entries of a folder on stable storage.
    pub(super) fn sync_folder(&self, rel: &[u8], faults: &Faults) -> Result<(), VfsError> {
        faults.check(FaultPoint::SyncFolder)?;
        let fd = self
            .open_at(rel, OFlags::RDONLY | OFlags::DIRECTORY, 0)
            .map_err(|errno| told("opening the folder to sync it", errno))?;
        rustix::fs::fsync(fd).map_err(|errno| told("syncing the folder", errno))
    }

    /// Room on the file system that holds `rel`.
    pub(super) fn space(&self, rel: &[u8]) -> Result<Space, VfsError> {
        let fd = self
            .open_at(rel, OFlags::PATH | OFlags::NOFOLLOW, 0)
            .map_err(|errno| told("looking at the file system", errno))?;
        space_of(&fd)
    }
}

/// The entries of a folder held by an `O_PATH` handle.
pub(super) fn entries(folder: &OwnedFd) -> rustix::io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, c".", flags, Mode::empty()).and_then(Dir::new)
}

/// Splits a relative path into its folder and its last component.
pub(super) fn split(rel: &[u8]) -> (&[u8], &[u8]) {
    match rel.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&rel[..at], &rel[at + 1..]),
        None => (b"", rel),
    }
}

/// Joins two relative paths, either of which may be empty.
pub(super) fn join(folder: &[u8], below: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(folder.len() + 1 + below.len());
    joined.extend_from_slice(folder);
    if !folder.is_empty() && !below.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(below);
    joined
}

/// statvfs of an open file.
pub(super) fn space_of(fd: impl AsFd) -> Result<Space, VfsError> {
    let space = rustix::fs::fstatvfs(fd).map_err(|errno| told("asking for the room left", errno))?;
    Ok(Space {
        bsize: space.f_bsize,
        frsize: space.f_frsize,
        blocks: space.f_blocks,
        bfree: space.f_bfree,
        bavail: space.f_bavail,
        files: space.f_files,
        ffree: space.f_ffree,
        favail: space.f_favail,
        fsid: space.f_fsid,
        flag: space.f_flag.bits(),
        namemax: space.f_namemax,
    })
}

/// Refuses an upload where less than `reserve` bytes are free.
pub(super) fn check_reserve(fd: &OwnedFd, reserve: u64) -> Result<(), VfsError> {
    if reserve == 0 {
        return Ok(());
    }
    let space = space_of(fd)?;
    if space.bavail.saturating_mul(space.frsize) < reserve {
        return Err(VfsError::Full);
    }
    Ok(())
}

/// On what sort of file system a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    /// One that is nothing but memory.
    InMemory,
    /// One on a disk of this machine's own, where nobody else is asked for what memory knows.
    OnOwnDisk,
    /// Any other.
    Elsewhere,
}

/// On what sort of file system a file lies; `None`: it cannot be told.
pub(super) fn lies(fd: impl AsFd) -> Option<Lies> {
    const EXT4_MAGIC: FsWord = 0xef53;
    const XFS_MAGIC: FsWord = 0x5846_5342;
    const BTRFS_MAGIC: FsWord = 0x9123_683e;
    const TMPFS_MAGIC: FsWord = 0x0102_1994;
    let found = rustix::fs::fstatfs(fd).ok()?;
    Some(match found.f_type {
        TMPFS_MAGIC => Lies::InMemory,
        EXT4_MAGIC | XFS_MAGIC | BTRFS_MAGIC => Lies::OnOwnDisk,
        _ => Lies::Elsewhere,
    })
}

/// statx of an open file.
pub(super) fn state_of(fd: impl AsFd) -> rustix::io::Result<FileState> {
    rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map(|statx| state(&statx))
}

/// statx of one name in a folder; links are not followed.
pub(super) fn state_at(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<FileState> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::statx(folder, name, flags, StatxFlags::BASIC_STATS).map(|statx| state(&statx))
}

fn state(statx: &Statx) -> FileState {
    let mode = u32::from(statx.stx_mode);
    let file_type = match rustix::fs::FileType::from_raw_mode(mode) {
        rustix::fs::FileType::RegularFile => FileType::File,
        rustix::fs::FileType::Directory => FileType::Folder,
        rustix::fs::FileType::Symlink => FileType::Link,
        _ => FileType::Other,
    };
    FileState {
        attributes: Attributes {
            file_type,
            size: statx.stx_size,
            mode: mode & 0o7777,
            uid: statx.stx_uid,
            gid: statx.stx_gid,
            accessed: millis(&statx.stx_atime),
            modified: millis(&statx.stx_mtime),
            links: u64::from(statx.stx_nlink),
            mark: mark(statx),
        },
        identity: (
            u64::from(statx.stx_dev_major) << 32 | u64::from(statx.stx_dev_minor),
            statx.stx_ino,
        ),
        changed: millis(&statx.stx_ctime),
    }
}

/// Inode and times to the nanosecond, mixed by odd constants: nobody reads them out of it, and any change shows.
fn mark(statx: &Statx) -> u64 {
    let nanos = |time: &StatxTimestamp| {
        let seconds = time.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000);
        seconds.wrapping_add(time.tv_nsec.into())
    };
    let mixed = statx.stx_ino.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ nanos(&statx.stx_mtime).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ nanos(&statx.stx_ctime)
            .wrapping_mul(0x1656_67b1_9e37_79f9)
            .rotate_left(31);
    mixed ^ mixed >> 29
}

fn millis(time: &StatxTimestamp) -> UnixMillis {
    UnixMillis(
        time.tv_sec
            .saturating_mul(1000)
            .saturating_add(i64::from(time.tv_nsec / 1_000_000)),
    )
}

fn timespec(time: UnixMillis) -> Timespec {
    Timespec {
        tv_sec: time.0.div_euclid(1000),
        tv_nsec: time.0.rem_euclid(1000) * 1_000_000,
    }
}

/// Applies what of `change` concerns owner, mode and times to a file opened for real (not `O_PATH`). The size is
/// left to the caller, who knows what an upload has written.
pub(super) fn set_attributes(fd: impl AsFd, change: &AttributeChange) -> Result<(), VfsError> {
    let fd = fd.as_fd();
    if change.owner.is_some() {
        let seen = state_of(fd).map_err(|errno| told("looking at the file", errno))?;
        keep_owner(&seen, change)?;
    }
    if let Some(mode) = change.mode {
        let mode = Mode::from_raw_mode(mode & MODE_MASK);
        rustix::fs::fchmod(fd, mode).map_err(|errno| told("changing the mode", errno))?;
    }
    if let Some(times) = change.times {
        rustix::fs::futimens(fd, &timestamps(times)).map_err(|errno| told("changing the times", errno))?;
    }
    Ok(())
}

/// Applies what of `change` concerns owner and times to a symbolic link itself.
pub(super) fn set_link_attributes(folder: &OwnedFd, name: &[u8], change: &AttributeChange) -> Result<(), VfsError> {
    if change.owner.is_some() {
        let seen = state_at(folder, name).map_err(|errno| told("looking at the link", errno))?;
        keep_owner(&seen, change)?;
    }
    if let Some(times) = change.times {
        rustix::fs::utimensat(folder, name, &timestamps(times), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| told("changing the times of the link", errno))?;
    }
    Ok(())
}

fn keep_owner(seen: &FileState, change: &AttributeChange) -> Result<(), VfsError> {
    match change.owner {
        Some(owner) if owner != (seen.attributes.uid, seen.attributes.gid) => Err(VfsError::Unsupported(
            "the owner of a file cannot be changed: files belong to the storage's owner".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn timestamps((accessed, modified): (UnixMillis, UnixMillis)) -> Timestamps {
    Timestamps {
        last_access: timespec(accessed),
        last_modification: timespec(modified),
    }
}

/// Moves a name without ever replacing another. Where the file system cannot do that in one step, a file is linked
/// and the old name removed; a folder is looked for first and then moved, which can replace only an empty folder.
pub(super) fn rename_no_replace(
    from: (&OwnedFd, &[u8]),
    to: (&OwnedFd, &[u8]),
    faults: &Faults,
) -> rustix::io::Result<()> {
    let refused = match faults.errno(FaultPoint::RenameNoReplace) {
        Some(errno) => Err(errno),
        None => rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE),
    };
    match refused {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        other => return other,
    }
    if state_at(from.0, from.1)?.attributes.file_type == FileType::Folder {
        return match state_at(to.0, to.1) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => rustix::fs::renameat(from.0, from.1, to.0, to.1),
            Err(errno) => Err(errno),
        };
    }
    rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty())?;
    rustix::fs::unlinkat(from.0, from.1, AtFlags::empty())
}

/// The text of a symbolic link held by an `O_PATH` handle.
pub(super) fn link_text(fd: impl AsFd) -> rustix::io::Result<Bytes> {
    rustix::fs::readlinkat(fd, c"", Vec::new()).map(|text| text.into_bytes().into())
}
