//! A small HTTPS client for the admin API: one request a connection, every step with a deadline.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;

use super::limits;

/// One node's admin API, as one who holds a certain token.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    token: Option<String>,
    limit: Duration,
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
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address,
            tls: Arc::new(tls),
            token: token.map(str::to_owned),
            limit: limits::ANSWER,
        }
    }

    /// The same node, asked with another token or with none.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// The same node, given this long for an answer.
    pub fn with_limit(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
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
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.address
        );
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            if !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            {
                head += "content-type: application/json\r\n";
            }
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let socket =
            TcpStream::connect_timeout(&self.address, self.limit.min(limits::LINE)).map_err(told("connecting"))?;
        socket.set_read_timeout(Some(self.limit)).map_err(told("setting"))?;
        socket.set_write_timeout(Some(self.limit)).map_err(told("setting"))?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connection = rustls::ClientConnection::new(self.tls.clone(), name).map_err(|error| error.to_string())?;
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        // A node may answer a body that it refuses before it has read all of it.
        let mut raw = Vec::new();
        let read = stream.read_to_end(&mut raw);
        let answer = parse(&raw, format!("{method} {path} at {}", self.address));
        match (answer, sent, read) {
            (Some(answer), _, _) => Ok(answer),
            (None, Err(error), _) => Err(format!("sending: {error}")),
            (None, Ok(()), Err(error)) => Err(format!("reading: {error}")),
            (None, Ok(()), Ok(_)) => Err(format!("the connection ended after {} bytes of an answer", raw.len())),
        }
    }
}

fn parse(raw: &[u8], request: String) -> Option<Answer> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let answer = Answer {
        request,
        status,
        headers,
        body: Vec::new(),
    };
    let rest = &raw[end + 4..];
    let body = match (answer.header("content-length"), answer.header("transfer-encoding")) {
        (Some(length), _) => rest.get(..length.parse().ok()?)?.to_vec(),
        (None, Some("chunked")) => unchunk(rest)?,
        _ => rest.to_vec(),
    };
    Some(Answer { body, ..answer })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 2 + length + 2..)?;
    }
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
