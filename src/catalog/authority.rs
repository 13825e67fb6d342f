//! The authority: whose signature under a certificate is trusted, and what of it is revoked.
//!
//! Judging a certificate is left to `auth`.

/// A trusted certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What it signs.
    pub kind: AuthorityKind,
    /// Its public keys, as `algorithm base64`; several while it changes its key.
    pub keys: Vec<String>,
    /// Serial numbers of certificates that count no more.
    pub revoked_serials: Vec<u64>,
    /// Key ids of certificates that count no more.
    pub revoked_ids: Vec<String>,
    /// Fingerprints (`SHA256:...`) of certified keys that count no more.
    pub revoked_keys: Vec<String>,
}

/// What an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityKind {
    /// OpenSSH user certificates.
    SshUser,
}
