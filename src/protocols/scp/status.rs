//! What the storage answers, in the words of the programs that clients believe to talk to.
//!
//! How a text is sent is left to `wire` and to the hash commands.

use super::limits::TEXT_BYTES_MAX;
use crate::vfs::VfsError;

/// The text for the peer; where a system has words of its own these, which scripts look for. The inner text of a
/// storage's failure stays in the log.
pub fn text(error: &VfsError) -> String {
    match error {
        VfsError::NotFound => "No such file or directory".to_owned(),
        VfsError::Denied(operation) => format!("Permission denied: `{}` is not granted here", operation.word()),
        VfsError::IsFolder => "Is a directory".to_owned(),
        VfsError::NotFolder => "Not a directory".to_owned(),
        VfsError::Exists => "File exists".to_owned(),
        VfsError::Full => "No space left on device".to_owned(),
        VfsError::Io(_) => "Input/output error; the server's log says more".to_owned(),
        VfsError::OutOfMount
        | VfsError::Revoked(_)
        | VfsError::NotTaken(_)
        | VfsError::Stale(_)
        | VfsError::TakenOver => format!("Permission denied: {error}"),
        VfsError::NotEmpty
        | VfsError::Limit(_)
        | VfsError::Unsupported(_)
        | VfsError::CrossesStorages
        | VfsError::InvalidName(_) => error.to_string(),
    }
}

/// One line for the peer: control characters, which could end it or forge another, become `?`.
pub fn line(program: &str, name: &[u8], text: &str) -> Vec<u8> {
    let mut line = format!("{program}: ").into_bytes();
    if !name.is_empty() {
        line.extend(name.iter().take(TEXT_BYTES_MAX / 2));
        line.extend_from_slice(b": ");
    }
    line.extend_from_slice(text.as_bytes());
    line.truncate(TEXT_BYTES_MAX);
    for byte in &mut line {
        if byte.is_ascii_control() {
            *byte = b'?';
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::Operation;
    use crate::session::CloseReason;

    #[test]
    fn every_refusal_has_the_words_that_scripts_know() {
        for (error, expected) in [
            (VfsError::NotFound, "No such file or directory"),
            (VfsError::Denied(Operation::Write), "Permission denied"),
            (VfsError::NotTaken("a rule".to_owned()), "Permission denied: a rule"),
            (VfsError::Revoked(CloseReason::Administrator), "Permission denied"),
            (VfsError::IsFolder, "Is a directory"),
            (VfsError::NotFolder, "Not a directory"),
            (VfsError::Full, "No space left on device"),
            (VfsError::Limit("at most 3".to_owned()), "at most 3"),
        ] {
            assert!(text(&error).contains(expected), "{error:?}");
        }
        assert!(!text(&VfsError::Io("/srv/secret/disk: EIO".to_owned())).contains("secret"));
    }

    #[test]
    fn no_name_can_forge_a_second_line() {
        let found = line("scp", b"a\n\x01scp: forged\xff", "text");
        assert_eq!(found, b"scp: a??scp: forged\xff: text\n");
        assert_eq!(line("scp", b"", "x"), b"scp: x\n");
        let long = line("scp", &[b'n'; 5000], &"t".repeat(5000));
        assert_eq!(long.len(), TEXT_BYTES_MAX + 1);
    }
}
