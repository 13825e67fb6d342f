//! A small HTTP/1.1 client of the admin API: one connection a request, over the local socket or over TLS.
//!
//! What is asked, and how the answer looks, is left to the commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use zeroize::Zeroizing;

use super::error::CliError;

/// How long a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take; longer than the longest wait that can be asked for.
const ANSWER_DEADLINE: Duration = Duration::from_secs(130);
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Which node is asked, and how.
pub enum Target {
    /// Through the socket of a data folder.
    Socket(PathBuf),
    /// Over TLS.
    Server {
        /// `host:port`.
        authority: String,
        /// The name or address that its certificate must show.
        name: ServerName<'static>,
        /// Trusts the given authority alone.
        tls: Arc<rustls::ClientConfig>,
        /// The API token.
        token: Zeroizing<String>,
    },
}

/// An answer.
pub struct Reply {
    /// Its ETag.
    pub etag: Option<String>,
    /// Its body.
    pub body: Value,
}

/// Asks the admin API.
pub struct Client {
    target: Target,
}

impl Target {
    /// `https://HOST:PORT` with the authority in the file `ca`.
    pub fn server(url: &str, ca: Option<&Path>, token: Zeroizing<String>) -> Result<Self, CliError> {
        let usage = |reason: &str| CliError::usage(format!("--server {url}: {reason}; write https://HOST:PORT"));
        let uri: http::Uri = url.parse().map_err(|_| usage("it is not a URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(usage(
                "the scheme must be https, or the token would be readable on its way",
            ));
        }
        let authority = uri.authority().ok_or_else(|| usage("it names no host"))?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(usage("it has more than host and port"));
        }
        let port = authority.port_u16().ok_or_else(|| usage("it names no port"))?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let ca = ca.ok_or_else(|| {
            CliError::usage("--server needs --ca FILE: the cluster's authority, `DATA/cluster/ca.crt` on every node")
        })?;
        let name = ServerName::try_from(host).map_err(|_| usage("the host is neither a name nor an address"))?;
        Ok(Self::Server {
            authority,
            name,
            tls: tls_config(ca)?,
            token,
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::Socket(path) => format!("the node's socket {}", path.display()),
            Self::Server { authority, .. } => authority.clone(),
        }
    }
}

fn tls_config(ca: &Path) -> Result<Arc<rustls::ClientConfig>, CliError> {
    let failed = |reason: String| CliError::failed(format!("the authority {} cannot be used: {reason}", ca.display()));
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate in PEM form".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Client {
    /// A client of `target`; connects at each request.
    pub fn new(target: Target) -> Self {
        Self { target }
    }

    /// Reads `path`, with its query.
    pub async fn get(&self, path: &str) -> Result<Reply, CliError> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a request. `headers` are names and values.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Reply, CliError> {
        let request = self.request(method, path, headers, body)?;
        match &self.target {
            Target::Socket(socket) => {
                let stream = within(UnixStream::connect(socket)).await.map_err(|error| {
                    CliError::unavailable(format!(
                        "cannot ask {}; is `argosy serve` running, are you root, is --data right? \
                         For a node elsewhere use --server",
                        self.target.shown()
                    ))
                    .because(error)
                })?;
                self.exchange(stream, request).await
            }
            Target::Server {
                authority, name, tls, ..
            } => {
                let unreachable = || CliError::unavailable(format!("cannot ask {authority}"));
                let stream = within(TcpStream::connect(authority)).await;
                let stream = stream.map_err(|error| unreachable().because(error))?;
                let _ = stream.set_nodelay(true);
                let connector = tokio_rustls::TlsConnector::from(tls.clone());
                let stream = within(connector.connect(name.clone(), stream)).await;
                self.exchange(stream.map_err(|error| unreachable().because(error))?, request)
                    .await
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let host = match &self.target {
            Target::Socket(_) => "localhost",
            Target::Server { authority, .. } => authority,
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Target::Server { token, .. } = &self.target {
            let value = Zeroizing::new(format!("Bearer {}", &**token));
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| CliError::usage("the API token holds characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| CliError::failed("the request cannot be built").because(error))
    }

    async fn exchange<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Reply, CliError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let changes = request.method() != Method::GET;
        let id = request.headers().get("idempotency-key");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            let message = match (&id, changes) {
                (Some(id), true) => format!(
                    "it is not known whether the change was made: {} broke off (request id {id}); look before you repeat it",
                    self.target.shown()
                ),
                (None, true) => format!(
                    "it is not known whether this was done: {} broke off",
                    self.target.shown()
                ),
                (_, false) => format!("{} broke off before it answered", self.target.shown()),
            };
            CliError::unavailable(message).because(error)
        };
        let answered = tokio::time::timeout(ANSWER_DEADLINE, async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            let read = read(response).await;
            driver.abort();
            read
        });
        match answered.await {
            Err(late) => Err(broken(late.into())),
            Ok(Err(error)) => Err(broken(error)),
            Ok(Ok((status, etag, body))) if status < 400 => Ok(Reply { etag, body }),
            Ok(Ok((status, _, body))) => Err(CliError::from_problem(status, &body)),
        }
    }
}

type Answered = Result<(u16, Option<String>, Value), Box<dyn std::error::Error + Send + Sync>>;

async fn read(response: http::Response<Incoming>) -> Answered {
    let status = response.status().as_u16();
    let etag = response.headers().get(ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let bytes = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await?
        .to_bytes();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes)?
    };
    Ok((status, etag, body))
}

async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    tokio::time::timeout(CONNECT_DEADLINE, work)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time")))
}

/// `text` as one part of a URL's path or query: everything but unreserved characters percent-encoded.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            // A lone `.` or `..` would be taken for a folder on the way.
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_part_of_a_path() {
        for (text, expected) in [
            ("alice", "alice"),
            ("..", "%2E%2E"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("Ü 1", "%C3%9C%201"),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn a_server_must_be_https_with_a_port_and_an_authority() {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.crt");
        let made = rcgen::generate_simple_self_signed(vec!["x".to_owned()]);
        std::fs::write(&ca, made.unwrap().cert.pem()).unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let check = |url: &str, ca: Option<&Path>, expected: Result<&str, (u8, &str)>| {
            let target = Target::server(url, ca, Zeroizing::new("argosy_x".to_owned()));
            match (target, expected) {
                (Ok(target), Ok(shown)) => assert_eq!(target.shown(), shown),
                (Err(error), Err((code, word))) => {
                    assert_eq!(error.exit as u8, code, "{url}");
                    assert!(error.message.contains(word), "{url}: {}", error.message);
                }
                _ => panic!("{url}"),
            }
        };
        check("https://10.0.0.1:8443", Some(&ca), Ok("10.0.0.1:8443"));
        check("https://[::1]:8443/", Some(&ca), Ok("[::1]:8443"));
        check("https://node-1.example:8443", Some(&ca), Ok("node-1.example:8443"));
        check("http://10.0.0.1:8443", Some(&ca), Err((2, "must be https")));
        check("https://10.0.0.1", Some(&ca), Err((2, "no port")));
        check("https://10.0.0.1:8443/api", Some(&ca), Err((2, "more than host")));
        check("https://u@10.0.0.1:8443", Some(&ca), Err((2, "more than host")));
        check("10.0.0.1:8443", Some(&ca), Err((2, "--server")));
        check("https://10.0.0.1:8443", None, Err((2, "--ca")));
        check("https://10.0.0.1:8443", Some(&empty), Err((1, "no certificate")));
    }
}
