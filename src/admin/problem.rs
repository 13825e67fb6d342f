//! Refusals as RFC 9457 problem details: one closed list, each with its type, title and status.
//!
//! Deciding that something is refused is left to the routes, the shapes and the catalog.

use argosy_cluster::{ProposeError, ReadError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::catalog::Refusal;

/// What kind of refusal it is; the word stands in `urn:argosy:problem:WORD` and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "title and status below say it")]
pub enum ProblemKind {
    Malformed,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BodyTimeout,
    InUse,
    Gone,
    Stale,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    Dangling,
    RequestReused,
    TooManyFailures,
    TooManyWatchers,
    Internal,
    Unavailable,
    NotConfirmed,
    NodeOperationFailed,
    OutcomeUnknown,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::InUse,
        Self::Gone,
        Self::Stale,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::Dangling,
        Self::RequestReused,
        Self::TooManyFailures,
        Self::TooManyWatchers,
        Self::Internal,
        Self::Unavailable,
        Self::NotConfirmed,
        Self::NodeOperationFailed,
        Self::OutcomeUnknown,
    ];

    /// The last part of its type, its HTTP status and its title.
    pub fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Malformed => ("malformed", 400, "The request cannot be read"),
            Self::Unauthorized => ("unauthorized", 401, "A valid token is needed"),
            Self::Forbidden => ("forbidden", 403, "The role does not allow this"),
            Self::NotFound => ("not-found", 404, "There is no such thing"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "This cannot be done here"),
            Self::BodyTimeout => ("body-timeout", 408, "The request did not arrive in time"),
            Self::InUse => ("in-use", 409, "Something else refers to it"),
            Self::Gone => ("gone", 410, "It is not kept any more"),
            Self::Stale => ("stale", 412, "It was changed meanwhile"),
            Self::TooLarge => ("too-large", 413, "The request is over a limit"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The body is of another type"),
            Self::Invalid => ("invalid", 422, "A value is not acceptable"),
            Self::Dangling => ("dangling", 422, "It refers to something that does not exist"),
            Self::RequestReused => (
                "request-reused",
                422,
                "The request id was used before for another change",
            ),
            Self::TooManyFailures => ("too-many-failures", 429, "Too many failed tokens"),
            Self::TooManyWatchers => ("too-many-watchers", 429, "Too many watches are open"),
            Self::Internal => ("internal", 500, "Something went wrong here"),
            Self::Unavailable => ("unavailable", 503, "The change was refused; nothing was changed"),
            Self::NotConfirmed => ("not-confirmed", 503, "The current state cannot be confirmed"),
            Self::NodeOperationFailed => ("node-operation-failed", 503, "The cluster could not do this"),
            Self::OutcomeUnknown => ("outcome-unknown", 504, "It is not known whether the change was made"),
        }
    }

    /// Its HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A refusal as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// What was tried, on what, why it was refused, what to do. Never holds a secret.
    pub detail: String,
    /// Further members.
    pub fields: Map<String, Value>,
}

impl Problem {
    /// A problem of `kind`.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            fields: Map::new(),
        }
    }

    /// A value that is not acceptable: `field` is its path (`spec.keys[0].key`), `reason` a clause that follows it.
    pub fn invalid(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::Invalid, format!("`{field}` {reason}")).with("field", field)
    }

    /// The problem with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// What the catalog refused.
    pub fn from_refusal(refusal: &Refusal) -> Self {
        let detail = refusal.to_string();
        let object = |key: &crate::catalog::ObjectKey| json!({ "kind": key.kind.word(), "name": key.name });
        match refusal {
            Refusal::Stale { key, current: None } => {
                Self::new(ProblemKind::NotFound, detail).with("object", object(key))
            }
            Refusal::Stale {
                key,
                current: Some(revision),
            } => Self::new(ProblemKind::Stale, detail)
                .with("object", object(key))
                .with("revision", *revision),
            Refusal::Dangling { from, to } => Self::new(ProblemKind::Dangling, detail)
                .with("object", object(from))
                .with("refers_to", object(to)),
            Refusal::InUse { key, by } => Self::new(ProblemKind::InUse, detail)
                .with("object", object(key))
                .with("used_by", object(by)),
            Refusal::Locked { .. } => Self::new(ProblemKind::InUse, detail),
            Refusal::Forbidden { .. } => Self::new(ProblemKind::Forbidden, detail),
            Refusal::Invalid { .. } => Self::new(ProblemKind::Invalid, detail),
        }
    }

    /// Why a proposal has no answer.
    pub fn from_propose(error: &ProposeError) -> Self {
        let detail = error.to_string();
        match error {
            ProposeError::Unavailable { .. } => Self::new(ProblemKind::Unavailable, detail),
            ProposeError::OutcomeUnknown { request, .. } => Self::new(ProblemKind::OutcomeUnknown, detail)
                .with("outcome", "unknown")
                .with("request", request.to_string()),
            ProposeError::RequestReused { request } => {
                Self::new(ProblemKind::RequestReused, detail).with("request", request.to_string())
            }
            ProposeError::TooLarge { .. } => Self::new(ProblemKind::TooLarge, detail),
        }
    }

    /// Why a linearizable read was not given.
    pub fn from_read(error: &ReadError) -> Self {
        Self::new(
            ProblemKind::NotConfirmed,
            format!("{error}; ask with `consistency=local` for what this node has applied"),
        )
        .with("alternative", "consistency=local")
    }

    /// The JSON object of RFC 9457.
    pub fn to_json(&self) -> Value {
        let (word, status, title) = self.kind.row();
        let mut object = self.fields.clone();
        object.insert("type".to_owned(), format!("urn:argosy:problem:{word}").into());
        object.insert("title".to_owned(), title.into());
        object.insert("status".to_owned(), status.into());
        object.insert("detail".to_owned(), self.detail.clone().into());
        Value::Object(object)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.kind {
            ProblemKind::Unauthorized => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"argosy\""),
                );
            }
            ProblemKind::Unavailable
            | ProblemKind::NotConfirmed
            | ProblemKind::TooManyFailures
            | ProblemKind::TooManyWatchers
            | ProblemKind::NodeOperationFailed => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use argosy_cluster::RequestId;

    use super::*;
    use crate::catalog::{Kind, ObjectKey};
    use crate::ids::Name;

    fn key(kind: Kind, name: &str) -> ObjectKey {
        ObjectKey {
            kind,
            name: Name::parse(name).unwrap(),
        }
    }

    #[track_caller]
    fn check(problem: Problem, status: u16, word: &str, part: &str) {
        let json = problem.to_json();
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["type"], format!("urn:argosy:problem:{word}"), "{json}");
        assert!(json["detail"].as_str().unwrap().contains(part), "{json}");
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }

    #[test]
    fn every_refusal_and_every_failed_proposal_has_its_problem() {
        let alice = key(Kind::Account, "alice");
        let disk = key(Kind::Storage, "disk");
        let refused = |refusal: Refusal| Problem::from_refusal(&refusal);
        let stale = |current| Refusal::Stale {
            key: alice.clone(),
            current,
        };
        check(refused(stale(Some(7))), 412, "stale", "revision is 7");
        check(refused(stale(None)), 404, "not-found", "account `alice` does not exist");
        let (from, to) = (alice.clone(), disk.clone());
        check(
            refused(Refusal::Dangling { from, to }),
            422,
            "dangling",
            "storage `disk`",
        );
        let (key, by) = (disk, alice);
        check(
            refused(Refusal::InUse { key, by }),
            409,
            "in-use",
            "in use by account `alice`",
        );
        let reason = "no longer an owner".to_owned();
        check(refused(Refusal::Forbidden { reason }), 403, "forbidden", "no longer");
        let reason = "two services on port 22".to_owned();
        check(refused(Refusal::Invalid { reason }), 422, "invalid", "port 22");

        let failed = |error: ProposeError| Problem::from_propose(&error);
        let request = RequestId([0xab; 16]);
        let reason = || "no quorum: 1 of 3 voters answers".to_owned();
        check(
            failed(ProposeError::Unavailable { reason: reason() }),
            503,
            "unavailable",
            "no quorum",
        );
        let unknown = failed(ProposeError::OutcomeUnknown {
            request,
            reason: reason(),
        });
        assert_eq!(unknown.fields["outcome"], "unknown");
        assert_eq!(unknown.fields["request"], "ab".repeat(16));
        check(unknown, 504, "outcome-unknown", "not known whether");
        check(
            failed(ProposeError::RequestReused { request }),
            422,
            "request-reused",
            "used before",
        );
        check(
            failed(ProposeError::TooLarge { bytes: 5_000_000 }),
            413,
            "too-large",
            "5000000",
        );
        let read = Problem::from_read(&ReadError { reason: reason() });
        check(read, 503, "not-confirmed", "consistency=local");
        check(Problem::new(ProblemKind::Unauthorized, "x"), 401, "unauthorized", "x");
    }

    #[test]
    fn no_two_kinds_of_problem_share_a_type() {
        let mut words: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.row().0).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ProblemKind::ALL.len());
    }
}
