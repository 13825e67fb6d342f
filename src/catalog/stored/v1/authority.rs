//! Authorities in format version 1.

use serde::{Deserialize, Serialize};

use crate::catalog::{Authority, AuthorityKind, RevocationSource};
use crate::x509::{Certificate, RevocationList};

#[derive(Serialize, Deserialize)]
enum AuthorityKindV1 {
    SshUser,
    TlsClient,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AuthorityV1 {
    kind: AuthorityKindV1,
    keys: Vec<String>,
    revoked_serials: Vec<u64>,
    revoked_ids: Vec<String>,
    revoked_keys: Vec<String>,
    certificates: Vec<Vec<u8>>,
    revocation_lists: Vec<Vec<u8>>,
    takes_stale_lists: bool,
    revocation_source: Option<RevocationSourceV1>,
}

#[derive(Serialize, Deserialize)]
struct RevocationSourceV1 {
    url: String,
    every_seconds: u32,
}

impl From<&Authority> for AuthorityV1 {
    fn from(authority: &Authority) -> Self {
        Self {
            kind: match authority.kind {
                AuthorityKind::SshUser => AuthorityKindV1::SshUser,
                AuthorityKind::TlsClient => AuthorityKindV1::TlsClient,
            },
            keys: authority.keys.clone(),
            revoked_serials: authority.revoked_serials.clone(),
            revoked_ids: authority.revoked_ids.clone(),
            revoked_keys: authority.revoked_keys.clone(),
            certificates: authority.certificates.iter().map(|one| one.der().to_vec()).collect(),
            revocation_lists: authority
                .revocation_lists
                .iter()
                .map(|list| list.der().to_vec())
                .collect(),
            takes_stale_lists: authority.takes_stale_lists,
            revocation_source: authority.revocation_source.as_ref().map(|source| RevocationSourceV1 {
                url: source.url.clone(),
                every_seconds: source.every_seconds,
            }),
        }
    }
}

impl From<AuthorityV1> for Authority {
    fn from(stored: AuthorityV1) -> Self {
        Self {
            kind: match stored.kind {
                AuthorityKindV1::SshUser => AuthorityKind::SshUser,
                AuthorityKindV1::TlsClient => AuthorityKind::TlsClient,
            },
            keys: stored.keys,
            revoked_serials: stored.revoked_serials,
            revoked_ids: stored.revoked_ids,
            revoked_keys: stored.revoked_keys,
            certificates: stored.certificates.iter().map(|der| Certificate::kept(der)).collect(),
            revocation_lists: stored
                .revocation_lists
                .iter()
                .map(|der| RevocationList::kept(der))
                .collect(),
            takes_stale_lists: stored.takes_stale_lists,
            revocation_source: stored.revocation_source.map(|source| RevocationSource {
                url: source.url,
                every_seconds: source.every_seconds,
            }),
        }
    }
}
