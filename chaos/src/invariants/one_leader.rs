//! One leader at a time: without it no other promise of consensus holds.
//!
//! A leadership is a term and a node. Of two nodes that stand for one term at the same moment the one with the higher
//! number wins over the other, also where that was elected already: then it leads no more, even if it does not know.
//! That it has changed nothing since is left to `linearizable` and `same_state`.

use std::collections::BTreeMap;

use super::Broken;

/// The promise.
pub const PROMISE: &str = "no leader is elected once a higher one leads";

/// Who was seen to lead.
#[derive(Debug, Default)]
pub struct Leaders {
    /// The round in which each leadership was first seen.
    first: BTreeMap<(u64, u64), u64>,
    round: u64,
}

impl Leaders {
    /// All nodes are looked at once more, one after the other.
    pub fn begin_round(&mut self) {
        self.round += 1;
    }

    /// A node leads in this term. One that was elected before the higher one is seen with it or in the next round.
    pub fn seen(&mut self, term: u64, node: u64) -> Option<Broken> {
        if self.first.contains_key(&(term, node)) {
            return None;
        }
        self.first.insert((term, node), self.round);
        let mut higher = self.first.range((term, node + 1)..=(term, u64::MAX));
        let ((_, other), since) = higher.find(|(_, since)| **since + 1 < self.round)?;
        let rounds = self.round - since;
        let what = format!("node {node} leads term {term}, {rounds} rounds after node {other} was seen to lead it");
        Some(Broken::new("one-leader", what))
    }

    /// How many terms had a leader.
    pub fn terms(&self) -> u64 {
        let mut terms: Vec<u64> = self.first.keys().map(|(term, _)| *term).collect();
        terms.dedup();
        terms.len() as u64
    }

    /// The newest term that had one.
    pub fn newest(&self) -> u64 {
        self.first.keys().next_back().map_or(0, |(term, _)| *term)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What was seen, a list of term and node for each round; whether the last breaks the promise.
    fn check(rounds: &[&[(u64, u64)]], broken: bool) {
        let mut leaders = Leaders::default();
        let mut last = None;
        for round in rounds {
            leaders.begin_round();
            for (term, node) in *round {
                last = leaders.seen(*term, *node);
            }
        }
        assert_eq!(last.is_some(), broken, "{rounds:?}");
    }

    #[test]
    fn a_lower_node_that_leads_a_term_after_a_higher_one_is_seen() {
        check(&[&[(4, 1)], &[(4, 1)], &[(4, 2)]], false);
        check(&[&[(4, 1), (4, 2)]], false);
        check(&[&[(4, 2)], &[(4, 1)]], false);
        check(&[&[(4, 2)], &[(4, 2)], &[(4, 1)]], true);
        check(&[&[(4, 2)], &[], &[(5, 1)]], false);
    }
}
