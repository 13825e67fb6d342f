//! The replicated state itself, and the pure function that a log entry is: rows in, rows and an answer out.
//!
//! No disk, clock, task or channel: publishing, storing and answering are left to `machine`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use openraft::entry::EntryPayload;

use super::keep::{OnDisk, in_memory};
use super::rows::{self, RequestRowV1, SettingsRowV1};
use super::types::{LogEntry, LogId, StoredMembership};
use super::{cluster, convert};
use crate::envelope::wire::{Framed, StateHeadV1};
use crate::envelope::{Answer, AppCommand, Blob, Envelope};
use crate::limits::REQUEST_IDS_MAX;
use crate::planted::{self, Bug};
use crate::{ApplyContext, CodecError, StateMachine, StoredRow};

/// All rows: machine and cluster, with a stub where the value is kept on disk only. Clones share their structure.
pub type Rows = imbl::OrdMap<Arc<[u8]>, Arc<[u8]>>;

/// One row written, or removed where there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The key, its prefix included.
    pub key: Arc<[u8]>,
    /// The new value.
    pub value: Option<Arc<[u8]>>,
}

/// The machine, its rows, and where in the log they stand.
pub struct Replica<M> {
    machine: M,
    rows: Rows,
    hash: u128,
    last: Option<LogId>,
    membership: StoredMembership,
    /// The revision of each request's row.
    requests: BTreeMap<[u8; 16], u64>,
    request_ids_max: u64,
}

impl<M: StateMachine> Replica<M> {
    /// Builds the state from stored rows; no rows and a default head: a new one.
    pub fn restore(head: &StateHeadV1, rows: Rows) -> Result<Self, CodecError> {
        let (last, membership) = convert::head_in(head)?;
        let hash = hash_of(&rows, on_disk::<M>);
        let machine = {
            let nothing: Arc<[u8]> = Arc::default();
            let mut own = shared_range(&rows, rows::MACHINE).map(|(key, value)| match &key[1..] {
                key if M::kept_on_disk(key) => (key, &nothing),
                key => (key, value),
            });
            M::restore(&mut own)?
        };
        let requests = rows::requests(&rows)?;
        Ok(Self {
            machine,
            rows,
            hash,
            last,
            membership,
            requests,
            request_ids_max: REQUEST_IDS_MAX,
        })
    }

    /// Applies one entry. Changed rows are added to `changes`. An error leaves the state unusable: an unknown
    /// command stops the node.
    pub fn apply(&mut self, entry: &LogEntry, changes: &mut Vec<RowChange>) -> Result<Answer, CodecError> {
        let index = entry.log_id.index;
        let answer = match &entry.payload {
            EntryPayload::Blank => Answer::Nothing,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Answer::Nothing
            }
            EntryPayload::Normal(Blob(bytes)) => match Envelope::decode(bytes)? {
                Envelope::App(command) => self.apply_app(index, &command, changes)?,
                Envelope::Cluster(command) => {
                    let mut writer = Writer { replica: self, changes };
                    cluster::apply(&mut writer, index, &command, M::FEATURE_LEVEL_MAX)?
                }
                Envelope::Blank | Envelope::Membership(_) => Answer::Nothing,
            },
        };
        self.last = Some(entry.log_id);
        Ok(answer)
    }

    fn apply_app(
        &mut self,
        revision: u64,
        app: &AppCommand,
        changes: &mut Vec<RowChange>,
    ) -> Result<Answer, CodecError> {
        let known = self.requests.get(&app.request.0).copied();
        if let Some(at) = known
            && !planted::is(Bug::RetryAppliedTwice)
            && let Some(before) = rows::get::<RequestRowV1>(&self.rows, &rows::request_key(at))?
        {
            return Ok(if before.body_hash == app.body_hash {
                Answer::App {
                    revision: at,
                    outcome: before.outcome,
                }
            } else {
                Answer::Reused
            });
        }
        let command = M::decode_command(&app.command)?;
        let context = ApplyContext {
            revision,
            feature_level: self.settings()?.feature_level,
        };
        let applied = self.machine.apply(context, &command);
        let outcome = Blob(M::encode_outcome(&applied.outcome).into());
        for change in applied.changes {
            if planted::is_each(Bug::ApplyDiffers, 61) {
                continue;
            }
            self.put(rows::machine_key(&change.key), change.value, changes);
        }
        let row = RequestRowV1 {
            request: app.request.0,
            body_hash: app.body_hash,
            outcome: outcome.clone(),
        };
        self.put(rows::request_key(revision), Some((&*row.encode()).into()), changes);
        self.requests.insert(app.request.0, revision);
        self.forget_old_requests(changes)?;
        Ok(Answer::App { revision, outcome })
    }

    /// The oldest request ids make room, in log order.
    fn forget_old_requests(&mut self, changes: &mut Vec<RowChange>) -> Result<(), CodecError> {
        while self.requests.len() as u64 > self.request_ids_max {
            let Some(oldest) = rows::request_revisions(&self.rows).next() else {
                break;
            };
            let key = rows::request_key(oldest);
            if let Some(row) = rows::get::<RequestRowV1>(&self.rows, &key)? {
                self.requests.remove(&row.request);
            }
            self.put(key, None, changes);
        }
        Ok(())
    }

    fn settings(&self) -> Result<SettingsRowV1, CodecError> {
        Ok(rows::get(&self.rows, &rows::settings_key())?.unwrap_or_default())
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Arc<[u8]>>, changes: &mut Vec<RowChange>) {
        let key: Arc<[u8]> = key.into();
        let stands = value.as_ref().map(|value| match on_disk::<M>(&key) {
            true => in_memory(on_disk::<M>, &key, value),
            false => value.clone(),
        });
        if let Some(stands) = &stands {
            self.hash = self.hash.wrapping_add(part_of_hash(&key, stands, on_disk::<M>));
        }
        let before = match stands {
            Some(stands) => self.rows.insert(key.clone(), stands),
            None => self.rows.remove(&*key),
        };
        if let Some(before) = before {
            self.hash = self.hash.wrapping_sub(part_of_hash(&key, &before, on_disk::<M>));
        }
        changes.push(RowChange { key, value });
    }

    /// What the state says about itself.
    pub fn head(&self) -> StateHeadV1 {
        StateHeadV1 {
            rows: self.rows.len() as u64,
            state_hash: self.hash.to_be_bytes(),
            ..convert::head_out(&self.last, &self.membership)
        }
    }

    /// The state hash.
    pub fn hash(&self) -> [u8; 16] {
        self.hash.to_be_bytes()
    }

    /// The rows; shared structure, so this costs nothing.
    pub fn rows(&self) -> Rows {
        self.rows.clone()
    }

    /// Where in the log the state stands, and the membership there.
    pub fn position(&self) -> (Option<LogId>, StoredMembership) {
        (self.last, self.membership.clone())
    }

    /// The last applied index; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.last.map_or(0, |id| id.index)
    }

    /// Whether the entry at `index` is applied.
    pub fn contains(&self, index: u64) -> bool {
        self.last.is_some_and(|last| index <= last.index)
    }

    /// The machine's picture.
    pub fn view(&self) -> M::View {
        self.machine.view(self.revision())
    }

    #[cfg(test)]
    pub fn with_request_ids_max(mut self, max: u64) -> Self {
        self.request_ids_max = max;
        self
    }
}

/// What `app` would be answered at `revision` after these rows, without doing it anywhere.
#[cfg(feature = "planted")]
pub(super) fn answer_alone<M: StateMachine>(rows: Rows, revision: u64, app: &AppCommand) -> Option<Answer> {
    let mut copy = Replica::<M>::restore(&StateHeadV1::default(), rows).ok()?;
    copy.apply_app(revision, app, &mut Vec::new()).ok()
}

/// Lets the cluster's own commands read and write rows.
pub(super) struct Writer<'a, M> {
    replica: &'a mut Replica<M>,
    changes: &'a mut Vec<RowChange>,
}

impl<M: StateMachine> Writer<'_, M> {
    pub(super) fn rows(&self) -> &Rows {
        &self.replica.rows
    }

    pub(super) fn settings(&self) -> Result<SettingsRowV1, CodecError> {
        self.replica.settings()
    }

    pub(super) fn put<T: Framed>(&mut self, key: Vec<u8>, row: &T) {
        self.put_raw(key, (&*row.encode()).into());
    }

    pub(super) fn put_raw(&mut self, key: Vec<u8>, value: Arc<[u8]>) {
        self.replica.put(key, Some(value), self.changes);
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.replica.put(key, None, self.changes);
    }
}

/// The rows whose key starts with `prefix`, in key order.
pub(super) fn range(rows: &Rows, prefix: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    shared_range(rows, prefix).map(|(key, value)| (key, &**value))
}

fn shared_range(rows: &Rows, prefix: u8) -> impl Iterator<Item = StoredRow<'_>> {
    let (from, to) = ([prefix], [prefix + 1]);
    let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&from), Bound::Excluded(&to));
    rows.range::<_, [u8]>(bounds).map(|(key, value)| (&**key, value))
}

/// One row's part of the state hash; the state hash is the sum of all, so that it follows each change at its cost.
pub fn row_hash(key: &[u8], value: &[u8]) -> u128 {
    let mut context = Context::new(&SHA256);
    context.update(&(key.len() as u64).to_be_bytes());
    context.update(key);
    context.update(value);
    let digest = context.finish();
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    u128::from_be_bytes(half)
}

/// The state hash of all rows.
pub fn hash_of(rows: &Rows, on_disk: OnDisk) -> u128 {
    rows.iter().fold(0, |sum, (key, value)| {
        sum.wrapping_add(part_of_hash(key, value, on_disk))
    })
}

/// A row's part of the state hash, from what stands in memory for it.
fn part_of_hash(key: &[u8], stands: &[u8], on_disk: OnDisk) -> u128 {
    match <[u8; 16]>::try_from(stands) {
        Ok(stub) if on_disk(key) => u128::from_be_bytes(stub),
        _ => row_hash(key, stands),
    }
}

/// Whether the value of the row with this stored key is not in memory.
pub fn on_disk<M: StateMachine>(key: &[u8]) -> bool {
    key.first() == Some(&rows::MACHINE) && M::kept_on_disk(&key[1..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
