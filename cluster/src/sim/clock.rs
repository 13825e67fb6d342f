//! The clock of a simulated node: monotonic, and running a little fast or slow where a run wants it so.
//!
//! Whose clock it is, is left to `scoped`.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use openraft_rt::Instant;
use openraft_rt_sim::SimInstant;

/// A clock: where it stood at a moment of true time, and its rate since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    since: Duration,
    showed: Duration,
    permille: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            since: Duration::ZERO,
            showed: Duration::ZERO,
            permille: 1_000,
        }
    }
}

fn scaled(duration: Duration, times: u64, by: u64) -> Duration {
    if times == by {
        return duration;
    }
    let nanos = duration.as_nanos() * u128::from(times) / u128::from(by.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Clock {
    /// What it shows, as time since the start of the run.
    fn shows(&self) -> Duration {
        let passed = SimInstant::now().elapsed_since_start().saturating_sub(self.since);
        self.showed + scaled(passed, self.permille, 1_000)
    }

    /// Goes on from what it shows now, at another rate.
    pub(super) fn at_rate(&self, permille: u64) -> Self {
        Self {
            since: SimInstant::now().elapsed_since_start(),
            showed: self.shows(),
            permille: permille.max(1),
        }
    }

    /// How long `duration` by this clock is in truth; a little more rather than less, so that a timer that fires is
    /// never early by its own clock.
    pub(super) fn true_time(&self, duration: Duration) -> Duration {
        if self.permille == 1_000 || duration.is_zero() {
            return duration;
        }
        scaled(duration, 1_000, self.permille) + Duration::from_micros(1)
    }
}

/// A moment by the clock of one node. Moments of several nodes cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalInstant(Duration);

/// Room before the start, so that a time-out can be subtracted from any moment.
const BEFORE: Duration = Duration::from_secs(86_400);

impl LocalInstant {
    /// How long from now on, by the same clock; zero for a moment that has passed.
    pub(super) fn left(self) -> Duration {
        self - Self::now()
    }
}

impl Instant for LocalInstant {
    fn now() -> Self {
        Self(BEFORE + super::scoped::Scope::clock().shows())
    }
}

impl Add<Duration> for LocalInstant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for LocalInstant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for LocalInstant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl SubAssign<Duration> for LocalInstant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for LocalInstant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
