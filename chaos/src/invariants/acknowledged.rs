//! Nothing acknowledged is lost (promise 2): what was answered as written stands at its revision on every node, in the end.

use std::collections::BTreeMap;

use super::Broken;
use crate::oracle::{Operation, Outcome, Settled};

/// The promise.
pub const PROMISE: &str = "no acknowledged change is lost";

/// Compares what clients were told with what each node has.
pub fn check(operations: &[Operation], settled: &[Settled]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for node in settled {
        let has: BTreeMap<u64, u64> = node.writes.iter().copied().collect();
        for operation in operations {
            let Outcome::Written { revision } = operation.outcome else {
                continue;
            };
            let found = has.get(&operation.number);
            if found != Some(&revision) {
                let number = operation.number;
                let what = format!(
                    "operation {number} was acknowledged at revision {revision}; {} has it at {found:?}",
                    node.node
                );
                broken.push(Broken::new("acknowledged", what).with(vec![number]));
            }
        }
    }
    broken
}
