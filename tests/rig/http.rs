//! The admin API as the tests ask it: one request a connection, every step with a deadline.

#[path = "../../chaos/src/live/exchange.rs"]
mod exchange;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::exchange::{Server, exchange, trusting};
use super::limits;

/// One node's admin API, as one who holds a certain token.
#[derive(Clone)]
pub struct Api {
    server: Server,
    authorization: Option<String>,
}

/// What the node answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Api {
    /// Trusts the authority in the PEM file `ca` alone.
    pub fn new(address: SocketAddr, ca: &Path, token: Option<&str>) -> Self {
        Self {
            server: Server {
                address,
                tls: trusting(ca).unwrap(),
                connect_max: limits::LINE,
                within: limits::ANSWER,
            },
            authorization: bearer(token),
        }
    }

    /// The same node, asked with another token or with none.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            authorization: bearer(token),
            ..self.clone()
        }
    }

    /// The same node, given this long for an answer.
    pub fn with_limit(&self, limit: Duration) -> Self {
        let server = Server {
            within: limit,
            ..self.server.clone()
        };
        Self { server, ..self.clone() }
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// PUT of an object's spec.
    #[track_caller]
    pub fn put(&self, path: &str, spec: &Value) -> Answer {
        self.put_with(path, &[], spec)
    }

    /// PUT of an object's spec, with header fields.
    #[track_caller]
    pub fn put_with(&self, path: &str, headers: &[(&str, &str)], spec: &Value) -> Answer {
        self.try_put(path, headers, spec)
            .unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// PUT of an object's spec; an error when no whole answer came.
    pub fn try_put(&self, path: &str, headers: &[(&str, &str)], spec: &Value) -> Result<Answer, String> {
        let body = serde_json::json!({ "spec": spec }).to_string();
        self.ask("PUT", path, headers, body.as_bytes())
    }

    /// POST of a JSON body.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[], &serde_json::to_vec(body).unwrap())
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], b"")
            .unwrap_or_else(|error| panic!("DELETE {path}: {error}"))
    }

    /// Any request; an error when no whole answer came.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let authorization = self.authorization.as_deref().map(|value| ("authorization", value));
        let headers: Vec<_> = authorization.into_iter().chain(headers.iter().copied()).collect();
        let received = exchange(&self.server, method, path, &headers, body).map_err(|error| error.to_string())?;
        Ok(Answer {
            request: format!("{method} {path} at {}", self.server.address),
            status: received.status,
            headers: received.headers,
            body: received.body,
        })
    }
}

fn bearer(token: Option<&str>) -> Option<String> {
    token.map(|token| format!("Bearer {token}"))
}

impl Answer {
    /// A header field, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Panics with the answer unless the status is 2xx.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            (200..300).contains(&self.status),
            "{} was answered with {}: {}",
            self.request,
            self.status,
            self.text()
        );
        self
    }

    /// Panics unless the change was made and every member has enforced it.
    #[track_caller]
    pub fn enforced(self) -> Self {
        let answer = self.ok();
        let json = answer.json();
        let told = json["enforced"].as_object();
        let all = told.is_some_and(|nodes| !nodes.is_empty() && nodes.values().all(|node| node["state"] == "enforced"));
        assert!(all, "{} is not enforced everywhere: {}", answer.request, answer.text());
        answer
    }

    /// Panics unless the answer is a problem document (RFC 9457) with one of these status codes.
    #[track_caller]
    pub fn problem(self, statuses: &[u16]) -> Self {
        let told = format!("{} was answered with {}: {}", self.request, self.status, self.text());
        assert!(statuses.contains(&self.status), "{told}; {statuses:?} was expected");
        let kind = self.header("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "{told}; its type is `{kind}`"
        );
        let problem = self.json();
        assert!(problem["title"].is_string(), "{told}; a title is missing");
        assert_eq!(problem["status"], self.status, "{told}; the status inside differs");
        self
    }

    /// The revision that a change was given.
    #[track_caller]
    pub fn revision(&self) -> u64 {
        let json = self.json();
        json["revision"]
            .as_u64()
            .unwrap_or_else(|| panic!("{}: no revision in {}", self.request, self.text()))
    }
}
