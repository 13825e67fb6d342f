//! One leader in a term: without it no other promise of consensus holds.

use std::collections::BTreeMap;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "no term has two leaders";

/// Who was seen to lead.
#[derive(Debug, Default)]
pub struct Leaders(BTreeMap<u64, String>);

impl Leaders {
    /// A node leads in this term.
    pub fn seen(&mut self, term: u64, node: &str) -> Option<Broken> {
        let first = self.0.entry(term).or_insert_with(|| node.to_owned());
        (first != node).then(|| Broken::new("one-leader", format!("{first} and {node} both lead term {term}")))
    }

    /// How many terms had a leader.
    pub fn terms(&self) -> u64 {
        self.0.len() as u64
    }

    /// The newest term that had one.
    pub fn newest(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or(0)
    }
}
