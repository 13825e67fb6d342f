//! The versioned bytes that stand in the log: one format byte, one kind byte, then the content.
//!
//! Answers and messages between nodes are in `answer` and `wire`; turning openraft's types into these is left to
//! `raft::convert`. Nothing here knows openraft, and no library's own form of a command is ever stored.

mod answer;
mod blob;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use answer::{Answer, Refusal};
pub use blob::Blob;

use crate::{CodecError, RequestId};

/// The format version that this build writes.
pub const FORMAT: u8 = 1;

const KIND_BLANK: u8 = 0;
const KIND_MEMBERSHIP: u8 = 1;
const KIND_APP: u8 = 2;
const KIND_FOUND: u8 = 10;
const KIND_ISSUE_JOIN_TOKEN: u8 = 11;
const KIND_ADMIT_NODE: u8 = 12;
const KIND_SET_DATA_KEY: u8 = 13;
const KIND_SET_FEATURE_LEVEL: u8 = 14;
const KIND_FORGET_NODE: u8 = 15;

/// What one log entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: a new leader writes one to commit what came before.
    Blank,
    /// Who votes and who learns.
    Membership(MembershipV1),
    /// A command of the replicated machine.
    App(AppCommand),
    /// A command of the cluster itself.
    Cluster(ClusterCommand),
}

/// A command of the replicated machine, with the id that makes a retry safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppCommand {
    /// The request's id.
    pub request: RequestId,
    /// SHA-256 of what was asked, by default of `command`: the same id with another body is refused.
    pub body_hash: [u8; 32],
    /// The machine's own encoding of the command.
    pub command: Bytes,
}

impl AppCommand {
    /// Wraps the machine's encoded command.
    pub fn new(request: RequestId, command: Bytes) -> Self {
        Self {
            request,
            body_hash: sha256(&command),
            command,
        }
    }
}

/// A command of the cluster itself. Times and secrets' hashes are fixed by the proposer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterCommand {
    /// The first command of a new cluster: its first node, feature level and data key.
    Found {
        /// The founder's name.
        name: String,
        /// The founder's node id.
        node: u64,
        /// The feature level that the cluster starts with.
        feature_level: u32,
        /// The first data key's id.
        data_key_id: u32,
    },
    /// Makes a one-time join token valid.
    IssueJoinToken {
        /// The token's public part.
        token: [u8; 16],
        /// SHA-256 of its secret part.
        secret_hash: [u8; 32],
        /// When it ends, Unix milliseconds.
        expires_ms: u64,
    },
    /// Uses a join token: gives out a node id that was never given out before.
    AdmitNode(AdmitNode),
    /// Names the data key that new secrets are sealed with.
    SetDataKey {
        /// The key's id; never goes back.
        key_id: u32,
    },
    /// Raises the feature level that all voters support.
    SetFeatureLevel {
        /// The new level; never goes back.
        level: u32,
    },
    /// Frees the name of a node that has left; its id stays used.
    ForgetNode {
        /// The node's id.
        node: u64,
    },
}

/// What a joining node and its sponsor say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitNode {
    /// The token's public part.
    pub token: [u8; 16],
    /// SHA-256 of the secret part that the joiner showed.
    pub secret_hash: [u8; 32],
    /// The sponsor's clock, Unix milliseconds.
    pub now_ms: u64,
    /// The name that the joiner wants.
    pub name: String,
    /// Where other nodes will reach it.
    pub peer_address: String,
    /// SHA-256 of its certificate request: the same request shown again gets the same id.
    pub request_hash: [u8; 32],
}

/// A membership, voters and learners, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipV1 {
    /// One set of voters, or two while a change is under way (joint consensus).
    pub voters: Vec<BTreeSet<u64>>,
    /// Every member, voter or learner.
    pub nodes: BTreeMap<u64, NodeV1>,
}

/// A member, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeV1 {
    /// Its name.
    pub name: String,
    /// Its address for other nodes, `ip:port`.
    pub peer_address: String,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
}

/// A position in the log, as it is stored. Ordered as Raft orders: term, leader, index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogIdV1 {
    /// The term of the leader that wrote the entry.
    pub term: u64,
    /// That leader.
    pub node: u64,
    /// The index, from 0.
    pub index: u64,
}

/// A vote, as it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VoteV1 {
    /// The term.
    pub term: u64,
    /// The candidate or leader.
    pub node: u64,
    /// A quorum has granted it: this is a leader's vote.
    pub committed: bool,
}

impl Envelope {
    /// The stored form.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Blank => frame(KIND_BLANK, &[]),
            Self::Membership(membership) => pack(KIND_MEMBERSHIP, membership),
            Self::App(app) => {
                let mut out = BytesMut::with_capacity(50 + app.command.len());
                out.put_slice(&[FORMAT, KIND_APP]);
                out.put_slice(&app.request.0);
                out.put_slice(&app.body_hash);
                out.put_slice(&app.command);
                out.freeze()
            }
            Self::Cluster(command) => command.encode(),
        }
    }

    /// The reverse of [`encode`](Self::encode). An unknown format or kind is an error that says to update this node.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let (kind, body) = open("log entry", bytes)?;
        Ok(match kind {
            KIND_BLANK => Self::Blank,
            KIND_MEMBERSHIP => Self::Membership(unpack("membership", &body)?),
            KIND_APP => {
                let (Some(request), Some(hash)) = (body.first_chunk::<16>(), body[16.min(body.len())..].first_chunk())
                else {
                    return Err(broken("command", "it is shorter than its header"));
                };
                Self::App(AppCommand {
                    request: RequestId(*request),
                    body_hash: *hash,
                    command: body.slice(48..),
                })
            }
            kind => Self::Cluster(ClusterCommand::decode(kind, &body)?),
        })
    }

    /// Whether these bytes are a command of the replicated machine.
    pub fn is_app(bytes: &Bytes) -> bool {
        bytes.get(1) == Some(&KIND_APP)
    }

    /// Whether these bytes are a blank or a membership entry, which Raft itself must understand; everything else is
    /// only opened when it is applied. `None`: a command.
    pub fn decode_for_raft(bytes: &Bytes) -> Result<Option<Self>, CodecError> {
        match open("log entry", bytes)?.0 {
            KIND_BLANK | KIND_MEMBERSHIP => Self::decode(bytes).map(Some),
            _ => Ok(None),
        }
    }
}

impl ClusterCommand {
    fn encode(&self) -> Bytes {
        match self {
            Self::Found {
                name,
                node,
                feature_level,
                data_key_id,
            } => pack(KIND_FOUND, &(name, node, feature_level, data_key_id)),
            Self::IssueJoinToken {
                token,
                secret_hash,
                expires_ms,
            } => pack(KIND_ISSUE_JOIN_TOKEN, &(token, secret_hash, expires_ms)),
            Self::AdmitNode(admit) => pack(KIND_ADMIT_NODE, admit),
            Self::SetDataKey { key_id } => pack(KIND_SET_DATA_KEY, key_id),
            Self::SetFeatureLevel { level } => pack(KIND_SET_FEATURE_LEVEL, level),
            Self::ForgetNode { node } => pack(KIND_FORGET_NODE, node),
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, CodecError> {
        const WHAT: &str = "cluster command";
        Ok(match kind {
            KIND_FOUND => {
                let (name, node, feature_level, data_key_id) = unpack(WHAT, body)?;
                Self::Found {
                    name,
                    node,
                    feature_level,
                    data_key_id,
                }
            }
            KIND_ISSUE_JOIN_TOKEN => {
                let (token, secret_hash, expires_ms) = unpack(WHAT, body)?;
                Self::IssueJoinToken {
                    token,
                    secret_hash,
                    expires_ms,
                }
            }
            KIND_ADMIT_NODE => Self::AdmitNode(unpack(WHAT, body)?),
            KIND_SET_DATA_KEY => Self::SetDataKey {
                key_id: unpack(WHAT, body)?,
            },
            KIND_SET_FEATURE_LEVEL => Self::SetFeatureLevel {
                level: unpack(WHAT, body)?,
            },
            KIND_FORGET_NODE => Self::ForgetNode {
                node: unpack(WHAT, body)?,
            },
            unknown => return Err(newer("log entry", "kind", unknown)),
        })
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// `FORMAT`, kind, body.
fn frame(kind: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + body.len());
    out.put_slice(&[FORMAT, kind]);
    out.put_slice(body);
    out.freeze()
}

/// Frames a stored struct. Writing plain data into memory has no way to fail; an empty body would be refused by `unpack`.
fn pack<T: Serialize + ?Sized>(kind: u8, body: &T) -> Bytes {
    frame(kind, &postcard::to_stdvec(body).unwrap_or_default())
}

/// Splits a frame into kind and body; refuses a format that this build does not know.
fn open(what: &'static str, bytes: &Bytes) -> Result<(u8, Bytes), CodecError> {
    match bytes.get(..2) {
        Some(&[FORMAT, kind]) => Ok((kind, bytes.slice(2..))),
        Some(&[format, _]) => Err(newer(what, "format version", format)),
        _ => Err(broken(what, "it is shorter than its header")),
    }
}

/// Opens a stored struct; bytes that are left over are an error.
pub fn unpack<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, CodecError> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(broken(what, &format!("{} bytes are left over", rest.len()))),
        Err(error) => Err(broken(what, &error.to_string())),
    }
}

/// Why stored or sent bytes were written by a newer release, if they were.
pub fn newer_format(what: &'static str, bytes: &[u8]) -> Option<CodecError> {
    let format = bytes.first().filter(|format| **format > FORMAT)?;
    Some(newer(what, "format version", *format))
}

fn broken(what: &'static str, reason: &str) -> CodecError {
    CodecError {
        what,
        reason: reason.to_owned(),
    }
}

fn newer(what: &'static str, field: &str, found: u8) -> CodecError {
    CodecError {
        what,
        reason: format!(
            "{field} {found} is not known to this build (it writes format {FORMAT}); a newer release wrote it: \
             install that release on this node and start it again"
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
