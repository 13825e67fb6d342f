//! One connection to the admin API: HTTP/1.1 or HTTP/2, ended when nothing was asked on it for long, or when the node
//! stops.
//!
//! Accepting connections and counting them is left to `serve`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt;

use super::caller::Origin;
use super::limits;

/// Turns true when the node stops; an extension of every request, for answers that would not end by themselves.
#[derive(Clone)]
pub struct Stopping(pub watch::Receiver<bool>);

/// Serves `router` on `stream` until the peer ends, nothing was in flight for `idle`, or `stop` turns true. What is
/// in flight at a stop has [`limits::DRAIN_DEADLINE`] to end.
pub async fn serve<S>(stream: S, router: Router, origin: Origin, idle: Duration, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let seen = activity.clone();
    let stopping = Stopping(stop.clone());
    let service = router
        .map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(origin);
            request.extensions_mut().insert(stopping.clone());
            request.map(axum::body::Body::new)
        })
        .map_future(move |answer| {
            // Held from here until the body was sent or given up.
            let flight = activity.begin();
            async move {
                let response: http::Response<axum::body::Body> = answer.await?;
                Ok::<_, std::convert::Infallible>(response.map(|body| {
                    axum::body::Body::new(body.map_frame(move |frame| {
                        let _held = &flight;
                        frame
                    }))
                }))
            }
        });
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = nothing_asked(&seen, idle) => None,
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits::DRAIN_DEADLINE, connection).await
        }
    };
    // What breaks a connection is the peer's affair; refusals were answered.
    if let Ok(Err(error)) = ended {
        tracing::debug!(%origin, %error, "an admin connection broke");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_DEADLINE)
        .max_buf_size(limits::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::HEADER_DEADLINE)
        .keep_alive_timeout(limits::HANDSHAKE_DEADLINE);
    builder
}

/// What is in flight on one connection: how many requests now, and how many ever began. Looked at now and then, so
/// that a request wakes nobody.
#[derive(Default)]
struct Activity {
    open: AtomicU64,
    begun: AtomicU64,
}

impl Activity {
    fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// A request in flight; ends when it is dropped.
struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Resolves once nothing was in flight for `idle` without a break, or a little longer.
async fn nothing_asked(seen: &Activity, idle: Duration) {
    let (mut before, mut since) = (None, Instant::now());
    loop {
        let begun = seen.begun.load(Ordering::SeqCst);
        if before != Some(begun) || seen.open.load(Ordering::SeqCst) > 0 {
            (before, since) = (Some(begun), Instant::now());
        } else if since.elapsed() >= idle {
            return;
        }
        tokio::time::sleep(idle / limits::IDLE_LOOKS).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::routing::get;
    use http_body_util::Empty;

    use super::*;

    const IDLE: Duration = Duration::from_millis(300);
    const WORK: Duration = Duration::from_millis(900);

    /// Two sides of a connection; the client's half answers pings as any client does.
    async fn connected(
        stop: watch::Receiver<bool>,
    ) -> (
        hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>,
        tokio::task::JoinHandle<()>,
    ) {
        let (here, there) = tokio::io::duplex(64 * 1024);
        let router = Router::new().route("/fast", get(async || "fast")).route(
            "/slow",
            get(async || {
                tokio::time::sleep(WORK).await;
                "slow"
            }),
        );
        let served = tokio::spawn(serve(there, router, Origin::Local, IDLE, stop));
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(here))
            .await
            .unwrap();
        tokio::spawn(connection);
        (sender, served)
    }

    async fn ask(sender: &mut hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>, path: &str) -> String {
        let request = http::Request::get(format!("http://node{path}"))
            .body(Empty::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_is_asked_is_ended_though_its_peer_lives() {
        let (_stop, stopped) = watch::channel(false);
        let (mut sender, served) = connected(stopped).await;
        assert_eq!(ask(&mut sender, "/fast").await, "fast");
        let begun = Instant::now();
        served.await.unwrap();
        assert!(begun.elapsed() >= IDLE / 2, "ended after {:?}", begun.elapsed());
        assert!(sender.ready().await.is_err());
    }

    #[tokio::test]
    async fn a_request_in_flight_holds_its_connection() {
        let (_stop, stopped) = watch::channel(false);
        let (mut sender, served) = connected(stopped).await;
        assert_eq!(ask(&mut sender, "/slow").await, "slow");
        assert_eq!(ask(&mut sender, "/fast").await, "fast");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_lets_what_is_in_flight_end() {
        let (stop, stopped) = watch::channel(false);
        let (mut sender, served) = connected(stopped).await;
        let asked = tokio::spawn(async move { ask(&mut sender, "/slow").await });
        tokio::time::sleep(IDLE / 3).await;
        stop.send_replace(true);
        assert_eq!(asked.await.unwrap(), "slow");
        served.await.unwrap();
    }
}
