//! Answers: bodies, JSON, and refusals as RFC 9457 problem details.
//!
//! Which status a refusal of the storage has is left to `status`.

use std::io;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use serde_json::{Value, json};

/// The bytes of an answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// What a request gets.
pub type Answer = Response<Body>;

/// Nothing.
pub fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// These bytes.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    with(status, nothing())
}

/// An answer with a body.
pub fn with(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

/// JSON.
pub fn json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = with(status, whole(value.to_string()));
    set(&mut answer, header::CONTENT_TYPE, "application/json");
    set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

/// A refusal: `word` stands in its type and never changes, `detail` says what was tried, why not and what to do.
pub fn problem(status: StatusCode, word: &str, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or("Refused");
    let value = json!({
        "type": format!("urn:argosy:problem:{word}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut answer = json(status, &value);
    set(&mut answer, header::CONTENT_TYPE, "application/problem+json");
    answer
}

/// 405 with the methods that apply.
pub fn not_allowed(allowed: &'static str) -> Answer {
    let detail = format!("the method does not apply here; these do: {allowed}");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", &detail);
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Sets a header whose value is text of ours; what cannot stand in a header is left out.
pub fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
