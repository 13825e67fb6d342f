//! A command line into words, as a POSIX shell splits one that asks for nothing but words: quotes and backslashes.
//!
//! What a shell would run, expand or redirect is refused, never guessed at. Patterns are left to `glob`.

use std::fmt;

use super::limits::{COMMAND_BYTES_MAX, WORDS_MAX};

/// One word, quotes taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// For each byte whether it was quoted and so stands for itself.
    pub quoted: Vec<bool>,
}

impl Word {
    /// Adds one byte.
    pub fn push(&mut self, byte: u8, quoted: bool) {
        self.bytes.push(byte);
        self.quoted.push(quoted);
    }
}

/// Why a command line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Over [`COMMAND_BYTES_MAX`].
    TooLong,
    /// Over [`WORDS_MAX`].
    TooManyWords,
    /// It holds a NUL byte.
    Nul,
    /// A quote or a backslash has no end.
    Open,
    /// A byte by which a shell does more than split words.
    Shell(u8),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the command is longer than {COMMAND_BYTES_MAX} bytes"),
            Self::TooManyWords => write!(f, "the command has more than {WORDS_MAX} words"),
            Self::Nul => f.write_str("the command holds a NUL byte"),
            Self::Open => f.write_str("a quote or a backslash of the command has no end"),
            Self::Shell(byte) => write!(
                f,
                "there is no shell here that would understand `{}`: put a backslash before it, or single quotes round the name",
                byte.escape_ascii()
            ),
        }
    }
}

/// Bytes that a shell acts upon where they are not quoted.
const ACTED_UPON: &[u8] = b"$`;|&<>()\n\r";
/// What a backslash quotes within double quotes.
const QUOTED_IN_DOUBLE: &[u8] = b"$`\"\\";

/// The words of a command line.
pub fn split(command: &[u8]) -> Result<Vec<Word>, Unreadable> {
    if command.len() > COMMAND_BYTES_MAX {
        return Err(Unreadable::TooLong);
    }
    if command.contains(&0) {
        return Err(Unreadable::Nul);
    }
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = command.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => in_single(&mut rest, word.get_or_insert_default())?,
            b'"' => in_double(&mut rest, word.get_or_insert_default())?,
            b'\\' => match rest.next().ok_or(Unreadable::Open)? {
                // A line that goes on.
                b'\n' => {}
                quoted => word.get_or_insert_default().push(quoted, true),
            },
            // The line's own end.
            b'\r' | b'\n' if rest.clone().all(|byte| byte.is_ascii_whitespace()) => break,
            byte if ACTED_UPON.contains(&byte) => return Err(Unreadable::Shell(byte)),
            byte => word.get_or_insert_default().push(byte, false),
        }
        if words.len() > WORDS_MAX {
            return Err(Unreadable::TooManyWords);
        }
    }
    words.extend(word);
    if words.len() > WORDS_MAX {
        return Err(Unreadable::TooManyWords);
    }
    Ok(words)
}

fn in_single(rest: &mut impl Iterator<Item = u8>, word: &mut Word) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::Open)? {
            b'\'' => return Ok(()),
            byte => word.push(byte, true),
        }
    }
}

fn in_double(rest: &mut impl Iterator<Item = u8>, word: &mut Word) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::Open)? {
            b'"' => return Ok(()),
            byte @ (b'$' | b'`') => return Err(Unreadable::Shell(byte)),
            b'\\' => match rest.next().ok_or(Unreadable::Open)? {
                b'\n' => {}
                byte if QUOTED_IN_DOUBLE.contains(&byte) => word.push(byte, true),
                byte => {
                    word.push(b'\\', true);
                    word.push(byte, true);
                }
            },
            byte => word.push(byte, true),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(command: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
        split(command).map(|words| words.into_iter().map(|word| word.bytes).collect())
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let check = |command: &str, expected: &[&str]| {
            let expected: Vec<_> = expected.iter().map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(texts(command.as_bytes()), Ok(expected), "{command}");
        };
        check("", &[]);
        check("  \t ", &[]);
        check("scp -t /a", &["scp", "-t", "/a"]);
        check(" scp\t-t  /a \n", &["scp", "-t", "/a"]);
        check("scp -t -- '/a b'", &["scp", "-t", "--", "/a b"]);
        check(r#"md5sum "a b"c'd e'\ f"#, &["md5sum", "a bcd e f"]);
        check(r#"md5sum "\a\"\\\$""#, &["md5sum", "\\a\"\\$"]);
        check(r"md5sum '\a'\''b'", &["md5sum", r"\a'b"]);
        check("md5sum '' \"\"", &["md5sum", "", ""]);
        check("md5sum a\\\nb 'c\nd'", &["md5sum", "ab", "c\nd"]);
        check(r"md5sum a\ ", &["md5sum", "a "]);
        check(r"md5sum a\\ ", &["md5sum", "a\\"]);
        check("md5sum a#b #c", &["md5sum", "a#b", "#c"]);
        check("md5sum '$HOME;`id`|&'", &["md5sum", "$HOME;`id`|&"]);
    }

    #[test]
    fn what_only_a_shell_could_do_is_refused() {
        for (command, expected) in [
            (&b"md5sum $HOME"[..], Unreadable::Shell(b'$')),
            (b"md5sum \"$HOME\"", Unreadable::Shell(b'$')),
            (b"md5sum \"`id`\"", Unreadable::Shell(b'`')),
            (b"md5sum a; id", Unreadable::Shell(b';')),
            (b"md5sum a\nid", Unreadable::Shell(b'\n')),
            (b"md5sum a | sort", Unreadable::Shell(b'|')),
            (b"md5sum a && id", Unreadable::Shell(b'&')),
            (b"md5sum a > b", Unreadable::Shell(b'>')),
            (b"md5sum < b", Unreadable::Shell(b'<')),
            (b"(md5sum a)", Unreadable::Shell(b'(')),
            (b"md5sum 'a", Unreadable::Open),
            (b"md5sum \"a", Unreadable::Open),
            (b"md5sum \"a\\", Unreadable::Open),
            (b"md5sum a\\", Unreadable::Open),
            (b"md5sum a\0b", Unreadable::Nul),
        ] {
            assert_eq!(split(command), Err(expected), "{}", command.escape_ascii());
        }
        assert_eq!(split(&vec![b'a'; COMMAND_BYTES_MAX + 1]), Err(Unreadable::TooLong));
        assert_eq!(split(&b"a ".repeat(WORDS_MAX + 1)), Err(Unreadable::TooManyWords));
        assert_eq!(split(&b"a ".repeat(WORDS_MAX)).map(|words| words.len()), Ok(WORDS_MAX));
    }

    #[test]
    fn what_was_quoted_is_remembered() {
        let words = split(br#"*'*'\*"*"a"#).unwrap();
        assert_eq!(words[0].bytes, b"****a");
        assert_eq!(words[0].quoted, [false, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_single_quotes_keep_all(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = split(&bytes);
            let name: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
            let mut quoted = b"md5sum '".to_vec();
            for byte in &name {
                match byte {
                    b'\'' => quoted.extend_from_slice(br"'\''"),
                    byte => quoted.push(*byte),
                }
            }
            quoted.push(b'\'');
            let words = texts(&quoted).unwrap();
            prop_assert_eq!(&words[1], &name);
        }
    }
}
