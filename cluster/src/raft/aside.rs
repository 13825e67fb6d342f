//! What a node that is being mended was told to apply: kept in order, bounded, until the state comes that it belongs to.

use super::types::LogEntry;
use crate::limits::{MEND_BYTES_MAX, MEND_ENTRIES_MAX};
use openraft::entry::EntryPayload;

/// Entries in log order, without gaps.
#[derive(Default)]
pub(super) struct Aside {
    entries: Vec<LogEntry>,
    bytes: usize,
    /// There was no room for all: what is here is of no use.
    overflowed: bool,
}

impl Aside {
    /// Keeps the next entry.
    pub(super) fn remember(&mut self, entry: LogEntry) {
        if let EntryPayload::Normal(command) = &entry.payload {
            self.bytes += command.0.len();
        }
        if self.overflowed || self.bytes > MEND_BYTES_MAX || self.entries.len() >= MEND_ENTRIES_MAX {
            self.overflowed = true;
            self.entries = Vec::new();
            return;
        }
        self.entries.push(entry);
    }

    /// The entries after `index`, up to `given`; an error where some are missing.
    pub(super) fn after(&mut self, index: u64, given: u64) -> Result<Vec<LogEntry>, String> {
        if given <= index {
            return Ok(Vec::new());
        }
        let missing = || format!("not all entries from {index} to {given} were remembered meanwhile");
        if self.overflowed {
            return Err(missing());
        }
        let begin = self.entries.iter().position(|entry| entry.log_id.index == index + 1);
        let entries = self.entries.split_off(begin.ok_or_else(missing)?);
        Ok(entries)
    }
}
