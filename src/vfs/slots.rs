//! How many files each session has open; over the limit an open is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::VfsError;
use super::limits::OPEN_FILES_MAX;
use crate::ids::SessionId;

/// The counts of all sessions.
#[derive(Default)]
pub(super) struct Slots(Mutex<HashMap<SessionId, usize>>);

/// One open file's place; dropping it frees the place.
pub(super) struct OpenSlot {
    slots: Arc<Slots>,
    session: SessionId,
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place.
    pub(super) fn take(self: &Arc<Self>, session: SessionId) -> Result<OpenSlot, VfsError> {
        let mut counts = self.lock();
        let count = counts.entry(session).or_default();
        if *count >= OPEN_FILES_MAX {
            return Err(VfsError::Limit(format!(
                "the session has {OPEN_FILES_MAX} files open; close one first"
            )));
        }
        *count += 1;
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
        if let Some(count) = counts.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.session);
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
        let slots = Arc::new(Slots::default());
        let mut taken: Vec<_> = (0..OPEN_FILES_MAX).map(|_| slots.take(SessionId(1)).unwrap()).collect();
        assert!(matches!(slots.take(SessionId(1)), Err(VfsError::Limit(_))));
        assert!(slots.take(SessionId(2)).is_ok());
        taken.pop();
        assert!(slots.take(SessionId(1)).is_ok());
        drop(taken);
        assert!(slots.lock().is_empty());
    }
}
