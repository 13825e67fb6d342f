//! `/health/live`, `/health/ready`, `/health/cluster` and `/metrics`: for balancers and scrapers, without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde_json::json;

use super::Route;
use crate::admin::AdminApi;
use crate::admin::change;
use crate::admin::openapi::{Doc, fields, list, of_type};

/// Its routes.
pub fn routes() -> Vec<Route> {
    let flag = || of_type("boolean");
    let live = Doc::new("Whether the node lives", fields(&[("live", flag())]));
    let ready = fields(&[("ready", flag()), ("reasons", list(of_type("string")))]);
    let ready = Doc::new("Whether a balancer should send clients", ready.clone()).also("503", "Not now", Some(ready));
    let cluster = fields(&[
        ("quorum", flag()),
        ("role", of_type("string")),
        ("leader_known", flag()),
        ("applied", of_type("integer")),
        ("members", of_type("integer")),
    ]);
    let cluster = Doc::new("Whether changes can be made", cluster.clone()).also("503", "No quorum", Some(cluster));
    let metrics = "text/plain; version=0.0.4; charset=utf-8";
    let metrics = Doc::of("Metrics for Prometheus", metrics, of_type("string"));
    vec![
        Route::new("GET", "/health/live", get(self::live), live),
        Route::new("GET", "/health/ready", get(self::ready), ready),
        Route::new("GET", "/health/cluster", get(self::cluster), cluster),
        Route::new("GET", "/metrics", get(self::metrics), metrics),
    ]
}

async fn live() -> Response {
    change::json(StatusCode::OK, &json!({ "live": true }))
}

/// Does not depend on a quorum, or the balancer would remove the survivors.
async fn ready(State(api): State<Arc<AdminApi>>) -> Response {
    let reasons = (api.health.ready)().reasons;
    let ready = reasons.is_empty();
    change::json(status(ready), &json!({ "ready": ready, "reasons": reasons }))
}

async fn cluster(State(api): State<Arc<AdminApi>>) -> Response {
    let now = api.cluster.status();
    let body = json!({
        "quorum": now.quorum,
        "role": now.role,
        "leader_known": now.leader.is_some(),
        "applied": now.applied,
        "members": now.members.len(),
    });
    change::json(status(now.quorum), &body)
}

async fn metrics(State(api): State<Arc<AdminApi>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, (api.health.metrics)()).into_response()
}

fn status(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
