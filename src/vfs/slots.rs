//! How many files and folders each session has open, and all of them together; over a limit an open is refused.
//!
//! The handles of one protocol session are left to the protocols.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::VfsError;
use super::limits::{OPEN_FILES_MAX, OPEN_FILES_NODE_MAX, OPEN_FILES_PERCENT};
use crate::ids::SessionId;

/// The counts of all sessions.
pub(super) struct Slots {
    counts: Mutex<Counts>,
    all_max: usize,
}

#[derive(Default)]
struct Counts {
    by_session: HashMap<SessionId, usize>,
    all: usize,
}

/// One open file's place; dropping it frees the place.
pub(super) struct OpenSlot {
    slots: Arc<Slots>,
    session: SessionId,
}

impl Slots {
    /// As many as the process may have descriptors for. Asks the system for all that an unprivileged process may
    /// have: the usual first limit of 1,024 is for programs that cannot count further.
    pub(super) fn of_process() -> Arc<Self> {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let known = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        let share = known.map_or(u64::MAX, |known| known.saturating_mul(OPEN_FILES_PERCENT) / 100);
        Self::new(usize::try_from(share).map_or(OPEN_FILES_NODE_MAX, |share| share.min(OPEN_FILES_NODE_MAX)))
    }

    fn new(all_max: usize) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            all_max,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place.
    pub(super) fn take(self: &Arc<Self>, session: SessionId) -> Result<OpenSlot, VfsError> {
        let mut counts = self.lock();
        if counts.all >= self.all_max {
            return Err(VfsError::Limit(format!(
                "the sessions of this node have {} files open; try again later",
                self.all_max
            )));
        }
        let count = counts.by_session.entry(session).or_default();
        if *count >= OPEN_FILES_MAX {
            return Err(VfsError::Limit(format!(
                "the session has {OPEN_FILES_MAX} files open; close one first"
            )));
        }
        *count += 1;
        counts.all += 1;
        drop(counts);
        Ok(OpenSlot {
            slots: self.clone(),
            session,
        })
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        let mut counts = self.slots.lock();
        counts.all -= 1;
        if let Some(count) = counts.by_session.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                counts.by_session.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_so_many_files_open_and_no_more() {
        let slots = Slots::new(usize::MAX);
        let mut taken: Vec<_> = (0..OPEN_FILES_MAX).map(|_| slots.take(SessionId(1)).unwrap()).collect();
        assert!(matches!(slots.take(SessionId(1)), Err(VfsError::Limit(_))));
        assert!(slots.take(SessionId(2)).is_ok());
        taken.pop();
        assert!(slots.take(SessionId(1)).is_ok());
        drop(taken);
        assert!(slots.lock().by_session.is_empty());
    }

    #[test]
    fn all_sessions_together_have_so_many_files_open_and_no_more() {
        let slots = Slots::new(5);
        let mut taken: Vec<_> = (0..5).map(|session| slots.take(SessionId(session)).unwrap()).collect();
        assert!(matches!(slots.take(SessionId(9)), Err(VfsError::Limit(_))));
        taken.pop();
        assert!(slots.take(SessionId(9)).is_ok());
        drop(taken);
        assert_eq!(slots.lock().all, 0);
    }

    #[test]
    fn open_files_leave_descriptors_for_the_rest_of_the_process() {
        let slots = Slots::of_process();
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!((slots.all_max as u64) < limit);
    }
}
