//! All routes of the admin API, one file a noun. Who may use which stands in `roles`.

pub mod apply;
pub mod export;
pub mod health;
pub mod history;
pub mod node;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod rollback;
pub mod session;
pub mod status;
pub mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::MethodRouter;

use super::AdminApi;
use super::caller::guard;
use super::openapi::Doc;
use super::problem::{Problem, ProblemKind};

/// One method on one path.
pub struct Route {
    /// `GET`, `PUT`, `PATCH`, `POST` or `DELETE`.
    pub method: &'static str,
    /// As axum writes it.
    pub path: String,
    /// Who answers.
    pub handler: MethodRouter<Arc<AdminApi>>,
    /// What it does.
    pub doc: Doc,
}

impl Route {
    fn new(method: &'static str, path: impl Into<String>, handler: MethodRouter<Arc<AdminApi>>, doc: Doc) -> Self {
        Self {
            method,
            path: path.into(),
            handler,
            doc,
        }
    }
}

/// All routes.
pub fn all() -> Vec<Route> {
    [
        health::routes(),
        object::routes(),
        apply::routes(),
        export::routes(),
        history::routes(),
        rollback::routes(),
        status::routes(),
        session::routes(),
        node::routes(),
        watch::routes(),
        openapi::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The router, guarded.
pub fn router(api: Arc<AdminApi>) -> Router {
    let mut router = Router::new();
    for route in all() {
        router = router.route(&route.path, route.handler);
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(axum::middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

async fn not_found(request: Request) -> Problem {
    let shown: String = request.uri().path().chars().take(200).collect();
    Problem::new(ProblemKind::NotFound, format!("there is nothing at {shown}"))
}

async fn method_not_allowed(request: Request) -> Problem {
    let shown: String = request.uri().path().chars().take(200).collect();
    Problem::new(
        ProblemKind::MethodNotAllowed,
        format!("{} cannot be done at {shown}", request.method()),
    )
}
