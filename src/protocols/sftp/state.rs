//! The decisions of a channel, without I/O: which handles are open, and which requests may run beside which.
//!
//! The draft (section 6) asks that requests on one file take effect in the order received; this room grants it by
//! starting them in that order and holding one back only while it conflicts with what runs.

use super::limits::HANDLES_MAX;
use super::wire::{Extended, Named, Request, open};

/// The number of an open file or folder. Given to clients as eight bytes: slot and generation, so that a handle that
/// was closed never names another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandleId {
    slot: u32,
    generation: u32,
}

impl HandleId {
    /// As sent to the client.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.slot) << 32 | u64::from(self.generation)).to_be_bytes()
    }

    /// What a client sent; `None`: it is no handle of ours.
    pub fn from_bytes(sent: &[u8]) -> Option<Self> {
        let number = u64::from_be_bytes(sent.try_into().ok()?);
        Some(Self {
            slot: (number >> 32) as u32,
            generation: number as u32,
        })
    }
}

/// The open files and folders of one channel, at most [`HANDLES_MAX`].
#[derive(Debug)]
pub struct Handles<T> {
    slots: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    generation: u32,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            generation: 0,
        }
    }
}

impl<T> Handles<T> {
    /// How many are open.
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts `open` under a new handle; gives it back if all are taken.
    pub fn insert(&mut self, open: T) -> Result<HandleId, T> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < HANDLES_MAX => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
            None => return Err(open),
        };
        self.slots[slot as usize] = Some((generation, open));
        Ok(HandleId { slot, generation })
    }

    /// What is open under `id`.
    pub fn get(&self, id: HandleId) -> Option<&T> {
        match self.slots.get(id.slot as usize)? {
            Some((generation, open)) if *generation == id.generation => Some(open),
            _ => None,
        }
    }

    /// Takes out what is open under `id`; the handle is worthless from then on.
    pub fn remove(&mut self, id: HandleId) -> Option<T> {
        self.get(id)?;
        let (_, open) = self.slots.get_mut(id.slot as usize)?.take()?;
        self.free.push(id.slot);
        Some(open)
    }
}

/// What a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// Nothing that another request could change.
    Nothing,
    /// Bytes of an open file are read: from the first number up to the second.
    Read(HandleId, u64, u64),
    /// Bytes of an open file are written.
    Write(HandleId, u64, u64),
    /// Attributes of an open file are read.
    Look(HandleId),
    /// The next entries of an open folder are read.
    Entries(HandleId),
    /// An open file is changed as a whole: attributes, sync, close.
    Change(HandleId),
    /// One open file is read and another changed.
    Copy(HandleId, HandleId),
    /// Something is looked up by path.
    PathLook,
    /// Something is changed by path.
    PathChange,
}

impl Footprint {
    /// What `request` touches. `appends` tells whether a handle was opened to append: then every write of it is at
    /// the end, wherever it asks to be.
    pub fn of(request: &Request, appends: impl Fn(HandleId) -> bool) -> Self {
        let on = |sent: &[u8], make: &dyn Fn(HandleId) -> Self| HandleId::from_bytes(sent).map_or(Self::Nothing, make);
        match request {
            Request::Read { handle, offset, length } => {
                let end = offset.saturating_add(u64::from(*length));
                on(handle, &|id| Self::Read(id, *offset, end))
            }
            Request::Write { handle, offset, chunk } => on(handle, &|id| {
                if appends(id) {
                    Self::Write(id, 0, u64::MAX)
                } else {
                    Self::Write(id, *offset, offset.saturating_add(chunk.len() as u64))
                }
            }),
            Request::Fstat { handle } | Request::Fstatvfs { handle } => on(handle, &Self::Look),
            Request::Readdir { handle } => on(handle, &Self::Entries),
            Request::Close { handle } | Request::Fsetstat { handle, .. } | Request::Fsync { handle } => {
                on(handle, &Self::Change)
            }
            Request::Open { flags, .. } if *flags & !open::READ == 0 => Self::PathLook,
            Request::Lstat { .. }
            | Request::Stat { .. }
            | Request::Readlink { .. }
            | Request::Statvfs { .. }
            | Request::Opendir { .. } => Self::PathLook,
            Request::Open { .. }
            | Request::Setstat { .. }
            | Request::Remove { .. }
            | Request::Mkdir { .. }
            | Request::Rmdir { .. }
            | Request::Rename { .. }
            | Request::Symlink { .. }
            | Request::PosixRename { .. }
            | Request::Hardlink { .. } => Self::PathChange,
            Request::Extended(extended) => match extended {
                Extended::CopyData { from, to, .. } => match (HandleId::from_bytes(from), HandleId::from_bytes(to)) {
                    (Some(from), Some(to)) => Self::Copy(from, to),
                    _ => Self::Nothing,
                },
                Extended::CheckFile { file, .. } | Extended::Md5Hash { file, .. } => match file {
                    Named::Handle(handle) => on(handle, &|id| Self::Read(id, 0, u64::MAX)),
                    Named::Path(_) => Self::PathLook,
                },
                Extended::Lsetstat { .. } => Self::PathChange,
                Extended::Limits
                | Extended::ExpandPath { .. }
                | Extended::HomeDirectory { .. }
                | Extended::NamesById { .. } => Self::Nothing,
            },
            Request::Realpath { .. } | Request::Unknown => Self::Nothing,
        }
    }

    /// Whether a request with this footprint has to wait for one that runs.
    pub fn waits_for(self, running: Self) -> bool {
        use Footprint::{Change, Copy, Entries, Look, Nothing, PathChange, PathLook, Read, Write};
        match (self, running) {
            (Nothing, _) | (_, Nothing) => false,
            (Copy(from, to), running) => Read(from, 0, u64::MAX).waits_for(running) || Change(to).waits_for(running),
            (new, Copy(from, to)) => new.waits_for(Read(from, 0, u64::MAX)) || new.waits_for(Change(to)),
            (PathLook, Write(..) | Change(_) | PathChange) => true,
            (PathLook, _) => false,
            (PathChange, Read(..) | Entries(_)) => false,
            (PathChange, _) => true,
            (Change(_), PathLook | PathChange) => true,
            (_, PathLook | PathChange) => false,
            (Read(..), Read(..)) | (Look(_), Look(_) | Read(..)) | (Read(..), Look(_)) => false,
            (Read(a, from, to) | Write(a, from, to), Read(b, start, end) | Write(b, start, end)) => {
                a == b && from < end && start < to
            }
            (
                Read(a, ..) | Write(a, ..) | Look(a) | Entries(a) | Change(a),
                Read(b, ..) | Write(b, ..) | Look(b) | Entries(b) | Change(b),
            ) => a == b,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Footprint::*;
    use super::*;

    #[test]
    fn handles_run_out_at_the_limit_and_come_back() {
        let mut handles = Handles::default();
        let ids: Vec<HandleId> = (0..HANDLES_MAX).map(|number| handles.insert(number).unwrap()).collect();
        assert_eq!(handles.insert(0), Err(0));
        assert_eq!(handles.remove(ids[7]), Some(7));
        assert_eq!(handles.count(), HANDLES_MAX - 1);
        let again = handles.insert(77).unwrap();
        assert_eq!(handles.get(again), Some(&77));
        assert_eq!(handles.get(ids[7]), None, "a closed handle must not name another file");
        assert_eq!(handles.remove(ids[7]), None);
    }

    #[test]
    fn only_eight_bytes_are_a_handle() {
        let mut handles = Handles::default();
        let id = handles.insert(()).unwrap();
        assert_eq!(HandleId::from_bytes(&id.to_bytes()), Some(id));
        for sent in [&b""[..], b"1", b"/etc/pas", b"123456789"] {
            let known = HandleId::from_bytes(sent).and_then(|id| handles.get(id));
            assert!(known.is_none(), "{sent:?}");
        }
    }

    #[test]
    fn requests_wait_only_for_what_they_conflict_with() {
        let mut handles = Handles::default();
        let (a, b) = (handles.insert(()).unwrap(), handles.insert(()).unwrap());
        for (new, running, waits) in [
            (Read(a, 0, 10), Read(a, 5, 15), false),
            (Read(a, 0, 10), Write(a, 5, 15), true),
            (Read(a, 0, 10), Write(a, 10, 15), false),
            (Read(a, 0, 10), Write(b, 5, 15), false),
            (Write(a, 0, 10), Write(a, 9, 15), true),
            (Write(a, 0, 10), Write(a, 10, 15), false),
            (Write(a, 0, u64::MAX), Write(a, 0, u64::MAX), true),
            (Look(a), Write(a, 0, 1), true),
            (Write(a, 0, 1), Look(a), true),
            (Look(a), Write(b, 0, 1), false),
            (Look(a), Read(a, 0, 1), false),
            (Change(a), Write(a, 0, 1), true),
            (Change(a), Read(a, 0, 1), true),
            (Change(a), Write(b, 0, 1), false),
            (Write(a, 0, 1), Change(a), true),
            (Entries(a), Entries(a), true),
            (Entries(a), Entries(b), false),
            (PathLook, Entries(a), false),
            (PathLook, PathLook, false),
            (PathLook, Write(a, 0, 1), true),
            (PathLook, Change(a), true),
            (PathLook, PathChange, true),
            (PathChange, PathLook, true),
            (PathChange, Write(a, 0, 1), true),
            (PathChange, Change(a), true),
            (PathChange, Read(a, 0, 1), false),
            (Change(a), PathChange, true),
            (Write(a, 0, 1), PathChange, false),
            (Nothing, PathChange, false),
            (PathChange, Nothing, false),
            (Copy(a, b), Read(a, 0, 1), false),
            (Copy(a, b), Write(a, 5, 6), true),
            (Copy(a, b), Read(b, 0, 1), true),
            (Read(a, 0, 1), Copy(a, b), false),
            (Write(a, 5, 6), Copy(a, b), true),
            (Look(b), Copy(a, b), true),
            (Copy(a, b), Copy(b, a), true),
            (Copy(a, b), Copy(a, b), true),
            (PathLook, Copy(a, b), true),
            (Copy(a, b), PathChange, true),
        ] {
            assert_eq!(new.waits_for(running), waits, "{new:?} while {running:?}");
        }
    }
}
