//! What the storage answers, in FTP's words: a code and a text.
//!
//! How a reply is written is left to `wire`.

use super::wire::Reply;
use crate::session::Session;
use crate::vfs::VfsError;

/// The code and the text for the peer. The inner text of a storage's failure stays in the log.
pub fn of(error: &VfsError) -> Reply {
    let code = match error {
        VfsError::NotFound
        | VfsError::NotFolder
        | VfsError::IsFolder
        | VfsError::NotEmpty
        | VfsError::Exists
        | VfsError::Denied(_)
        | VfsError::OutOfMount
        | VfsError::CrossesStorages => 550,
        VfsError::InvalidName(_) | VfsError::NotTaken(_) => 553,
        VfsError::Full => 452,
        VfsError::Limit(_) => 552,
        VfsError::Unsupported(_) => 504,
        VfsError::Revoked(_) => 421,
        VfsError::Stale(_) => 450,
        VfsError::TakenOver | VfsError::Io(_) => 451,
    };
    let text = match error {
        VfsError::Io(_) => "the storage failed; the server's log says why".to_owned(),
        VfsError::Revoked(_) => "the session has ended".to_owned(),
        other => other.to_string(),
    };
    Reply::new(code, sentence(&text))
}

/// The reply to what was refused; a failure of a storage is logged.
pub fn refusal(error: &VfsError, session: &Session) -> Reply {
    if let VfsError::Io(what) = error {
        tracing::warn!(session = %session.id, account = %session.account(), what, "a storage failed");
    }
    of(error)
}

/// With a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::Operation;
    use crate::session::CloseReason;

    #[test]
    fn every_refusal_has_its_code_and_a_text() {
        let text = || "why".to_owned();
        for (error, code, word) in [
            (VfsError::NotFound, 550, "No such"),
            (VfsError::NotFolder, 550, "no folder"),
            (VfsError::IsFolder, 550, "is a folder"),
            (VfsError::NotEmpty, 550, "not empty"),
            (VfsError::Exists, 550, "exists"),
            (VfsError::Denied(Operation::Write), 550, "write"),
            (VfsError::OutOfMount, 550, "leads out"),
            (VfsError::CrossesStorages, 550, "different storages"),
            (VfsError::InvalidName(text()), 553, "Why."),
            (VfsError::NotTaken(text()), 553, "Why."),
            (VfsError::Full, 452, "no room"),
            (VfsError::Limit(text()), 552, "Why."),
            (VfsError::Unsupported(text()), 504, "Why."),
            (VfsError::Revoked(CloseReason::Administrator), 421, "ended"),
            (VfsError::Stale(text()), 450, "Why."),
            (VfsError::TakenOver, 451, "taken over"),
        ] {
            let reply = of(&error);
            assert_eq!(reply.code, code, "{error:?}");
            assert!(reply.text().contains(word), "{error:?}: {}", reply.text());
        }
    }

    #[test]
    fn what_a_storage_says_of_its_inside_is_not_told_to_the_peer() {
        let reply = of(&VfsError::Io("/srv/secret/disk: EIO".to_owned()));
        assert_eq!(reply.code, 451);
        assert!(!reply.text().contains("secret"), "{}", reply.text());
    }
}
