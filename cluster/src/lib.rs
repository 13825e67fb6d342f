//! Replicates a [`StateMachine`] over Raft between a handful of nodes.
//!
//! This crate knows no account and no file: it moves opaque commands into a log that a majority keeps on disk,
//! applies them in one order on every node, and publishes what results as an immutable view. It is the only
//! importer of the stores (`raft-log` for log and vote, `sled` for applied state).
//!
//! # Rooms, in reading order
//!
//! * [`machine`]: the contract with whoever uses this crate: command, outcome, view, changes.
//! * [`outcome`]: what a caller can be told about a proposal or a read; *unknown* is one of the answers.
//! * `envelope`: the versioned bytes that are stored and sent; no library's own form is ever stored.
//! * `raft`: openraft behind our own types: type configuration, state machine, log stores, snapshots. Generic
//!   over runtime, network and log store, so that it runs on simulated time.
//! * `store`: applied state in sled, rebuildable; snapshot files.
//! * `identity`: this node's certificate and secrets, the cluster's authority, join tokens, the key ring.
//! * `transport`: HTTP/2 over mutual TLS between nodes; bytes only.
//! * `sim`: a simulated cluster of the same core, for tests and the chaos harness; `planted`: bugs that prove both.
//! * `node`: the running node: [`Cluster`], forwarding, reads, membership, join, removal.
//!
//! # Absences
//!
//! The state machine never sees a clock, randomness, a disk or a socket. `transport` never sees openraft.
//! `raft` never names tokio: time, tasks and channels come through its runtime parameter.

mod envelope;
mod identity;
pub mod limits;
pub mod machine;
pub mod node;
pub mod outcome;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod raft;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod store;
mod transport;

pub use machine::{Applied, ApplyContext, Change, CodecError, RestoreError, StateMachine, StoredRow};
pub use node::{
    Cluster, ClusterStatus, InitOptions, JoinOptions, Member, NodeError, NodeId, PeerError, PeerService, Row, RowsAsk,
    Standing, StartOptions,
};
pub use outcome::{Committed, ProposeError, ReadError, RequestId};
