//! A log in memory for simulation, with a disk's honesty: what was not synced is lost at a crash.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{AsyncRuntime, OptionalSend};

use super::convert;
use super::signal::Signal;
use super::types::{LogEntry, LogId, RaftVote, TypeConfig};
use crate::envelope::{Blob, LogIdV1, VoteV1};
use crate::planted::{self, Bug};

/// Clones are handles to the same disk, also for a node that starts again.
#[derive(Clone)]
pub struct MemoryLog {
    disk: Arc<Mutex<Disk>>,
    /// Above zero: no sync ends.
    stalled: Signal,
    /// Above zero: the storage does not answer, which a log must not care about.
    storage_stalled: Signal,
    lies: bool,
}

#[derive(Default)]
struct Disk {
    sync_takes: Duration,
    now: Image,
    synced: Image,
    unsynced: Vec<Step>,
    steps: u64,
}

/// What a disk holds.
#[derive(Default, Clone)]
struct Image {
    vote: Option<VoteV1>,
    entries: BTreeMap<u64, (LogIdV1, Blob)>,
    purged: Option<LogIdV1>,
    committed: Option<LogIdV1>,
}

#[derive(Clone)]
enum Step {
    Vote(VoteV1),
    Append(Vec<(LogIdV1, Blob)>),
    Truncate(u64),
    Purge(LogIdV1),
    Commit(LogIdV1),
}

impl Disk {
    /// What was written last never reaches the disk.
    fn forget_last(&mut self) {
        if self.unsynced.pop().is_some() {
            self.steps -= 1;
        }
    }
}

impl Image {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Vote(vote) => self.vote = Some(*vote),
            Step::Append(entries) => self
                .entries
                .extend(entries.iter().map(|entry| (entry.0.index, entry.clone()))),
            Step::Truncate(from) => drop(self.entries.split_off(from)),
            Step::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = self.purged.max(Some(*upto));
            }
            Step::Commit(upto) => self.committed = self.committed.max(Some(*upto)),
        }
    }
}

impl MemoryLog {
    /// An empty disk whose sync takes `sync_takes`. A disk that `lies` says "synced" before it is.
    pub fn new(sync_takes: Duration, lies: bool) -> Self {
        let disk = Disk {
            sync_takes,
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(disk)),
            stalled: Signal::default(),
            storage_stalled: Signal::default(),
            lies,
        }
    }

    /// From now on a sync takes so long.
    pub fn set_sync_takes(&self, sync_takes: Duration) {
        self.lock().sync_takes = sync_takes;
    }

    /// Whether no sync ends at all.
    pub fn set_stalled(&self, stalled: bool) {
        self.stalled.set(u64::from(stalled));
    }

    /// Whether the storage, which is not this disk, stands still.
    pub fn set_storage_stalled(&self, stalled: bool) {
        self.storage_stalled.set(u64::from(stalled));
    }

    /// The power fails: what was not synced is gone.
    pub fn lose_unsynced(&self) {
        let mut disk = self.lock();
        disk.now = disk.synced.clone();
        disk.unsynced.clear();
    }

    /// The process dies and the machine lives: what was written stays.
    pub fn keep_unsynced(&self) {
        let mut disk = self.lock();
        let forgotten = planted::is(Bug::ForgetVote).then(|| disk.synced.vote);
        disk.synced = disk.now.clone();
        disk.synced.vote = forgotten.unwrap_or(disk.synced.vote);
        disk.unsynced.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step; gives the number that [`sync`](Self::sync) makes durable.
    fn step(&self, step: Step) -> u64 {
        let mut disk = self.lock();
        disk.now.take(&step);
        disk.unsynced.push(step);
        disk.steps += 1;
        disk.steps
    }

    fn sync(&self, upto: u64) {
        let mut disk = self.lock();
        let first = disk.steps - disk.unsynced.len() as u64;
        let many = usize::try_from(upto.saturating_sub(first))
            .unwrap_or(0)
            .min(disk.unsynced.len());
        let steps: Vec<Step> = disk.unsynced.drain(..many).collect();
        steps.iter().for_each(|step| disk.synced.take(step));
    }

    /// Syncs after a while; `then` runs after it, or at once when the disk lies.
    fn sync_later<RT: AsyncRuntime>(&self, upto: u64, then: impl FnOnce() + Send + 'static) {
        let log = self.clone();
        let mut then = Some(then);
        if (self.lies || planted::is(Bug::AnswerBeforeFsync))
            && let Some(then) = then.take()
        {
            then();
        }
        drop(TypeConfig::<RT>::spawn(async move {
            let sync_takes = log.lock().sync_takes;
            TypeConfig::<RT>::sleep(sync_takes).await;
            if planted::is(Bug::AnswerBeforeFsync) {
                TypeConfig::<RT>::sleep(Duration::from_millis(200)).await;
            }
            log.stalled.until(|stalled| stalled == 0).await;
            if planted::is(Bug::LogWaitsForStorage) {
                log.storage_stalled.until(|stalled| stalled == 0).await;
            }
            log.sync(upto);
            if let Some(then) = then {
                then();
            }
        }));
    }
}

impl<RT: AsyncRuntime> RaftLogReader<TypeConfig<RT>> for MemoryLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LogEntry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from + 1,
            Bound::Unbounded => 0,
        };
        let disk = self.lock();
        let entries = disk
            .now
            .entries
            .range(from..)
            .take_while(|(index, _)| range.contains(index));
        entries
            .map(|(_, (log_id, blob))| convert::entry_in(log_id, blob.clone()).map_err(io::Error::other))
            .collect()
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.lock().now.vote.as_ref().map(convert::vote_in))
    }
}

impl<RT: AsyncRuntime> RaftLogStorage<TypeConfig<RT>> for MemoryLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig<RT>>, io::Error> {
        let disk = self.lock();
        let last = disk
            .now
            .entries
            .values()
            .next_back()
            .map(|(id, _)| *id)
            .or(disk.now.purged);
        Ok(LogState {
            last_purged_log_id: disk.now.purged.as_ref().map(convert::log_id_in),
            last_log_id: last.as_ref().map(convert::log_id_in),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let step = self.step(Step::Vote(convert::vote_out(vote)));
        if planted::is(Bug::ForgetVote) {
            self.lock().forget_last();
            return Ok(());
        }
        let (done, synced) = TypeConfig::<RT>::oneshot::<()>();
        self.sync_later::<RT>(step, move || {
            // Nobody waits any more when the node was killed.
            let _ = openraft::async_runtime::OneshotSender::send(done, ());
        });
        synced.await.map_err(|_| io::Error::other("the node was killed"))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if let Some(committed) = &committed {
            self.step(Step::Commit(convert::log_id_out(committed)));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.lock().now.committed.as_ref().map(convert::log_id_in))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig<RT>>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter();
        let entries = entries.map(|entry| {
            let log_id = convert::log_id_out(&entry.log_id());
            (log_id, convert::envelope_out(&entry.payload))
        });
        let step = self.step(Step::Append(entries.collect()));
        self.sync_later::<RT>(step, move || callback.io_completed(Ok(())));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.step(Step::Truncate(last_log_id.map_or(0, |id| id.index + 1)));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.step(Step::Purge(convert::log_id_out(&log_id)));
        Ok(())
    }
}
