//! Entries of folders as SFTP shows them: attributes on the wire, and the line of `ls -l` for people.
//!
//! Reading folders is left to `vfs`.

use bytes::Bytes;

use super::wire::{NameEntry, WireAttributes};
use crate::clock::UnixMillis;
use crate::vfs::{AttributeChange, Attributes, Entry, FileType, long_line};

/// Type bits of a mode, as in stat(2).
fn type_bits(file_type: FileType) -> u32 {
    match file_type {
        FileType::File => 0o100_000,
        FileType::Folder => 0o040_000,
        FileType::Link => 0o120_000,
        FileType::Other => 0o010_000,
    }
}

/// Seconds since 1970 as version 3 has them: 32 bits; what does not fit becomes the nearest that does.
fn seconds(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(1000).max(0)).unwrap_or(u32::MAX)
}

/// Attributes for the wire.
pub fn to_wire(attributes: &Attributes) -> WireAttributes {
    WireAttributes {
        size: Some(attributes.size),
        owner: Some((attributes.uid, attributes.gid)),
        permissions: Some(type_bits(attributes.file_type) | attributes.mode & 0o7777),
        times: Some((seconds(attributes.accessed), seconds(attributes.modified))),
    }
}

/// What a client wants changed.
pub fn to_change(sent: &WireAttributes) -> AttributeChange {
    let millis = |seconds: u32| UnixMillis(i64::from(seconds) * 1000);
    AttributeChange {
        size: sent.size,
        mode: sent.permissions.map(|bits| bits & 0o7777),
        owner: sent.owner,
        times: sent
            .times
            .map(|(accessed, modified)| (millis(accessed), millis(modified))),
    }
}

/// An entry of a folder, as NAME shows it.
pub fn name_entry(entry: &Entry, now: UnixMillis) -> NameEntry {
    NameEntry {
        name: entry.name.clone(),
        long: long_line(entry, None, now).into(),
        attributes: to_wire(&entry.attributes),
    }
}

/// A name alone: what REALPATH and READLINK answer.
pub fn bare_name(name: Bytes) -> NameEntry {
    NameEntry {
        long: name.clone(),
        name,
        attributes: WireAttributes::default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(name: &'static [u8], file_type: FileType, mode: u32) -> Entry {
        Entry {
            name: Bytes::from_static(name),
            attributes: Attributes {
                file_type,
                size: 123,
                mode,
                uid: 1000,
                gid: 100,
                accessed: UnixMillis(0),
                modified: UnixMillis::from_rfc3339("2026-11-23T10:05:00Z").unwrap(),
                links: 1,
                mark: 0,
            },
        }
    }

    #[test]
    fn attributes_carry_type_and_times_that_do_not_fit_are_clamped() {
        let mut attributes = entry(b"a", FileType::Folder, 0o755).attributes;
        attributes.accessed = UnixMillis(-5);
        attributes.modified = UnixMillis(i64::MAX);
        let wire = to_wire(&attributes);
        assert_eq!(wire.permissions, Some(0o040_755));
        assert_eq!(wire.times, Some((0, u32::MAX)));
        let change = to_change(&WireAttributes {
            permissions: Some(0o100_644),
            ..WireAttributes::default()
        });
        assert_eq!(
            change,
            AttributeChange {
                mode: Some(0o644),
                ..AttributeChange::default()
            }
        );
    }
}
