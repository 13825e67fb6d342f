//! The socket under russh: it can be cut from outside, is read slowly while the connection holds too much, and tells
//! when what was written has left.
//!
//! How much is too much is left to `sftp::flow`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep};

use super::limits::{SLOW_READ, UNSENT_BYTES_MAX, UNSENT_WAIT};
use crate::protocols::sftp::flow::{Flow, Gate};

/// The outside view of a connection's socket.
#[derive(Debug)]
pub struct Line {
    cut: watch::Sender<bool>,
    reader: AtomicWaker,
    writer: AtomicWaker,
    unsent: AtomicU64,
    left: Notify,
    opened: Instant,
    active: AtomicU64,
}

impl Line {
    /// Of a new connection.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            cut: watch::Sender::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            unsent: AtomicU64::new(0),
            left: Notify::new(),
            opened: Instant::now(),
            active: AtomicU64::new(0),
        })
    }

    /// Ends all reading and writing with an error.
    pub fn cut(&self) {
        self.cut.send_replace(true);
        self.reader.wake();
        self.writer.wake();
        self.left.notify_waiters();
    }

    /// Resolves once it was cut.
    pub async fn was_cut(&self) {
        let mut cut = self.cut.subscribe();
        let _ = cut.wait_for(|cut| *cut).await;
    }

    /// Waits until little enough is unsent, then counts `bytes` as unsent.
    pub async fn reserve(&self, bytes: usize) {
        let _ = tokio::time::timeout(UNSENT_WAIT, async {
            loop {
                let mut left = std::pin::pin!(self.left.notified());
                left.as_mut().enable();
                if self.unsent.load(Ordering::Acquire) < UNSENT_BYTES_MAX {
                    return;
                }
                left.await;
            }
        })
        .await;
        self.unsent.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// The peer did something, or took something that it asked for.
    pub fn touch(&self) {
        let millis = self.opened.elapsed().as_millis();
        self.active
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When the peer last did.
    pub fn last_active(&self) -> Instant {
        self.opened + std::time::Duration::from_millis(self.active.load(Ordering::Relaxed))
    }
}

/// The socket as russh gets it.
pub struct Socket<S> {
    stream: S,
    line: Arc<Line>,
    flow: Arc<Flow>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Socket<S> {
    /// Puts `stream` under the rule of `line` and `flow`.
    pub fn new(stream: S, line: Arc<Line>, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            line,
            flow,
            pause: None,
        }
    }

    fn check(&self) -> io::Result<()> {
        if *self.line.cut.borrow() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection was cut",
            ));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.line.reader.register(context.waker());
        this.check()?;
        match this.flow.gate(context.waker()) {
            Gate::Open => this.pause = None,
            Gate::Shut => return Poll::Pending,
            Gate::Slow => {
                if let Some(pause) = &mut this.pause {
                    std::task::ready!(pause.as_mut().poll(context));
                    this.pause = None;
                }
                std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
                this.pause = Some(Box::pin(tokio::time::sleep(SLOW_READ)));
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.writer.register(context.waker());
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // russh flushes after it has written all that it had.
        self.line.unsent.store(0, Ordering::Release);
        self.line.left.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::protocols::sftp::flow::{HELD_HIGH, HELD_MAX, NodeFlow, WINDOW_FULL, WINDOW_STRAINED};

    fn socket() -> (
        tokio::io::DuplexStream,
        Socket<tokio::io::DuplexStream>,
        Arc<Line>,
        Arc<Flow>,
    ) {
        let (peer, stream) = tokio::io::duplex(1024);
        let (line, flow) = (Line::new(), Flow::new(Arc::new(NodeFlow::default())));
        let socket = Socket::new(stream, line.clone(), flow.clone());
        (peer, socket, line, flow)
    }

    #[tokio::test]
    async fn a_cut_ends_a_read_and_a_write_that_wait() {
        let (_peer, socket, line, _flow) = socket();
        let (mut reader, mut writer) = tokio::io::split(socket);
        let reading = tokio::spawn(async move { reader.read(&mut [0]).await });
        let writing = tokio::spawn(async move { writer.write_all(&[0; 100_000]).await });
        tokio::task::yield_now().await;
        line.cut();
        assert!(reading.await.unwrap().is_err());
        assert!(writing.await.unwrap().is_err());
        line.was_cut().await;
    }

    #[tokio::test]
    async fn a_strained_connection_is_read_slowly_and_then_not_at_all_until_it_is_relieved() {
        let (mut peer, mut socket, _line, flow) = socket();
        peer.write_all(&[0; 100]).await.unwrap();
        assert_eq!(flow.window(), WINDOW_FULL);
        let much = flow.hold(HELD_HIGH);
        assert_eq!(flow.window(), WINDOW_STRAINED);
        let start = Instant::now();
        for _ in 0..10 {
            socket.read_exact(&mut [0]).await.unwrap();
        }
        assert!(start.elapsed() >= SLOW_READ * 9);
        let too_much = flow.hold(HELD_MAX);
        let stuck = tokio::time::timeout(Duration::from_millis(50), socket.read_exact(&mut [0])).await;
        assert!(stuck.is_err());
        let waiting = tokio::spawn(async move { socket.read_exact(&mut [0]).await.map(|_| ()) });
        tokio::task::yield_now().await;
        drop((much, too_much));
        waiting.await.unwrap().unwrap();
        assert_eq!(flow.window(), WINDOW_FULL);
    }

    #[tokio::test]
    async fn a_reply_waits_until_the_ones_before_have_left() {
        let (_peer, mut socket, line, _flow) = socket();
        line.reserve(UNSENT_BYTES_MAX as usize).await;
        let waiting = line.clone();
        let waiting = tokio::spawn(async move { waiting.reserve(1).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        socket.flush().await.unwrap();
        waiting.await.unwrap();
    }
}
