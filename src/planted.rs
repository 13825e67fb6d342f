//! Bugs that are planted on purpose in files, sessions and logins, so that the chaos harness can show that it would
//! find them. Those of consensus are in the cluster crate.
//!
//! Compiled with the feature `planted` alone, which the product never has.

use std::sync::LazyLock;

/// The variable that names the one bug of this process.
pub use argosy_cluster::planted::VARIABLE;

/// A bug to be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An upload is answered and not put under its name.
    SkipRename,
    /// A write is answered and the end of the file is not written.
    LoseTheEnd,
    /// An upload is put under its name with its first bytes.
    PublishEarly,
    /// A login waits for a leader with a quorum.
    LoginAsksTheLeader,
    /// A session is not closed when its account is disabled.
    ForgetEviction,
    /// A session leaves open files behind.
    LeakHandles,
    /// A session leaves memory behind.
    LeakMemory,
    /// Every session is closed when a host key is changed.
    DropAtNewKeys,
    /// A line of the journal begins before the one before it has ended.
    TornJournal,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 9] = [
        Self::SkipRename,
        Self::LoseTheEnd,
        Self::PublishEarly,
        Self::LoginAsksTheLeader,
        Self::ForgetEviction,
        Self::LeakHandles,
        Self::LeakMemory,
        Self::DropAtNewKeys,
        Self::TornJournal,
    ];

    /// The word for it in the variable and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipRename => "skip-rename",
            Self::LoseTheEnd => "lose-the-end",
            Self::PublishEarly => "publish-early",
            Self::LoginAsksTheLeader => "login-asks-the-leader",
            Self::ForgetEviction => "forget-eviction",
            Self::LeakHandles => "leak-handles",
            Self::LeakMemory => "leak-memory",
            Self::DropAtNewKeys => "drop-at-new-keys",
            Self::TornJournal => "torn-journal",
        }
    }
}

static PLANTED: LazyLock<Option<Bug>> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).ok()?;
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
});

/// Whether this bug is planted.
pub fn is(bug: Bug) -> bool {
    *PLANTED == Some(bug)
}

/// The bug that the variable names, here or in the cluster crate.
///
/// # Errors
/// It names none: a misspelt name must not pass for a bug that nobody finds.
pub fn named() -> Result<String, String> {
    let name = std::env::var(VARIABLE).map_err(|_| format!("this build has bugs: name one in {VARIABLE}"))?;
    let here = Bug::ALL.iter().map(|bug| bug.name());
    let cluster = argosy_cluster::planted::Bug::ALL.iter().map(|bug| bug.name());
    match here.chain(cluster).any(|known| known == name) {
        true => Ok(name),
        false => Err(format!("{VARIABLE} names `{name}`, and there is no such bug")),
    }
}
