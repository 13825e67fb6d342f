//! What other nodes ask of this one: each route and who answers it.
//!
//! Who may ask at all is decided in `transport`; the answers themselves are made elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::messages::{HelloV1, JoinAskV1, MembershipAskV1};
use super::running::Node;
use super::{PeerError, PeerService, appends, limits, link};
use crate::envelope::wire::Framed;
use crate::envelope::{ClusterCommand, Envelope};
use crate::raft::{CoreError, Rpc};
use crate::transport::{Answering, CallError, Incoming, Lane, Messages, NOT_A_MEMBER, Outgoings, Refusal, Service};
use crate::{NodeId, StateMachine};

/// A sign of life.
pub(super) const HELLO: &str = "/node/hello";
/// A forwarded proposal.
pub(super) const PROPOSE: &str = "/node/propose";
/// ReadIndex.
pub(super) const READ: &str = "/node/read";
/// A member lacks keys.
pub(super) const KEYS: &str = "/node/keys";
/// A new data key.
pub(super) const KEY: &str = "/node/key";
/// A forwarded join request.
pub(super) const JOIN: &str = "/node/join";
/// A change that only the leader makes.
pub(super) const MEMBERSHIP: &str = "/node/membership";
/// The product's own routes.
pub(super) const PRODUCT: &str = "/product/";

/// Answers the product's own questions on the product's runtime, so that they never hold up consensus.
pub(super) struct Product {
    service: Arc<dyn PeerService>,
    runtime: Handle,
    permits: Semaphore,
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Product {
    pub(super) fn new(service: Arc<dyn PeerService>, runtime: Handle) -> Self {
        Self {
            service,
            runtime,
            permits: Semaphore::new(limits::PEER_CALLS_MAX),
        }
    }

    /// Asks the product of this node.
    pub(super) async fn call(&self, from: NodeId, route: &str, request: Bytes) -> Result<Bytes, Refusal> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|e| Refusal::new(503, e.to_string()))?;
        let (service, route) = (self.service.clone(), route.to_owned());
        let task = self
            .runtime
            .spawn(async move { service.call(from, &route, request).await });
        let _guard = AbortOnDrop(task.abort_handle());
        let answer = task
            .await
            .map_err(|e| Refusal::new(500, format!("the answer was given up: {e}")))?;
        answer.map_err(|text| Refusal::new(422, text))
    }
}

/// The transport's door to a node.
pub(super) struct Door<M: StateMachine>(pub(super) Arc<Node<M>>);

impl<M: StateMachine> Service for Door<M> {
    fn call<'a>(&'a self, from: NodeId, path: &'a str, body: Bytes) -> Answering<'a> {
        Box::pin(self.0.answer(from, path, body))
    }

    fn stream<'a>(&'a self, _from: NodeId, path: &'a str, head: Bytes, body: Incoming) -> Answering<'a> {
        Box::pin(async move {
            if path != link::SNAPSHOT {
                return Err(no_such_route(path));
            }
            self.0.take_snapshot(head, body).await
        })
    }

    fn converse(&self, _from: NodeId, path: &str, messages: Messages) -> Result<Outgoings, Refusal> {
        match path {
            link::APPENDS => Ok(appends::answer(self.0.clone(), messages)),
            _ => Err(no_such_route(path)),
        }
    }

    fn join<'a>(&'a self, from: SocketAddr, body: Bytes) -> Answering<'a> {
        Box::pin(async move {
            let ask = JoinAskV1::decode(&body).map_err(|e| Refusal::new(400, e.to_string()))?;
            tracing::info!(%from, name = ask.name, "a machine asks to join");
            self.0.admit(ask).await
        })
    }
}

impl<M: StateMachine> Node<M> {
    async fn answer(self: &Arc<Self>, from: NodeId, path: &str, body: Bytes) -> Result<Bytes, Refusal> {
        if let Some(rpc) = path.strip_prefix(link::RAFT_CONFIRMED) {
            self.confirmed_leader_was_heard();
            return self.answer_raft(rpc, body).await;
        }
        if let Some(rpc) = path.strip_prefix(link::RAFT) {
            return self.answer_raft(rpc, body).await;
        }
        if let Some(route) = path.strip_prefix(PRODUCT) {
            return self.product.call(from, route, body).await;
        }
        match path {
            HELLO => Ok(self.say_hello().encode()),
            PROPOSE => Ok(self.propose_forwarded(&body).await?.encode()),
            READ => Ok(self.read_index_here().await.encode()),
            KEYS => self.answer_keys(from, &body),
            KEY => self.take_offer(&body).await,
            JOIN => {
                let ask = JoinAskV1::decode(&body).map_err(|e| Refusal::new(400, e.to_string()))?;
                self.admit_here(&ask).await.map(|reply| reply.encode())
            }
            MEMBERSHIP => {
                let ask = MembershipAskV1::decode(&body).map_err(|e| Refusal::new(400, e.to_string()))?;
                Ok(self.change_membership_here(ask).await.encode())
            }
            _ => Err(no_such_route(path)),
        }
    }

    fn say_hello(&self) -> HelloV1 {
        let metrics = self.core.metrics();
        HelloV1 {
            leader: metrics.leader,
            feature_level_max: M::FEATURE_LEVEL_MAX,
            data_key: self.vault.ring().ids().last().copied(),
        }
    }

    async fn answer_raft(&self, rpc: &str, body: Bytes) -> Result<Bytes, Refusal> {
        let rpc = Rpc::from_name(rpc).ok_or_else(|| no_such_route(rpc))?;
        self.core.handle(rpc, body).await.map_err(raft_refusal)
    }

    async fn take_snapshot(&self, head: Bytes, mut body: Incoming) -> Result<Bytes, Refusal> {
        let mut sink = self.core.begin_snapshot().map_err(raft_refusal)?;
        while let Some(piece) = body.next().await? {
            // Short writes into the page cache; only `finish` waits for the disk.
            sink.write(&piece)
                .map_err(|e| Refusal::new(500, format!("cannot keep the snapshot: {e}")))?;
        }
        let finished = tokio::task::spawn_blocking(move || sink.finish()).await;
        let data = finished
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|e| Refusal::new(500, format!("cannot keep the snapshot: {e}")))?;
        self.core.receive_snapshot(head, data).await.map_err(raft_refusal)
    }
}

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::call`](crate::Cluster::call).
    pub(super) async fn call_product(
        &self,
        node: NodeId,
        route: &str,
        request: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, PeerError> {
        let answer = if node == self.id {
            let late = |_| PeerError::Unreachable("this node itself did not answer in time".into());
            let answer = timeout(deadline, self.product.call(self.id, route, request))
                .await
                .map_err(late)?;
            answer.map_err(|Refusal { status, text }| CallError::Refused { status, text })
        } else {
            self.client
                .call(node, Lane::Peer, &format!("{PRODUCT}{route}"), request, deadline)
                .await
        };
        answer.map_err(|error| match error {
            CallError::Refused {
                status: NOT_A_MEMBER,
                text,
            } => PeerError::Unreachable(text),
            CallError::Refused { text, .. } => PeerError::Refused(text),
            CallError::NotSent(_) | CallError::Broken(_) => PeerError::Unreachable(error.to_string()),
        })
    }
}

/// Members forward the machine's commands and new join tokens; the rest of the cluster's own commands are made by
/// the leader itself.
pub(super) fn check_forwarded(body: &Bytes) -> Result<(), Refusal> {
    match Envelope::decode(body).map_err(|e| Refusal::new(400, e.to_string()))? {
        Envelope::App(_) | Envelope::Cluster(ClusterCommand::IssueJoinToken { .. }) => Ok(()),
        _ => Err(Refusal::new(400, "this kind of command is not forwarded")),
    }
}

fn no_such_route(path: &str) -> Refusal {
    Refusal::new(404, format!("there is no {path:?} here; another release may have it"))
}

fn raft_refusal(error: CoreError) -> Refusal {
    let status = match error {
        CoreError::Message { .. } => 400,
        _ => 503,
    };
    Refusal::new(status, error.to_string())
}
