//! What nodes ask of one another outside the log: sessions, closing one, enforced revisions. JSON both ways.
//!
//! Carrying the questions is left to the cluster crate, which lets only members ask.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use argosy_cluster::{NodeId, PeerService};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::limits;
use crate::ids::SessionId;
use crate::session::{CloseReason, Registry, Session};

/// The route that lists sessions.
pub const SESSIONS: &str = "sessions";
/// The route that closes one.
pub const CLOSE_SESSION: &str = "close-session";
/// The route that tells what is enforced.
pub const ENFORCED: &str = "enforced";

/// What a node has enforced, as its reconciler says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcementReport {
    /// The revision up to which everything was tried: view swapped, sessions closed, ports opened and closed.
    pub revision: u64,
    /// What could not be done, for people: `service sftp: port 22 is in use`.
    #[serde(default)]
    pub failures: Vec<String>,
}

/// Gives this node's report; cheap.
pub type Enforcement = Arc<dyn Fn() -> EnforcementReport + Send + Sync>;

/// A session, as nodes and the API tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in `Session`")]
pub struct SessionRow {
    pub id: String,
    pub account: String,
    pub service: String,
    pub protocol: String,
    pub peer: String,
    /// RFC 3339.
    pub started_at: String,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// `password`, or a key's fingerprint.
    pub credential: String,
}

impl SessionRow {
    /// The row of a live session.
    pub fn of(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            account: session.principal.account.to_string(),
            service: session.service.to_string(),
            protocol: session.protocol().to_owned(),
            peer: session.peer.to_string(),
            started_at: session.started_at.to_rfc3339(),
            bytes_in: session.bytes_in.load(Ordering::Relaxed),
            bytes_out: session.bytes_out.load(Ordering::Relaxed),
            credential: session.principal.credential.shown(),
        }
    }
}

/// The answer of [`SESSIONS`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SessionsAnswer {
    /// At most [`limits::SESSIONS_LISTED_MAX`].
    pub sessions: Vec<SessionRow>,
    /// How many there are.
    pub count: usize,
}

/// The question of [`CLOSE_SESSION`].
#[derive(Debug, Serialize, Deserialize)]
pub struct CloseQuestion {
    /// Which session.
    pub id: String,
}

/// The answer of [`CLOSE_SESSION`].
#[derive(Debug, Serialize, Deserialize)]
pub struct CloseAnswer {
    /// Whether it was here.
    pub closed: bool,
}

/// The question of [`ENFORCED`].
#[derive(Debug, Serialize, Deserialize)]
pub struct EnforcedQuestion {
    /// Answer once this revision is enforced ...
    pub revision: u64,
    /// ... or after this long, in milliseconds; at most [`limits::PEER_DEADLINE`].
    pub wait_millis: u64,
}

/// Answers other members' questions about this node.
pub struct Peers {
    registry: Arc<Registry>,
    enforcement: Enforcement,
}

impl Peers {
    /// Answers from `registry` and `enforcement`.
    pub fn new(registry: Arc<Registry>, enforcement: Enforcement) -> Arc<Self> {
        Arc::new(Self { registry, enforcement })
    }

    fn sessions(&self) -> SessionsAnswer {
        let live = self.registry.list();
        SessionsAnswer {
            count: live.len(),
            sessions: live
                .iter()
                .take(limits::SESSIONS_LISTED_MAX)
                .map(|session| SessionRow::of(session))
                .collect(),
        }
    }

    async fn enforced(&self, question: &EnforcedQuestion) -> EnforcementReport {
        let wait = Duration::from_millis(question.wait_millis).min(limits::PEER_DEADLINE);
        let until = tokio::time::Instant::now() + wait;
        loop {
            let report = (self.enforcement)();
            if report.revision >= question.revision || tokio::time::Instant::now() >= until {
                return report;
            }
            tokio::time::sleep(limits::ENFORCED_POLL).await;
        }
    }

    async fn answer(&self, route: &str, request: &[u8]) -> Result<Bytes, String> {
        match route {
            SESSIONS => encode(&self.sessions()),
            CLOSE_SESSION => {
                let question: CloseQuestion = decode(route, request)?;
                let id: SessionId = question.id.parse()?;
                let closed = self.registry.close(id, CloseReason::Administrator);
                encode(&CloseAnswer { closed })
            }
            ENFORCED => encode(&self.enforced(&decode(route, request)?).await),
            unknown => Err(format!("this node knows no route `{}`", unknown.escape_debug())),
        }
    }
}

impl PeerService for Peers {
    fn call<'a>(
        &'a self,
        _from: NodeId,
        route: &'a str,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>> {
        Box::pin(async move { self.answer(route, &request).await })
    }
}

/// A question or an answer as bytes.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, String> {
    serde_json::to_vec(message)
        .map(Bytes::from)
        .map_err(|error| format!("cannot write an answer: {error}"))
}

/// The reverse of [`encode`].
pub fn decode<T: DeserializeOwned>(route: &str, bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("cannot read a message of `{route}`: {error}"))
}
