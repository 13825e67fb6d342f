//! What a protocol reads from and writes to: the socket, with TLS round it or not.
//!
//! Whose certificate is shown is left to the protocol, which gives the configuration.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::proxy::{ProxyError, V1_SIGNATURE, V2_SIGNATURE};
use super::refusal::{Refusal, Register};

/// How a service's connections are secured before its protocol begins.
#[derive(Debug, Clone)]
pub enum Security {
    /// Not at all, or by the protocol itself.
    Plain,
    /// By TLS, with this configuration.
    Tls(Arc<rustls::ServerConfig>),
}

/// A connection's bytes; `W` is what lies below TLS.
#[derive(Debug)]
pub struct Stream<W = Wire>(Inner<W>);

#[derive(Debug)]
enum Inner<W> {
    Plain(W),
    Tls(Box<Secured<W>>),
}

/// Bytes inside TLS, with the configuration that it was agreed upon by.
#[derive(Debug)]
struct Secured<W> {
    stream: TlsStream<W>,
    config: Arc<rustls::ServerConfig>,
}

impl<W> Stream<W> {
    /// Without TLS.
    pub fn plain(wire: W) -> Self {
        Self(Inner::Plain(wire))
    }

    /// Inside TLS, which was agreed upon by `config`.
    pub fn secured(stream: TlsStream<W>, config: Arc<rustls::ServerConfig>) -> Self {
        Self(Inner::Tls(Box::new(Secured { stream, config })))
    }

    /// The configuration by which TLS was agreed upon; compare it with what a [`TlsSource`](super::TlsSource) gives now
    /// (`Arc::ptr_eq`) to know whether something was changed since.
    pub fn tls_config(&self) -> Option<&Arc<rustls::ServerConfig>> {
        match &self.0 {
            Inner::Plain(_) => None,
            Inner::Tls(secured) => Some(&secured.config),
        }
    }

    /// What TLS agreed upon; `None`: there is none.
    pub fn tls(&self) -> Option<&rustls::ServerConnection> {
        match &self.0 {
            Inner::Plain(_) => None,
            Inner::Tls(secured) => Some(secured.stream.get_ref().1),
        }
    }

    /// The certificates that the client has shown, its own first; none: it has shown none, or there is no TLS. `auth`
    /// says whose they are.
    pub fn client_chain(&self) -> &[rustls_pki_types::CertificateDer<'static>] {
        self.tls().and_then(|tls| tls.peer_certificates()).unwrap_or_default()
    }
}

impl Stream {
    /// `early` is what was read of the connection already. What follows is looked at until it is clear that it is no
    /// PROXY header: one that comes here is a stranger's, and ends the connection.
    pub(super) fn new(socket: TcpStream, early: Vec<u8>, peer: SocketAddr, register: Arc<Register>) -> Self {
        Self::plain(Wire {
            socket,
            early,
            opening: Some(Opening {
                seen: [0; SEEN_MAX],
                length: 0,
                peer,
                register,
            }),
        })
    }

    /// Puts TLS round it, as the server. For services that begin with TLS the listener has done it.
    ///
    /// # Errors
    /// The handshake failed or took longer than `deadline`, or TLS is there already.
    pub async fn secure(self, config: Arc<rustls::ServerConfig>, deadline: Duration) -> io::Result<Self> {
        self.secure_marked(config, deadline, &[]).await
    }

    /// [`secure`](Self::secure) that leaves `mark` (at most 64 bytes) with the client, unreadable to it: a connection
    /// by which it resumes this session gives it back as [`mark`](Self::mark). TLS 1.3 alone does.
    ///
    /// # Errors
    /// As [`secure`](Self::secure).
    pub async fn secure_marked(
        self,
        config: Arc<rustls::ServerConfig>,
        deadline: Duration,
        mark: &[u8],
    ) -> io::Result<Self> {
        let Inner::Plain(wire) = self.0 else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS has begun already"));
        };
        let accepting = TlsAcceptor::from(config.clone()).accept_with(wire, |connection| {
            connection.set_resumption_data(mark);
        });
        match tokio::time::timeout(deadline, accepting).await {
            Ok(secured) => Ok(Self::secured(secured?, config)),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")),
        }
    }

    /// The mark of the session that was resumed; `None`: none was, or it has none, or by TLS 1.2.
    pub fn mark(&self) -> Option<&[u8]> {
        let mark = self.tls()?.received_resumption_data()?;
        (!mark.is_empty()).then_some(mark)
    }

    /// Whether the client resumed a session that it had before.
    pub fn is_resumed(&self) -> bool {
        let kind = self.tls().and_then(|tls| tls.handshake_kind());
        matches!(kind, Some(rustls::HandshakeKind::Resumed))
    }

    /// The socket below, for its options.
    pub fn socket(&self) -> &TcpStream {
        match &self.0 {
            Inner::Plain(wire) => &wire.socket,
            Inner::Tls(secured) => &secured.stream.get_ref().0.socket,
        }
    }
}

impl<W: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(wire) => Pin::new(wire).poll_read(context, buffer),
            Inner::Tls(secured) => Pin::new(&mut secured.stream).poll_read(context, buffer),
        }
    }
}

impl<W: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Plain(wire) => Pin::new(wire).poll_write(context, bytes),
            Inner::Tls(secured) => Pin::new(&mut secured.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Plain(wire) => Pin::new(wire).poll_write_vectored(context, slices),
            Inner::Tls(secured) => Pin::new(&mut secured.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Plain(wire) => wire.is_write_vectored(),
            Inner::Tls(secured) => secured.stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(wire) => Pin::new(wire).poll_flush(context),
            Inner::Tls(secured) => Pin::new(&mut secured.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(wire) => Pin::new(wire).poll_shutdown(context),
            Inner::Tls(secured) => Pin::new(&mut secured.stream).poll_shutdown(context),
        }
    }
}

/// As many bytes as the longer of the two signatures has.
const SEEN_MAX: usize = 12;

/// The socket, with what was read of it before in front.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    early: Vec<u8>,
    opening: Option<Opening>,
}

/// The first bytes of a connection, looked at for a PROXY header that must not be there.
#[derive(Debug)]
struct Opening {
    seen: [u8; SEEN_MAX],
    length: usize,
    peer: SocketAddr,
    register: Arc<Register>,
}

impl Opening {
    /// `Some`: it is decided, whether there is a header.
    fn look(&mut self, bytes: &[u8]) -> Option<bool> {
        for byte in bytes.iter().take(SEEN_MAX - self.length) {
            self.seen[self.length] = *byte;
            self.length += 1;
        }
        let seen = &self.seen[..self.length];
        if seen.starts_with(V1_SIGNATURE) || seen.starts_with(V2_SIGNATURE) {
            return Some(true);
        }
        let open = V1_SIGNATURE.starts_with(seen) || V2_SIGNATURE.starts_with(seen);
        (!open).then_some(false)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.early.is_empty() && this.opening.is_none() {
            return Pin::new(&mut this.socket).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        if this.early.is_empty() {
            ready!(Pin::new(&mut this.socket).poll_read(context, buffer))?;
        } else {
            let length = this.early.len().min(buffer.remaining());
            buffer.put_slice(&this.early[..length]);
            this.early.drain(..length);
        }
        let Some(opening) = &mut this.opening else {
            return Poll::Ready(Ok(()));
        };
        match opening.look(&buffer.filled()[before..]) {
            None => Poll::Ready(Ok(())),
            Some(false) => {
                this.opening = None;
                Poll::Ready(Ok(()))
            }
            Some(true) => {
                let error = ProxyError::Stranger;
                opening.register.refused(opening.peer, &Refusal::Proxy(error));
                this.opening = None;
                this.early.clear();
                buffer.set_filled(before);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
