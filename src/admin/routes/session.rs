//! `GET /api/v1/session` and `POST /api/v1/session/ID/close`: live sessions of all nodes.

use std::sync::Arc;

use argosy_cluster::{Member, NodeId, PeerError};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::future::join_all;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Route;
use crate::admin::caller::Caller;
use crate::admin::peers::{self, CLOSE_SESSION, CloseAnswer, CloseQuestion, SESSIONS, SessionsAnswer};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{Options, PathPart};
use crate::admin::{AdminApi, change, limits};
use crate::catalog::Role;
use crate::events::Event;
use crate::ids::SessionId;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("GET", "/api/v1/session", get(list)),
        Route::new("POST", "/api/v1/session/{id}/close", post(close)),
    ]
}

/// What a member answered.
pub struct Asked<T> {
    /// Which member.
    pub id: NodeId,
    /// What the membership knows of it.
    pub member: Member,
    /// Its answer, or why there is none.
    pub answer: Result<T, String>,
}

/// Asks every member, all at once.
pub async fn ask<Q: Serialize, T: DeserializeOwned>(
    api: &AdminApi,
    route: &'static str,
    question: &Q,
) -> Vec<Asked<T>> {
    let question = peers::encode(question);
    let members = api.cluster.status().members;
    join_all(members.into_iter().map(|(id, member)| {
        let question = question.clone();
        async move {
            let answer = match question {
                Ok(question) => match api.cluster.call(id, route, question, limits::PEER_DEADLINE).await {
                    Ok(bytes) => peers::decode(route, &bytes),
                    Err(PeerError::Unreachable(reason)) => Err(reason),
                    Err(PeerError::Refused(reason)) => Err(format!("it refused to answer: {reason}")),
                },
                Err(reason) => Err(reason),
            };
            Asked { id, member, answer }
        }
    }))
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionQuery {
    account: Option<String>,
}

async fn list(State(api): State<Arc<AdminApi>>, Options(query): Options<SessionQuery>) -> Result<Response, Problem> {
    let asked: Vec<Asked<SessionsAnswer>> = ask(&api, SESSIONS, &json!({})).await;
    let (mut sessions, mut unreachable, mut count) = (Vec::new(), Vec::new(), 0);
    for node in asked {
        match node.answer {
            Ok(answer) => {
                count += answer.count;
                for row in answer.sessions {
                    if query.account.as_ref().is_none_or(|account| *account == row.account) {
                        let mut shown = serde_json::to_value(row).unwrap_or(Value::Null);
                        shown["node"] = node.member.name.clone().into();
                        sessions.push(shown);
                    }
                }
            }
            Err(reason) => unreachable.push(json!({ "node": node.member.name, "reason": reason })),
        }
    }
    let body = json!({ "sessions": sessions, "count": count, "unreachable": unreachable });
    Ok(change::json(StatusCode::OK, &body))
}

async fn close(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
) -> Result<Response, Problem> {
    let id: SessionId = part
        .0
        .parse()
        .map_err(|reason: String| Problem::new(ProblemKind::Malformed, reason))?;
    let closed = close_anywhere(&api, &caller, id).await;
    api.journal.record(Event::SessionCloseAsked {
        actor: caller.to_string(),
        from: caller.origin.to_string(),
        session: id.to_string(),
        target: closed.as_ref().ok().cloned(),
        failed: closed.as_ref().err().map(|problem| problem.detail.clone()),
    });
    let body = json!({ "closed": id.to_string(), "node": closed? });
    Ok(change::json(StatusCode::OK, &body))
}

/// Asks every node to close the session; gives the name of the one that had it.
async fn close_anywhere(api: &AdminApi, caller: &Caller, id: SessionId) -> Result<String, Problem> {
    caller.confirm(api, Role::Operator).await?;
    let asked: Vec<Asked<CloseAnswer>> = ask(api, CLOSE_SESSION, &CloseQuestion { id: id.to_string() }).await;
    let mut unreachable = Vec::new();
    for node in asked {
        match node.answer {
            Ok(answer) if answer.closed => return Ok(node.member.name),
            Ok(_) => {}
            Err(reason) => unreachable.push(json!({ "node": node.member.name, "reason": reason })),
        }
    }
    if unreachable.is_empty() {
        return Err(Problem::new(
            ProblemKind::NotFound,
            format!("no node has a session {id}"),
        ));
    }
    let detail = format!("no node that answers has a session {id}, but not every node answers");
    Err(Problem::new(ProblemKind::NodeOperationFailed, detail).with("unreachable", unreachable))
}
