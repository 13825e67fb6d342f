//! One HTTPS request and its answer: a connection of its own, every step with a deadline. The integration tests use this
//! file too.
//!
//! What is asked, and what an answer means, is left to others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// A server, whom it is trusted by, and how long it may take.
#[derive(Clone)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// As [`trusting`] makes it.
    pub tls: Arc<rustls::ClientConfig>,
    /// How long a connection may take.
    pub connect_max: Duration,
    /// How long each read and write may take.
    pub within: Duration,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Received {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header field, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
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

/// Trusts the authority in the PEM file `ca` alone.
///
/// # Errors
/// A file that cannot be used.
pub fn trusting(ca: &Path) -> Result<Arc<rustls::ClientConfig>, String> {
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
    Ok(Arc::new(tls))
}

/// Sends `method path` with these header fields, and the body, if it is not empty; reads the whole answer.
///
/// # Errors
/// No whole answer came.
pub fn exchange(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Received, NoAnswer> {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
        server.address
    );
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
    let mut stream = connect(server).map_err(NoAnswer::NotSent)?;
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    // A server may answer a body that it refuses before it has read all of it.
    let mut raw = Vec::new();
    let read = stream.read_to_end(&mut raw);
    let broken = |what: &str| NoAnswer::Broken(format!("{what} after {} bytes", raw.len()));
    match (parse(&raw), sent, read) {
        (Some(answer), _, _) => Ok(answer),
        (None, Err(error), _) => Err(broken(&format!("sending failed ({error})"))),
        (None, Ok(()), Err(error)) => Err(broken(&format!("reading failed ({error})"))),
        (None, Ok(()), Ok(_)) => Err(broken("the connection ended")),
    }
}

fn connect(server: &Server) -> Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>, String> {
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let socket = TcpStream::connect_timeout(&server.address, server.connect_max.min(server.within));
    let socket = socket.map_err(told("connecting"))?;
    socket.set_read_timeout(Some(server.within)).map_err(told("setting"))?;
    socket.set_write_timeout(Some(server.within)).map_err(told("setting"))?;
    let name = ServerName::IpAddress(server.address.ip().into());
    let connection = rustls::ClientConnection::new(server.tls.clone(), name).map_err(|error| error.to_string())?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        let step = stream.conn.complete_io(&mut stream.sock);
        step.map_err(told("the TLS handshake"))?;
    }
    Ok(stream)
}

fn parse(raw: &[u8]) -> Option<Received> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let answer = Received {
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
    Some(Received { body, ..answer })
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
