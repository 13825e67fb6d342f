//! After the faults end, everything is back within 5 s (promise 4): writes, reads and logins through every node.

use std::time::Duration;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "after the faults end, every node serves again within 5 s";

/// How long it may take.
pub const WITHIN: Duration = Duration::from_secs(5);

/// `took` is how long each thing took to be back, or `None` where it did not come back at all.
pub fn check(took: &[(String, Option<Duration>)]) -> Vec<Broken> {
    let late = took.iter().filter(|(_, took)| took.is_none_or(|took| took > WITHIN));
    late.map(|(what, took)| Broken::new("back-again", format!("{what}: {took:?} after the faults ended")))
        .collect()
}
