//! A cluster in one process for tests: the real catalog behind the port, members that answer or do not.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argosy_cluster::{
    ApplyContext, ClusterStatus, Committed, Member, NodeError, NodeId, PeerError, PeerService, ProposeError, ReadError,
    RequestId, Row, RowsAsk, StateMachine,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::caller::Origin;
use super::peers::{EnforcementReport, Peers};
use super::port::ClusterPort;
use super::{AdminApi, AdminParts, NodeHealth, Readiness};
use crate::catalog::{Catalog, Command, Outcome, View};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::session::Registry;

/// A request's body and its answer.
type Seen = ([u8; 32], Committed<Outcome>);

/// What the members answer and what the log holds.
pub struct FakeCluster {
    state: Mutex<(Catalog, u64)>,
    seen: Mutex<HashMap<RequestId, Seen>>,
    /// Without it every proposal and linearizable read is refused.
    pub quorum: AtomicBool,
    /// Proposals are made, but answered as unknown.
    pub forgetful: AtomicBool,
    /// The next removal takes the quorum away.
    pub deposed: AtomicBool,
    /// Raised by the removal of a node.
    pub data_key: std::sync::atomic::AtomicU32,
    /// Keys before this one are gone.
    pub oldest_data_key: std::sync::atomic::AtomicU32,
    /// Members that answer questions.
    pub peers: Mutex<BTreeMap<NodeId, Arc<Peers>>>,
    members: Mutex<BTreeMap<NodeId, Member>>,
    revisions: tokio::sync::watch::Sender<u64>,
    /// Stored rows, the history's among them.
    pub rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl FakeCluster {
    fn new() -> Arc<Self> {
        let member = |name: &str| Member {
            name: name.to_owned(),
            peer_address: ([127, 0, 0, 1], 7400).into(),
            fingerprint: [0xab; 32],
            voter: true,
        };
        Arc::new(Self {
            state: Mutex::new((Catalog::default(), 0)),
            seen: Mutex::default(),
            quorum: AtomicBool::new(true),
            forgetful: AtomicBool::new(false),
            deposed: AtomicBool::new(false),
            data_key: 1.into(),
            oldest_data_key: 1.into(),
            peers: Mutex::default(),
            revisions: tokio::sync::watch::Sender::new(0),
            rows: Mutex::default(),
            members: Mutex::new(BTreeMap::from([
                (NodeId(1), member("node-1")),
                (NodeId(2), member("node-2")),
            ])),
        })
    }

    fn propose_now(
        &self,
        request: RequestId,
        body: [u8; 32],
        command: &Command,
    ) -> Result<Committed<Outcome>, ProposeError> {
        if !self.quorum.load(Ordering::SeqCst) {
            return Err(ProposeError::Unavailable {
                reason: "no quorum: 1 of 2 voters answers".to_owned(),
            });
        }
        if let Some((seen, answer)) = self.seen.lock().unwrap().get(&request) {
            return if *seen == body {
                Ok(answer.clone())
            } else {
                Err(ProposeError::RequestReused { request })
            };
        }
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let revision = state.1;
        let context = ApplyContext {
            revision,
            feature_level: 1,
        };
        let argosy_cluster::Applied { outcome, changes } = state.0.apply(context, command);
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            match change.value {
                Some(value) => rows.insert(change.key, value.to_vec()),
                None => rows.remove(&change.key),
            };
        }
        drop(rows);
        drop(state);
        self.revisions.send_replace(revision);
        let committed = Committed { revision, outcome };
        self.seen.lock().unwrap().insert(request, (body, committed.clone()));
        if self.forgetful.load(Ordering::SeqCst) {
            let reason = "the leader broke off".to_owned();
            return Err(ProposeError::OutcomeUnknown { request, reason });
        }
        Ok(committed)
    }
}

impl ClusterPort for FakeCluster {
    fn propose_request(
        &self,
        request: RequestId,
        body_hash: [u8; 32],
        command: Command,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<Committed<Outcome>, ProposeError>> {
        Box::pin(async move { self.propose_now(request, body_hash, &command) })
    }

    fn view(&self) -> Arc<View> {
        let state = self.state.lock().unwrap();
        Arc::new(state.0.view(state.1))
    }

    fn revisions(&self) -> tokio::sync::watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    fn rows(&self, ask: RowsAsk) -> BoxFuture<'_, Result<Vec<Row>, ReadError>> {
        Box::pin(async move {
            let rows = self.rows.lock().unwrap();
            let inside = rows.iter().filter(|(key, _)| key.starts_with(&ask.prefix));
            let row = |(key, value): (&Vec<u8>, &Vec<u8>)| Row {
                key: key.clone(),
                value: value.clone(),
            };
            let from = ask.from.as_ref();
            Ok(if ask.reverse {
                inside
                    .rev()
                    .filter(|(key, _)| from.is_none_or(|from| *key <= from))
                    .take(ask.limit)
                    .map(row)
                    .collect()
            } else {
                inside
                    .filter(|(key, _)| from.is_none_or(|from| *key >= from))
                    .take(ask.limit)
                    .map(row)
                    .collect()
            })
        })
    }

    fn linearize(&self, _deadline: Duration) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(async move {
            if self.quorum.load(Ordering::SeqCst) {
                Ok(self.state.lock().unwrap().1)
            } else {
                let reason = "no leader is known".to_owned();
                Err(ReadError { reason })
            }
        })
    }

    fn applied(&self, revision: u64, _deadline: Duration) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            let now = self.state.lock().unwrap().1;
            if now >= revision {
                Ok(())
            } else {
                let reason = format!("only revision {now} is applied here");
                Err(ReadError { reason })
            }
        })
    }

    fn status(&self) -> ClusterStatus {
        let revision = self.state.lock().unwrap().1;
        let quorum = self.quorum.load(Ordering::SeqCst);
        ClusterStatus {
            cluster: "c".repeat(32),
            node: NodeId(1),
            role: "leader",
            leader: quorum.then_some(NodeId(1)),
            term: 1,
            committed: revision,
            applied: revision,
            last_log: revision,
            quorum,
            replicated: BTreeMap::new(),
            members: self.members.lock().unwrap().clone(),
            feature_level: 1,
            state_hash: String::new(),
            log_fsyncs: 0,
            log_fsync_seconds: 0.0,
            standing: Default::default(),
        }
    }

    fn id(&self) -> NodeId {
        NodeId(1)
    }

    fn call(
        &self,
        node: NodeId,
        route: &'static str,
        request: Bytes,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, PeerError>> {
        Box::pin(async move {
            let peer = self.peers.lock().unwrap().get(&node).cloned();
            match peer {
                None => Err(PeerError::Unreachable("connection refused".to_owned())),
                Some(peer) => peer.call(NodeId(1), route, request).await.map_err(PeerError::Refused),
            }
        })
    }

    fn create_join_token(&self, valid: Duration) -> BoxFuture<'_, Result<String, NodeError>> {
        Box::pin(async move { Ok(format!("argosy-join-{}", valid.as_secs())) })
    }

    fn known_nodes(&self) -> BTreeMap<NodeId, String> {
        let members = self.members.lock().unwrap();
        let mut known: BTreeMap<_, _> = members.iter().map(|(id, member)| (*id, member.name.clone())).collect();
        known.insert(NodeId(7), "node-7".to_owned());
        known
    }

    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async move {
            // Node 7 stands for one whose removal stopped half-way.
            if self.members.lock().unwrap().remove(&node).is_none() && node != NodeId(7) {
                return Err(NodeError(format!("node {node} is not a member")));
            }
            if self.deposed.load(Ordering::SeqCst) {
                self.quorum.store(false, Ordering::SeqCst);
            }
            self.data_key.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }

    fn transfer_leadership(&self, _node: Option<NodeId>) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async move { Err(NodeError("node-2 is not up to date".to_owned())) })
    }

    /// Sealing for tests: key id, context, and the secret turned round, so that it's not found as it was.
    fn seal(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, NodeError> {
        let mut sealed = self.data_key.load(Ordering::SeqCst).to_be_bytes().to_vec();
        sealed.extend(context);
        sealed.push(0);
        sealed.extend(secret.iter().map(|byte| byte ^ 0x55));
        Ok(sealed)
    }

    fn unseal<'a>(
        &'a self,
        context: &'a [u8],
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, NodeError>> {
        Box::pin(async move {
            if sealed[..4] < self.oldest_data_key.load(Ordering::SeqCst).to_be_bytes()[..] {
                return Err(NodeError("its data key is gone".to_owned()));
            }
            let secret = sealed[4..]
                .strip_prefix(context)
                .ok_or(NodeError("another context".to_owned()))?;
            Ok(Zeroizing::new(secret[1..].iter().map(|byte| byte ^ 0x55).collect()))
        })
    }

    fn data_key_id(&self) -> u32 {
        self.data_key.load(Ordering::SeqCst)
    }
}

/// A node's admin API over a [`FakeCluster`], with everything that a test turns.
pub struct Node {
    /// The cluster.
    pub cluster: Arc<FakeCluster>,
    /// This node's sessions.
    pub registry: Arc<Registry>,
    /// The clock, standing still.
    pub clock: Clock,
    /// What this node says it has enforced; also answered as node-1 by [`FakeCluster::call`].
    pub enforced: Arc<Mutex<EnforcementReport>>,
    /// Whether it is ready.
    pub ready: Arc<Mutex<Readiness>>,
    /// The API.
    pub api: Arc<AdminApi>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body.
    pub body: serde_json::Value,
    /// Its body as it came.
    pub text: String,
}

#[expect(clippy::new_without_default, reason = "a test says what it makes")]
impl Node {
    /// node-1 of a cluster of two; node-2 does not answer.
    pub fn new() -> Self {
        let cluster = FakeCluster::new();
        let registry = Arc::new(Registry::default());
        let clock = Clock::fixed(UnixMillis(1_800_000_000_000));
        let report = EnforcementReport {
            revision: u64::MAX,
            failures: Vec::new(),
        };
        let enforced = Arc::new(Mutex::new(report));
        let ready = Arc::new(Mutex::new(Readiness::default()));
        let (report, readiness) = (enforced.clone(), ready.clone());
        let peers = Peers::new(registry.clone(), Arc::new(move || report.lock().unwrap().clone()));
        cluster.peers.lock().unwrap().insert(NodeId(1), peers);
        let api = AdminApi::new(AdminParts {
            cluster: cluster.clone(),
            registry: registry.clone(),
            journal: Journal::default(),
            clock: clock.clone(),
            node: "node-1".to_owned(),
            health: NodeHealth {
                ready: Arc::new(move || readiness.lock().unwrap().clone()),
                metrics: Arc::new(|| "argosy_up 1\n".to_owned()),
            },
        });
        Self {
            cluster,
            registry,
            clock,
            enforced,
            ready,
            api,
        }
    }

    /// Sends a request as it is.
    pub async fn send(&self, mut request: http::Request<String>, origin: Option<Origin>) -> Answer {
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        if let Some(origin) = origin {
            request.extensions_mut().insert(origin);
        }
        let response = self
            .api
            .router()
            .oneshot(request.map(axum::body::Body::from))
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Asks as root on the local socket; `headers` as `name: value`.
    pub async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        self.send(request.body(body.to_owned()).unwrap(), Some(Origin::Local))
            .await
    }

    /// Puts a spec as root and expects it to be taken.
    pub async fn put(&self, path: &str, spec: serde_json::Value) -> Answer {
        let body = serde_json::json!({ "spec": spec }).to_string();
        let answer = self.ask("PUT", &format!("/api/v1/{path}"), &[], &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer
    }
}
