//! A node stops for nothing that another node does, and for no fault but its own disk.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "no node stops because of another's fault";

/// `reason` is why a node wants to stop.
pub fn check(node: &str, reason: Option<&str>) -> Vec<Broken> {
    reason
        .map(|reason| Broken::new("goes-on", format!("{node} wants to stop: {reason}")))
        .into_iter()
        .collect()
}
