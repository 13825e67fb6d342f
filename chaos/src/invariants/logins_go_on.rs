//! Logins go on (promises 4 and 5): a node that runs lets partners in, with a quorum or without.

use std::time::Duration;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "logins go on without a quorum";

/// One try to come in.
pub struct Try {
    /// The node.
    pub node: String,
    /// When it began.
    pub at: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// A time in which a node cannot be expected to serve.
pub struct Down {
    /// The node.
    pub node: String,
    /// From when.
    pub from: Duration,
    /// Until when, its start included.
    pub to: Duration,
}

/// A login that fails on a node that is not down breaks the promise.
pub fn check(tries: &[Try], down: &[Down]) -> Vec<Broken> {
    let excused = |one: &Try| {
        let mut at_node = down.iter().filter(|down| down.node == one.node);
        at_node.any(|down| one.at <= down.to && one.at + Duration::from_secs(8) >= down.from)
    };
    let failed = tries.iter().filter(|one| !excused(one));
    failed
        .filter_map(|one| {
            let reason = one.failed.as_ref()?;
            let at = one.at.as_secs_f64();
            Some(Broken::new(
                "logins-go-on",
                format!("{} at {at:.1} s: {reason}", one.node),
            ))
        })
        .collect()
}
