//! A node's admin API, as the first administrator asks it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub use super::exchange::NoAnswer;
use super::exchange::{Server, exchange, trusting};
use super::limits::{ANSWER_MAX, CONNECT_MAX};

/// One node's admin API.
#[derive(Clone)]
pub struct Api {
    server: Server,
    authorization: String,
}

/// What the node answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, or `null`.
    pub body: Value,
}

impl Api {
    /// Trusts the authority in the PEM file `ca` alone.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn new(address: SocketAddr, ca: &Path, token: &str) -> Result<Self, String> {
        Ok(Self {
            server: Server {
                address,
                tls: trusting(ca)?,
                connect_max: CONNECT_MAX,
                within: ANSWER_MAX,
            },
            authorization: format!("Bearer {token}"),
        })
    }

    /// A request, with a JSON body where there is one.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Answer, NoAnswer> {
        let server = Server {
            within,
            ..self.server.clone()
        };
        let headers = [&[("authorization", self.authorization.as_str())], headers].concat();
        let body = body.map(Value::to_string).unwrap_or_default();
        let received = exchange(&server, method, path, &headers, body.as_bytes())?;
        Ok(Answer {
            status: received.status,
            body: serde_json::from_slice(&received.body).unwrap_or(Value::Null),
        })
    }

    /// What is read, as JSON.
    ///
    /// # Errors
    /// No answer, or another than 200.
    pub fn get(&self, path: &str, within: Duration) -> Result<Value, String> {
        let answer = self
            .ask("GET", path, &[], None, within)
            .map_err(|error| error.to_string())?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(format!("GET {path}: {status} {}", answer.body)),
        }
    }
}
