//! Options in the query of a request, and the bodies: read strictly, an unknown one is refused.

use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::RequestId;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Caller;
use super::change::Asked;
use super::problem::{Problem, ProblemKind};
use super::{AdminApi, border, limits};
use crate::catalog::View;
use crate::ids::Name;

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Whatever this node has applied.
    Local,
    /// Everything that was committed when the request came.
    #[default]
    Linearizable,
}

impl Consistency {
    /// Reads `local` or `linearizable`.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        match word {
            "local" => Ok(Self::Local),
            "linearizable" => Ok(Self::Linearizable),
            _ => {
                let detail = "`consistency` must be `linearizable` or `local`";
                Err(Problem::new(ProblemKind::Malformed, detail))
            }
        }
    }
}

/// The options of a read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadQuery {
    /// How fresh.
    #[serde(default)]
    pub consistency: Consistency,
    /// Never older than this revision.
    #[serde(default)]
    pub min_revision: Option<u64>,
}

/// The options of a write.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteQuery {
    #[serde(default)]
    wait: Option<String>,
    #[serde(default)]
    timeout: Option<String>,
}

/// The options of a change that can be planned.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanQuery {
    #[serde(default)]
    wait: Option<String>,
    #[serde(default)]
    timeout: Option<String>,
    /// Answer what would be done, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

impl PlanQuery {
    /// The options of the change itself.
    pub fn write(&self) -> WriteQuery {
        WriteQuery {
            wait: self.wait.clone(),
            timeout: self.timeout.clone(),
        }
    }
}

impl WriteQuery {
    /// How long to wait until every member has enforced the change; `None`: not at all.
    pub fn wait(&self) -> Result<Option<Duration>, Problem> {
        let malformed = |detail: String| Err(Problem::new(ProblemKind::Malformed, detail));
        match (self.wait.as_deref(), self.timeout.as_deref()) {
            (None, None) => Ok(None),
            (None, Some(_)) => malformed("`timeout` has a meaning only with `wait=enforced`".to_owned()),
            (Some("enforced"), timeout) => {
                let seconds = match timeout {
                    None => Some(limits::WAIT_SECONDS_DEFAULT),
                    Some(text) => text.strip_suffix('s').unwrap_or(text).parse().ok(),
                };
                match seconds.filter(|seconds| (1..=limits::WAIT_SECONDS_MAX).contains(seconds)) {
                    Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
                    None => malformed(format!("`timeout` must be from 1s to {}s", limits::WAIT_SECONDS_MAX)),
                }
            }
            (Some(_), _) => malformed("`wait` must be `enforced`".to_owned()),
        }
    }
}

/// Query options, refused as a problem where they cannot be read.
pub struct Options<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Options<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(options)| Self(options))
            .map_err(|error| {
                use std::error::Error as _;
                let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                Problem::new(ProblemKind::Malformed, format!("the query cannot be read: {reason}"))
            })
    }
}

/// One part of the path, percent-decoded once; refused as a problem where it is not UTF-8.
pub struct PathPart(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(part)| Self(part))
            .map_err(|_| Problem::new(ProblemKind::Malformed, "the path is not percent-encoded UTF-8"))
    }
}

impl PathPart {
    /// As an object's name.
    pub fn name(&self) -> Result<Name, Problem> {
        Name::parse(&self.0)
            .map_err(|error| Problem::new(ProblemKind::Malformed, error.to_string()).with("field", "name"))
    }
}

/// The view that a read may answer from.
pub async fn view(api: &AdminApi, query: &ReadQuery) -> Result<Arc<View>, Problem> {
    if query.consistency == Consistency::Linearizable {
        api.cluster
            .linearize(limits::READ_DEADLINE)
            .await
            .map_err(|error| Problem::from_read(&error))?;
    }
    if let Some(revision) = query.min_revision {
        api.cluster
            .applied(revision, limits::READ_DEADLINE)
            .await
            .map_err(|error| Problem::from_read(&error).with("min_revision", revision))?;
    }
    Ok(api.cluster.view())
}

/// The request id of a write: `Idempotency-Key` or `X-Request-Id`, 32 hexadecimal digits, or a new one.
pub fn request_id(headers: &HeaderMap) -> Result<RequestId, Problem> {
    let mut found = None;
    for name in ["idempotency-key", "x-request-id"] {
        for value in headers.get_all(name) {
            let id = value.to_str().ok().and_then(parse_request_id).ok_or_else(|| {
                let detail = format!("the header {name} must have 32 hexadecimal digits");
                Problem::new(ProblemKind::Malformed, detail)
            })?;
            if found.is_some_and(|found| found != id) {
                let detail = "Idempotency-Key and X-Request-Id name two requests; send one";
                return Err(Problem::new(ProblemKind::Malformed, detail));
            }
            found = Some(id);
        }
    }
    match found {
        Some(id) => Ok(id),
        None => border::random()
            .map(RequestId)
            .map_err(|reason| Problem::new(ProblemKind::Internal, reason)),
    }
}

/// A request that changes something, before its body is read.
pub struct Write {
    api: Arc<AdminApi>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
}

/// The same, read.
pub struct Posted {
    /// Where it came in.
    pub api: Arc<AdminApi>,
    /// Who asks.
    pub caller: Caller,
    /// How long to wait until it is enforced; `None`: not at all.
    pub wait: Option<Duration>,
    /// What is asked for.
    pub body: Value,
    /// Its request id, and what makes a repetition of it one.
    pub request: Asked,
}

impl FromRequest<Arc<AdminApi>> for Write {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<AdminApi>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Problem::new(ProblemKind::Internal, "the request has no caller"))?;
        Ok(Self {
            api: api.clone(),
            caller,
            headers: parts.headers,
            body,
        })
    }
}

impl Write {
    /// Reads the body as JSON; `what` is the change in a word.
    pub async fn read(self, what: &str, options: &WriteQuery) -> Result<Posted, Problem> {
        let wait = options.wait()?;
        let bytes = body(self.body).await?;
        let request = asked(&self.api, &self.caller, what, &self.headers, &bytes).await?;
        Ok(Posted {
            api: self.api,
            caller: self.caller,
            wait,
            body: json(&bytes)?,
            request,
        })
    }
}

/// A write as its request id and what was asked: `what` is method and object.
pub async fn asked(
    api: &AdminApi,
    caller: &Caller,
    what: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Asked, Problem> {
    let precondition = |name| {
        headers
            .get(name)
            .map_or(&b""[..], |value: &http::HeaderValue| value.as_bytes())
    };
    let parts = [
        what.as_bytes(),
        precondition(header::IF_MATCH),
        precondition(header::IF_NONE_MATCH),
        body,
    ];
    Asked::new(api, request_id(headers)?, caller, &parts).await
}

fn parse_request_id(text: &str) -> Option<RequestId> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    Some(RequestId(number.to_be_bytes()))
}

/// The whole body, bounded in size and time. What is too long is read on for a while and thrown away: a connection
/// that is closed while its peer still sends would take the answer with it.
pub async fn body(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(limits::BODY_DEADLINE, gather(body)).await {
        Ok(gathered) => gathered,
        Err(_) => {
            let seconds = limits::BODY_DEADLINE.as_secs();
            Err(Problem::new(
                ProblemKind::BodyTimeout,
                format!("the body did not arrive within {seconds} s"),
            ))
        }
    }
}

async fn gather(mut body: Body) -> Result<Bytes, Problem> {
    let limit = limits::BODY_BYTES_MAX;
    let mut whole = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(ProblemKind::Malformed, "the body broke off"))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        bytes += chunk.len();
        if bytes <= limit {
            whole.extend_from_slice(&chunk);
        } else if bytes > limits::BODY_DISCARD_BYTES_MAX {
            break;
        }
    }
    if bytes > limit {
        let reason = format!("the body is over the limit of {limit} bytes");
        return Err(Problem::new(ProblemKind::TooLarge, reason));
    }
    Ok(whole.into())
}

/// A body as JSON. The reason names line and column, never what stands there.
pub fn json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::new(ProblemKind::Malformed, format!("the body is not JSON: see {place}"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_and_spelled_out() {
        let check = |wait: Option<&str>, timeout: Option<&str>, expected: Result<Option<u64>, &str>| {
            let query = WriteQuery {
                wait: wait.map(str::to_owned),
                timeout: timeout.map(str::to_owned),
            };
            match (query.wait(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.map(|wait| wait.as_secs()), expected),
                (Err(problem), Err(word)) => assert!(problem.detail.contains(word), "{}", problem.detail),
                (found, expected) => panic!("{wait:?} {timeout:?}: {found:?}, expected {expected:?}"),
            }
        };
        check(None, None, Ok(None));
        check(Some("enforced"), None, Ok(Some(5)));
        check(Some("enforced"), Some("7s"), Ok(Some(7)));
        check(Some("enforced"), Some("60"), Ok(Some(60)));
        check(Some("enforced"), Some("61s"), Err("from 1s to 60s"));
        check(Some("enforced"), Some("0s"), Err("from 1s to 60s"));
        check(Some("enforced"), Some("-1s"), Err("from 1s to 60s"));
        check(Some("enforced"), Some("soon"), Err("from 1s to 60s"));
        check(Some("committed"), None, Err("must be `enforced`"));
        check(None, Some("5s"), Err("only with"));
    }

    #[test]
    fn a_request_id_is_taken_from_either_header_and_only_whole() {
        let check = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            request_id(&headers).map(|id| id.to_string())
        };
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(check(&[("idempotency-key", id)]).unwrap(), id);
        assert_eq!(check(&[("x-request-id", &id.to_uppercase())]).unwrap(), id);
        assert_eq!(check(&[("x-request-id", id), ("idempotency-key", id)]).unwrap(), id);
        assert_ne!(check(&[]).unwrap(), check(&[]).unwrap());
        assert!(check(&[("x-request-id", "1")]).is_err());
        assert!(check(&[("x-request-id", "+0112233445566778899aabbccddeeff")]).is_err());
        assert!(check(&[("x-request-id", id), ("idempotency-key", &"0".repeat(32))]).is_err());
    }
}
