//! A leader that is heard stays: neither a far datacenter, nor load, nor a storage that stands still causes an election.

use std::time::Duration;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "slow links and stalled storages cause no election";

/// `before` and `after` are the terms round a time in which nothing happened to the leader.
pub fn check(during: &str, before: u64, after: u64) -> Vec<Broken> {
    if before == after {
        return Vec::new();
    }
    let what = format!("the term went from {before} to {after} during {during}");
    vec![Broken::new("no-needless-election", what)]
}

/// How long writes may pause while only a storage stands still.
const PAUSE_MAX: Duration = Duration::from_millis(1_000);

/// `gap` is the longest time without an acknowledged write while only a storage stood still.
pub fn check_gap(during: &str, gap: Duration) -> Vec<Broken> {
    if gap <= PAUSE_MAX {
        return Vec::new();
    }
    let what = format!("no write was acknowledged for {gap:?} during {during}");
    vec![Broken::new("no-needless-election", what)]
}
