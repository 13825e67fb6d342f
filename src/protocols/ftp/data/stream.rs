//! The bytes of a data connection: the socket, read in large pieces below TLS, with a gauge that tells what moves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::protocols::ftp::limits::{GATHERED_BYTES_MIN, TRANSFER_BYTES};

/// What a transfer has moved, and whether it waits for its peer.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: AtomicU64,
    waiting: AtomicBool,
}

impl Gauge {
    /// Bytes that went through the socket, TLS's own among them.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the peer has the next move.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// So many bytes moved; `None`: the peer has the next move.
    pub fn note(&self, moved: Option<usize>) {
        match moved {
            Some(bytes) => {
                self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                self.waiting.store(false, Ordering::Relaxed);
            }
            None => self.waiting.store(true, Ordering::Relaxed),
        }
    }
}

/// The socket of a data connection.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    /// What was read and not taken.
    held: Vec<u8>,
    taken: usize,
    filled: usize,
    /// Reads go through `held`, in large pieces: what is above asks for small ones.
    gathers: bool,
    gauge: Arc<Gauge>,
}

impl Wire {
    /// `early` was read of the connection already; `gathers`: reads are small.
    pub fn new(socket: TcpStream, early: Vec<u8>, gauge: Arc<Gauge>, gathers: bool) -> Self {
        let filled = early.len();
        Self {
            socket,
            held: early,
            taken: 0,
            filled,
            gathers,
            gauge,
        }
    }

    fn poll_socket(
        socket: &mut TcpStream,
        gauge: &Gauge,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // Nothing of ours goes back during an upload, so that its acknowledgements would wait for 40 ms, and the end of
        // a small file with them: clients send it once what came before is acknowledged. The system forgets it again.
        let _ = rustix::net::sockopt::set_tcp_quickack(&*socket, true);
        let polled = Pin::new(socket).poll_read(context, buffer);
        gauge.note(polled.is_ready().then(|| buffer.filled().len() - before));
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken == this.filled {
            if !this.gathers || buffer.remaining() >= TRANSFER_BYTES {
                return Self::poll_socket(&mut this.socket, &this.gauge, context, buffer);
            }
            // A handshake or a small file needs little; a read that filled what there is asks for more.
            if this.held.len() < GATHERED_BYTES_MIN {
                this.held.resize(GATHERED_BYTES_MIN, 0);
            } else if this.filled == this.held.len() && this.held.len() < TRANSFER_BYTES {
                this.held.resize(TRANSFER_BYTES, 0);
            }
            let mut whole = ReadBuf::new(&mut this.held);
            ready!(Self::poll_socket(&mut this.socket, &this.gauge, context, &mut whole))?;
            this.filled = whole.filled().len();
            this.taken = 0;
        }
        let length = (this.filled - this.taken).min(buffer.remaining());
        buffer.put_slice(&this.held[this.taken..this.taken + length]);
        this.taken += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.gauge.note(written(&polled));
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.socket).poll_write_vectored(context, slices);
        this.gauge.note(written(&polled));
        polled
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

fn written(polled: &Poll<io::Result<usize>>) -> Option<usize> {
    match polled {
        Poll::Pending => None,
        Poll::Ready(Ok(bytes)) => Some(*bytes),
        Poll::Ready(Err(_)) => Some(0),
    }
}

/// A data connection. Its end without close_notify, where TLS goes round it, is an error on reading.
pub type DataStream = crate::listener::Stream<Wire>;
