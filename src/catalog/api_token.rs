//! The API token: a bearer secret that stands for an administrator.

use crate::clock::UnixMillis;
use crate::ids::Name;

/// A bearer token; only its hash is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Whom it stands for.
    pub administrator: Name,
    /// SHA-256 of the secret, which has 256 random bits.
    pub secret_hash: [u8; 32],
    /// After this moment it is refused.
    pub expires_at: Option<UnixMillis>,
}
