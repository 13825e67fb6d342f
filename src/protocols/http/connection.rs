//! One connection from its first byte to its last: HTTP/1.1 or HTTP/2, requests to faces, and the end, which comes
//! from the peer, from a limit, or from a node that drains.
//!
//! What a request does is left to the faces.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answer::{self, Answer};
use super::gauge::{Counted, Gauge, Verdict, Watch, Working};
use super::limits::{
    CONNECTION_WINDOW_BYTES, HEAD_BYTES_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX, TRANSFER_BYTES, WATCH_EVERY,
};
use super::{HttpService, dav, files, pages, web_session};
use crate::catalog::{HttpSettings, Object, Service};
use crate::events::Event;
use crate::listener::{Accepted, Permit};
use crate::x509::ClientCertificate;

/// A connection.
pub struct Connection {
    pub(super) service: Arc<HttpService>,
    pub(super) settings: Arc<Object<Service>>,
    pub(super) peer: SocketAddr,
    /// What the client has shown in the handshake.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// Inside TLS.
    secure: bool,
    gauge: Arc<Gauge>,
    /// Held until somebody has signed in.
    permit: Mutex<Option<Permit>>,
    failures: AtomicU32,
    /// Too many proofs were refused.
    enough: Notify,
}

impl Connection {
    /// `http` or `https`.
    pub(super) fn protocol(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Inside TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Somebody has signed in: the connection counts among those that have not no more.
    pub(super) fn signed_in(&self) {
        let permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(permit);
    }

    /// A proof was refused.
    pub(super) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= self.settings.spec.login_attempts_max {
            self.enough.notify_one();
        }
    }

    fn has_signed_in(&self) -> bool {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// While it is held the peer waits for us, and is not taken for stalled.
    pub(super) fn work(&self) -> Working {
        self.gauge.work()
    }

    /// How HTTP is spoken, by the latest view.
    pub(super) fn spoken(&self) -> HttpSettings {
        let settings = self.service.settings();
        settings.unwrap_or_else(|| self.settings.clone()).spec.http.clone()
    }
}

/// Serves one connection.
pub async fn serve(service: Arc<HttpService>, settings: Arc<Object<Service>>, accepted: Accepted) {
    let Accepted {
        stream,
        peer,
        at,
        permit,
        mut drain,
        ..
    } = accepted;
    let shown = service
        .node
        .authenticator
        .shown_certificate(stream.client_chain(), &service.name);
    let certificate = match shown {
        Ok(certificate) => certificate,
        Err(refused) => {
            return service.node.journal.record(Event::ConnectionRefused {
                peer,
                service: service.name.clone(),
                reason: refused.reason,
            });
        }
    };
    let gauge = Arc::new(Gauge::default());
    let grace_at = at + Duration::from_secs(settings.spec.login_grace_seconds.into());
    let connection = Arc::new(Connection {
        secure: stream.tls().is_some(),
        service,
        settings,
        peer,
        certificate,
        gauge: gauge.clone(),
        permit: Mutex::new(Some(permit)),
        failures: AtomicU32::new(0),
        enough: Notify::new(),
    });
    let spec = &connection.settings.spec;
    let builder = builder(&spec.http);
    let handler = connection.clone();
    let answering = service_fn(move |request| handle(handler.clone(), request));
    let serving = builder.serve_connection(TokioIo::new(Counted::new(stream, gauge.clone())), answering);
    let mut serving = std::pin::pin!(serving);
    let idle = (spec.idle_seconds > 0).then(|| Duration::from_secs(spec.idle_seconds.into()));
    let stall = Duration::from_secs(spec.http.body_idle_seconds.into());
    let mut watch = Watch::new(Instant::now());
    let mut ending = false;
    loop {
        let end = tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    // What breaks a connection is the peer's affair; refusals were answered.
                    tracing::debug!(%peer, %error, "an HTTP connection broke");
                }
                return;
            }
            () = connection.enough.notified() => true,
            _ = drain.begun(), if !ending => true,
            () = tokio::time::sleep(WATCH_EVERY) => {
                let now = Instant::now();
                match watch.look(&gauge, now, idle, stall) {
                    Verdict::Stalled => {
                        tracing::debug!(%peer, "an HTTP peer moved nothing for too long");
                        return;
                    }
                    // The second time nothing helps any more: its last answer is not even taken.
                    Verdict::Idle if ending => return,
                    Verdict::Idle => true,
                    Verdict::Stays => now >= grace_at && !connection.has_signed_in(),
                }
            }
        };
        if end && !ending {
            serving.as_mut().graceful_shutdown();
            ending = true;
        }
        if end && !connection.has_signed_in() && Instant::now() >= grace_at + WATCH_EVERY {
            // It never said a whole request: there is nothing to end gracefully.
            return;
        }
    }
}

fn builder(http: &HttpSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header = Duration::from_secs(http.header_seconds.into());
    // Not `pipeline_flush`: with it hyper takes in a whole body, whatever the peer reads.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(TRANSFER_BYTES + HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(header)
        .keep_alive_timeout(header);
    builder
}

async fn handle(connection: Arc<Connection>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let open = connection.gauge.begin();
    let http = connection.spoken();
    let mut answer = match refused_at_once(&request) {
        Some(answer) => answer,
        None => route(&connection, &http, request).await,
    };
    let headers = answer.headers_mut();
    let fixed = |text| http::HeaderValue::from_static(text);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    // Pages say less strictly that their own forms tell where they come from.
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert_with(|| fixed("no-referrer"));
    headers.insert(header::SERVER, fixed("Argosy"));
    if connection.secure && http.hsts_seconds > 0 {
        let value = format!("max-age={}", http.hsts_seconds);
        answer::set(&mut answer, header::STRICT_TRANSPORT_SECURITY, &value);
    }
    // Counted until its last byte is handed over.
    Ok(answer.map(|body| {
        body.map_frame(move |frame| {
            let _open = &open;
            frame
        })
        .boxed_unsync()
    }))
}

/// Requests that two readers could read in two ways, and heads that are too long.
fn refused_at_once(request: &Request<Incoming>) -> Option<Answer> {
    let headers = request.headers();
    let old = request.version() <= Version::HTTP_11;
    let both = headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    if old && (both || headers.get_all(header::CONTENT_LENGTH).iter().count() > 1) {
        let detail = "the request says the length of its body twice; say it once";
        let mut answer = answer::problem(StatusCode::BAD_REQUEST, "ambiguous-length", detail);
        answer::set(&mut answer, header::CONNECTION, "close");
        return Some(answer);
    }
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > HEAD_BYTES_MAX / 2 {
        let detail = "the target of the request is too long";
        return Some(answer::problem(StatusCode::URI_TOO_LONG, "too-long", detail));
    }
    None
}

async fn route(connection: &Arc<Connection>, http: &HttpSettings, request: Request<Incoming>) -> Answer {
    if let Some(port) = http.redirect_port.filter(|_| !connection.secure) {
        return redirect(&request, port);
    }
    let path = request.uri().path();
    if path.strip_prefix(files::PREFIX).is_some_and(is_below) {
        // Without the API for programs its requests are still those of the file manager.
        if http.file_api || (http.file_manager && web_session::is_shown(connection, request.headers())) {
            return files::answer(connection, request).await;
        }
    } else if http.webdav && path.strip_prefix(dav::PREFIX).is_some_and(is_below) {
        return dav::answer(connection, request).await;
    } else if http.webdav && request.method() == Method::OPTIONS && matches!(path, "/" | "*") {
        return dav::options();
    } else if http.file_manager {
        return pages::answer(connection, request).await;
    }
    answer::problem(StatusCode::NOT_FOUND, "not-found", "nothing is served under this path")
}

/// Whether what follows a face's prefix is its own.
fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// To the same place by HTTPS; the method and the body are sent again (308).
fn redirect(request: &Request<Incoming>, port: u16) -> Answer {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .and_then(|host| host.parse::<http::uri::Authority>().ok());
    let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
        let detail = "the request names no host to go on to by HTTPS";
        return answer::problem(StatusCode::BAD_REQUEST, "no-host", detail);
    };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let mut answer = answer::empty(StatusCode::PERMANENT_REDIRECT);
    answer::set(
        &mut answer,
        header::LOCATION,
        &format!("https://{}{port}{target}", host.host()),
    );
    answer
}
