//! The host key: what every node shows as its SSH identity.

use crate::clock::UnixMillis;

/// An SSH host key; the private half is sealed with the cluster's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct HostKey {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `rsa-sha2-512` and their kind.
    pub algorithm: String,
    /// `algorithm base64`, as in a `.pub` file.
    pub public: String,
    /// The private key in OpenSSH's PEM form, sealed; the context is `host-key/NAME`.
    pub sealed_private: Vec<u8>,
    /// A certificate of `public` by an authority that clients trust, as `algorithm base64`; shown besides the key.
    pub certificate: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}
