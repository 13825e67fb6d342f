//! What the storage answers, in HTTP's words: a status and a problem's word.
//!
//! WebDAV's own statuses are left to it.

use http::StatusCode;

use super::answer::{self, Answer};
use crate::session::Session;
use crate::vfs::VfsError;

/// The status and the word of a refusal.
pub fn of(error: &VfsError) -> (StatusCode, &'static str) {
    match error {
        VfsError::NotFound => (StatusCode::NOT_FOUND, "not-found"),
        VfsError::NotFolder => (StatusCode::NOT_FOUND, "not-a-folder"),
        VfsError::IsFolder => (StatusCode::CONFLICT, "is-a-folder"),
        VfsError::Exists => (StatusCode::CONFLICT, "exists"),
        VfsError::NotEmpty => (StatusCode::CONFLICT, "not-empty"),
        VfsError::Denied(_) => (StatusCode::FORBIDDEN, "denied"),
        VfsError::OutOfMount => (StatusCode::FORBIDDEN, "out-of-mount"),
        VfsError::NotTaken(_) => (StatusCode::FORBIDDEN, "not-taken"),
        VfsError::CrossesStorages => (StatusCode::CONFLICT, "crosses-storages"),
        VfsError::Limit(_) => (StatusCode::PAYLOAD_TOO_LARGE, "limit"),
        VfsError::Full => (StatusCode::INSUFFICIENT_STORAGE, "full"),
        VfsError::InvalidName(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-name"),
        VfsError::Unsupported(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unsupported"),
        VfsError::Revoked(_) => (StatusCode::UNAUTHORIZED, "revoked"),
        VfsError::Stale(_) => (StatusCode::SERVICE_UNAVAILABLE, "stale"),
        VfsError::TakenOver => (StatusCode::CONFLICT, "taken-over"),
        VfsError::Io(_) => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
    }
}

/// The refusal as an answer; a failure of a storage is logged, and its inner text stays in the log.
pub fn refusal(error: &VfsError, session: &Session) -> Answer {
    let (status, word) = of(error);
    let detail = match error {
        VfsError::Io(what) => {
            tracing::warn!(session = %session.id, account = %session.account(), what, "a storage failed");
            "the storage failed; the server's log says why".to_owned()
        }
        VfsError::Revoked(_) => "the session has ended; sign in again".to_owned(),
        other => other.to_string(),
    };
    answer::problem(status, word, &detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::Operation;
    use crate::session::CloseReason;

    #[test]
    fn every_refusal_has_a_status_that_says_whose_turn_it_is() {
        for (error, status) in [
            (VfsError::NotFound, 404),
            (VfsError::Denied(Operation::Write), 403),
            (VfsError::OutOfMount, 403),
            (VfsError::Exists, 409),
            (VfsError::IsFolder, 409),
            (VfsError::NotEmpty, 409),
            (VfsError::Limit("too large".to_owned()), 413),
            (VfsError::Full, 507),
            (VfsError::Stale("old".to_owned()), 503),
            (VfsError::Revoked(CloseReason::Administrator), 401),
            (VfsError::Io("disk".to_owned()), 500),
        ] {
            assert_eq!(of(&error).0.as_u16(), status, "{error:?}");
        }
    }
}
