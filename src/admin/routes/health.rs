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

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("GET", "/health/live", get(live)),
        Route::new("GET", "/health/ready", get(ready)),
        Route::new("GET", "/health/cluster", get(cluster)),
        Route::new("GET", "/metrics", get(metrics)),
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
