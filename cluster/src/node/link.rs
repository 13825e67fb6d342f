//! Carries the messages of consensus over the transport: which lane, which path, how long to wait.
//!
//! What the bytes say is left to `raft`, connections to `transport`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use super::{appends, limits};
use crate::raft::{self, Appends, PeerTransport, Replies, Rpc, SnapshotData};
use crate::transport::{CallError, Client, Lane, NOT_A_MEMBER};

/// Where a leader's messages go that has heard a quorum within one election timeout.
pub(super) const RAFT_CONFIRMED: &str = "/raft-confirmed/";
/// Where all other messages of consensus go.
pub(super) const RAFT: &str = "/raft/";
/// Where a leader's entries go, one after the other.
pub(super) const APPENDS: &str = "/converse/appends";
/// Where snapshots go.
pub(super) const SNAPSHOT: &str = "/stream/snapshot";

/// The way of consensus to the other nodes.
#[derive(Clone)]
pub(super) struct Link {
    client: Arc<Client>,
    /// Whether this node leads and has heard a quorum lately; its followers are told with each message.
    confirmed: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(client: Arc<Client>, confirmed: Arc<AtomicBool>) -> Self {
        Self { client, confirmed }
    }
}

impl PeerTransport for Link {
    async fn call(
        &self,
        peer: &raft::Peer,
        rpc: Rpc,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, raft::CallError> {
        let confirmed = rpc == Rpc::Append && self.confirmed.load(Ordering::Relaxed);
        let path = format!("{}{}", if confirmed { RAFT_CONFIRMED } else { RAFT }, rpc.name());
        self.client
            .call(peer.id, Lane::Consensus, &path, body, timeout)
            .await
            .map_err(raft_error)
    }

    fn appends(&self, peer: &raft::Peer, appends: Appends, timeout: Duration) -> Replies {
        let (client, confirmed, node) = (self.client.clone(), self.confirmed.clone(), peer.id);
        let confirmed = move || confirmed.load(Ordering::Relaxed);
        appends::ask(client, node, (appends, confirmed), timeout)
    }

    async fn send_snapshot(
        &self,
        peer: &raft::Peer,
        head: Bytes,
        data: SnapshotData,
        timeout: Duration,
    ) -> Result<Bytes, raft::CallError> {
        self.client
            .upload(peer.id, Lane::Snapshot, SNAPSHOT, &head, pieces(data), timeout)
            .await
            .map_err(raft_error)
    }
}

/// The snapshot in pieces, read off the async threads as the peer takes them.
fn pieces(data: SnapshotData) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(0_u64, move |offset| {
        let data = data.clone();
        async move {
            let read = move || data.chunk(offset, limits::SNAPSHOT_CHUNK_BYTES);
            let piece = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
            let next = offset + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, next)))
        }
    })
}

pub(super) fn raft_error(error: CallError) -> raft::CallError {
    match error {
        CallError::NotSent(why) => raft::CallError::Unreachable(why),
        CallError::Refused {
            status: NOT_A_MEMBER,
            text,
        } => raft::CallError::Unreachable(text),
        CallError::Broken(_) | CallError::Refused { .. } => raft::CallError::Broken(error.to_string()),
    }
}
