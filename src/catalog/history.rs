//! The history: who changed what, when, from where, before and after; one row for each object of a change.
//!
//! Rows are written by apply and live in the store, not in memory; reading them is left to `admin`.

use std::net::IpAddr;

use super::view::{Object, ObjectKey, Spec};
use crate::clock::UnixMillis;

/// One object's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The revision that the change made.
    pub revision: u64,
    /// Who: an administrator's name, `root@NODE` or an account's name.
    pub actor: String,
    /// From which address; `None`: on the machine itself.
    pub from: Option<IpAddr>,
    /// When, by the proposer's clock.
    pub at: UnixMillis,
    /// Of what.
    pub key: ObjectKey,
    /// What was there; `None`: nothing.
    pub before: Option<Object<Spec>>,
    /// What is there since; `None`: nothing.
    pub after: Option<Object<Spec>>,
}

/// What every history row's key begins with; then the revision and a counter, both big endian, so that keys sort by
/// time.
pub const ROW_PREFIX: &[u8] = b"history/";

/// The key of the `index`th row of a revision.
pub fn row_key(revision: u64, index: u32) -> Vec<u8> {
    let mut key = ROW_PREFIX.to_vec();
    key.extend_from_slice(&revision.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Revision and counter of a history row's key; `None`: the key is another row's.
pub fn parse_row_key(key: &[u8]) -> Option<(u64, u32)> {
    let rest = key.strip_prefix(ROW_PREFIX)?;
    let (revision, index) = rest.split_first_chunk::<8>()?;
    let index: [u8; 4] = index.try_into().ok()?;
    Some((u64::from_be_bytes(*revision), u32::from_be_bytes(index)))
}
