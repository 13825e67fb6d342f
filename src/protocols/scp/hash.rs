//! `md5sum` and the like: reads files and prints their hashes as coreutils print them.
//!
//! Hashing itself is left to `vfs`; it runs in steps, each under the decision of its moment.

use super::glob::{self, Allowance};
use super::limits::INPUT_BYTES_MAX;
use super::words::Word;
use super::{Channel, Context, Gone, status};
use crate::path::VirtualPath;
use crate::vfs::{Hash, Hashing, RunningHash, VfsError};

/// Which command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) hash: Hash,
    /// A `*` before the name.
    pub(super) binary: bool,
}

/// The most bytes that a hash has.
const HASH_BYTES_MAX: usize = 64;

/// Runs the command; what it ends with.
pub(super) async fn run<C: Channel>(
    context: &Context,
    channel: &C,
    command: &Command,
    words: &[Word],
) -> Result<u32, Gone> {
    let mut status = 0;
    let mut allowance = Allowance::default();
    let input = Word {
        bytes: b"-".to_vec(),
        quoted: vec![true],
    };
    let words = if words.is_empty() {
        std::slice::from_ref(&input)
    } else {
        words
    };
    for word in words {
        let expanded = {
            let _held = channel.hold(0);
            glob::expand(context, word, &mut allowance).await
        };
        let names = match expanded {
            Ok(names) => names,
            Err(error) => {
                complain(context, channel, command, &word.bytes, &error).await?;
                status = 1;
                continue;
            }
        };
        for name in names {
            match hashed(context, channel, command, &name).await {
                Ok(hash) => channel.send(line(command, &hash, &name).into()).await?,
                Err(error) => {
                    complain(context, channel, command, &name, &error).await?;
                    status = 1;
                }
            }
        }
    }
    Ok(status)
}

async fn complain<C: Channel>(
    context: &Context,
    channel: &C,
    command: &Command,
    name: &[u8],
    error: &VfsError,
) -> Result<(), Gone> {
    context.note(error);
    let line = status::line(command.name, name, &status::text(error));
    channel.complain(line.into()).await
}

async fn hashed<C: Channel>(
    context: &Context,
    channel: &C,
    command: &Command,
    name: &[u8],
) -> Result<Vec<u8>, VfsError> {
    if name == b"-" {
        return of_input(channel, command.hash).await;
    }
    let path = VirtualPath::parse(name).map_err(|error| VfsError::InvalidName(error.to_string()))?;
    let hashing = Hashing {
        hash: command.hash,
        start: 0,
        length: None,
        piece: None,
        answer_bytes_max: HASH_BYTES_MAX,
    };
    let _held = channel.hold(0);
    context.vfs.hashes(&context.session, &path, hashing).await
}

/// The hash of what the peer sends: some clients ask for that of nothing, to see whether the command is there.
async fn of_input<C: Channel>(channel: &C, hash: Hash) -> Result<Vec<u8>, VfsError> {
    let mut running = RunningHash::new(hash);
    let mut taken = 0;
    while let Some(bytes) = channel.receive().await {
        taken += bytes.len() as u64;
        if taken > INPUT_BYTES_MAX {
            return Err(VfsError::Limit(format!(
                "the standard input is hashed up to {INPUT_BYTES_MAX} bytes only; name a file"
            )));
        }
        running.update(&bytes);
    }
    let mut hash = Vec::new();
    running.finish(&mut hash);
    Ok(hash)
}

/// `HASH  NAME`; where the name holds a backslash or a line end these are written `\\`, `\n` and `\r`, and the line
/// begins with a backslash.
fn line(command: &Command, hash: &[u8], name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mut line = Vec::with_capacity(2 * hash.len() + escaped.len() + 4);
    if escaped != name {
        line.push(b'\\');
    }
    for byte in hash {
        line.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    line.extend_from_slice(if command.binary { b" *" } else { b"  " });
    line.extend_from_slice(&escaped);
    line.push(b'\n');
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_coreutils_write_it() {
        let check = |name: &[u8], binary: bool, expected: &[u8]| {
            let command = Command {
                name: "md5sum",
                hash: Hash::Md5,
                binary,
            };
            assert_eq!(line(&command, &[0xd4, 0x01], name), expected);
        };
        check(b"a b", false, b"d401  a b\n");
        check(b"a", true, b"d401 *a\n");
        check(b"-", false, b"d401  -\n");
        check(b"a\\b", false, b"\\d401  a\\\\b\n");
        check(b"a\nb\r", true, b"\\d401 *a\\nb\\r\n");
        check(b"\xff\x01", false, b"d401  \xff\x01\n");
    }
}
