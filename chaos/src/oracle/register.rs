//! A register with a revision: read, write, and write if this revision stands there.

use std::collections::BTreeMap;

use super::history::{Action, Operation, Outcome, Seen};
use super::linear::{Call, Model};

/// The model of one register.
pub struct Register;

/// One operation on a register, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterStep {
    /// This stood there.
    Read(Option<Seen>),
    /// This was written.
    Write {
        /// What.
        value: u64,
        /// Only over this revision; 0: only where nothing stands.
        expected: Option<u64>,
        /// Which revision it made, where that is known.
        revision: Option<u64>,
    },
    /// Not the expected revision stood there.
    Stale {
        /// The one that was expected.
        expected: u64,
        /// The one that stood there, where that is known; 0: nothing.
        stands: Option<u64>,
    },
}

/// What stands in a register: the value, and the revision where anyone has seen it.
type Content = Option<(u64, Option<u64>)>;

impl Model for Register {
    type State = Content;
    type Step = RegisterStep;

    fn begin() -> Content {
        None
    }

    fn step(state: &Content, step: &RegisterStep) -> Option<Content> {
        match (step, state) {
            (RegisterStep::Read(None), None) => Some(None),
            (RegisterStep::Read(Some(seen)), Some((value, revision))) => {
                let same = seen.value == *value && revision.is_none_or(|revision| revision == seen.revision);
                same.then_some(Some((*value, Some(seen.revision))))
            }
            (RegisterStep::Read(_), _) => None,
            (
                RegisterStep::Write {
                    value,
                    expected,
                    revision,
                },
                before,
            ) => {
                let may = expected.is_none_or(|expected| stands_there(before, expected));
                let older = before.and_then(|(_, before)| before).unwrap_or(0);
                let later = revision.is_none_or(|revision| revision > older);
                (may && later).then_some(Some((*value, *revision)))
            }
            (RegisterStep::Stale { expected, .. }, before) if stands_there(before, *expected) => None,
            (RegisterStep::Stale { stands: None, .. }, before) => Some(*before),
            (RegisterStep::Stale { stands: Some(0), .. }, before) => before.is_none().then_some(None),
            (
                RegisterStep::Stale {
                    stands: Some(stands), ..
                },
                Some((value, revision)),
            ) => {
                let same = revision.is_none_or(|revision| revision == *stands);
                same.then_some(Some((*value, Some(*stands))))
            }
            (RegisterStep::Stale { .. }, None) => None,
        }
    }
}

/// Whether this revision stands there. One that nobody has seen cannot have been expected by anyone.
fn stands_there(content: &Content, expected: u64) -> bool {
    match content {
        None => expected == 0,
        Some((_, revision)) => *revision == Some(expected),
    }
}

/// The calls on each register. What failed did nothing and is left out; it is held against those who saw it.
pub fn calls_of(operations: &[Operation]) -> BTreeMap<String, Vec<Call<RegisterStep>>> {
    let mut seen_at: BTreeMap<u64, u64> = BTreeMap::new();
    for operation in operations {
        if let Outcome::Read(Some(seen)) = &operation.outcome {
            seen_at.insert(seen.value, seen.revision);
        }
    }
    let mut calls: BTreeMap<String, Vec<Call<RegisterStep>>> = BTreeMap::new();
    for operation in operations {
        let (step, ends) = match (&operation.action, &operation.outcome) {
            (Action::Read, Outcome::Read(seen)) => (RegisterStep::Read(*seen), true),
            (Action::Write { expected }, Outcome::Written { revision }) => {
                (write(operation.number, *expected, Some(*revision)), true)
            }
            (
                Action::Write {
                    expected: Some(expected),
                },
                Outcome::Stale { stands },
            ) => {
                let (expected, stands) = (*expected, *stands);
                (RegisterStep::Stale { expected, stands }, true)
            }
            (Action::Write { expected }, Outcome::Unknown(_)) => {
                let revision = seen_at.get(&operation.number).copied();
                (write(operation.number, *expected, revision), false)
            }
            _ => continue,
        };
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        calls.entry(operation.key.clone()).or_default().push(Call {
            number: operation.number,
            step,
            from: nanos(operation.invoked),
            to: ends.then(|| nanos(operation.completed)),
        });
    }
    calls
}

fn write(value: u64, expected: Option<u64>, revision: Option<u64>) -> RegisterStep {
    RegisterStep::Write {
        value,
        expected,
        revision,
    }
}
