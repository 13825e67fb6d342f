//! Nodes that have a name and are no members: what a leader that died half-way through a removal or an admission
//! leaves behind. Here is how long this leader has seen each of them; what is done then is in `membership`.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::limits;
use crate::NodeId;

/// The left-over nodes and since when this node, leading, has seen them so.
#[derive(Debug, Default)]
pub(super) struct LeftOvers(BTreeMap<NodeId, Instant>);

impl LeftOvers {
    /// Looks again at `now`: `left` are all that are left over. Gives one that has been so for
    /// [`LEFT_OVER_MAX`](limits::LEFT_OVER_MAX); it is given again after another such time, should it still be there.
    pub(super) fn look(&mut self, now: Instant, left: &BTreeSet<NodeId>) -> Option<NodeId> {
        self.0.retain(|node, _| left.contains(node));
        for node in left {
            self.0.entry(*node).or_insert(now);
        }
        let mut seen = self.0.iter_mut();
        let (node, since) = seen.find(|(_, since)| now.saturating_duration_since(**since) >= limits::LEFT_OVER_MAX)?;
        *since = now;
        Some(*node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_node_is_left_over_once_it_has_been_so_for_long_without_a_break() {
        let mut left_overs = LeftOvers::default();
        let start = Instant::now();
        let mut check = |seconds: u64, left: &[u64], expected: Option<u64>| {
            let left = left.iter().copied().map(NodeId).collect();
            let found = left_overs.look(start + Duration::from_secs(seconds), &left);
            assert_eq!(found, expected.map(NodeId), "after {seconds} s");
        };
        check(0, &[2], None);
        check(59, &[2, 3], None);
        check(60, &[2, 3], Some(2));
        check(61, &[2, 3], None);
        check(100, &[2], None);
        check(119, &[2, 3], None);
        check(120, &[2, 3], Some(2));
        check(121, &[], None);
        check(200, &[2, 3], None);
    }
}
