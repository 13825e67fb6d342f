//! `wait=enforced`: asks every member until each has enforced a revision, or time is up.
//!
//! A time-out changes only what is listed, never the answer's status: the change is committed.

use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::{NodeId, PeerError};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::peers::{ENFORCED, EnforcedQuestion, EnforcementReport, decode, encode};
use super::{AdminApi, limits};

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// View swapped, sessions closed, ports tried.
    Enforced,
    /// Not yet.
    Pending(String),
    /// Tried, but something could not be done.
    Failed(String),
    /// It did not answer.
    Unreachable(String),
}

impl State {
    fn to_json(&self) -> Value {
        match self {
            Self::Enforced => json!({ "state": "enforced" }),
            Self::Pending(reason) => json!({ "state": "pending", "reason": reason }),
            Self::Failed(reason) => json!({ "state": "failed", "reason": reason }),
            Self::Unreachable(reason) => json!({ "state": "unreachable", "reason": reason }),
        }
    }
}

/// Waits until every member has enforced `revision`, at most `wait`. Gives an object by node name.
pub async fn wait(api: &Arc<AdminApi>, revision: u64, wait: Duration) -> Value {
    let until = Instant::now() + wait;
    let members = api.cluster.status().members;
    let states = join_all(members.into_iter().map(|(id, member)| async move {
        let state = member_state(api, id, revision, until).await;
        (member.name, state.to_json())
    }));
    Value::Object(states.await.into_iter().collect::<Map<_, _>>())
}

async fn member_state(api: &AdminApi, node: NodeId, revision: u64, until: Instant) -> State {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let state = ask(api, node, revision, left).await;
        let left = until.saturating_duration_since(Instant::now());
        match state {
            State::Enforced | State::Failed(_) => return state,
            _ if left.is_zero() => return state,
            State::Pending(_) => {}
            State::Unreachable(_) => tokio::time::sleep(limits::UNREACHABLE_PAUSE.min(left)).await,
        }
    }
}

async fn ask(api: &AdminApi, node: NodeId, revision: u64, left: Duration) -> State {
    // The member answers before the call's own deadline.
    let deadline = limits::PEER_DEADLINE.min(left.max(limits::UNREACHABLE_PAUSE));
    let question = EnforcedQuestion {
        revision,
        wait_millis: u64::try_from((deadline / 2).as_millis()).unwrap_or(0),
    };
    let answer = match encode(&question) {
        Ok(question) => api.cluster.call(node, ENFORCED, question, deadline).await,
        Err(reason) => return State::Failed(reason),
    };
    let report: EnforcementReport = match answer.map(|bytes| decode(ENFORCED, &bytes)) {
        Ok(Ok(report)) => report,
        Ok(Err(reason)) | Err(PeerError::Refused(reason)) => return State::Failed(reason),
        Err(PeerError::Unreachable(reason)) => return State::Unreachable(reason),
    };
    if report.revision < revision {
        State::Pending(format!("it has enforced revision {}", report.revision))
    } else if report.failures.is_empty() {
        State::Enforced
    } else {
        State::Failed(report.failures.join("; "))
    }
}
