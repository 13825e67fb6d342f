//! The name of a staged file: whose it is, where it goes, which generation it has.
//!
//! `PPPPPPPPPPPPPPPPNNNNNNNNNNNNNNNN-GGGGGGGG-OOOOOOOOOOOOOOOO-RRRRRRRRRRRRRRRR-S-name`, in hexadecimal: hash of the
//! target's folder, hash of its name, generation, node, randomness, state (`a` held open, `k` kept), and the
//! target's name itself where it fits. Making and moving such files is left to `staged`.

use aws_lc_rs::digest;

/// Bytes before the target's name.
const HEAD_BYTES: usize = 32 + 1 + 8 + 1 + 16 + 1 + 16 + 1 + 1 + 1;
/// Bytes of a name on the usual file systems.
const NAME_BYTES_MAX: usize = 255;

/// The folder of uploads in steps; no real folder has this hash.
const UPLOADS: u64 = 1;

/// The target of an upload on its storage, as two hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::vfs) struct Target {
    /// Of its folder.
    pub(in crate::vfs) folder: u64,
    /// Of its name.
    pub(in crate::vfs) name: u64,
}

impl Target {
    /// The target `name` in `folder` (relative to the storage's root).
    pub(in crate::vfs) fn new(folder: &[u8], name: &[u8]) -> Self {
        Self {
            folder: hash(folder),
            name: hash(name),
        }
    }

    /// The target of an upload in steps, wherever it goes: it is found by its id alone, and no folder shows it.
    pub(in crate::vfs) fn of_upload(id: u128) -> Self {
        Self {
            folder: UPLOADS,
            name: hash(&id.to_be_bytes()),
        }
    }

    /// Whether it is that of an upload in steps.
    pub(in crate::vfs) fn is_of_upload(self) -> bool {
        self.folder == UPLOADS
    }
}

/// The first 64 bits of SHA-256.
pub(in crate::vfs) fn hash(bytes: &[u8]) -> u64 {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A staged file's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::vfs) struct StagedName {
    pub(in crate::vfs) target: Target,
    /// Rises with each takeover.
    pub(in crate::vfs) generation: u32,
    /// The node that made or took it.
    pub(in crate::vfs) node: u64,
    pub(in crate::vfs) random: u64,
    /// Interrupted, and kept for resume.
    pub(in crate::vfs) kept: bool,
    /// The target's name; empty where it is too long to stand here.
    pub(in crate::vfs) shown: Vec<u8>,
}

impl StagedName {
    /// The name for `target`, whose last component is `name`.
    pub(in crate::vfs) fn new(target: Target, name: &[u8], node: u64, random: u64) -> Self {
        Self {
            target,
            generation: 1,
            node,
            random,
            kept: false,
            shown: fitting(name),
        }
    }

    /// The same file on its way to another target.
    pub(in crate::vfs) fn moved(&self, target: Target, name: &[u8]) -> Self {
        Self {
            target,
            shown: fitting(name),
            ..self.clone()
        }
    }

    /// The same upload in the hands of `node`.
    pub(in crate::vfs) fn taken(&self, node: u64, random: u64) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            node,
            random,
            kept: false,
            ..self.clone()
        }
    }

    /// As a file's name.
    pub(in crate::vfs) fn to_bytes(&self) -> Vec<u8> {
        let Self {
            target: Target { folder, name },
            generation,
            node,
            random,
            ..
        } = self;
        let state = if self.kept { 'k' } else { 'a' };
        let mut bytes =
            format!("{folder:016x}{name:016x}-{generation:08x}-{node:016x}-{random:016x}-{state}-").into_bytes();
        bytes.extend_from_slice(&self.shown);
        bytes
    }

    /// Reads a file's name; `None`: it is none of ours.
    pub(in crate::vfs) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, shown) = bytes.split_at_checked(HEAD_BYTES)?;
        let head = std::str::from_utf8(head).ok()?;
        let number = |from: usize, to: usize| u64::from_str_radix(head.get(from..to)?, 16).ok();
        let name = Self {
            target: Target {
                folder: number(0, 16)?,
                name: number(16, 32)?,
            },
            generation: u32::try_from(number(33, 41)?).ok()?,
            node: number(42, 58)?,
            random: number(59, 75)?,
            kept: head.get(76..77)? == "k",
            shown: shown.to_vec(),
        };
        (name.to_bytes() == bytes).then_some(name)
    }
}

fn fitting(name: &[u8]) -> Vec<u8> {
    if HEAD_BYTES + name.len() <= NAME_BYTES_MAX {
        name.to_vec()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_name_is_read_back_as_it_was_made() {
        let long = [b'n'; 255];
        for name in [&b"report.csv"[..], b"\xff\n-", b"", &long] {
            let made = StagedName::new(Target::new(b"in/box", name), name, 7, u64::MAX);
            let bytes = made.to_bytes();
            assert!(bytes.len() <= NAME_BYTES_MAX);
            assert_eq!(StagedName::parse(&bytes).unwrap(), made);
            let taken = made.taken(9, 1);
            assert_eq!((taken.generation, taken.node), (2, 9));
            assert_eq!(StagedName::parse(&taken.to_bytes()).unwrap(), taken);
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_left_alone() {
        let ours = StagedName::new(Target::new(b"", b"a"), b"a", 1, 2).to_bytes();
        let mut other_state = ours.clone();
        other_state[76] = b'x';
        for name in [&b""[..], b"README", &ours[..40], &other_state, &[0xff; 100]] {
            assert_eq!(StagedName::parse(name), None);
        }
    }
}
