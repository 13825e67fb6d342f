//! A small HTTPS client for a node's admin API: one request a connection, every step with a deadline.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;

use super::limits::CONNECT_MAX;

/// One node's admin API, as the first administrator.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    token: String,
}

/// What the node answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, or `null`.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing was sent.
    NotSent(String),
    /// It may have arrived.
    Broken(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(reason) => write!(f, "not sent: {reason}"),
            Self::Broken(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

impl Api {
    /// Trusts the authority in the PEM file `ca` alone.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn new(address: SocketAddr, ca: &Path, token: &str) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", ca.display());
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| told(&error))? {
            let certificate = certificate.map_err(|error| told(&error))?;
            roots.add(certificate).map_err(|error| told(&error))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| told(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            tls: Arc::new(tls),
            token: token.to_owned(),
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
        let not_sent = |error: &dyn std::fmt::Display| NoAnswer::NotSent(error.to_string());
        let socket =
            TcpStream::connect_timeout(&self.address, CONNECT_MAX.min(within)).map_err(|error| not_sent(&error))?;
        socket
            .set_read_timeout(Some(within))
            .map_err(|error| not_sent(&error))?;
        socket
            .set_write_timeout(Some(within))
            .map_err(|error| not_sent(&error))?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connection = rustls::ClientConnection::new(self.tls.clone(), name).map_err(|error| not_sent(&error))?;
        let mut stream = rustls::StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|error| not_sent(&error))?;
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {}\r\n",
            self.address, self.token
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let broken = |error: std::io::Error| NoAnswer::Broken(error.to_string());
        stream.write_all((head + &body).as_bytes()).map_err(broken)?;
        let mut raw = Vec::new();
        let read = stream.read_to_end(&mut raw);
        match (parse(&raw), read) {
            (Some(answer), _) => Ok(answer),
            (None, Err(error)) => Err(broken(error)),
            (None, Ok(_)) => Err(NoAnswer::Broken(format!("it ended after {} bytes", raw.len()))),
        }
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

fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let rest = raw.get(end + 4..)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body = match length {
        Some(length) => rest.get(..length.trim().parse().ok()?)?.to_vec(),
        None if head.contains("chunked") => unchunk(rest)?,
        None => rest.to_vec(),
    };
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Answer { status, body })
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
