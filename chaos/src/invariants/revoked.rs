//! Live (promise 3): a disabled account moves no byte after the bound, on any node that the leader reaches.

use std::time::Duration;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "a disabled account moves no byte after the bound on any node that the leader reaches";

/// One session of an account that was disabled: on which node, and how long after the answer it still moved bytes.
#[derive(Debug, Clone)]
pub struct Session {
    /// The node.
    pub node: String,
    /// After the change was acknowledged; `None`: it had ended by then.
    pub moved_until: Option<Duration>,
    /// Whether the leader reached the node.
    pub reachable: bool,
}

/// Sessions on nodes that are cut off are told apart: they serve what they last applied.
pub fn check(sessions: &[Session], within: Duration) -> Vec<Broken> {
    let late = sessions.iter().filter(|session| session.reachable);
    late.filter_map(|session| {
        let until = session.moved_until.filter(|until| *until > within)?;
        let what = format!(
            "{} moved bytes until {until:?} after the account was disabled",
            session.node
        );
        Some(Broken::new("revoked", what))
    })
    .collect()
}
