//! A leader that is heard stays: neither a far datacenter, nor load, nor a storage that stands still causes an election.

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
