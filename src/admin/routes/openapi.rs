//! `GET /api/v1/openapi.json`: what this API is, for tools.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::Route;
use crate::admin::openapi::{self, Doc, of_type};

/// Its route.
pub fn routes() -> Vec<Route> {
    let doc = Doc::new("This document", of_type("object"));
    vec![Route::new("GET", "/api/v1/openapi.json", get(document), doc)]
}

async fn document() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| openapi::document(&super::all()).to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
