//! What is seen of a connection from outside: bytes that move, and whose turn it is; by it one that stands still ends.
//!
//! What follows from it is done by `connection`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::limits::{LINGER_BYTES_MAX, LINGER_MAX};
use crate::listener::Stream;

/// Counts of one connection.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: AtomicU64,
    /// Requests whose answer is not sent to its end.
    open: AtomicU64,
    /// Of these, those in which we have the next move.
    working: AtomicU64,
    begun: AtomicU64,
}

/// A request that is counted until it is dropped.
#[derive(Debug)]
pub struct Open(Arc<Gauge>);

/// While it lives, the next move is ours.
#[derive(Debug)]
pub struct Working(Arc<Gauge>);

impl Gauge {
    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// The next move is ours.
    pub fn work(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Stays,
    /// Nothing was asked for long: it is closed after the answers under way.
    Idle,
    /// The peer takes or sends nothing of what is under way.
    Stalled,
}

/// What was seen when it was looked at before.
#[derive(Debug)]
pub struct Watch {
    seen: (u64, u64),
    since: Instant,
}

impl Watch {
    /// Looked at for the first time.
    pub fn new(now: Instant) -> Self {
        Self {
            seen: (0, 0),
            since: now,
        }
    }

    /// Looks again. `idle`: how long nothing may be asked; `None`: for ever. `stall`: how long the peer may let wait.
    pub fn look(&mut self, gauge: &Gauge, now: Instant, idle: Option<Duration>, stall: Duration) -> Verdict {
        let bytes = gauge.bytes.load(Ordering::Relaxed);
        let seen = (bytes, gauge.begun.load(Ordering::Relaxed));
        if seen != self.seen || gauge.working.load(Ordering::Relaxed) > 0 {
            *self = Self { seen, since: now };
            return Verdict::Stays;
        }
        let quiet = now - self.since;
        match gauge.open.load(Ordering::Relaxed) {
            0 if idle.is_some_and(|idle| quiet >= idle) => Verdict::Idle,
            0 => Verdict::Stays,
            _ if quiet >= stall => Verdict::Stalled,
            _ => Verdict::Stays,
        }
    }
}

/// A connection's bytes, counted. Its end lingers: what the peer still sends is read for a while, or the system would
/// tell it of a broken connection before it has read the last answer.
pub struct Counted {
    stream: Stream,
    gauge: Arc<Gauge>,
    end: End,
}

enum End {
    /// Not yet.
    No,
    /// Our side is closed; what comes is thrown away, at most so much, until then.
    Lingers(usize, Pin<Box<Sleep>>),
    /// Both sides are closed, or we waited for long enough.
    Yes,
}

impl Counted {
    pub(super) fn new(stream: Stream, gauge: Arc<Gauge>) -> Self {
        Self {
            stream,
            gauge,
            end: End::No,
        }
    }

    fn count(&self, bytes: usize) {
        self.gauge.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        if read == 0 {
            self.end = End::Yes;
        }
        self.count(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let End::No = this.end {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.end = End::Lingers(LINGER_BYTES_MAX, Box::pin(tokio::time::sleep(LINGER_MAX)));
        }
        let End::Lingers(left, until) = &mut this.end else {
            return Pin::new(&mut this.stream).poll_shutdown(context);
        };
        let mut room = [0; 4096];
        while *left > 0 && until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                // It has closed too, or broken off: nothing of ours can be lost any more.
                _ => break,
            }
        }
        this.end = End::Yes;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);
    const STALL: Duration = Duration::from_secs(5);

    #[test]
    fn a_connection_ends_when_its_peer_lets_it_wait_and_not_while_we_do() {
        let gauge = Arc::new(Gauge::default());
        let start = Instant::now();
        let mut watch = Watch::new(start);
        let mut look = |second: u64| watch.look(&gauge, start + Duration::from_secs(second), Some(IDLE), STALL);
        assert_eq!(look(9), Verdict::Stays);
        assert_eq!(look(10), Verdict::Idle);
        let open = gauge.begin();
        assert_eq!(look(11), Verdict::Stays);
        let working = gauge.work();
        assert_eq!(look(60), Verdict::Stays);
        drop(working);
        assert_eq!(look(64), Verdict::Stays);
        gauge.bytes.fetch_add(1, Ordering::Relaxed);
        assert_eq!(look(65), Verdict::Stays);
        assert_eq!(look(70), Verdict::Stalled);
        drop(open);
        assert_eq!(look(74), Verdict::Stays);
        assert_eq!(look(75), Verdict::Idle);
    }
}
