//! Entries as `ls -l` shows them to people: one line each, whatever a name holds. Times are in UTC.
//!
//! What goes before and behind a line on the wire is left to `protocols`.

use super::{Attributes, Entry, FileType};
use crate::clock::UnixMillis;

/// `-rw-r--r--    1 1000     1000          123 Nov 23 10:00 name`, and ` -> target` where one is given.
pub fn long_line(entry: &Entry, target: Option<&[u8]>, now: UnixMillis) -> Vec<u8> {
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
    let mut line = line.into_bytes();
    put_name(&mut line, &entry.name);
    if let Some(target) = target {
        line.extend_from_slice(b" -> ");
        put_name(&mut line, target);
    }
    line
}

/// Adds a name to a line. Control characters show as `?`, so that no name can forge a second line.
pub fn put_name(line: &mut Vec<u8>, name: &[u8]) {
    let shown = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
    line.extend(name.iter().map(shown));
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
    use bytes::Bytes;

    use super::*;

    #[track_caller]
    fn check(name: &'static [u8], kind: (FileType, u32), target: Option<&[u8]>, now: &str, expected: &str) {
        let entry = Entry {
            name: Bytes::from_static(name),
            attributes: Attributes {
                file_type: kind.0,
                size: 123,
                mode: kind.1,
                uid: 1000,
                gid: 100,
                accessed: UnixMillis(0),
                modified: UnixMillis::from_rfc3339("2026-11-23T10:05:00Z").unwrap(),
                links: 1,
                mark: 0,
            },
        };
        let now = UnixMillis::from_rfc3339(now).unwrap();
        let line = long_line(&entry, target, now);
        assert_eq!(line.escape_ascii().to_string(), expected);
    }

    #[test]
    fn an_entry_shows_as_ls_shows_it() {
        let (soon, later) = ("2026-11-24T00:00:00Z", "2027-11-24T00:00:00Z");
        let rest = "   1 1000     100             123 Nov 23";
        check(
            b"a",
            (FileType::File, 0o644),
            None,
            soon,
            &format!("-rw-r--r-- {rest} 10:05 a"),
        );
        let folder = (FileType::Folder, 0o1755);
        check(b"a", folder, None, later, &format!("drwxr-xr-t {rest}  2026 a"));
        let link = (FileType::Link, 0o6777);
        check(
            b"a",
            link,
            Some(b"b\n"),
            soon,
            &format!("lrwsrwsrwx {rest} 10:05 a -> b?"),
        );
        check(
            b"a\r\n-rw b\xff",
            (FileType::Other, 0o600),
            None,
            soon,
            &format!("prw------- {rest} 10:05 a??-rw b\\xff"),
        );
    }
}
