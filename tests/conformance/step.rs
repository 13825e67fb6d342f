//! What the table is written in: a step and the one answer to it, what lies on the disk before and after.
//!
//! The rows are left to `table`, how a protocol asks for a step, to `drivers`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::rig::account::noise;

/// A path within the row's folder; with a slash at its beginning from the root, where `{}` is the row's folder.
pub type At = &'static [u8];

/// Bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// These.
    Text(&'static [u8]),
    /// Noise of a seed, from a byte on, up to another.
    Noise(u64, usize, usize),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::Noise(seed, from, to) => write!(f, "noise {seed} from {from} to {to}"),
        }
    }
}

impl Content {
    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.to_vec(),
            Self::Noise(seed, from, to) => noise(seed, to).split_off(from),
        }
    }

    /// How many.
    pub fn len(self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Noise(_, from, to) => (to - from) as u64,
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A whole file, over what has the name.
    Put(At, Content),
    /// The same, and its time of modification in seconds.
    PutDated(At, Content, i64),
    /// The bytes from an offset on, in a file that is there.
    PutAt(At, u64, Content),
    /// Bytes behind the last.
    Append(At, Content),
    Get(At),
    GetFrom(At, u64),
    /// Over what has the name.
    Rename(At, At),
    /// Only where nothing has the name.
    RenameNew(At, At),
    Delete(At),
    MakeFolder(At),
    /// Only where nothing has the name.
    MakeNewFolder(At),
    RemoveFolder(At),
    /// As programs read it.
    List(At),
    /// As people read it.
    ListLong(At),
    Names(At),
    Stat(At),
    Modified(At),
    SetModified(At, i64),
    Mode(At),
    SetMode(At, u32),
    /// A symbolic link, and its target as it is written.
    Link(At, &'static [u8]),
    /// SHA-256.
    Hash(At),
}

impl Step {
    /// The path that it is about, and the second one of a rename.
    pub fn paths(self) -> (At, Option<At>) {
        match self {
            Self::Rename(path, to) | Self::RenameNew(path, to) => (path, Some(to)),
            Self::Put(path, _)
            | Self::PutDated(path, ..)
            | Self::PutAt(path, ..)
            | Self::Append(path, _)
            | Self::Get(path)
            | Self::GetFrom(path, _)
            | Self::Delete(path)
            | Self::MakeFolder(path)
            | Self::MakeNewFolder(path)
            | Self::RemoveFolder(path)
            | Self::List(path)
            | Self::ListLong(path)
            | Self::Names(path)
            | Self::Stat(path)
            | Self::Modified(path)
            | Self::SetModified(path, _)
            | Self::Mode(path)
            | Self::SetMode(path, _)
            | Self::Link(path, _)
            | Self::Hash(path) => (path, None),
        }
    }
}

/// What a file is, as listings tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Link,
}

/// Why something is refused, whatever the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Absent,
    Exists,
    Denied,
    IsFolder,
    NoFolder,
    NotEmpty,
    /// It leads out of the account's folders, or nowhere at all.
    Outside,
    BadName,
    /// A folder is to be moved into itself.
    IntoItself,
}

/// One entry of a folder: its name, what it is, the size of a file.
pub type Entry = (&'static [u8], Kind, u64);

/// The one answer to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Got(Content),
    /// In any order.
    Entries(Vec<Entry>),
    /// In any order.
    NamesAre(Vec<&'static [u8]>),
    Is(Kind, u64),
    Time(i64),
    HasMode(u32),
    /// The hash of these bytes.
    HashOf(Content),
    Refused(Why),
}

/// Something on the disk, in the row's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    File(At, Content),
    Folder(At),
    /// A symbolic link; a target that begins with [`OUTSIDE`] leads to a folder outside of all storages.
    Link(At, &'static [u8]),
}

/// Stands for the absolute path of a folder outside of all storages, where a file named `secret` lies.
pub const OUTSIDE: &[u8] = b"<outside>";

/// What a name on the disk stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    File(Vec<u8>),
    Folder,
    Link(Vec<u8>),
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) if bytes.len() > 40 => write!(f, "({} bytes)", bytes.len()),
            Self::File(bytes) => write!(f, "({})", bytes.escape_ascii()),
            Self::Folder => f.write_str("(folder)"),
            Self::Link(target) => write!(f, "(link to {})", target.escape_ascii()),
        }
    }
}

impl Lies {
    fn named(self, outside: &Path) -> (Vec<u8>, Found) {
        match self {
            Self::File(at, content) => (at.to_vec(), Found::File(content.bytes())),
            Self::Folder(at) => (at.to_vec(), Found::Folder),
            Self::Link(at, target) => {
                let target = match target.strip_prefix(OUTSIDE) {
                    Some(rest) => [outside.as_os_str().as_bytes(), rest].concat(),
                    None => target.to_vec(),
                };
                (at.to_vec(), Found::Link(target))
            }
        }
    }
}

/// By their paths.
pub fn expected(lies: &[Lies], outside: &Path) -> BTreeMap<Vec<u8>, Found> {
    lies.iter().map(|lies| lies.named(outside)).collect()
}

/// Makes `folder` anew, with this in it.
pub fn plant(lies: &[Lies], folder: &Path, outside: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    for (at, found) in lies.iter().map(|lies| lies.named(outside)) {
        let path = folder.join(OsStr::from_bytes(&at));
        match found {
            Found::File(bytes) => std::fs::write(path, bytes).unwrap(),
            Found::Folder => std::fs::create_dir(path).unwrap(),
            Found::Link(target) => std::os::unix::fs::symlink(OsStr::from_bytes(&target), path).unwrap(),
        }
    }
}

/// All that lies in a folder; links are not followed.
pub fn found(folder: &Path) -> BTreeMap<Vec<u8>, Found> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        for entry in std::fs::read_dir(folder.join(&inside)).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (inside.join(entry.file_name()), entry.file_type().unwrap());
            let what = if kind.is_dir() {
                open.push(path.clone());
                Found::Folder
            } else if kind.is_symlink() {
                Found::Link(std::fs::read_link(entry.path()).unwrap().into_os_string().into_vec())
            } else {
                Found::File(std::fs::read(entry.path()).unwrap())
            };
            found.insert(path.into_os_string().into_vec(), what);
        }
    }
    found
}
