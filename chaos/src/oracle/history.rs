//! What clients asked, when, of which node, and what they were told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A register's content as a client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The number of the operation that wrote it: each write has a value of its own.
    pub value: u64,
    /// At which revision it was written.
    pub revision: u64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A linearizable read.
    Read,
    /// A write of the operation's own number.
    Write {
        /// Only if this revision stands there; 0: only if nothing does; `None`: whatever stands there.
        expected: Option<u64>,
    },
}

/// What was answered, in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What stood there.
    Read(Option<Seen>),
    /// It is written, at this revision.
    Written {
        /// The revision.
        revision: u64,
    },
    /// The expected revision was not the one that stands there: this is (0: nothing).
    Stale {
        /// The revision that stands there; `None` where the answer does not say.
        stands: Option<u64>,
    },
    /// Refused, nothing was changed.
    Failed(String),
    /// It may or may not have been done.
    Unknown(String),
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number, unique in the run, from 1 on; also the value that it writes.
    pub number: u64,
    /// Who asked: one asks one thing after the other.
    pub process: u64,
    /// The node that was asked last.
    pub node: String,
    /// The register.
    pub key: String,
    /// What was asked.
    pub action: Action,
    /// When, since the start of the run.
    pub invoked: Duration,
    /// When it was answered.
    pub completed: Duration,
    /// What was answered.
    pub outcome: Outcome,
    /// How often it was asked, with one request id.
    pub tries: u32,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.invoked.as_secs_f64(), self.completed.as_secs_f64());
        let (action, outcome) = (&self.action, &self.outcome);
        write!(
            f,
            "  {from:9.4} s to {to:9.4} s: {} {} by {} at {}, {} tries: {action:?}: {outcome:?}",
            self.number, self.key, self.process, self.node, self.tries
        )
    }
}

/// What a node says, in the end, of what was done: number and revision of each write, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The node.
    pub node: String,
    /// Every write that was applied.
    pub writes: Vec<(u64, u64)>,
}

/// All operations of a run. Clones are the same history.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    numbers: u64,
    operations: Vec<Operation>,
    /// Asked, and not answered yet.
    open: BTreeMap<u64, Operation>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for the next operation.
    pub fn number(&self) -> u64 {
        let mut kept = self.lock();
        kept.numbers += 1;
        kept.numbers
    }

    /// Writes an operation down that is asked now: until it has ended, nobody knows its outcome.
    pub fn begun(&self, operation: Operation) {
        self.lock().open.insert(operation.number, operation);
    }

    /// Writes an operation down that has ended.
    pub fn ended(&self, operation: Operation) {
        let mut kept = self.lock();
        kept.open.remove(&operation.number);
        kept.operations.push(operation);
    }

    /// All that have ended so far, and those that are under way: another may have seen what they did already.
    pub fn with_open(&self) -> Vec<Operation> {
        let kept = self.lock();
        kept.operations.iter().chain(kept.open.values()).cloned().collect()
    }

    /// All that have ended so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().operations.clone()
    }

    /// How many writes are acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        let kept = self.lock();
        let written = kept.operations.iter();
        written
            .filter(|operation| matches!(operation.outcome, Outcome::Written { .. }))
            .count()
    }
}
