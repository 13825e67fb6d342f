//! The end of a listener's connections: each is told, ends by itself, and is dropped some time after the deadline if
//! it did not.
//!
//! What a protocol says to its client is left to the protocol.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Connections end by this moment.
    Draining(Instant),
}

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    phase: watch::Sender<Phase>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    /// For a new connection, which counts for as long as it holds this.
    pub(super) fn drain(&self) -> Drain {
        Drain(self.phase.subscribe())
    }

    pub(super) fn count(&self) -> usize {
        self.phase.receiver_count()
    }

    /// Tells all connections to end by `within` from now; a second call can only make it sooner.
    pub(super) fn begin(&self, within: Duration) {
        let until = Instant::now() + within;
        self.phase.send_if_modified(|phase| match phase {
            Phase::Draining(earlier) if *earlier <= until => false,
            _ => {
                *phase = Phase::Draining(until);
                true
            }
        });
    }

    /// Resolves when none is left.
    pub(super) async fn ended(&self) {
        self.phase.closed().await;
    }
}

/// A connection's view of its listener's end.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<Phase>);

impl Drain {
    /// Resolves when the connection has to end: at the moment that it gives at the latest, and before when it has
    /// nothing under way.
    pub async fn begun(&mut self) -> Instant {
        loop {
            if let Phase::Draining(until) = *self.0.borrow_and_update() {
                return until;
            }
            if self.0.changed().await.is_err() {
                // The listener itself is gone: its connections go on without an end.
                std::future::pending().await
            }
        }
    }

    /// Whether the end has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Runs `serving`, but not past the deadline and `grace`; whether it ended by itself.
    pub(super) async fn bound(mut self, serving: impl Future<Output = ()>, grace: Duration) -> bool {
        let over = async {
            loop {
                let until = self.begun().await + grace;
                tokio::select! {
                    () = sleep_until(until) => return,
                    // A second drain may have made it sooner.
                    changed = self.0.changed() => if changed.is_err() {
                        std::future::pending().await
                    },
                }
            }
        };
        tokio::select! {
            () = serving => true,
            () = over => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_connection_that_does_not_end_by_itself_is_dropped_after_the_grace() {
        let connections = Connections::new();
        let deaf = tokio::spawn(connections.drain().bound(std::future::pending(), GRACE));
        let mut told = connections.drain();
        let polite = async move {
            told.begun().await;
        };
        let polite = tokio::spawn(connections.drain().bound(polite, GRACE));
        let start = Instant::now();
        connections.begin(Duration::from_secs(600));
        assert!(polite.await.unwrap());
        assert!(!deaf.is_finished());
        connections.begin(Duration::from_millis(100));
        connections.begin(Duration::from_secs(600));
        connections.ended().await;
        assert!(!deaf.await.unwrap());
        let taken = start.elapsed();
        assert!(taken >= GRACE * 2 && taken < Duration::from_secs(60), "{taken:?}");
    }

    #[tokio::test]
    async fn connections_of_a_listener_that_is_gone_go_on() {
        let connections = Connections::new();
        let drain = connections.drain();
        drop(connections);
        assert!(drain.bound(tokio::time::sleep(GRACE), Duration::ZERO).await);
    }
}
