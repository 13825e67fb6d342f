//! Bugs that are planted on purpose, so that the chaos harness can show that it would find them.
//!
//! Without the feature `planted`, which the product never has, [`is`] is a constant `false` and this file is nothing.

/// A bug to be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted"), allow(dead_code))]
pub enum Bug {
    /// The log answers before its fsync.
    AnswerBeforeFsync,
    /// A vote is not on disk when it is given.
    ForgetVote,
    /// A leader confirms a read without asking a quorum.
    ReadWithoutQuorum,
    /// A retried request is applied again.
    RetryAppliedTwice,
    /// A forward that broke is called refused, not unknown.
    UnknownCalledFailed,
    /// Apply gives other rows on some nodes.
    ApplyDiffers,
    /// No vote is given to another node.
    NeverVotesForOthers,
    /// The log waits for the storage.
    LogWaitsForStorage,
    /// An old leader hardly hears that there is a newer one, and meanwhile answers without asking anyone.
    WokenLeaderAnswers,
    /// A node stops when another one wants to lead.
    StopsAtAnElection,
}

#[cfg(feature = "planted")]
impl Bug {
    /// Every bug.
    pub const ALL: [Self; 10] = [
        Self::AnswerBeforeFsync,
        Self::ForgetVote,
        Self::ReadWithoutQuorum,
        Self::RetryAppliedTwice,
        Self::UnknownCalledFailed,
        Self::ApplyDiffers,
        Self::NeverVotesForOthers,
        Self::LogWaitsForStorage,
        Self::WokenLeaderAnswers,
        Self::StopsAtAnElection,
    ];

    /// The word for it in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnswerBeforeFsync => "answer-before-fsync",
            Self::ForgetVote => "forget-vote",
            Self::ReadWithoutQuorum => "read-without-quorum",
            Self::RetryAppliedTwice => "retry-applied-twice",
            Self::UnknownCalledFailed => "unknown-called-failed",
            Self::ApplyDiffers => "apply-differs",
            Self::NeverVotesForOthers => "never-votes-for-others",
            Self::LogWaitsForStorage => "log-waits-for-storage",
            Self::WokenLeaderAnswers => "woken-leader-answers",
            Self::StopsAtAnElection => "stops-at-an-election",
        }
    }
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;
    use std::sync::LazyLock;

    use super::Bug;

    /// The variable that plants a bug in a whole process.
    pub const VARIABLE: &str = "ARGOSY_PLANTED";

    thread_local! {
        static HERE: Cell<Option<Bug>> = const { Cell::new(None) };
        static TURNS: Cell<u64> = const { Cell::new(0) };
    }
    static EVERYWHERE: LazyLock<Option<Bug>> = LazyLock::new(|| {
        let name = std::env::var(VARIABLE).ok()?;
        Bug::ALL.into_iter().find(|bug| bug.name() == name)
    });

    /// Plants `bug` in all that runs on this thread from now on; `None` takes it out.
    pub fn plant(bug: Option<Bug>) {
        HERE.set(bug);
        TURNS.set(0);
    }

    /// Whether this bug is planted.
    pub fn is(bug: Bug) -> bool {
        HERE.get() == Some(bug) || *EVERYWHERE == Some(bug)
    }

    /// Whether it is, for each `turns`-th question only.
    pub fn is_each(bug: Bug, turns: u64) -> bool {
        is(bug) && {
            TURNS.set(TURNS.get() + 1);
            TURNS.get().is_multiple_of(turns)
        }
    }
}

#[cfg(feature = "planted")]
pub use switch::{VARIABLE, is, is_each, plant};

/// Never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_bug: Bug) -> bool {
    false
}

/// Never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is_each(_bug: Bug, _turns: u64) -> bool {
    false
}
