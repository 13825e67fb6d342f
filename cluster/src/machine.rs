//! The contract with the user of this crate: what a replicated state machine is.
//!
//! Durability, ordering, retries, membership and snapshots are left to the other rooms.

use std::fmt::Debug;
use std::sync::Arc;

/// One row of replicated state that an apply wrote or removed.
///
/// All state is a map from byte keys to byte values. The crate keeps the map (in memory, in sled, in snapshots,
/// under the state hash); the machine keeps its own typed form of it and says what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row's key, unique within the machine.
    pub key: Vec<u8>,
    /// The new value, or `None` where the row is removed. The crate keeps these very bytes: a machine that keeps them
    /// too takes no further room for them.
    pub value: Option<Arc<[u8]>>,
}

/// The key and the value of a row that is stored.
pub type StoredRow<'a> = (&'a [u8], &'a Arc<[u8]>);

/// What the machine may know about the moment of an apply; the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplyContext {
    /// The log index of the command, which is also the revision that it makes.
    pub revision: u64,
    /// The feature level that all voters support and that the cluster has agreed on.
    pub feature_level: u32,
}

/// What an apply did.
#[derive(Debug)]
pub struct Applied<O> {
    /// The answer for the proposer; kept with the request id, so that a retry gets the same.
    pub outcome: O,
    /// The rows that changed, in any order; empty where the command was refused.
    pub changes: Vec<Change>,
}

/// Bytes of a command, an outcome or a row that cannot be understood by this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError {
    /// What was being decoded, for instance `"account row"`.
    pub what: &'static str,
    /// Why it failed.
    pub reason: String,
}

impl std::fmt::Display for CodecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot decode {}: {}", self.what, self.reason)
    }
}

impl std::error::Error for CodecError {}

/// The stored rows do not make a state that this build understands.
pub type RestoreError = CodecError;

/// A deterministic machine that the cluster replicates.
///
/// `apply` is pure: the same commands in the same order give the same rows and outcomes on every node, with no
/// clock, no randomness, no I/O. A command that cannot be decoded stops the node: a newer build wrote it.
pub trait StateMachine: Send + 'static {
    /// A change that is asked for.
    type Command: Clone + Debug + Send + Sync + 'static;
    /// The answer to a command, refusals included.
    type Outcome: Clone + Debug + Send + Sync + 'static;
    /// The published, immutable picture of the state; cheap to make (structural sharing).
    type View: Send + Sync + 'static;

    /// The highest feature level that this build can apply.
    const FEATURE_LEVEL_MAX: u32;

    /// The stored form of a command, its format version included.
    fn encode_command(command: &Self::Command) -> Vec<u8>;
    /// The reverse of [`encode_command`](Self::encode_command).
    fn decode_command(bytes: &[u8]) -> Result<Self::Command, CodecError>;
    /// The stored form of an outcome, its format version included.
    fn encode_outcome(outcome: &Self::Outcome) -> Vec<u8>;
    /// The reverse of [`encode_outcome`](Self::encode_outcome).
    fn decode_outcome(bytes: &[u8]) -> Result<Self::Outcome, CodecError>;

    /// Whether the row with this key is kept on disk only, not in memory: for rows that are many and seldom read, and
    /// that apply itself never needs, such as a history. Its value is replicated, hashed and read back with
    /// [`Cluster::rows`](crate::Cluster::rows) as any other. A key must always get the same answer, in each release.
    fn kept_on_disk(_key: &[u8]) -> bool {
        false
    }

    /// Builds the machine from its rows, in key order: at start, and when a snapshot is installed. No rows: new. Of a
    /// row that is [kept on disk](Self::kept_on_disk) only the key is given, with an empty value. Values may be kept:
    /// the crate shares them.
    fn restore(rows: &mut dyn Iterator<Item = StoredRow<'_>>) -> Result<Self, RestoreError>
    where
        Self: Sized;
    /// Applies one committed command.
    fn apply(&mut self, context: ApplyContext, command: &Self::Command) -> Applied<Self::Outcome>;
    /// The picture of the state as it is now; `revision` is the last applied index.
    fn view(&self, revision: u64) -> Self::View;
}
