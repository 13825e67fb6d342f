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
use crate::admin::openapi::{Doc, fields, list, of_type};
use crate::admin::peers::{self, CLOSE_SESSION, CloseAnswer, CloseQuestion, SESSIONS, SessionRow, SessionsAnswer};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{Options, PathPart};
use crate::admin::{AdminApi, change, limits, select};
use crate::catalog::Role;
use crate::events::Event;
use crate::ids::SessionId;

/// Its routes.
pub fn routes() -> Vec<Route> {
    let text = || of_type("string");
    let session = [
        "id",
        "account",
        "service",
        "protocol",
        "peer",
        "started_at",
        "credential",
        "node",
    ];
    let mut session: Vec<_> = session.map(|name| (name, text())).into();
    session.extend([("bytes_in", of_type("integer")), ("bytes_out", of_type("integer"))]);
    let silent = list(fields(&[("node", text()), ("reason", text())]));
    let page = fields(&[
        ("sessions", list(fields(&session))),
        ("count", of_type("integer")),
        ("unreachable", silent),
        ("next", json!({ "type": ["string", "null"] })),
    ]);
    let mut sessions = Doc::new("List the sessions of all nodes", page).pages(text());
    for name in ["account", "service", "protocol", "node"] {
        sessions = sessions.option(name, text(), "Only what this fits.");
    }
    let closed = Doc::new("Close a session", fields(&[("closed", text()), ("node", text())]));
    vec![
        Route::new("GET", "/api/v1/session", get(self::list_sessions), sessions),
        Route::new("POST", "/api/v1/session/{id}/close", post(close), closed),
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
    service: Option<String>,
    protocol: Option<String>,
    node: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

impl SessionQuery {
    fn takes(&self, row: &SessionRow, node: &str) -> bool {
        let fits = |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|asked| asked == found);
        fits(&self.account, &row.account)
            && fits(&self.service, &row.service)
            && fits(&self.protocol, &row.protocol)
            && fits(&self.node, node)
            && self.after.as_deref().is_none_or(|after| row.id.as_str() > after)
    }
}

async fn list_sessions(
    State(api): State<Arc<AdminApi>>,
    Options(query): Options<SessionQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.as_deref().map_or(Ok(limits::PAGE_DEFAULT), select::limit)?;
    let asked: Vec<Asked<SessionsAnswer>> = ask(&api, SESSIONS, &json!({})).await;
    let (mut found, mut unreachable, mut count) = (Vec::new(), Vec::new(), 0);
    for node in asked {
        let name = node.member.name;
        match node.answer {
            Ok(answer) => {
                count += answer.count;
                let rows = answer.sessions.into_iter().filter(|row| query.takes(row, &name));
                found.extend(rows.map(|row| (row, name.clone())));
            }
            Err(reason) => unreachable.push(json!({ "node": name, "reason": reason })),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let next = (found.len() > limit).then(|| {
        found.truncate(limit);
        found.last().map(|(row, _)| row.id.clone())
    });
    let sessions: Vec<_> = found
        .into_iter()
        .map(|(row, node)| {
            let mut shown = serde_json::to_value(row).unwrap_or(Value::Null);
            shown["node"] = node.into();
            shown
        })
        .collect();
    let body = json!({ "sessions": sessions, "count": count, "unreachable": unreachable, "next": next.flatten() });
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
