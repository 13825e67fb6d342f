//! Rates: how fast bytes go in and out, for a session, for an account and for a service on this node.
//!
//! Each rate is a bucket of bytes that fills with time. Whoever wants to pass waits in line: one call of a session at
//! a time, then one session of an account, then one account of a service, so that sessions of an account share its
//! rate alike whatever each has under way, and accounts a service's. A call waits for as long as the bytes before it
//! take at the rate: at most the calls in the lines, each bounded in bytes, at the lowest rate that can be set.
//!
//! Which rates are set is the catalog's; at each step the latest view is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{BURST_PERCENT, PACE_STEP, PACES_MIN};
use crate::catalog::{Restrictions, View, ViewSource};
use crate::ids::{Name, SessionId};
use crate::session::Session;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// The rates of a session now, in bytes a second: its own, its account's, its service's.
pub(super) fn rates(view: &View, session: &Session, direction: Direction) -> [Option<u64>; 3] {
    let account = view.accounts.get(session.account());
    let account = account.as_ref().map(|object| &*object.spec.restrictions);
    let service = view
        .services
        .get(&session.service)
        .map(|object| &object.spec.restrictions);
    let of_session = |limits: &Restrictions| match direction {
        Direction::Up => limits.session_upload_rate,
        Direction::Down => limits.session_download_rate,
    };
    let of_all = |limits: &Restrictions| match direction {
        Direction::Up => limits.upload_rate,
        Direction::Down => limits.download_rate,
    };
    let each = account.into_iter().chain(service);
    [
        each.filter_map(of_session).min(),
        account.and_then(of_all),
        service.and_then(of_all),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Session(SessionId),
    Account(Name),
    Service(Name),
}

/// All buckets of this node.
#[derive(Default)]
pub(super) struct Pace(Mutex<Buckets>);

#[derive(Default)]
struct Buckets {
    known: HashMap<(Whose, Direction), Arc<Bucket>>,
    /// At so many, those that nobody uses are dropped.
    prune_at: usize,
}

struct Bucket {
    /// The line: first come, first served.
    line: Arc<tokio::sync::Mutex<()>>,
    level: Mutex<Level>,
}

/// What is in a bucket. Below nothing: who passed last took more than there was, and the next waits for it.
struct Level {
    bytes: f64,
    at: Instant,
    rate: u64,
}

impl Level {
    /// Fills it at `rate`, then takes `bytes` if there is anything; else says how long that takes.
    fn take(&mut self, bytes: u64, rate: u64, now: Instant) -> Result<(), Duration> {
        self.fill(rate, now);
        if self.bytes <= 0.0 {
            // One byte more than nothing.
            return Err(Duration::from_secs_f64((1.0 - self.bytes) / rate as f64));
        }
        self.bytes -= bytes as f64;
        Ok(())
    }

    fn fill(&mut self, rate: u64, now: Instant) {
        let burst = (rate * BURST_PERCENT / 100).max(1) as f64;
        let more = now.saturating_duration_since(self.at).as_secs_f64() * rate as f64;
        self.bytes = (self.bytes + more).min(burst);
        self.at = now;
        self.rate = rate;
    }

    /// Whether it would be no different if it were made now.
    fn is_full(&mut self, now: Instant) -> bool {
        self.fill(self.rate, now);
        self.bytes >= (self.rate * BURST_PERCENT / 100).max(1) as f64
    }
}

/// What a call has taken from its buckets.
#[derive(Default)]
pub(super) struct Paid(Vec<Arc<Bucket>>);

impl Paid {
    /// Gives back what did not pass after all.
    pub(super) fn refund(&self, bytes: u64) {
        for bucket in &self.0 {
            bucket.level.lock().unwrap_or_else(PoisonError::into_inner).bytes += bytes as f64;
        }
    }
}

impl Pace {
    /// Waits until `bytes` may pass.
    pub(super) async fn pass(&self, view: &ViewSource, session: &Session, direction: Direction, bytes: u64) -> Paid {
        let whose = [
            Whose::Session(session.id),
            Whose::Account(session.account().clone()),
            Whose::Service(session.service.clone()),
        ];
        let mut turns = Vec::new();
        let mut paid = Paid::default();
        for (at, whose) in whose.into_iter().enumerate() {
            let all = || rates(&view(), session, direction);
            let rate = || all().get(at).copied().flatten();
            // The session's line is stood in always, so that its calls stay in order; the others where a rate stands
            // behind them: each gives one place in the lines that follow.
            if at > 0 && all().iter().skip(at).all(Option::is_none) {
                continue;
            }
            let bucket = self.bucket(whose, direction, rate().unwrap_or(1));
            turns.push(bucket.line.clone().lock_owned().await);
            while let Some(rate) = rate() {
                let now = Instant::now();
                let taken = bucket
                    .level
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(bytes, rate, now);
                match taken {
                    Ok(()) => {
                        paid.0.push(bucket);
                        break;
                    }
                    Err(wait) => tokio::time::sleep(wait.min(PACE_STEP)).await,
                }
            }
        }
        paid
    }

    fn bucket(&self, whose: Whose, direction: Direction, rate: u64) -> Arc<Bucket> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (whose, direction);
        if let Some(bucket) = buckets.known.get(&key) {
            return bucket.clone();
        }
        let now = Instant::now();
        if buckets.known.len() >= buckets.prune_at.max(PACES_MIN) {
            buckets.known.retain(|_, bucket| {
                let mut level = bucket.level.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::strong_count(bucket) > 1 || !level.is_full(now)
            });
            buckets.prune_at = 2 * buckets.known.len();
        }
        let level = Level {
            bytes: (rate * BURST_PERCENT / 100).max(1) as f64,
            at: now,
            rate,
        };
        let bucket = Arc::new(Bucket {
            line: Arc::default(),
            level: Mutex::new(level),
        });
        buckets.known.insert(key, bucket.clone());
        bucket
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lets_through_what_the_rate_gives_and_a_small_burst() {
        let start = Instant::now();
        let mut now = start;
        let mut level = Level {
            bytes: 250.0,
            at: start,
            rate: 1_000,
        };
        let mut passed = 0;
        while now.duration_since(start) < Duration::from_secs(10) {
            match level.take(100, 1_000, now) {
                Ok(()) => passed += 100,
                Err(wait) => now += wait,
            }
        }
        assert!((10_000..=10_500).contains(&passed), "{passed}");
    }

    #[test]
    fn a_burst_does_not_grow_with_idle_time_and_a_refund_is_worth_what_was_paid() {
        let start = Instant::now();
        let mut level = Level {
            bytes: 250.0,
            at: start,
            rate: 1_000,
        };
        assert_eq!(level.take(250, 1_000, start + Duration::from_secs(3600)), Ok(()));
        let wait = level.take(1, 1_000, start + Duration::from_secs(3600)).unwrap_err();
        assert!(wait <= Duration::from_millis(1), "{wait:?}");
        level.bytes += 250.0;
        assert_eq!(level.take(1, 1_000, start + Duration::from_secs(3600)), Ok(()));
    }

    #[test]
    fn buckets_that_nobody_uses_are_dropped() {
        let pace = Pace::default();
        for number in 0..1_000 {
            pace.bucket(Whose::Session(SessionId(number)), Direction::Up, 1_000);
        }
        assert!(pace.0.lock().unwrap().known.len() <= PACES_MIN + 1);
    }
}
