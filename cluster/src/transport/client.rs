//! The calling side: a connection per peer and lane, made when needed, mended with a growing pause.
//!
//! Retrying is left to the caller, who is told whether anything left this node.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::messages::{Messages, asking};
use super::stream::{Outgoing, upload, whole};
use super::{CallError, Credentials, Lane, NOT_A_MEMBER, Peer, PeerTable, Peers, limits, tls};
use crate::identity::{ClusterId, server_name};
use crate::{NodeError, NodeId};

type Sender = http2::SendRequest<Outgoing>;

/// Calls members of the table.
pub(crate) struct Client {
    shared: Arc<Shared>,
    slots: StdMutex<BTreeMap<(NodeId, Lane), Arc<Slot>>>,
}

struct Shared {
    cluster: ClusterId,
    tls: Arc<ClientConfig>,
    peers: Peers,
    /// Connections live on the runtime that made the client, whoever calls.
    runtime: Handle,
}

/// One peer, one lane.
#[derive(Default)]
struct Slot {
    state: Arc<Mutex<SlotState>>,
    /// There was a connection or an attempt, and there is none now.
    down: Arc<AtomicBool>,
}

/// A connection, or when and why there is none.
#[derive(Default)]
struct SlotState {
    open: Option<(Peer, Sender)>,
    failed: Option<Failure>,
}

struct Failure {
    why: String,
    again_at: Instant,
    pause: Duration,
}

impl Client {
    /// A client without connections; must be called inside the runtime that shall carry them.
    pub(crate) fn new(credentials: &Credentials, peers: Peers) -> Result<Self, NodeError> {
        let shared = Arc::new(Shared {
            cluster: credentials.cluster,
            tls: credentials.client()?,
            peers,
            runtime: Handle::current(),
        });
        Ok(Self {
            shared,
            slots: StdMutex::default(),
        })
    }

    /// Sends `body` to `path` of `peer` and waits for the answer, all within `deadline`.
    pub(crate) async fn call(
        &self,
        peer: NodeId,
        lane: Lane,
        path: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        if body.len() > limits::BODY_BYTES_MAX {
            return Err(CallError::NotSent(format!(
                "a body of {} bytes is too large to send",
                body.len()
            )));
        }
        self.send(peer, lane, path, whole(body), Instant::now() + deadline)
            .await
    }

    /// Streams `head` and then all of `pieces` to a `/stream/` path of `peer`.
    pub(crate) async fn upload(
        &self,
        peer: NodeId,
        lane: Lane,
        path: &str,
        head: &[u8],
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        if head.len() > limits::STREAM_HEAD_BYTES_MAX {
            return Err(CallError::NotSent(format!(
                "a stream's head of {} bytes is too large to send",
                head.len()
            )));
        }
        self.send(peer, lane, path, upload(head, pieces), Instant::now() + deadline)
            .await
    }

    /// As [`call`](Self::call) without the check of the body's size, for the test of the other side's.
    #[cfg(test)]
    pub(super) async fn call_unchecked(
        &self,
        peer: NodeId,
        path: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        self.send(peer, Lane::Peer, path, whole(body), Instant::now() + deadline)
            .await
    }

    async fn send(
        &self,
        peer: NodeId,
        lane: Lane,
        path: &str,
        body: Outgoing,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let sender = self.connected(peer, lane, deadline).await.map_err(CallError::NotSent)?;
        let answer = exchange(sender, path, body, deadline).await;
        self.judged(peer, lane, answer)
    }

    /// Begins a conversation on a `/converse/` path of `peer`: carries `messages` there as they come, and gives those
    /// that come back. The connection must be there within `connect_max`, the beginning of the answer within
    /// `answer_max`.
    pub(crate) async fn converse(
        &self,
        (peer, lane): (NodeId, Lane),
        path: &str,
        messages: impl Stream<Item = Bytes> + Send + 'static,
        connect_max: Duration,
        answer_max: Duration,
    ) -> Result<Messages, CallError> {
        let connected = self.connected(peer, lane, Instant::now() + connect_max).await;
        let sender = connected.map_err(CallError::NotSent)?;
        let deadline = Instant::now() + answer_max;
        let answer = timeout_at(deadline, begin(sender, path, asking(messages), deadline))
            .await
            .unwrap_or_else(|_| Err(CallError::Broken("it did not answer in time".into())));
        let answer = match answer {
            Ok(response) if response.status().is_success() => Ok(Messages::new(response.into_body())),
            Ok(response) => read_answer(response)
                .await
                .and_then(|_| Err(CallError::Broken("it answered without a conversation".into()))),
            Err(error) => Err(error),
        };
        self.judged(peer, lane, answer)
    }

    /// Lets a connection go that the peer judged when it was made, and does not change its mind about.
    fn judged<T>(&self, peer: NodeId, lane: Lane, answer: Result<T, CallError>) -> Result<T, CallError> {
        if matches!(
            answer,
            Err(CallError::Refused {
                status: NOT_A_MEMBER,
                ..
            })
        ) && let Ok(mut slot) = self.slot(peer, lane).state.try_lock()
        {
            slot.open = None;
        }
        answer
    }

    /// Whether it is known that `peer` cannot be reached on this lane now: its connection ended, or none could be
    /// made. False also where nothing is known.
    pub(crate) fn is_down(&self, peer: NodeId, lane: Lane) -> bool {
        self.slot(peer, lane).down.load(Ordering::Relaxed)
    }

    /// An open connection to `peer`, made now if need be.
    async fn connected(&self, node: NodeId, lane: Lane, deadline: Instant) -> Result<Sender, String> {
        let late = |_| format!("node {node} could not be connected to in time");
        let slot = self.slot(node, lane);
        let mut guard = timeout_at(deadline, slot.state.clone().lock_owned())
            .await
            .map_err(late)?;
        let peer = self.shared.peers.borrow().get(&node).cloned();
        let peer = peer.ok_or_else(|| format!("node {node} is not a member"))?;
        if let Some((known, sender)) = &guard.open {
            if *known == peer && !sender.is_closed() {
                return Ok(sender.clone());
            }
            guard.open = None;
        }
        if let Some(failure) = guard
            .failed
            .as_ref()
            .filter(|failure| Instant::now() < failure.again_at)
        {
            return Err(failure.why.clone());
        }
        // The attempt outlives an impatient caller, so that short deadlines still get a connection in the end.
        let attempt =
            self.shared
                .runtime
                .spawn(connect_slot(self.shared.clone(), node, peer, guard, slot.down.clone()));
        match timeout_at(deadline, attempt).await.map_err(late)? {
            Ok(connected) => connected,
            Err(_) => Err(format!("the connection attempt to node {node} was given up")),
        }
    }

    fn slot(&self, node: NodeId, lane: Lane) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = self.shared.peers.borrow();
        slots.retain(|(known, _), _| *known == node || peers.contains_key(known));
        slots.entry((node, lane)).or_default().clone()
    }
}

async fn connect_slot(
    shared: Arc<Shared>,
    node: NodeId,
    peer: Peer,
    mut slot: OwnedMutexGuard<SlotState>,
    down: Arc<AtomicBool>,
) -> Result<Sender, String> {
    let attempt = timeout(limits::CONNECT_MAX, connect_peer(&shared, node, &peer, &down)).await;
    match attempt.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
        Ok(sender) => {
            slot.failed = None;
            slot.open = Some((peer, sender.clone()));
            Ok(sender)
        }
        Err(why) => {
            down.store(true, Ordering::Relaxed);
            let why = format!("node {node} at {}: {why}", peer.address);
            let pause = slot
                .failed
                .as_ref()
                .map_or(limits::BACKOFF_MIN, |last| last.pause * 2)
                .min(limits::BACKOFF_MAX);
            slot.failed = Some(Failure {
                why: why.clone(),
                again_at: Instant::now() + pause,
                pause,
            });
            Err(why)
        }
    }
}

async fn connect_peer(
    shared: &Arc<Shared>,
    node: NodeId,
    peer: &Peer,
    down: &Arc<AtomicBool>,
) -> Result<Sender, String> {
    let tls = connect_tls(peer.address, shared.tls.clone(), server_name(shared.cluster, node)?).await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
    if tls::peer_of(shared.cluster, chain)? != (node, peer.fingerprint) {
        return Err("it shows another certificate than the one it was admitted with".into());
    }
    let (sender, connection) = handshake(tls).await?;
    let (mut peers, peer, down) = (shared.peers.clone(), peer.clone(), down.clone());
    down.store(false, Ordering::Relaxed);
    shared.runtime.spawn(async move {
        let gone = |table: &Arc<PeerTable>| table.get(&node) != Some(&peer);
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%node, %error, "a connection to a node ended");
            },
            _ = peers.wait_for(gone) => {}
        }
        down.store(true, Ordering::Relaxed);
    });
    Ok(sender)
}

async fn connect_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<TlsStream<TcpStream>, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|e| format!("TLS: {e}"))
}

async fn handshake(
    tls: TlsStream<TcpStream>,
) -> Result<
    (
        Sender,
        http2::Connection<TokioIo<TlsStream<TcpStream>>, Outgoing, TokioExecutor>,
    ),
    String,
> {
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::KEEP_ALIVE_EVERY)
        .keep_alive_timeout(limits::KEEP_ALIVE_MAX)
        .keep_alive_while_idle(true)
        .max_header_list_size(limits::HEADER_BYTES_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .handshake(TokioIo::new(tls))
        .await
        .map_err(|e| format!("HTTP/2: {e}"))
}

async fn exchange(sender: Sender, path: &str, body: Outgoing, deadline: Instant) -> Result<Bytes, CallError> {
    let answer = async { read_answer(begin(sender, path, body, deadline).await?).await };
    timeout_at(deadline, answer)
        .await
        .unwrap_or_else(|_| Err(CallError::Broken("it did not answer in time".into())))
}

/// Sends a request and waits for the head of its answer, which has no bound of its own.
async fn begin(
    mut sender: Sender,
    path: &str,
    body: Outgoing,
    ready_by: Instant,
) -> Result<Response<hyper::body::Incoming>, CallError> {
    let request = Request::post(format!("https://peer{path}"))
        .body(body)
        .map_err(|e| CallError::NotSent(format!("cannot ask for {path}: {e}")))?;
    match timeout_at(ready_by, sender.ready()).await {
        Err(_) => return Err(CallError::NotSent("the connection was busy until the deadline".into())),
        Ok(Err(error)) => return Err(CallError::NotSent(format!("the connection was closed: {error}"))),
        Ok(Ok(())) => {}
    }
    sender.try_send_request(request).await.map_err(|mut error| {
        let unsent = error.take_message().is_some();
        let why = chain(&error.into_error());
        if unsent {
            CallError::NotSent(why)
        } else {
            CallError::Broken(why)
        }
    })
}

async fn read_answer(response: Response<hyper::body::Incoming>) -> Result<Bytes, CallError> {
    let status = response.status();
    let bytes_max = if status.is_success() {
        limits::BODY_BYTES_MAX
    } else {
        limits::REFUSAL_BYTES_MAX
    };
    let body = Limited::new(response.into_body(), bytes_max)
        .collect()
        .await
        .map_err(|e| CallError::Broken(format!("the answer broke: {e}")))?
        .to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    Err(CallError::Refused {
        status: status.as_u16(),
        text: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// An error with its sources, which alone say what really happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Asks `address` to let this machine join, trusting only the authority with this fingerprint.
pub(crate) async fn join_request(
    address: SocketAddr,
    cluster: ClusterId,
    authority: [u8; 32],
    body: Bytes,
    deadline: Duration,
) -> Result<Bytes, CallError> {
    post_pinned(address, cluster, authority, "/join", body, Instant::now() + deadline).await
}

async fn post_pinned(
    address: SocketAddr,
    cluster: ClusterId,
    authority: [u8; 32],
    path: &str,
    body: Bytes,
    deadline: Instant,
) -> Result<Bytes, CallError> {
    let config = tls::pinned_client(cluster, authority).map_err(|e| CallError::NotSent(e.to_string()))?;
    let attempt = async {
        let name = ServerName::IpAddress(address.ip().into());
        handshake(connect_tls(address, config, name).await?).await
    };
    let (sender, connection) = timeout(limits::CONNECT_MAX, attempt)
        .await
        .unwrap_or_else(|_| Err("it does not answer".into()))
        .map_err(|why| CallError::NotSent(format!("{address}: {why}")))?;
    let carrier = tokio::spawn(connection);
    let answer = exchange(sender, path, whole(body), deadline).await;
    carrier.abort();
    answer
}

/// Any path without a certificate, for the tests of what a stranger gets.
#[cfg(test)]
pub(super) async fn post_without_certificate(
    address: SocketAddr,
    cluster: ClusterId,
    authority: [u8; 32],
    path: &str,
) -> Result<Bytes, CallError> {
    let deadline = Instant::now() + Duration::from_secs(5);
    post_pinned(address, cluster, authority, path, Bytes::new(), deadline).await
}
