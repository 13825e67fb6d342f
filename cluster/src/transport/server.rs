//! The listening side: accept, TLS, who is it, limits; then requests go to the [`Service`].
//!
//! What a request means is left to the service; the TLS settings are in `tls`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::doorstep::{Doorstep, Place};
use super::messages::{Answers, Messages, answering};
use super::{Credentials, Incoming, NOT_A_MEMBER, PeerTable, Peers, Refusal, Service, limits, tls};
use crate::identity::ClusterId;
use crate::{NodeError, NodeId};

/// How long to wait after a failed accept: out of file descriptors is not cured by asking faster.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The open listener; dropping it closes the port and every connection that came through it.
pub(crate) struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// The address that is listened on, with the port that the system chose where 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections, and returns once the port is free.
    pub(crate) async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the port and serves on the current runtime.
pub(crate) async fn listen(
    address: SocketAddr,
    credentials: &Credentials,
    peers: Peers,
    service: Arc<dyn Service>,
) -> Result<Listening, NodeError> {
    let failed = |e: std::io::Error| NodeError(format!("cannot listen for other nodes on {address}: {e}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let server = Server {
        cluster: credentials.cluster,
        acceptor: TlsAcceptor::from(credentials.server()?),
        peers,
        service,
        members: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
        doorstep: Doorstep::default(),
    };
    let task = tokio::spawn(server.accept(listener));
    Ok(Listening { address, task })
}

#[derive(Clone)]
struct Server {
    cluster: ClusterId,
    acceptor: TlsAcceptor,
    peers: Peers,
    service: Arc<dyn Service>,
    members: Arc<Semaphore>,
    doorstep: Doorstep,
}

/// A whole answer, or messages that go out as they come.
type Answer = Either<Bytes, Answers>;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Caller {
    /// A member, by id and fingerprint.
    Member(NodeId, [u8; 32]),
    /// It has a certificate of the cluster's, and is refused all the same: it is told why.
    Refused(String),
    /// It showed no certificate: it may ask to join.
    Stranger(SocketAddr),
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let (stream, remote) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections of other nodes");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                Some(_) = connections.join_next() => continue,
            };
            match self.doorstep.enter(remote.ip(), self.is_members_address(remote)) {
                Some(place) => {
                    connections.spawn(self.clone().connection(stream, remote, place));
                }
                None => tracing::debug!(%remote, "too many unidentified connections: closed"),
            }
        }
    }

    /// Whether a member is reached at this address, whatever the port.
    fn is_members_address(&self, remote: SocketAddr) -> bool {
        let from = remote.ip().to_canonical();
        let peers = self.peers.borrow();
        peers.values().any(|peer| peer.address.ip().to_canonical() == from)
    }

    async fn connection(self, stream: TcpStream, remote: SocketAddr, place: Place) {
        let _ = stream.set_nodelay(true);
        let tls = match timeout(limits::HANDSHAKE_MAX, self.acceptor.accept(stream)).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return tracing::debug!(%remote, %error, "the TLS handshake failed"),
            Err(_) => return tracing::debug!(%remote, "the TLS handshake took too long"),
        };
        let caller = match tls.get_ref().1.peer_certificates() {
            None => Caller::Stranger(remote),
            Some(chain) => match tls::peer_of(self.cluster, chain) {
                Ok((node, fingerprint)) => match check_member(&self.peers.borrow(), node, fingerprint) {
                    Ok(()) => Caller::Member(node, fingerprint),
                    Err(why) => Caller::Refused(why),
                },
                Err(why) => Caller::Refused(why),
            },
        };
        match caller {
            Caller::Member(node, fingerprint) => {
                let Ok(_permit) = self.members.clone().try_acquire_owned() else {
                    return tracing::warn!(%node, "too many connections of other nodes: closed");
                };
                drop(place);
                let mut peers = self.peers.clone();
                let dismissed = async {
                    let gone = |table: &Arc<PeerTable>| check_member(table, node, fingerprint).is_err();
                    let _ = peers.wait_for(gone).await;
                };
                tokio::select! {
                    () = self.serve(tls, caller) => {}
                    () = dismissed => tracing::info!(%node, "no longer a member: its connection is closed"),
                }
            }
            Caller::Refused(_) | Caller::Stranger(_) => {
                tracing::debug!(%remote, ?caller, "a connection of no member");
                let _ = timeout(limits::STRANGER_LIFE_MAX, self.serve(tls, caller)).await;
                drop(place);
            }
        }
    }

    async fn serve(&self, tls: TlsStream<TcpStream>, caller: Caller) {
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .keep_alive_interval(limits::KEEP_ALIVE_EVERY)
            .keep_alive_timeout(limits::KEEP_ALIVE_MAX)
            .max_concurrent_streams(limits::STREAMS_MAX)
            .max_header_list_size(limits::HEADER_BYTES_MAX)
            .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES);
        let answering = service_fn(|request: Request<Body>| {
            let (server, caller) = (self.clone(), caller.clone());
            async move { Ok::<_, Infallible>(response(server.answer(caller, request).await)) }
        });
        if let Err(error) = http.serve_connection(TokioIo::new(tls), answering).await {
            tracing::debug!(?caller, %error, "a connection between nodes ended");
        }
    }

    async fn answer(&self, caller: Caller, request: Request<Body>) -> Result<Answer, Refusal> {
        let path = request.uri().path().to_owned();
        if path.len() > limits::PATH_BYTES_MAX {
            return Err(Refusal::new(414, "the path is too long"));
        }
        if request.method() != Method::POST {
            return Err(Refusal::new(405, "only POST is answered here"));
        }
        let body = request.into_body();
        match caller {
            Caller::Refused(why) => Err(Refusal::new(NOT_A_MEMBER, why)),
            Caller::Stranger(remote) if path == "/join" => {
                let body = read_whole(body, limits::JOIN_BODY_BYTES_MAX).await?;
                self.service.join(remote, body).await.map(Answer::Left)
            }
            Caller::Stranger(_) => Err(Refusal::new(401, "a member's certificate is needed")),
            Caller::Member(node, fingerprint) => {
                check_member(&self.peers.borrow(), node, fingerprint).map_err(|why| Refusal::new(NOT_A_MEMBER, why))?;
                if path.starts_with("/stream/") {
                    let (head, rest) = Incoming::open(body).await?;
                    self.service.stream(node, &path, head, rest).await.map(Answer::Left)
                } else if path.starts_with("/converse/") {
                    let messages = self.service.converse(node, &path, Messages::new(body))?;
                    Ok(Answer::Right(answering(messages)))
                } else {
                    let body = read_whole(body, limits::BODY_BYTES_MAX).await?;
                    self.service.call(node, &path, body).await.map(Answer::Left)
                }
            }
        }
    }
}

fn check_member(peers: &PeerTable, node: NodeId, fingerprint: [u8; 32]) -> Result<(), String> {
    match peers.get(&node) {
        None => Err(format!("node {node} is not a member of this cluster")),
        Some(peer) if peer.fingerprint != fingerprint => Err(format!(
            "node {node} shows another certificate than the one it was admitted with"
        )),
        Some(_) => Ok(()),
    }
}

async fn read_whole(body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    match timeout(limits::BODY_MAX, Limited::new(body, bytes_max).collect()).await {
        Err(_) => Err(Refusal::new(408, "the body took too long to arrive")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(413, format!("the body is larger than {bytes_max} bytes")))
        }
        Ok(Err(error)) => Err(Refusal::new(400, format!("the body broke: {error}"))),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
    }
}

fn response(answer: Result<Answer, Refusal>) -> Response<Either<Full<Bytes>, Answers>> {
    match answer {
        Ok(Answer::Left(body)) => Response::new(Either::Left(Full::new(body))),
        Ok(Answer::Right(messages)) => Response::new(Either::Right(messages)),
        Err(Refusal { status, mut text }) => {
            text.truncate(text.floor_char_boundary(limits::REFUSAL_BYTES_MAX));
            let mut response = Response::new(Either::Left(Full::new(Bytes::from(text))));
            *response.status_mut() = StatusCode::from_u16(status)
                .ok()
                .filter(|status| !status.is_success() && !status.is_informational())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response
        }
    }
}
