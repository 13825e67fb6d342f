//! A paused old leader changes nothing when it wakes (promise 2).
//!
//! Precisely: all changes stand in one order. Along it no entry's term is older than that of an entry before it, on
//! any node; a change that was asked for after another was acknowledged stands behind that; and no two stand at one
//! place. An old leader that still applied or acknowledged anything after a newer one's first entry would break one
//! of the three: its entry would have an older term, an earlier place, or the place of another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Broken;
use crate::oracle::{Operation, Outcome};

/// The promise.
pub const PROMISE: &str = "a paused old leader changes nothing when it wakes";

/// The terms of applied entries, as they were seen at any node.
#[derive(Debug, Default)]
pub struct Terms(BTreeMap<u64, u64>);

impl Terms {
    /// A node has applied the entry at `index`, which is of this term.
    pub fn seen(&mut self, node: &str, index: u64, term: u64) -> Option<Broken> {
        let older = self.0.range(..=index).next_back().filter(|(_, before)| **before > term);
        let newer = self.0.range(index..).next().filter(|(_, after)| **after < term);
        let against = older.or(newer).map(|(at, other)| (*at, *other));
        self.0.insert(index, term);
        let (at, other) = against?;
        let what = format!("{node} has applied index {index} in term {term}, where index {at} is of term {other}");
        Some(Broken::new("woken-leader", what))
    }
}

/// Holds the acknowledged writes of all registers against one another.
pub fn check(operations: &[Operation]) -> Vec<Broken> {
    let written = operations.iter().filter_map(|one| match one.outcome {
        Outcome::Written { revision } => Some((one, revision)),
        _ => None,
    });
    let mut written: Vec<(&Operation, u64)> = written.collect();
    let mut broken = shared_places(&written);
    // In the order of the answers: the newest place that was acknowledged up to each moment.
    written.sort_unstable_by_key(|(one, _)| one.completed);
    let mut newest: Vec<(Duration, u64, u64)> = Vec::new();
    for (one, revision) in &written {
        if newest.last().is_none_or(|(_, before, _)| before < revision) {
            newest.push((one.completed, *revision, one.number));
        }
    }
    for (one, revision) in &written {
        let before = newest.partition_point(|(completed, ..)| *completed < one.invoked);
        let Some((_, other_revision, other)) = newest[..before].last() else {
            continue;
        };
        if other_revision > revision {
            let what = format!(
                "operation {} at {} stands at {revision}, before {other} at {other_revision}, which was acknowledged \
                 before it was asked for",
                one.number, one.node
            );
            broken.push(Broken::new("woken-leader", what).with(vec![*other, one.number]));
        }
    }
    broken
}

fn shared_places(written: &[(&Operation, u64)]) -> Vec<Broken> {
    let mut at: BTreeMap<u64, u64> = BTreeMap::new();
    let mut broken = Vec::new();
    for (one, revision) in written {
        if let Some(other) = at.insert(*revision, one.number) {
            let what = format!("operations {other} and {} both stand at {revision}", one.number);
            broken.push(Broken::new("woken-leader", what).with(vec![other, one.number]));
        }
    }
    broken
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::oracle::Action;

    /// A write in whole seconds.
    fn write(number: u64, invoked: u64, completed: u64, revision: u64) -> Operation {
        Operation {
            number,
            process: number,
            node: "n1".to_owned(),
            key: format!("register {number}"),
            action: Action::Write { expected: None },
            invoked: Duration::from_secs(invoked),
            completed: Duration::from_secs(completed),
            outcome: Outcome::Written { revision },
            tries: 1,
        }
    }

    #[test]
    fn one_order_that_follows_time_is_good() {
        assert_eq!(check(&[write(1, 1, 2, 10), write(2, 3, 4, 11)]), Vec::new());
        let overlapping = [write(1, 1, 5, 11), write(2, 2, 4, 10)];
        assert_eq!(check(&overlapping), Vec::new());
    }

    #[test]
    fn a_write_that_stands_before_an_older_one_is_found() {
        let broken = check(&[write(1, 1, 2, 10), write(2, 3, 4, 9)]);
        assert_eq!(broken.len(), 1);
        assert_eq!(broken[0].operations, [1, 2]);
    }

    #[test]
    fn two_writes_at_one_place_are_found() {
        let broken = check(&[write(1, 1, 5, 10), write(2, 1, 5, 10)]);
        assert_eq!(broken.len(), 1, "{broken:?}");
    }

    #[test]
    fn terms_go_up_along_the_log() {
        let mut terms = Terms::default();
        assert_eq!(terms.seen("n1", 10, 1), None);
        assert_eq!(terms.seen("n2", 20, 3), None);
        assert_eq!(terms.seen("n3", 15, 2), None);
        assert!(terms.seen("n3", 21, 2).is_some(), "an older leader after a newer one");
        assert!(terms.seen("n3", 12, 4).is_some(), "a newer term before an older one");
    }
}
