//! What the admin API needs of the cluster, as a trait: the running node implements it, and so does the tests'
//! one-process cluster.
//!
//! What the calls mean is told in [`argosy_cluster::Cluster`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::{
    Cluster, ClusterStatus, Committed, NodeError, NodeId, PeerError, ProposeError, ReadError, RequestId, Row, RowsAsk,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::catalog::{Catalog, Command, Outcome, View};

/// The cluster as the admin API sees it; each method is the one of the same name in [`Cluster`].
#[expect(missing_docs, reason = "documented where they are implemented")]
pub trait ClusterPort: Send + Sync + 'static {
    fn propose_request(
        &self,
        request: RequestId,
        body_hash: [u8; 32],
        command: Command,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Committed<Outcome>, ProposeError>>;
    fn view(&self) -> Arc<View>;
    fn revisions(&self) -> watch::Receiver<u64>;
    fn rows(&self, ask: RowsAsk) -> BoxFuture<'_, Result<Vec<Row>, ReadError>>;
    fn linearize(&self, deadline: Duration) -> BoxFuture<'_, Result<u64, ReadError>>;
    fn applied(&self, revision: u64, deadline: Duration) -> BoxFuture<'_, Result<(), ReadError>>;
    fn status(&self) -> ClusterStatus;
    fn id(&self) -> NodeId;
    fn call(
        &self,
        node: NodeId,
        route: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, PeerError>>;
    fn create_join_token(&self, valid: Duration) -> BoxFuture<'_, Result<String, NodeError>>;
    fn known_nodes(&self) -> BTreeMap<NodeId, String>;
    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), NodeError>>;
    fn transfer_leadership(&self, node: Option<NodeId>) -> BoxFuture<'_, Result<(), NodeError>>;
    fn seal(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, NodeError>;
    fn unseal<'a>(
        &'a self,
        context: &'a [u8],
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, NodeError>>;
    fn data_key_id(&self) -> u32;
}

impl ClusterPort for Cluster<Catalog> {
    fn propose_request(
        &self,
        request: RequestId,
        body_hash: [u8; 32],
        command: Command,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Committed<Outcome>, ProposeError>> {
        Box::pin(Self::propose_request(self, request, body_hash, command, deadline))
    }

    fn view(&self) -> Arc<View> {
        Self::view(self)
    }

    fn revisions(&self) -> watch::Receiver<u64> {
        Self::revisions(self)
    }

    fn rows(&self, ask: RowsAsk) -> BoxFuture<'_, Result<Vec<Row>, ReadError>> {
        Box::pin(Self::rows(self, ask))
    }

    fn linearize(&self, deadline: Duration) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(Self::linearize(self, deadline))
    }

    fn applied(&self, revision: u64, deadline: Duration) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(Self::applied(self, revision, deadline))
    }

    fn status(&self) -> ClusterStatus {
        Self::status(self)
    }

    fn id(&self) -> NodeId {
        Self::id(self)
    }

    fn call(
        &self,
        node: NodeId,
        route: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, PeerError>> {
        Box::pin(Self::call(self, node, route, request, deadline))
    }

    fn create_join_token(&self, valid: Duration) -> BoxFuture<'_, Result<String, NodeError>> {
        Box::pin(Self::create_join_token(self, valid))
    }

    fn known_nodes(&self) -> BTreeMap<NodeId, String> {
        Self::known_nodes(self)
    }

    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(Self::remove_node(self, node))
    }

    fn transfer_leadership(&self, node: Option<NodeId>) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(Self::transfer_leadership(self, node))
    }

    fn seal(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, NodeError> {
        Self::seal(self, context, secret)
    }

    fn unseal<'a>(
        &'a self,
        context: &'a [u8],
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, NodeError>> {
        Box::pin(Self::unseal(self, context, sealed))
    }

    fn data_key_id(&self) -> u32 {
        Self::data_key_id(self)
    }
}
