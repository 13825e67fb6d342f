//! What the storage answers, in SFTP's words: status codes and the text that goes with them.
//!
//! How a status is written is left to `wire`.

use super::wire::Status;
use crate::vfs::VfsError;

/// The code and the text for the peer. The inner text of a storage's failure stays in the log.
pub fn of(error: &VfsError) -> (Status, String) {
    let status = match error {
        VfsError::NotFound | VfsError::NotFolder => Status::NoSuchFile,
        VfsError::Denied(_)
        | VfsError::OutOfMount
        | VfsError::Revoked(_)
        | VfsError::NotTaken(_)
        | VfsError::Stale(_) => Status::PermissionDenied,
        VfsError::Unsupported(_) | VfsError::CrossesStorages => Status::OpUnsupported,
        VfsError::Exists
        | VfsError::IsFolder
        | VfsError::NotEmpty
        | VfsError::Limit(_)
        | VfsError::Full
        | VfsError::InvalidName(_)
        | VfsError::TakenOver
        | VfsError::Io(_) => Status::Failure,
    };
    let text = match error {
        VfsError::Io(_) => "the storage failed; the server's log says why".to_owned(),
        other => other.to_string(),
    };
    (status, text)
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
        for (error, status, word) in [
            (VfsError::NotFound, Status::NoSuchFile, "no such"),
            (VfsError::NotFolder, Status::NoSuchFile, "no folder"),
            (VfsError::Denied(Operation::Write), Status::PermissionDenied, "write"),
            (VfsError::OutOfMount, Status::PermissionDenied, "leads out"),
            (
                VfsError::Revoked(CloseReason::Administrator),
                Status::PermissionDenied,
                "ended",
            ),
            (VfsError::NotTaken(text()), Status::PermissionDenied, "why"),
            (VfsError::Stale(text()), Status::PermissionDenied, "why"),
            (VfsError::Exists, Status::Failure, "exists"),
            (VfsError::IsFolder, Status::Failure, "is a folder"),
            (VfsError::NotEmpty, Status::Failure, "not empty"),
            (VfsError::Limit(text()), Status::Failure, "why"),
            (VfsError::Full, Status::Failure, "no room"),
            (VfsError::Unsupported(text()), Status::OpUnsupported, "why"),
            (VfsError::CrossesStorages, Status::OpUnsupported, "different storages"),
            (VfsError::InvalidName(text()), Status::Failure, "why"),
            (VfsError::TakenOver, Status::Failure, "taken over"),
        ] {
            let (code, message) = of(&error);
            assert_eq!(code, status, "{error:?}");
            assert!(message.contains(word), "{error:?}: {message}");
        }
    }

    #[test]
    fn what_a_storage_says_of_its_inside_is_not_told_to_the_peer() {
        let (code, message) = of(&VfsError::Io("/srv/secret/disk: EIO".to_owned()));
        assert_eq!(code, Status::Failure);
        assert!(!message.contains("secret"), "{message}");
    }
}
