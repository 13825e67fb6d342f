//! `GET /api/v1/status`: the cluster and every member, as this node sees them. Always answers, quorum or not.

use std::sync::Arc;

use argosy_cluster::{ClusterStatus, Member, NodeId};
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};

use super::Route;
use super::session::{Asked, ask};
use crate::admin::openapi::{Doc, fields, list, of_type};
use crate::admin::peers::{ENFORCED, EnforcedQuestion, EnforcementReport};
use crate::admin::{AdminApi, change};

/// Its route.
pub fn routes() -> Vec<Route> {
    let text = || of_type("string");
    let number = || of_type("integer");
    let known = fields(&[
        ("version", text()),
        ("cluster", text()),
        ("node", fields(&[("id", number()), ("name", text())])),
        ("role", text()),
        ("leader", json!({ "type": ["string", "null"] })),
        ("quorum", of_type("boolean")),
        ("term", number()),
        ("committed", number()),
        ("applied", number()),
        ("standing", of_type("object")),
        ("sessions", number()),
        ("nodes", list(of_type("object"))),
    ]);
    let doc = Doc::new("The cluster as this node sees it, quorum or not", known);
    vec![Route::new("GET", "/api/v1/status", get(status), doc)]
}

async fn status(State(api): State<Arc<AdminApi>>) -> Response {
    let now = api.cluster.status();
    let question = EnforcedQuestion {
        revision: 0,
        wait_millis: 0,
    };
    let reports: Vec<Asked<EnforcementReport>> = ask(&api, ENFORCED, &question).await;
    let nodes: Vec<_> = reports
        .into_iter()
        .map(|asked| {
            let mut shown = member(&now, asked.id, &asked.member);
            match asked.answer {
                Ok(report) => {
                    shown["enforced"] = report.revision.into();
                    shown["failures"] = report.failures.into();
                }
                Err(reason) => shown["unreachable"] = reason.into(),
            }
            shown
        })
        .collect();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cluster": now.cluster,
        "node": { "id": now.node, "name": api.node },
        "role": now.role,
        "leader": now.leader.map(|leader| name_of(&now, leader)),
        "quorum": now.quorum,
        "term": now.term,
        "committed": now.committed,
        "applied": now.applied,
        "last_log": now.last_log,
        "feature_level": now.feature_level,
        "state_hash": now.state_hash,
        "standing": now.standing,
        "sessions": api.registry.count(),
        "nodes": nodes,
    });
    change::json(StatusCode::OK, &body)
}

/// A member as JSON.
pub fn member(now: &ClusterStatus, id: NodeId, member: &Member) -> Value {
    let fingerprint: String = member.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": id,
        "name": member.name,
        "peer_address": member.peer_address,
        "fingerprint": fingerprint,
        "voter": member.voter,
        "leader": now.leader == Some(id),
        "replicated": now.replicated.get(&id),
    })
}

/// A member's name, or its number where it is not known.
pub fn name_of(now: &ClusterStatus, id: NodeId) -> String {
    now.members
        .get(&id)
        .map_or_else(|| format!("node {id}"), |member| member.name.clone())
}
