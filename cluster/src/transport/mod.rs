//! Bytes between nodes: HTTP/2 over mutual TLS 1.3, one listener, a few connections to each peer.
//!
//! It knows nothing of Raft, of commands or of tokens. Who is a member comes from outside as a [`PeerTable`]; what a
//! request means is left to the [`Service`].
//!
//! A peer is accepted when its certificate is signed by the cluster's authority *and* its node id stands in the
//! table with that certificate's fingerprint. Without a certificate only `POST /join` is answered.

mod client;
mod doorstep;
pub(crate) mod limits;
mod messages;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use client::{Client, join_request};
pub(crate) use messages::{Messages, Outgoings};
pub(crate) use server::{Listening, listen};
pub(crate) use stream::Incoming;
pub(crate) use tls::Credentials;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::NodeId;

/// A future that a [`Service`] answers with.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send + 'a>>;

/// Where a member is reached and which certificate it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its peer address.
    pub(crate) address: SocketAddr,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
}

/// The members that are heard and called; replaced as a whole when the membership changes.
pub(crate) type PeerTable = BTreeMap<NodeId, Peer>;

/// How the table reaches the transport.
pub(crate) type Peers = tokio::sync::watch::Receiver<Arc<PeerTable>>;

/// A connection of its own for each kind of traffic, so that none waits behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Heartbeats, appends, votes.
    Consensus,
    /// Whole snapshots.
    Snapshot,
    /// Everything else: forwarded proposals, keys, the product's own questions.
    Peer,
}

/// The status with which a node refuses a peer that is not (or not yet, or no longer) in its table; nothing else
/// answers with it.
pub(crate) const NOT_A_MEMBER: u16 = 403;

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Why, for a person.
    pub(crate) text: String,
}

impl Refusal {
    /// A refusal with a status and a reason.
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Nothing left this node: it is certain that nothing happened.
    NotSent(String),
    /// It broke after sending: whether anything happened is not known.
    Broken(String),
    /// The peer answered that it will not.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why, in the peer's words.
        text: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "not reached: {why}"),
            Self::Broken(why) => write!(f, "no answer: {why}"),
            Self::Refused { status, text } => write!(f, "refused ({status}): {text}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Answers what comes in. Paths below `/stream/` go to [`stream`](Self::stream), those below `/converse/` to
/// [`converse`](Self::converse), `/join` of strangers to [`join`](Self::join), the rest to [`call`](Self::call).
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers a member's request; the body is whole and bounded.
    fn call<'a>(&'a self, from: NodeId, path: &'a str, body: Bytes) -> Answering<'a>;
    /// Takes a member's stream: a bounded head, then bytes that are read piece by piece.
    fn stream<'a>(&'a self, from: NodeId, path: &'a str, head: Bytes, body: Incoming) -> Answering<'a>;
    /// Begins a conversation with a member: messages come in and go out until one side ends it. It is over when the
    /// answer ends, or when it is dropped because the connection is gone.
    fn converse(&self, from: NodeId, path: &str, messages: Messages) -> Result<Outgoings, Refusal>;
    /// Answers somebody who has no certificate yet.
    fn join<'a>(&'a self, from: SocketAddr, body: Bytes) -> Answering<'a>;
}
