//! A retried request is applied once (promise 2).

use std::collections::BTreeSet;

use super::Broken;
use crate::oracle::Settled;

/// The promise.
pub const PROMISE: &str = "a retried request is applied once";

/// No node has one write twice.
pub fn check(settled: &[Settled]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for node in settled {
        let mut once = BTreeSet::new();
        for (number, revision) in &node.writes {
            if !once.insert(number) {
                let what = format!("{} applied operation {number} again at revision {revision}", node.node);
                broken.push(Broken::new("applied-once", what).with(vec![*number]));
            }
        }
    }
    broken
}
