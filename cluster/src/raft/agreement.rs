//! Whether all members have the same state: what each tells of its own, and the verdict that follows. Pure.
//!
//! A node tells its state hash at log indexes that all nodes come by, and at the one where it stands. At one index all
//! must have the same. Asking the others, and what is done about a difference, is left to `mend`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::NodeId;
use crate::envelope::wire::StateReportV1;
use crate::limits::{CHECKPOINT_EVERY, CHECKPOINTS_KEPT};

/// A state hash.
pub type Hash = [u8; 16];

/// This node's state hashes at the last indexes that all nodes come by.
#[derive(Debug, Default)]
pub struct Checkpoints(VecDeque<(u64, Hash)>);

impl Checkpoints {
    /// The entry at `index` was applied and led to `hash`.
    pub fn passed(&mut self, index: u64, hash: impl FnOnce() -> Hash) {
        if !index.is_multiple_of(CHECKPOINT_EVERY) {
            return;
        }
        if self.0.len() >= CHECKPOINTS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((index, hash()));
    }

    /// Another state was put in place: what was said of the old one says nothing of the new one.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<(u64, Hash)> {
        self.0.iter().copied().collect()
    }
}

/// What the reports of the members say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Verdict {
    /// No difference, or this node is with the majority.
    #[default]
    Agreed,
    /// A majority of the voters has another state than this node.
    Minority(Minority),
    /// There is a difference and no majority of equal states: a person must look.
    NoMajority {
        /// Where in the log it was found.
        index: u64,
    },
}

/// This node is wrong, as a majority sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minority {
    /// Where in the log it was found.
    pub index: u64,
    /// The majority's state hash there.
    pub hash: Hash,
    /// The voters that have it.
    pub right: BTreeSet<NodeId>,
    /// All members known to have another, this node included.
    pub wrong: BTreeSet<NodeId>,
}

/// Judges from the reports of all who answered, `me` included.
///
/// The newest index at which a majority of the voters has one hash decides, unless a difference is known at a newer
/// index. A node that is aside is wrong until it is mended, however far behind its state is by then.
pub fn judge(me: NodeId, voters: &BTreeSet<NodeId>, reports: &BTreeMap<NodeId, StateReportV1>) -> Verdict {
    if reports.get(&me).is_some_and(|mine| mine.aside)
        && let Some(minority) = wrong_alone(me, voters, reports)
    {
        return Verdict::Minority(minority);
    }
    let mut by_index: BTreeMap<u64, BTreeMap<NodeId, Hash>> = BTreeMap::new();
    for (node, report) in reports {
        for (index, hash) in report.checkpoints.iter().chain(&report.now) {
            by_index.entry(*index).or_default().insert(*node, *hash);
        }
    }
    let majority = voters.len() / 2 + 1;
    let mut differs_at = None;
    for (index, hashes) in by_index.iter().rev() {
        let Some(mine) = hashes.get(&me) else { continue };
        let mut tally: BTreeMap<Hash, BTreeSet<NodeId>> = BTreeMap::new();
        for (node, hash) in hashes {
            tally.entry(*hash).or_default().insert(*node);
        }
        let decides = |nodes: &BTreeSet<NodeId>| nodes.intersection(voters).count() >= majority;
        let Some((hash, right)) = tally.iter().find(|(_, nodes)| decides(nodes)) else {
            if tally.len() > 1 && differs_at.is_none() {
                differs_at = Some(*index);
            }
            continue;
        };
        if differs_at.is_some() {
            break;
        }
        if hash == mine {
            return Verdict::Agreed;
        }
        let wrong = hashes.keys().filter(|node| !right.contains(node));
        return Verdict::Minority(Minority {
            index: *index,
            hash: *hash,
            wrong: wrong.copied().collect(),
            right: right.clone(),
        });
    }
    differs_at.map_or(Verdict::Agreed, |index| Verdict::NoMajority { index })
}

/// Against the newest state that a majority of the voters has without this node. Checkpoints come before where a node
/// stands just now, which the others have forgotten a moment later.
fn wrong_alone(me: NodeId, voters: &BTreeSet<NodeId>, reports: &BTreeMap<NodeId, StateReportV1>) -> Option<Minority> {
    let others = || reports.iter().filter(|(node, report)| **node != me && !report.aside);
    let newest_of = |states: BTreeMap<(u64, Hash), BTreeSet<NodeId>>| {
        let majority = voters.len() / 2 + 1;
        let decides = |nodes: &BTreeSet<NodeId>| nodes.intersection(voters).count() >= majority;
        let newest = states.into_iter().rev().find(|(_, nodes)| decides(nodes));
        newest.map(|((index, hash), right)| Minority {
            index,
            hash,
            right,
            wrong: BTreeSet::from([me]),
        })
    };
    let mut kept: BTreeMap<(u64, Hash), BTreeSet<NodeId>> = BTreeMap::new();
    let mut now = kept.clone();
    for (node, report) in others() {
        for state in &report.checkpoints {
            kept.entry(*state).or_default().insert(*node);
        }
        if let Some(state) = &report.now {
            now.entry(*state).or_default().insert(*node);
        }
    }
    newest_of(kept).or_else(|| newest_of(now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn report(checkpoints: &[(u64, u8)]) -> StateReportV1 {
        StateReportV1 {
            checkpoints: checkpoints.iter().map(|(index, hash)| (*index, [*hash; 16])).collect(),
            ..StateReportV1::default()
        }
    }

    /// Node 1 judges; the reports are those of nodes 1, 2, 3 and so on, an empty one where a node does not answer.
    fn check(voters: u64, reports: &[&[(u64, u8)]], expected: &str) {
        let voters = (1..=voters).map(NodeId).collect();
        let reports = reports
            .iter()
            .enumerate()
            .map(|(place, checkpoints)| (NodeId(place as u64 + 1), report(checkpoints)))
            .collect();
        let found = match judge(NodeId(1), &voters, &reports) {
            Verdict::Agreed => "agreed".to_owned(),
            Verdict::Minority(minority) => {
                let ids = |nodes: BTreeSet<NodeId>| nodes.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" ");
                format!(
                    "wrong {} at {}, right {}",
                    ids(minority.wrong),
                    minority.index,
                    ids(minority.right)
                )
            }
            Verdict::NoMajority { index } => format!("no majority at {index}"),
        };
        assert_eq!(found, expected, "{reports:?}");
    }

    #[test]
    fn a_node_is_wrong_when_a_majority_of_all_voters_has_another_state() {
        check(1, &[&[(1, 7)]], "agreed");
        check(3, &[&[(1, 7)], &[], &[]], "agreed");
        check(3, &[&[(1, 7)], &[(1, 7)], &[(1, 7)]], "agreed");
        check(3, &[&[(1, 7)], &[(1, 7)], &[(1, 8)]], "agreed");
        check(3, &[&[(1, 8)], &[(1, 7)], &[(1, 7)]], "wrong 1 at 1, right 2 3");
        check(
            5,
            &[&[(1, 8)], &[(1, 7)], &[(1, 7)], &[(1, 7)], &[(1, 9)]],
            "wrong 1 5 at 1, right 2 3 4",
        );
        // A learner's hash does not count, and a learner can be wrong.
        check(2, &[&[(1, 7)], &[(1, 7)], &[(1, 8)], &[(1, 8)]], "agreed");
    }

    #[test]
    fn a_node_that_is_aside_is_wrong_also_where_nobody_knows_its_state_any_more() {
        let voters = (1..=3).map(NodeId).collect();
        let mut mine = report(&[(32, 9)]);
        mine.aside = true;
        let mut others = report(&[(64, 7), (96, 8)]);
        others.now = Some((101, [3; 16]));
        let mut reports = BTreeMap::from([(NodeId(1), mine), (NodeId(2), others.clone()), (NodeId(3), others)]);
        let expected = Minority {
            index: 96,
            hash: [8; 16],
            right: BTreeSet::from([NodeId(2), NodeId(3)]),
            wrong: BTreeSet::from([NodeId(1)]),
        };
        let judged = |reports: &_| judge(NodeId(1), &voters, reports);
        assert_eq!(judged(&reports), Verdict::Minority(expected.clone()));
        for id in [2, 3] {
            reports.get_mut(&NodeId(id)).unwrap().checkpoints.clear();
        }
        let now = Minority {
            index: 101,
            hash: [3; 16],
            ..expected
        };
        assert_eq!(judged(&reports), Verdict::Minority(now));
    }

    #[test]
    fn a_difference_without_a_majority_is_nobodys_to_mend() {
        check(2, &[&[(1, 7)], &[(1, 8)]], "no majority at 1");
        check(3, &[&[(1, 7)], &[(1, 8)], &[]], "no majority at 1");
        check(3, &[&[(1, 7)], &[(1, 8)], &[(1, 9)]], "no majority at 1");
        check(
            5,
            &[&[(1, 7)], &[(1, 7)], &[(1, 8)], &[(1, 8)], &[]],
            "no majority at 1",
        );
    }

    #[test]
    fn the_newest_index_that_decides_counts() {
        // The third lags; it was right when it was last heard.
        check(3, &[&[(1, 7), (2, 8)], &[(1, 7), (2, 8)], &[(1, 7)]], "agreed");
        check(
            3,
            &[&[(1, 7), (2, 9)], &[(1, 7), (2, 8)], &[(1, 7)]],
            "no majority at 2",
        );
        check(3, &[&[(1, 9), (2, 8)], &[(2, 8)], &[(1, 7), (2, 8)]], "agreed");
        check(
            3,
            &[&[(1, 9), (3, 9)], &[(1, 7), (2, 8)], &[(1, 7), (2, 8)]],
            "wrong 1 at 1, right 2 3",
        );
    }

    #[test]
    fn checkpoints_are_kept_at_the_same_indexes_everywhere_and_bounded() {
        let mut checkpoints = Checkpoints::default();
        for index in 1..=CHECKPOINT_EVERY * (CHECKPOINTS_KEPT as u64 + 5) {
            checkpoints.passed(index, || [1; 16]);
        }
        let all = checkpoints.all();
        assert_eq!(all.len(), CHECKPOINTS_KEPT);
        assert!(all.iter().all(|(index, _)| index % CHECKPOINT_EVERY == 0));
        checkpoints.forget();
        assert!(checkpoints.all().is_empty());
    }
}
