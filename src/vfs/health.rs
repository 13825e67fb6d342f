//! Which storages work; a failure is an event once, until an upload works again.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::VfsError;
use crate::events::{Event, Journal};
use crate::ids::Name;

/// The storages that failed last.
#[derive(Default)]
pub(super) struct Health(Mutex<BTreeSet<Name>>);

impl Health {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a storage; the first failure is written to the journal and the log.
    pub(super) fn failed(&self, storage: &Name, error: &VfsError, journal: &Journal) {
        if self.lock().insert(storage.clone()) {
            tracing::error!(%storage, %error, "the storage failed; uploads to it may fail until it is mended");
            journal.record(Event::StorageUnhealthy {
                storage: storage.clone(),
                reason: error.to_string(),
            });
        }
    }

    /// An upload to the storage was published.
    pub(super) fn worked(&self, storage: &Name) {
        if self.lock().remove(storage) {
            tracing::info!(%storage, "the storage works again");
        }
    }

    /// Those marked.
    pub(super) fn unhealthy(&self) -> Vec<Name> {
        self.lock().iter().cloned().collect()
    }
}
