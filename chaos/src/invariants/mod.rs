//! What is judged: one file per invariant, each naming the promise that it guards.
//!
//! How what they judge is gathered is left to the levels.

pub mod acknowledged;
pub mod applied_once;
pub mod back_again;
pub mod back_at_level;
pub mod goes_on;
pub mod linearizable;
pub mod logins_go_on;
pub mod never_called_failed;
pub mod no_needless_election;
pub mod one_leader;
pub mod revoked;
pub mod same_state;
pub mod undisturbed;
pub mod whole_files;
pub mod woken_leader;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which: the name of its file, with dashes.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// The operations that show it.
    pub operations: Vec<u64>,
}

impl Broken {
    /// Without operations.
    pub fn new(invariant: &'static str, what: String) -> Self {
        Self {
            invariant,
            what,
            operations: Vec::new(),
        }
    }

    /// With the operations that show it.
    pub fn with(mut self, operations: Vec<u64>) -> Self {
        self.operations = operations;
        self
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Every invariant and its promise.
pub const ALL: &[(&str, &str)] = &[
    ("acknowledged", acknowledged::PROMISE),
    ("applied-once", applied_once::PROMISE),
    ("back-again", back_again::PROMISE),
    ("back-at-level", back_at_level::PROMISE),
    ("goes-on", goes_on::PROMISE),
    ("linearizable", linearizable::PROMISE),
    ("logins-go-on", logins_go_on::PROMISE),
    ("never-called-failed", never_called_failed::PROMISE),
    ("no-needless-election", no_needless_election::PROMISE),
    ("one-leader", one_leader::PROMISE),
    ("revoked", revoked::PROMISE),
    ("same-state", same_state::PROMISE),
    ("undisturbed", undisturbed::PROMISE),
    ("whole-files", whole_files::PROMISE),
    ("woken-leader", woken_leader::PROMISE),
];
