//! What changed lately: a bounded ring of revisions and objects that every watcher reads at its own pace.
//!
//! It holds names, not objects: a watcher is told what an object is now. Carrying that to a client is left to
//! `routes::watch`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits;
use super::port::ClusterPort;
use super::shapes::kinds;
use crate::catalog::{Kind, ObjectKey, View};

/// How long the two sides of a watch may keep each other waiting.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often a watcher hears that the watch lives.
    pub heartbeat: Duration,
    /// How long it may take to read a frame when all its frames are full.
    pub send_deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            heartbeat: limits::WATCH_HEARTBEAT,
            send_deadline: limits::WATCH_SEND_DEADLINE,
        }
    }
}

/// The changes since this node began to follow, as far as the ring goes back.
#[derive(Debug)]
pub struct Changes {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    /// Ascending revisions; a deletion stands at the revision at which it was seen.
    entries: VecDeque<(u64, ObjectKey)>,
    /// Every change after this revision is in the ring.
    complete_after: u64,
}

/// The changes that were asked for are not in the ring any more; those after this revision are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// The oldest revision to ask from.
    pub oldest: u64,
}

impl Changes {
    /// An empty ring that begins after `revision`.
    pub fn new(revision: u64) -> Self {
        let ring = Ring {
            entries: VecDeque::new(),
            complete_after: revision,
        };
        Self {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(revision),
        }
    }

    /// The newest revision that was looked at; changes when there is more to read.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What was changed after `revision`, oldest first, each object once, and up to which revision that tells.
    pub fn since(&self, revision: u64) -> Result<(Vec<(u64, ObjectKey)>, u64), TooOld> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if revision < ring.complete_after {
            return Err(TooOld {
                oldest: ring.complete_after,
            });
        }
        let begin = ring.entries.partition_point(|(changed, _)| *changed <= revision);
        let mut seen = std::collections::BTreeSet::new();
        let mut found: Vec<_> = ring
            .entries
            .range(begin..)
            .rev()
            .filter(|(_, key)| seen.insert(key))
            .cloned()
            .collect();
        found.reverse();
        Ok((found, *self.newest.borrow()))
    }

    fn record(&self, before: &View, after: &View) {
        let mut changed = Vec::new();
        for kind in Kind::ALL {
            for (name, revision) in (kinds::row(kind).changed)(before, after) {
                changed.push((revision.unwrap_or(after.revision), ObjectKey { kind, name }));
            }
        }
        changed.sort_by_key(|(revision, _)| *revision);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.entries.extend(changed);
        while ring.entries.len() > limits::WATCH_CHANGES_MAX {
            if let Some((revision, _)) = ring.entries.pop_front() {
                ring.complete_after = revision;
            }
        }
        // Under the lock, so that nobody reads the new changes with the old number.
        self.newest.send_replace(after.revision);
    }
}

/// Records what changes until it is dropped.
pub struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to record; must be called on the async runtime.
pub fn follow(cluster: Arc<dyn ClusterPort>) -> (Arc<Changes>, Follower) {
    let mut revisions = cluster.revisions();
    let mut before = cluster.view();
    let changes = Arc::new(Changes::new(before.revision));
    let recorded = changes.clone();
    let task = tokio::spawn(async move {
        while revisions.changed().await.is_ok() {
            let after = cluster.view();
            recorded.record(&before, &after);
            before = after;
            // Where changes come faster, several are looked at together.
            tokio::time::sleep(limits::WATCH_PAUSE).await;
        }
    });
    (changes, Follower(task))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::{Durability, Object, Storage};
    use crate::clock::UnixMillis;
    use crate::ids::Name;

    fn storage(view: &View, name: &str, revision: u64) -> View {
        let mut next = view.clone();
        next.revision = revision;
        let object = Object {
            name: Name::parse(name).unwrap(),
            spec: Storage {
                root: format!("/{revision}").into_bytes(),
                durability: Durability::Strict,
                keep_interrupted: true,
                reserve_bytes: 0,
            },
            revision,
            changed_by: "anna".to_owned(),
            changed_at: UnixMillis(0),
        };
        next.storages.insert(object.name.clone(), Arc::new(object));
        next
    }

    fn told(changes: &Changes, since: u64) -> Vec<(u64, String)> {
        let (found, _) = changes.since(since).unwrap();
        found
            .into_iter()
            .map(|(revision, key)| (revision, key.name.to_string()))
            .collect()
    }

    #[test]
    fn changes_are_told_from_any_revision_each_object_once() {
        let changes = Changes::new(1);
        let one = View {
            revision: 1,
            ..View::default()
        };
        let two = storage(&one, "a", 2);
        let four = storage(&storage(&two, "b", 3), "a", 4);
        changes.record(&one, &two);
        changes.record(&two, &four);
        let mut five = View {
            revision: 5,
            ..four.clone()
        };
        five.storages.remove("b");
        changes.record(&four, &five);
        assert_eq!(told(&changes, 1), [(4, "a".to_owned()), (5, "b".to_owned())]);
        assert_eq!(told(&changes, 4), [(5, "b".to_owned())]);
        assert_eq!(told(&changes, 5), []);
        assert_eq!(told(&changes, 9), []);
        assert_eq!(changes.since(0).unwrap_err(), TooOld { oldest: 1 });
        assert_eq!(*changes.newest().borrow(), 5);
    }

    #[test]
    fn the_ring_is_bounded_and_says_how_far_it_goes_back() {
        let changes = Changes::new(0);
        let mut view = View::default();
        let count = limits::WATCH_CHANGES_MAX as u64 + 10;
        for revision in 1..=count {
            let next = storage(&view, "a", revision);
            changes.record(&view, &next);
            view = next;
        }
        assert_eq!(changes.since(5).unwrap_err(), TooOld { oldest: 10 });
        assert_eq!(changes.since(10).unwrap().0.len(), 1);
        assert_eq!(changes.ring.lock().unwrap().entries.len(), limits::WATCH_CHANGES_MAX);
    }
}
