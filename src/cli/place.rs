//! Where a node is asked, and one HTTP/1.1 exchange with it: over the local socket, or over TLS.
//!
//! Which place is asked when another fails is left to `client`.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use zeroize::Zeroizing;

use super::error::CliError;
use super::limits;

/// Why something went wrong, as other crates say it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Through the socket of a data folder.
    Socket(PathBuf),
    /// Over TLS.
    Server {
        /// `host:port`.
        authority: String,
        /// The name or address that its certificate must show.
        name: ServerName<'static>,
    },
}

/// How servers are trusted, and what they are shown.
#[derive(Clone)]
pub struct Access {
    /// Whom to trust.
    pub tls: Arc<rustls::ClientConfig>,
    /// The API token; empty: none is shown.
    pub token: Zeroizing<String>,
}

/// A request, independent of where it is sent.
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: &'a str,
    /// Names and values.
    pub headers: &'a [(&'static str, String)],
    /// The body, sent as JSON.
    pub body: Option<&'a Value>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its ETag.
    pub etag: Option<String>,
    /// Its body.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was sent.
    NotSent(CliError),
    /// It was sent, and nothing came back.
    Broken(CliError),
    /// The node refused; the flag says whether the cluster itself has decided about this very request.
    Refused(CliError, bool),
}

impl Place {
    /// `https://HOST:PORT`.
    pub fn server(url: &str) -> Result<Self, CliError> {
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
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| usage("the host is neither a name nor an address"))?;
        Ok(Self::Server { authority, name })
    }

    /// Sends `ask` and reads the whole answer. Connecting may take `connect_max`.
    pub async fn ask(&self, access: Option<&Access>, ask: &Ask<'_>, connect_max: Duration) -> Result<Reply, Failure> {
        let request = self.request(access, ask).map_err(Failure::NotSent)?;
        let answered = async {
            let response = self.open(access, request, connect_max).await?;
            read(response)
                .await
                .map_err(|error| Failure::Broken(self.broken(error)))
        };
        let (status, etag, body) = match tokio::time::timeout(limits::ANSWER_DEADLINE, answered).await {
            Ok(answered) => answered?,
            Err(late) => return Err(Failure::Broken(self.broken(late.into()))),
        };
        if status < 400 {
            return Ok(Reply { etag, body });
        }
        let decided = body["request"].is_string();
        Err(Failure::Refused(CliError::from_problem(status, &body), decided))
    }

    /// Sends `ask` and gives the answer's head, to be read as a stream.
    pub async fn stream(&self, access: Option<&Access>, ask: &Ask<'_>) -> Result<Response<Incoming>, Failure> {
        let request = self.request(access, ask).map_err(Failure::NotSent)?;
        let opened = self.open(access, request, limits::CONNECT_DEADLINE).await?;
        if opened.status().as_u16() < 400 {
            return Ok(opened);
        }
        let (status, _, body) = read(opened)
            .await
            .map_err(|error| Failure::Broken(self.broken(error)))?;
        Err(Failure::Refused(CliError::from_problem(status, &body), false))
    }

    async fn open(
        &self,
        access: Option<&Access>,
        request: Request<Full<Bytes>>,
        connect_max: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        match self {
            Self::Socket(path) => {
                let stream = within(connect_max, UnixStream::connect(path)).await;
                let stream = stream.map_err(|error| Failure::NotSent(self.unreachable(error.into())))?;
                self.exchange(stream, request).await
            }
            Self::Server { authority, name } => {
                let unreachable = |error: std::io::Error| Failure::NotSent(self.unreachable(error.into()));
                let access = access.ok_or_else(|| unreachable(std::io::Error::other("no token is known")))?;
                let connected = async {
                    let stream = TcpStream::connect(authority).await?;
                    let _ = stream.set_nodelay(true);
                    let connector = tokio_rustls::TlsConnector::from(access.tls.clone());
                    connector.connect(name.clone(), stream).await
                };
                let stream = within(connect_max, connected).await.map_err(unreachable)?;
                self.exchange(stream, request).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| Failure::Broken(self.broken(error.into()));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // It ends by itself when the answer has been read or is dropped.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    fn request(&self, access: Option<&Access>, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, CliError> {
        let host = match self {
            Self::Socket(_) => "localhost",
            Self::Server { authority, .. } => authority,
        };
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(ask.path)
            .header(HOST, host);
        for (name, value) in ask.headers {
            request = request.header(*name, value);
        }
        if let (Self::Server { .. }, Some(access)) = (self, access)
            && !access.token.is_empty()
        {
            let value = Zeroizing::new(format!("Bearer {}", &*access.token));
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| CliError::usage("the API token holds characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = ask.body.map(|body| Bytes::from(body.to_string()));
        let typed = ask.headers.iter().any(|(name, _)| *name == "content-type");
        if body.is_some() && !typed {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| CliError::failed("the request cannot be built").because(error))
    }

    fn unreachable(&self, error: Cause) -> CliError {
        let message = match self {
            Self::Socket(path) => format!(
                "cannot ask the node at its socket {}; is `argosy serve` running, are you root, is --data right? \
                 For a node elsewhere use --server or --profile",
                path.display()
            ),
            Self::Server { authority, .. } => {
                let foreign = error.to_string().contains("certificate");
                let advice = if foreign {
                    "; its certificate is not one that --ca vouches for: is this your cluster, and its name right?"
                } else {
                    "; is it up, and is the admin port right?"
                };
                format!("cannot ask {authority}{advice}")
            }
        };
        CliError::unavailable(message).because(error)
    }

    fn broken(&self, error: Cause) -> CliError {
        CliError::unavailable(format!("{self} broke off before it answered")).because(error)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "the node's socket {}", path.display()),
            Self::Server { authority, .. } => f.write_str(authority),
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<(u16, Option<String>, Value), Cause> {
    let status = response.status().as_u16();
    let etag = response.headers().get(ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let bytes = Limited::new(response.into_body(), limits::ANSWER_BYTES_MAX)
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

async fn within<T>(limit: Duration, work: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", limit.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, message))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_server_must_be_https_with_a_port() {
        let check = |url: &str, expected: Result<&str, &str>| match (Place::server(url), expected) {
            (Ok(place), Ok(shown)) => assert_eq!(place.to_string(), shown),
            (Err(error), Err(word)) => assert!(error.message.contains(word), "{url}: {}", error.message),
            (found, _) => panic!("{url}: {found:?}"),
        };
        check("https://10.0.0.1:8443", Ok("10.0.0.1:8443"));
        check("https://[::1]:8443/", Ok("[::1]:8443"));
        check("https://node-1.example:8443", Ok("node-1.example:8443"));
        check("http://10.0.0.1:8443", Err("must be https"));
        check("https://10.0.0.1", Err("no port"));
        check("https://10.0.0.1:8443/api", Err("more than host"));
        check("https://u@10.0.0.1:8443", Err("more than host"));
        check("10.0.0.1:8443", Err("--server"));
    }
}
