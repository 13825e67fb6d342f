//! All nodes reach the same state hash at the same index (consensus is on one state, not only on one log).

use std::collections::BTreeMap;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "all nodes reach the same state hash at the same index";

/// What was seen of the states so far.
#[derive(Debug, Default)]
pub struct States(BTreeMap<u64, (String, u128)>);

impl States {
    /// A node has this hash at this index.
    pub fn seen(&mut self, node: &str, index: u64, hash: u128) -> Option<Broken> {
        let first = self.0.entry(index);
        let (other, expected) = first.or_insert_with(|| (node.to_owned(), hash));
        (*expected != hash).then(|| {
            let what = format!("at index {index} {node} has state {hash:032x}, {other} had {expected:032x}");
            Broken::new("same-state", what)
        })
    }
}
