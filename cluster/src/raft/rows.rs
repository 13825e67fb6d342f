//! The rows that the cluster keeps for itself next to the machine's: settings, members' names, join tokens, request
//! ids. Here are their keys and stored forms; who writes them is in `replica` and `cluster`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::replica::{Rows, range};
use crate::envelope::Blob;
use crate::envelope::wire::{Framed, framed};
use crate::{CodecError, NodeId};

/// The prefix of the machine's own rows.
pub const MACHINE: u8 = b'm';
const SETTINGS: u8 = b's';
const NODE: u8 = b'n';
const NAME: u8 = b'u';
const TOKEN: u8 = b't';
const REQUEST: u8 = b'r';

/// The cluster's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SettingsRowV1 {
    /// 0 until the cluster is founded.
    pub feature_level: u32,
    /// The newest data key.
    pub data_key_id: u32,
    /// The id that the next joiner gets.
    pub next_node: u64,
}

/// A node that was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeRowV1 {
    pub name: String,
}

/// A join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenRowV1 {
    pub secret_hash: [u8; 32],
    pub expires_ms: u64,
    pub used: Option<TokenUseV1>,
}

/// Who used a join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenUseV1 {
    pub node: u64,
    pub request_hash: [u8; 32],
}

/// A request that was applied, at the revision that its key has: new ones stand at the end, which is cheap to store,
/// and the first ones are the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestRowV1 {
    pub request: [u8; 16],
    pub body_hash: [u8; 32],
    pub outcome: Blob,
}

framed! {
    60 "settings row" SettingsRowV1,
    61 "node row" NodeRowV1,
    62 "join token row" TokenRowV1,
    63 "request row" RequestRowV1,
}

fn key(prefix: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(prefix);
    key.extend_from_slice(rest);
    key
}

pub(super) fn machine_key(machine_key: &[u8]) -> Vec<u8> {
    key(MACHINE, machine_key)
}

pub(super) fn settings_key() -> Vec<u8> {
    key(SETTINGS, &[])
}

pub(super) fn node_key(node: u64) -> Vec<u8> {
    key(NODE, &node.to_be_bytes())
}

pub(super) fn name_key(name: &str) -> Vec<u8> {
    key(NAME, name.as_bytes())
}

pub(super) fn token_key(token: &[u8; 16]) -> Vec<u8> {
    key(TOKEN, token)
}

pub(super) fn request_key(revision: u64) -> Vec<u8> {
    key(REQUEST, &revision.to_be_bytes())
}

/// Reads the cluster's own rows in one picture of the state.
#[derive(Clone)]
pub struct ClusterRows(Rows);

impl ClusterRows {
    pub(super) fn new(rows: Rows) -> Self {
        Self(rows)
    }

    /// The agreed feature level; 0 before the cluster is founded.
    pub fn feature_level(&self) -> u32 {
        self.settings().map_or(0, |settings| settings.feature_level)
    }

    /// The newest data key; 0 before the cluster is founded.
    pub fn data_key_id(&self) -> u32 {
        self.settings().map_or(0, |settings| settings.data_key_id)
    }

    /// How many request ids are remembered.
    #[cfg(test)]
    pub fn request_ids(&self) -> u64 {
        range(&self.0, REQUEST).count() as u64
    }

    /// The name of an admitted node that was not forgotten.
    pub fn node_name(&self, node: u64) -> Option<String> {
        let row: NodeRowV1 = self.get(&node_key(node)).ok()??;
        Some(row.name)
    }

    /// All admitted nodes that were not forgotten, and their names.
    pub fn nodes(&self) -> BTreeMap<NodeId, String> {
        let named = range(&self.0, NODE).filter_map(|(key, _)| {
            let node = u64::from_be_bytes(key.get(1..)?.try_into().ok()?);
            Some((NodeId(node), self.node_name(node)?))
        });
        named.collect()
    }

    /// Whether a join token was issued with this secret; it may have been used or have ended.
    pub fn join_token_is_known(&self, token: &[u8; 16], secret_hash: &[u8; 32]) -> bool {
        let row: Option<TokenRowV1> = self.get(&token_key(token)).ok().flatten();
        row.is_some_and(|row| row.secret_hash == *secret_hash)
    }

    fn settings(&self) -> Option<SettingsRowV1> {
        self.get(&settings_key()).ok()?
    }

    pub(super) fn get<T: Framed>(&self, key: &[u8]) -> Result<Option<T>, CodecError> {
        get(&self.0, key)
    }
}

/// The row at `key`, opened.
pub(super) fn get<T: Framed>(rows: &Rows, key: &[u8]) -> Result<Option<T>, CodecError> {
    rows.get(key)
        .map(|value| T::decode(&bytes::Bytes::copy_from_slice(value)))
        .transpose()
}

/// All tokens, in key order.
pub(super) fn tokens(rows: &Rows) -> impl Iterator<Item = (&[u8], &[u8])> {
    range(rows, TOKEN)
}

/// The revisions at which requests were applied, the oldest first.
pub(super) fn request_revisions(rows: &Rows) -> impl Iterator<Item = u64> {
    range(rows, REQUEST).filter_map(|(key, _)| Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?)))
}

/// The requests that were applied, and at which revision each.
pub(super) fn requests(rows: &Rows) -> Result<BTreeMap<[u8; 16], u64>, CodecError> {
    request_revisions(rows)
        .filter_map(|revision| {
            let row = get::<RequestRowV1>(rows, &request_key(revision)).transpose()?;
            Some(row.map(|row| (row.request, revision)))
        })
        .collect()
}
