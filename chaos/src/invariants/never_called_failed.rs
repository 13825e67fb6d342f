//! A change whose fate is not known is answered *unknown*, never *failed* (promise 2): what was refused was not done.

use std::collections::BTreeMap;

use super::Broken;
use crate::oracle::{Action, Operation, Outcome, Settled};

/// The promise.
pub const PROMISE: &str = "an unknown outcome is never called failed";

/// No node has a write that was refused.
pub fn check(operations: &[Operation], settled: &[Settled]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for node in settled {
        let has: BTreeMap<u64, u64> = node.writes.iter().copied().collect();
        for operation in operations {
            let refused = match (&operation.action, &operation.outcome) {
                (Action::Write { .. }, Outcome::Failed(reason)) => reason.clone(),
                (Action::Write { .. }, Outcome::Stale { .. }) => "another revision stands there".to_owned(),
                _ => continue,
            };
            if let Some(revision) = has.get(&operation.number) {
                let number = operation.number;
                let what = format!(
                    "operation {number} was refused ({refused}) and stands on {} at revision {revision}",
                    node.node
                );
                broken.push(Broken::new("never-called-failed", what).with(vec![number]));
            }
        }
    }
    broken
}
