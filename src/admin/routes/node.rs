//! `GET /api/v1/node`, `DELETE /api/v1/node/ID`, `POST /api/v1/node/ID/lead`, `POST /api/v1/join-token`: the members.
//!
//! What these do is left to the cluster crate; sealing anew what the catalog holds, after a removal, is done here.

use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::{NodeError, NodeId, RequestId};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Route;
use super::status::{member, name_of};
use crate::admin::caller::Caller;
use crate::admin::change::Asked;
use crate::admin::openapi::{Doc, fields, list, of_type};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{self, Options, PathPart};
use crate::admin::select::{self, Glob};
use crate::admin::shapes::fields::Fields;
use crate::admin::shapes::host_key::seal_context;
use crate::admin::shapes::schema;
use crate::admin::{AdminApi, border, change, limits};
use crate::catalog::{Expected, HostKey, Kind, Object, ObjectKey, Role, Spec, Transaction};
use crate::events::Event;

/// Its routes.
pub fn routes() -> Vec<Route> {
    let text = || of_type("string");
    let nodes = Doc::new(
        "List the members",
        fields(&[
            ("nodes", list(of_type("object"))),
            ("next", json!({ "type": ["string", "null"] })),
        ]),
    );
    let name = json!({ "type": "string", "minLength": 1, "maxLength": limits::FILTER_BYTES_MAX });
    let nodes = nodes.option("name", name, "A pattern with `*` and `?`.").pages(text());
    let removed = fields(&[
        ("removed", of_type("integer")),
        ("name", text()),
        ("resealed", of_type("object")),
    ]);
    let removed = Doc::new("Remove a node for good", removed);
    let lead = Doc::new("Make a node the leader", fields(&[("leader", text())]));
    let seconds = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": limits::JOIN_TOKEN_SECONDS_MAX });
    let seconds = schema::object(Map::from_iter([("valid_seconds".to_owned(), seconds)]));
    let token = fields(&[("token", text()), ("valid_seconds", of_type("integer"))]);
    let token = Doc::new("Issue a token with which one node can join", token).optional_body(seconds);
    vec![
        Route::new("GET", "/api/v1/node", get(self::list_nodes), nodes),
        Route::new("DELETE", "/api/v1/node/{id}", delete(self::remove), removed),
        Route::new("POST", "/api/v1/node/{id}/lead", post(self::lead), lead),
        Route::new("POST", "/api/v1/join-token", post(self::join_token), token),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeQuery {
    name: Option<String>,
    limit: Option<String>,
    after: Option<u64>,
}

async fn list_nodes(State(api): State<Arc<AdminApi>>, Options(query): Options<NodeQuery>) -> Result<Response, Problem> {
    let limit = query.limit.as_deref().map_or(Ok(limits::PAGE_DEFAULT), select::limit)?;
    let name = query.name.as_deref().map(Glob::parse).transpose()?;
    let now = api.cluster.status();
    let members = now.members.iter().filter(|(id, member)| {
        let behind = query.after.is_none_or(|after| id.0 > after);
        behind && name.as_ref().is_none_or(|pattern| pattern.matches(&member.name))
    });
    let mut members: Vec<_> = members.take(limit + 1).collect();
    let next = (members.len() > limit).then(|| {
        members.truncate(limit);
        members.last().map(|(id, _)| id.0.to_string())
    });
    let nodes: Vec<_> = members
        .into_iter()
        .map(|(id, known)| member(&now, *id, known))
        .collect();
    Ok(change::json(
        StatusCode::OK,
        &json!({ "nodes": nodes, "next": next.flatten() }),
    ))
}

/// The node that a path names by its number or by its name: a member, or one whose removal stopped half-way.
fn known_id(api: &AdminApi, part: &PathPart) -> Result<NodeId, Problem> {
    let known = api.cluster.known_nodes();
    let by_number = part.0.parse().map(NodeId).ok().filter(|id| known.contains_key(id));
    let by_name = || known.iter().find(|(_, name)| **name == part.0).map(|(id, _)| *id);
    by_number.or_else(by_name).ok_or_else(|| {
        let listed: Vec<_> = known.iter().map(|(id, name)| format!("{id} ({name})")).collect();
        let shown = shown(part);
        let detail = format!("no node is {shown}; known are {}", listed.join(", "));
        Problem::new(ProblemKind::NotFound, detail)
    })
}

/// What a path named, bounded, for people.
fn shown(part: &PathPart) -> String {
    part.0.chars().take(128).collect()
}

fn failed(error: &NodeError) -> Problem {
    Problem::new(ProblemKind::NodeOperationFailed, error.to_string())
}

async fn remove(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
) -> Result<Response, Problem> {
    let removed = remove_known(&api, &caller, &part).await;
    let target = match &removed {
        Ok((_, name)) => name.clone(),
        Err(_) => shown(&part),
    };
    api.journal.record(Event::NodeRemoved {
        actor: caller.to_string(),
        from: caller.origin.to_string(),
        target,
        failed: removed.as_ref().err().map(|problem| problem.detail.clone()),
    });
    let (id, name) = removed?;
    // The removed node may hold the old data key, so nothing may stay sealed with it.
    let mut body = json!({ "removed": id, "name": name });
    // What this node had applied before may be an old state with an old data key.
    match api.cluster.linearize(limits::PROPOSE_DEADLINE).await {
        Ok(_) => body["resealed"] = reseal(&api, &caller).await,
        Err(error) => {
            let state = format!("failed: it cannot be confirmed which keys are to be sealed anew: {error}");
            tracing::error!(node = %name, reason = %state, "no host key is sealed anew");
            let keys = api
                .cluster
                .view()
                .host_keys
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            body["resealed"] = keys
                .into_iter()
                .map(|key| (key, Value::from(state.clone())))
                .collect::<Map<_, _>>()
                .into();
            body["unconfirmed"] = state.into();
        }
    }
    Ok(change::json(StatusCode::OK, &body))
}

/// Removes the node that a path names; gives its id and its name.
async fn remove_known(api: &AdminApi, caller: &Caller, part: &PathPart) -> Result<(NodeId, String), Problem> {
    caller.confirm(api, Role::Owner).await?;
    let id = known_id(api, part)?;
    if id == api.cluster.id() {
        let detail = "a node cannot be removed through itself: nothing was done; ask another member";
        return Err(Problem::new(ProblemKind::Invalid, detail));
    }
    let name = api.cluster.known_nodes().remove(&id).unwrap_or_else(|| shown(part));
    api.cluster.remove_node(id).await.map_err(|error| failed(&error))?;
    Ok((id, name))
}

/// Seals every host key with the newest data key. Gives, by name, what became of it.
async fn reseal(api: &Arc<AdminApi>, caller: &Caller) -> Value {
    let newest = api.cluster.data_key_id().to_be_bytes();
    let mut told = Map::new();
    for object in api.cluster.view().host_keys.values() {
        if object.spec.sealed_private.starts_with(&newest) {
            continue;
        }
        let result = match reseal_one(api, caller, object).await {
            Ok(()) => "resealed".to_owned(),
            Err(problem) => {
                tracing::error!(host_key = %object.name, reason = %problem.detail, "a host key is not sealed anew");
                format!("failed: {}", problem.detail)
            }
        };
        told.insert(object.name.to_string(), result.into());
    }
    Value::Object(told)
}

async fn reseal_one(api: &Arc<AdminApi>, caller: &Caller, object: &Object<HostKey>) -> Result<(), Problem> {
    let context = seal_context(&object.name);
    let private = api.cluster.unseal(&context, &object.spec.sealed_private).await;
    let private = private.map_err(|error| failed(&error))?;
    let sealed_private = api.cluster.seal(&context, &private).map_err(|error| failed(&error))?;
    let key = ObjectKey {
        kind: Kind::HostKey,
        name: object.name.clone(),
    };
    let spec = Spec::HostKey(HostKey {
        sealed_private,
        ..object.spec.clone()
    });
    let transaction = Transaction {
        expected: vec![(key, Expected::Revision(object.revision))],
        puts: vec![(object.name.clone(), spec)],
        deletes: Vec::new(),
        seen: Vec::new(),
        held: Vec::new(),
    };
    let request = border::random().map(RequestId);
    let request = request.map_err(|reason| Problem::new(ProblemKind::Internal, reason))?;
    let request = Asked::new(api, request, caller, &[b"reseal", object.name.as_str().as_bytes()]).await?;
    change::make(api, caller, transaction, request).await.map(|_| ())
}

async fn lead(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
) -> Result<Response, Problem> {
    let moved = async {
        caller.confirm(&api, Role::Owner).await?;
        let id = known_id(&api, &part)?;
        let moved = api.cluster.transfer_leadership(Some(id)).await;
        moved.map_err(|error| failed(&error))?;
        Ok(name_of(&api.cluster.status(), id))
    }
    .await;
    api.journal.record(Event::LeadershipMoved {
        actor: caller.to_string(),
        from: caller.origin.to_string(),
        target: moved.as_ref().map_or_else(|_| shown(&part), String::clone),
        failed: moved.as_ref().err().map(|problem: &Problem| problem.detail.clone()),
    });
    Ok(change::json(StatusCode::OK, &json!({ "leader": moved? })))
}

async fn join_token(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let bytes = query::body(body).await?;
    let seconds = if bytes.is_empty() {
        limits::JOIN_TOKEN_SECONDS_DEFAULT
    } else {
        let value =
            serde_json::from_slice(&bytes).map_err(|_| Problem::new(ProblemKind::Malformed, "the body is not JSON"))?;
        let mut fields = Fields::of(value, "")?;
        let seconds = fields
            .take("valid_seconds")?
            .unwrap_or(limits::JOIN_TOKEN_SECONDS_DEFAULT);
        fields.done()?;
        seconds
    };
    if !(1..=limits::JOIN_TOKEN_SECONDS_MAX).contains(&seconds) {
        let reason = format!("must be from 1 to {}", limits::JOIN_TOKEN_SECONDS_MAX);
        return Err(Problem::invalid("valid_seconds", reason));
    }
    let token = async {
        caller.confirm(&api, Role::Owner).await?;
        let token = api.cluster.create_join_token(Duration::from_secs(seconds)).await;
        token.map_err(|error| failed(&error))
    }
    .await;
    api.journal.record(Event::JoinTokenIssued {
        actor: caller.to_string(),
        from: caller.origin.to_string(),
        valid_seconds: seconds,
        failed: token.as_ref().err().map(|problem| problem.detail.clone()),
    });
    let token = token?;
    Ok(change::json(
        StatusCode::OK,
        &json!({ "token": token, "valid_seconds": seconds }),
    ))
}
