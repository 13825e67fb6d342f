//! Live (promise 3): running transfers outlive a certificate, host-key or cipher change.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "running transfers outlive a change of host keys and certificates";

/// How many uploads failed in a run whose only changes were such.
pub fn check(failed: u64) -> Option<Broken> {
    (failed > 0).then(|| Broken::new("undisturbed", format!("{failed} transfers failed")))
}
