//! The lines of the scp protocol: records and answers, from bytes and into bytes.
//!
//! Which record may come when is left to `state`; where bytes come from, to `input`.

use std::fmt;

use super::limits::{LINE_BYTES_MAX, TIME_SECONDS_MAX};
use crate::clock::UnixMillis;
use crate::path::COMPONENT_BYTES_MAX;

/// The answer that all is well.
pub const OK: u8 = 0;
/// Begins an answer or a record that tells of an error; the copy goes on.
pub const ERROR: u8 = 1;
/// Begins one after which the copy ends.
pub const FATAL: u8 = 2;

/// Permission bits that are sent and taken: those of set-id and the like never are.
pub const MODE_MASK: u32 = 0o777;

/// Times that a client sends along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Last change of the content.
    pub modified: UnixMillis,
    /// Last access.
    pub accessed: UnixMillis,
}

/// A line of the side that sends files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// `C`: a file; its bytes follow.
    File {
        /// Permission bits, 0 to 0o777.
        mode: u32,
        /// Bytes, 0 to `i64::MAX`.
        size: u64,
        /// One name.
        name: Vec<u8>,
    },
    /// `D`: what follows lies in this folder.
    Folder {
        /// Permission bits, 0 to 0o777.
        mode: u32,
        /// One name.
        name: Vec<u8>,
    },
    /// `E`: the folder ends.
    Leave,
    /// `T`: times for the next file or folder.
    Times(Times),
    /// The other side could not send something; the copy goes on.
    Error,
    /// The other side gives up.
    Fatal,
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Over [`LINE_BYTES_MAX`].
    TooLong,
    /// It begins with none of the letters.
    Letter,
    /// The mode is not four octal digits.
    Mode,
    /// The size is no decimal number, or none that a file can have.
    Size,
    /// The times are no four numbers, or later than the year 9999.
    Times,
    /// `E` is followed by something.
    Leave,
    /// The name is empty, `.` or `..`, too long, or holds `/` or NUL.
    Name,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a record is longer than {LINE_BYTES_MAX} bytes"),
            Self::Letter => f.write_str("a record begins with none of C, D, E and T"),
            Self::Mode => f.write_str("a record's mode is not four octal digits"),
            Self::Size => f.write_str("a record's size is no number that a file's size can be"),
            Self::Times => f.write_str("a record's times cannot be read or lie beyond the year 9999"),
            Self::Leave => f.write_str("a record that ends a folder is followed by something"),
            Self::Name => write!(
                f,
                "a record's name must be one name of 1 to {COMPONENT_BYTES_MAX} bytes, without `/`, and not `.` or `..`"
            ),
        }
    }
}

/// Reads a line, its end taken off.
pub fn parse(line: &[u8]) -> Result<Record, Malformed> {
    let (letter, rest) = line.split_first().ok_or(Malformed::Letter)?;
    match *letter {
        b'C' => {
            let (mode, size, name) = entry(rest)?;
            Ok(Record::File { mode, size, name })
        }
        b'D' => {
            let (mode, _, name) = entry(rest)?;
            Ok(Record::Folder { mode, name })
        }
        b'E' if rest.is_empty() => Ok(Record::Leave),
        b'E' => Err(Malformed::Leave),
        b'T' => times(rest).map(Record::Times).ok_or(Malformed::Times),
        ERROR => Ok(Record::Error),
        FATAL => Ok(Record::Fatal),
        _ => Err(Malformed::Letter),
    }
}

/// `MODE SIZE NAME`.
fn entry(rest: &[u8]) -> Result<(u32, u64, Vec<u8>), Malformed> {
    let (mode, rest) = rest.split_at_checked(4).ok_or(Malformed::Mode)?;
    if !mode.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(Malformed::Mode);
    }
    let mode = mode.iter().fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0'));
    let rest = rest.strip_prefix(b" ").ok_or(Malformed::Mode)?;
    let end = rest.iter().position(|byte| *byte == b' ').ok_or(Malformed::Size)?;
    let size = number(&rest[..end]).filter(|size| i64::try_from(*size).is_ok());
    let size = size.ok_or(Malformed::Size)?;
    let name = &rest[end + 1..];
    let is_one = !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0));
    if !is_one || name.len() > COMPONENT_BYTES_MAX {
        return Err(Malformed::Name);
    }
    Ok((mode & MODE_MASK, size, name.to_vec()))
}

/// Digits alone: no sign, no blank.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `MODIFIED MICROSECONDS ACCESSED MICROSECONDS`.
fn times(rest: &[u8]) -> Option<Times> {
    let mut numbers = [0; 4];
    let mut parts = rest.split(|byte| *byte == b' ');
    for slot in &mut numbers {
        *slot = number(parts.next()?)?;
    }
    let [modified, modified_micros, accessed, accessed_micros] = numbers;
    if parts.next().is_some() {
        return None;
    }
    Some(Times {
        modified: millis(modified, modified_micros)?,
        accessed: millis(accessed, accessed_micros)?,
    })
}

fn millis(seconds: u64, micros: u64) -> Option<UnixMillis> {
    if seconds > TIME_SECONDS_MAX || micros >= 1_000_000 {
        return None;
    }
    i64::try_from(seconds * 1000 + micros / 1000).ok().map(UnixMillis)
}

/// The line of a record. A line end in a name is written `\^J`, as OpenSSH writes it: the protocol has no other way.
pub fn write(record: &Record) -> Vec<u8> {
    let mut line = match record {
        Record::File { mode, size, name } => named(format!("C{:04o} {size} ", mode & MODE_MASK), name),
        Record::Folder { mode, name } => named(format!("D{:04o} 0 ", mode & MODE_MASK), name),
        Record::Leave => b"E".to_vec(),
        Record::Times(times) => {
            let seconds = |at: UnixMillis| at.0.div_euclid(1000).max(0);
            format!("T{} 0 {} 0", seconds(times.modified), seconds(times.accessed)).into_bytes()
        }
        Record::Error => vec![ERROR],
        Record::Fatal => vec![FATAL],
    };
    line.push(b'\n');
    line
}

fn named(head: String, name: &[u8]) -> Vec<u8> {
    let mut line = head.into_bytes();
    for byte in name {
        match byte {
            b'\n' => line.extend_from_slice(b"\\^J"),
            byte => line.push(*byte),
        }
    }
    line
}

/// An answer, or a record, that tells of an error by the line `text`.
pub fn refusal(kind: u8, text: &[u8]) -> Vec<u8> {
    [&[kind], text].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(modified: i64, accessed: i64) -> Record {
        Record::Times(Times {
            modified: UnixMillis(modified),
            accessed: UnixMillis(accessed),
        })
    }

    #[test]
    fn records_are_read_as_clients_write_them() {
        let file = |mode, size, name: &[u8]| Record::File {
            mode,
            size,
            name: name.to_vec(),
        };
        for (line, expected) in [
            (&b"C0644 0 a"[..], file(0o644, 0, b"a")),
            (b"C7777 12 a b ", file(0o777, 12, b"a b ")),
            (b"C0600 9223372036854775807 \xff", file(0o600, i64::MAX as u64, b"\xff")),
            (b"C0644 007 ...", file(0o644, 7, b"...")),
            (b"C0644 1 -x\\..\\y", file(0o644, 1, b"-x\\..\\y")),
            (
                b"D0755 0 d",
                Record::Folder {
                    mode: 0o755,
                    name: b"d".to_vec(),
                },
            ),
            (b"E", Record::Leave),
            (
                b"T1700000000 0 1700000001 999999",
                times(1_700_000_000_000, 1_700_000_001_999),
            ),
            (b"T0 0 253402300799 0", times(0, 253_402_300_799_000)),
            (b"\x01scp: a: No such file", Record::Error),
            (b"\x02", Record::Fatal),
        ] {
            assert_eq!(parse(line), Ok(expected), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn bad_records_are_refused_each_for_its_reason() {
        let long = [b"C0644 1 ".to_vec(), vec![b'n'; 256]].concat();
        for (line, expected) in [
            (&b""[..], Malformed::Letter),
            (b"c0644 1 a", Malformed::Letter),
            (b"-rw-r--r-- 1 a", Malformed::Letter),
            (b"\0", Malformed::Letter),
            (b"C", Malformed::Mode),
            (b"C644 1 a", Malformed::Mode),
            (b"C00644 1 a", Malformed::Mode),
            (b"C0648 1 a", Malformed::Mode),
            (b"C-644 1 a", Malformed::Mode),
            (b"C0644", Malformed::Mode),
            (b"C0644  1 a", Malformed::Size),
            (b"C0644 a", Malformed::Size),
            (b"C0644 -1 a", Malformed::Size),
            (b"C0644 +1 a", Malformed::Size),
            (b"C0644 0x1 a", Malformed::Size),
            (b"C0644 1.5 a", Malformed::Size),
            (b"C0644 9223372036854775808 a", Malformed::Size),
            (b"C0644 99999999999999999999999999 a", Malformed::Size),
            (b"C0644 1 ", Malformed::Name),
            (b"C0644 1 .", Malformed::Name),
            (b"C0644 1 ..", Malformed::Name),
            (b"D0755 0 ..", Malformed::Name),
            (b"C0644 1 a/b", Malformed::Name),
            (b"C0644 1 ../a", Malformed::Name),
            (b"C0644 1 /etc/passwd", Malformed::Name),
            (b"D0755 0 a/", Malformed::Name),
            (b"C0644 1 a\0b", Malformed::Name),
            (&long, Malformed::Name),
            (b"EE", Malformed::Leave),
            (b"E 0", Malformed::Leave),
            (b"T", Malformed::Times),
            (b"T1 0 1", Malformed::Times),
            (b"T1 0 1 0 0", Malformed::Times),
            (b"T-1 0 1 0", Malformed::Times),
            (b"T1 1000000 1 0", Malformed::Times),
            (b"T253402300800 0 1 0", Malformed::Times),
            (b"T1 0 99999999999999999999 0", Malformed::Times),
        ] {
            assert_eq!(parse(line), Err(expected), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_name_with_a_line_end_stays_one_record() {
        let record = Record::File {
            mode: 0o100_644,
            size: 3,
            name: b"a\nE\nb".to_vec(),
        };
        assert_eq!(write(&record), b"C0644 3 a\\^JE\\^Jb\n");
        let before = times(-5_000, 1_500);
        assert_eq!(write(&before), b"T0 0 1 0\n");
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused_and_a_name_is_always_one(line in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(Record::File { name, mode, .. } | Record::Folder { name, mode }) = parse(&line) {
                prop_assert!(!name.is_empty() && !name.contains(&b'/') && !name.contains(&0));
                prop_assert!(name != b"." && name != b".." && mode <= MODE_MASK);
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            mode in 0_u32..=0o777,
            size in 0_u64..=i64::MAX as u64,
            name in prop::collection::vec(any::<u8>(), 1..=255),
            folder in any::<bool>(),
        ) {
            prop_assume!(!name.iter().any(|byte| matches!(byte, b'/' | 0 | b'\n')));
            prop_assume!(name != b"." && name != b"..");
            let record = if folder { Record::Folder { mode, name } } else { Record::File { mode, size, name } };
            let line = write(&record);
            let (end, line) = line.split_last().unwrap();
            prop_assert_eq!(*end, b'\n');
            prop_assert_eq!(parse(line), Ok(record));
        }
    }
}
