//! Entries of folders as SFTP shows them: attributes on the wire, and the line of `ls -l` for people.
//!
//! Reading folders is left to `vfs`.

use bytes::{BufMut, Bytes, BytesMut};

use super::wire::{NameEntry, WireAttributes};
use crate::clock::UnixMillis;
use crate::vfs::{AttributeChange, Attributes, Entry, FileType};

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
        long: long_name(entry, now),
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

/// `-rw-r--r--    1 1000     1000          123 Nov 23 10:00 name`; times in UTC. Control characters of the name show
/// as `?`, so that no entry can forge a second line.
fn long_name(entry: &Entry, now: UnixMillis) -> Bytes {
    let attributes = &entry.attributes;
    let line = format!(
        "{} {:>4} {:<8} {:<8} {:>10} {} ",
        mode_text(attributes),
        attributes.links,
        attributes.uid,
        attributes.gid,
        attributes.size,
        date_text(attributes.modified, now)
    );
    let mut long = BytesMut::with_capacity(line.len() + entry.name.len());
    long.put_slice(line.as_bytes());
    long.extend(
        entry
            .name
            .iter()
            .map(|byte| if byte.is_ascii_control() { b'?' } else { *byte }),
    );
    long.freeze()
}

fn mode_text(attributes: &Attributes) -> String {
    let mut text = String::with_capacity(10);
    text.push(match attributes.file_type {
        FileType::File => '-',
        FileType::Folder => 'd',
        FileType::Link => 'l',
        FileType::Other => 'p',
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = attributes.mode >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (attributes.mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// As ls does: the time of day for what is younger than half a year, else the year.
fn date_text(at: UnixMillis, now: UnixMillis) -> String {
    const HALF_A_YEAR_MILLIS: i64 = 182 * 24 * 3600 * 1000;
    let timestamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = timestamp.to_zoned(jiff::tz::TimeZone::UTC);
    let recent = at <= now && now.0.saturating_sub(at.0) < HALF_A_YEAR_MILLIS;
    time.strftime(if recent { "%b %e %H:%M" } else { "%b %e  %Y" })
        .to_string()
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
    fn an_entry_shows_as_ls_shows_it() {
        let now = UnixMillis::from_rfc3339("2026-11-24T00:00:00Z").unwrap();
        let later = UnixMillis::from_rfc3339("2027-11-24T00:00:00Z").unwrap();
        for (entry, now, expected) in [
            (
                entry(b"a", FileType::File, 0o644),
                now,
                &b"-rw-r--r--    1 1000     100             123 Nov 23 10:05 a"[..],
            ),
            (
                entry(b"a", FileType::Folder, 0o1755),
                later,
                b"drwxr-xr-t    1 1000     100             123 Nov 23  2026 a",
            ),
            (
                entry(b"a\n-rw b\xff", FileType::Link, 0o6777),
                now,
                b"lrwsrwsrwx    1 1000     100             123 Nov 23 10:05 a?-rw b\xff",
            ),
        ] {
            assert_eq!(long_name(&entry, now), expected);
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
