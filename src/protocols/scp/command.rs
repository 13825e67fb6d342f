//! Which program a command line asks for: scp on the server's side, or one of the hash commands. There is no other.
//!
//! Words are left to `words`, patterns to `glob`; what a program does, to `sink`, `source` and `hash`.

use super::words::{self, Word};
use crate::vfs::Hash;

/// A program that runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// `scp -t`: takes files.
    Sink {
        /// `-r`: folders too.
        recursive: bool,
        /// `-p`: times and modes as the client sends them.
        preserve: bool,
        /// `-d`: the target must be a folder.
        into_folder: bool,
        /// Where to.
        target: Word,
    },
    /// `scp -f`: gives files.
    Source {
        /// `-r`: folders too.
        recursive: bool,
        /// `-p`: times too.
        preserve: bool,
        /// Which, at least one.
        paths: Vec<Word>,
    },
    /// `md5sum` and the like.
    Hash {
        /// The program's name.
        name: &'static str,
        /// The function.
        hash: Hash,
        /// `-b`: a `*` before the name.
        binary: bool,
        /// Of which files; none, or `-`: of the standard input.
        paths: Vec<Word>,
    },
}

/// Why a command is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the program ends with.
    pub status: u32,
    /// For the peer's terminal.
    pub text: String,
}

/// As a shell that finds no such program.
const NOT_FOUND: u32 = 127;
/// As a program that does not know an option.
const USAGE: u32 = 2;

/// What there is, for refusals.
pub const OFFERED: &str =
    "this service offers SFTP, scp, md5sum, sha1sum, sha256sum and sha512sum; it has no shell and no other program";

const HASHES: [(&str, Hash); 4] = [
    ("md5sum", Hash::Md5),
    ("sha1sum", Hash::Sha1),
    ("sha256sum", Hash::Sha256),
    ("sha512sum", Hash::Sha512),
];

/// Reads a command line.
pub fn parse(command: &[u8]) -> Result<Program, Refused> {
    let words = words::split(command).map_err(|unreadable| Refused {
        status: USAGE,
        text: format!("{unreadable}; {OFFERED}"),
    })?;
    let mut words = words.into_iter();
    let program = words.next().map(|word| word.bytes).unwrap_or_default();
    // Some clients name the whole path of the program that they expect.
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if name == b"scp" {
        return scp(words);
    }
    match HASHES.into_iter().find(|(known, _)| known.as_bytes() == name) {
        Some((name, hash)) => hash_command(name, hash, words),
        None => Err(Refused {
            status: NOT_FOUND,
            text: format!("`{}`: {OFFERED}", name.escape_ascii()),
        }),
    }
}

fn usage(text: String) -> Refused {
    Refused { status: USAGE, text }
}

/// Splits options from what follows them: each cluster goes to `take`, letter by letter.
fn operands(
    words: impl Iterator<Item = Word>,
    mut take: impl FnMut(&[u8]) -> Result<(), Refused>,
) -> Result<Vec<Word>, Refused> {
    let mut words = words.peekable();
    while let Some(word) = words.peek() {
        match word.bytes.as_slice() {
            b"--" => {
                words.next();
                break;
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                take(letters)?;
                words.next();
            }
            _ => break,
        }
    }
    Ok(words.collect())
}

fn scp(words: impl Iterator<Item = Word>) -> Result<Program, Refused> {
    let (mut to, mut from, mut recursive, mut preserve, mut into_folder) = (false, false, false, false, false);
    let mut paths = operands(words, |letters| {
        for letter in letters {
            match letter {
                b't' => to = true,
                b'f' => from = true,
                b'r' => recursive = true,
                b'p' => preserve = true,
                b'd' => into_folder = true,
                // Of the client's own terminal.
                b'v' | b'q' => {}
                other => {
                    let other = other.escape_ascii();
                    return Err(usage(format!("scp: the option -{other} is not known here; {OFFERED}")));
                }
            }
        }
        Ok(())
    })?;
    match (to, from) {
        (true, false) => match (paths.pop(), paths.is_empty()) {
            (Some(target), true) => Ok(Program::Sink {
                recursive,
                preserve,
                into_folder,
                target,
            }),
            _ => Err(usage(
                "scp: ambiguous target: name one file or folder, and quote blanks once more for this side".to_owned(),
            )),
        },
        (false, true) if !paths.is_empty() => Ok(Program::Source {
            recursive,
            preserve,
            paths,
        }),
        (false, true) => Err(usage("scp: no file is named".to_owned())),
        _ => Err(usage(
            "scp: only a client's scp, which says -t or -f, has something to talk to here".to_owned(),
        )),
    }
}

fn hash_command(name: &'static str, hash: Hash, words: impl Iterator<Item = Word>) -> Result<Program, Refused> {
    let mut binary = false;
    let paths = operands(words, |letters| {
        match letters {
            b"-binary" => binary = true,
            b"-text" => binary = false,
            letters => {
                for letter in letters {
                    match letter {
                        b'b' => binary = true,
                        b't' => binary = false,
                        other => {
                            let other = other.escape_ascii();
                            return Err(usage(format!(
                                "{name}: the option -{other} is not known here, only -b and -t are"
                            )));
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(Program::Hash {
        name,
        hash,
        binary,
        paths,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word {
            bytes: text.as_bytes().to_vec(),
            quoted: vec![false; text.len()],
        }
    }

    fn sink(flags: &str, target: &str) -> Program {
        Program::Sink {
            recursive: flags.contains('r'),
            preserve: flags.contains('p'),
            into_folder: flags.contains('d'),
            target: word(target),
        }
    }

    #[test]
    fn commands_are_read_as_clients_send_them() {
        let source = |flags: &str, paths: &[&str]| Program::Source {
            recursive: flags.contains('r'),
            preserve: flags.contains('p'),
            paths: paths.iter().map(|path| word(path)).collect(),
        };
        let hash = |name, hash, binary, paths: &[&str]| Program::Hash {
            name,
            hash,
            binary,
            paths: paths.iter().map(|path| word(path)).collect(),
        };
        for (command, expected) in [
            ("scp -t .", sink("", ".")),
            ("scp -v -r -p -d -t -- -x", sink("rpd", "-x")),
            ("scp -rpdt /a", sink("rpd", "/a")),
            ("/usr/bin/scp -q -t a", sink("", "a")),
            ("scp -f a b*", source("", &["a", "b*"])),
            ("scp -r -p -f -- -", source("rp", &["-"])),
            ("md5sum", hash("md5sum", Hash::Md5, false, &[])),
            ("sha1sum -b -- -b", hash("sha1sum", Hash::Sha1, true, &["-b"])),
            ("sha256sum - a", hash("sha256sum", Hash::Sha256, false, &["-", "a"])),
            ("sha512sum --binary a", hash("sha512sum", Hash::Sha512, true, &["a"])),
            ("md5sum -bt a", hash("md5sum", Hash::Md5, false, &["a"])),
        ] {
            assert_eq!(parse(command.as_bytes()), Ok(expected), "{command}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_is_possible() {
        for (command, status, says) in [
            ("", NOT_FOUND, "SFTP, scp, md5sum"),
            ("ls -la", NOT_FOUND, "`ls`: this service offers SFTP, scp, md5sum"),
            ("sh -c 'scp -t .'", NOT_FOUND, "`sh`"),
            ("scpx -t .", NOT_FOUND, "`scpx`"),
            ("echo $HOME", USAGE, "no shell"),
            ("scp -t .; id", USAGE, "`;`"),
            ("scp a b", USAGE, "-t or -f"),
            ("scp -t -f a", USAGE, "-t or -f"),
            ("scp -t a b", USAGE, "ambiguous target"),
            ("scp -t", USAGE, "ambiguous target"),
            ("scp -f", USAGE, "no file"),
            ("scp -S /bin/sh -t a", USAGE, "-S"),
            ("scp -oProxyCommand=id -t a", USAGE, "-o"),
            ("md5sum -c sums", USAGE, "-c"),
            ("md5sum --check", USAGE, "--"),
        ] {
            let refused = parse(command.as_bytes()).unwrap_err();
            assert_eq!(refused.status, status, "{command}: {}", refused.text);
            assert!(refused.text.contains(says), "{command}: {}", refused.text);
        }
    }
}
