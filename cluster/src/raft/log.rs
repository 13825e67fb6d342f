//! The log and the vote on disk, in `raft-log`: fsynced before anything is answered, appends that arrive together
//! sharing one fsync.
//!
//! After a failed write or fsync this node must stop: the kernel may have dropped the data and say "fine" the next
//! time. The adapter raises [`Fatal`]; ending the process is left to `node`.

use std::fmt::{Debug, Display};
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use openraft::async_runtime::OneshotSender;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{AsyncRuntime, OptionalSend};
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::codeq::{Decode, Encode};
use raft_log::{RaftLog, Types};

use super::convert;
use super::fatal::Fatal;
use super::room::Room;
use super::types::{LogEntry, LogId, RaftVote, TypeConfig};
use crate::envelope::{Blob, LogIdV1, VoteV1};
use crate::limits::{
    APPEND_BYTES_MAX, LOG_CACHE_BYTES, LOG_CACHE_ENTRIES, LOG_CHUNK_BYTES, LOG_COMMIT_WAIT, LOG_PREPARE_EVERY,
    LOG_SYNC_WAIT,
};

/// About what `raft-log` adds to an entry, in bytes.
const ENTRY_OVERHEAD: usize = 64;

/// `raft-log`'s types: our stored forms.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Wal;

impl Types for Wal {
    type LogId = LogIdV1;
    type LogPayload = Blob;
    type Vote = VoteV1;
    type Callback = Flushed;
    type UserData = ();

    fn log_index(log_id: &LogIdV1) -> u64 {
        log_id.index
    }

    fn payload_size(payload: &Blob) -> u64 {
        payload.0.len() as u64
    }
}

impl Encode for LogIdV1 {
    fn encode<W: io::Write>(&self, mut out: W) -> Result<usize, io::Error> {
        Ok(self.term.encode(&mut out)? + self.node.encode(&mut out)? + self.index.encode(&mut out)?)
    }
}

impl Decode for LogIdV1 {
    fn decode<R: io::Read>(mut input: R) -> Result<Self, io::Error> {
        Ok(Self {
            term: u64::decode(&mut input)?,
            node: u64::decode(&mut input)?,
            index: u64::decode(&mut input)?,
        })
    }
}

impl Encode for VoteV1 {
    fn encode<W: io::Write>(&self, mut out: W) -> Result<usize, io::Error> {
        Ok(self.term.encode(&mut out)? + self.node.encode(&mut out)? + self.committed.encode(&mut out)?)
    }
}

impl Decode for VoteV1 {
    fn decode<R: io::Read>(mut input: R) -> Result<Self, io::Error> {
        Ok(Self {
            term: u64::decode(&mut input)?,
            node: u64::decode(&mut input)?,
            committed: bool::decode(&mut input)?,
        })
    }
}

impl Encode for Blob {
    fn encode<W: io::Write>(&self, mut out: W) -> Result<usize, io::Error> {
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        length.encode(&mut out)?;
        out.write_all(&self.0)?;
        Ok(4 + self.0.len())
    }
}

impl Decode for Blob {
    fn decode<R: io::Read>(input: R) -> Result<Self, io::Error> {
        let mut bytes = Vec::<u8>::decode(input)?;
        // It grew by doubling, and stays in memory as long as its file of the log is the newest.
        bytes.shrink_to_fit();
        Ok(Self(Bytes::from(bytes)))
    }
}

/// What runs after a write or fsync. Dropped without having run (the writer has died), it reports an error: nobody
/// waits for ever, and nothing counts as written.
struct Flushed {
    then: Option<Box<dyn FnOnce(io::Result<()>) + Send>>,
    alarm: Arc<Alarm>,
}

impl Flushed {
    fn finish(&mut self, result: io::Result<()>) {
        let Some(then) = self.then.take() else { return };
        let result = match result {
            Ok(()) if self.alarm.fail_next.load(Ordering::SeqCst) => Err(io::Error::from_raw_os_error(5)),
            other => other,
        };
        if let Err(error) = &result {
            self.alarm.raise("fsync", error);
        }
        then(result);
    }
}

impl raft_log::Callback for Flushed {
    fn send(mut self, result: Result<(), io::Error>) {
        self.finish(result);
    }
}

impl Drop for Flushed {
    fn drop(&mut self) {
        self.finish(Err(io::Error::other("the thread that writes the log has ended")));
    }
}

/// Turns an error of the log into the reason why the node stops.
struct Alarm {
    fatal: Fatal,
    folder: PathBuf,
    fail_next: AtomicBool,
}

impl Alarm {
    fn raise(&self, tried: &str, error: &dyn Display) {
        self.fatal.raise(format!(
            "cannot {tried} the Raft log in {}: {error}. What was not yet on disk was not acknowledged. This node stops \
             at once, because a disk that failed once may lose data silently: check it (journalctl -k, smartctl, free \
             space), then start the node again, or remove it from the cluster and join a new one",
            self.folder.display()
        ));
    }

    fn watch<T>(&self, tried: &str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.raise(tried, error))
    }
}

/// The log on disk. Clones are handles to the same; the last one to go closes it.
#[derive(Clone)]
pub struct DiskLog {
    log: Arc<Mutex<RaftLog<Wal>>>,
    alarm: Arc<Alarm>,
    room: Arc<Room>,
    /// Bytes appended since the room was last looked after.
    appended: Arc<AtomicUsize>,
    /// A commit index waits to be written with the next entries, or a moment later without.
    commit_waits: Arc<AtomicBool>,
}

/// Counts fsyncs of a [`DiskLog`] without keeping it open.
#[derive(Clone)]
pub struct LogStats(Weak<Mutex<RaftLog<Wal>>>);

impl LogStats {
    /// How many fsyncs since the start, and the seconds that they took in all.
    pub fn fsyncs(&self) -> (u64, f64) {
        self.0.upgrade().map_or((0, 0.0), |log| {
            let metrics = lock(&log).stat().flush_metrics;
            (metrics.sync_batch_count, metrics.sync_us as f64 / 1e6)
        })
    }
}

fn lock(log: &Mutex<RaftLog<Wal>>) -> MutexGuard<'_, RaftLog<Wal>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DiskLog {
    /// Opens or makes the log in `folder`; locks the folder until the last handle is gone.
    pub fn open(folder: &Path, room: Arc<Room>, fatal: Fatal) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut config = raft_log::Config::new(folder.display());
        config.wal.chunk_max_size = Some(LOG_CHUNK_BYTES);
        config.wal.flush_batch_wait = Some(LOG_SYNC_WAIT);
        config.log_cache_capacity = Some(LOG_CACHE_BYTES);
        config.log_cache_max_items = Some(LOG_CACHE_ENTRIES);
        let log = RaftLog::open(Arc::new(config))?;
        room.prepare();
        Ok(Self {
            room,
            appended: Arc::default(),
            commit_waits: Arc::default(),
            log: Arc::new(Mutex::new(log)),
            alarm: Arc::new(Alarm {
                fatal,
                folder: folder.to_owned(),
                fail_next: AtomicBool::new(false),
            }),
        })
    }

    /// Counts fsyncs.
    pub fn stats(&self) -> LogStats {
        LogStats(Arc::downgrade(&self.log))
    }

    /// The last index that was purged, if any: what came before is only in snapshots.
    pub fn purged(&self) -> Option<u64> {
        lock(&self.log).log_state().purged().map(|id| id.index)
    }

    /// Makes each fsync from now on fail, as a broken disk does.
    #[cfg(test)]
    pub fn break_disk(&self) {
        self.alarm.fail_next.store(true, Ordering::SeqCst);
    }

    /// Runs one step and asks for an fsync, after which `then` runs.
    fn write_and_sync(
        &self,
        tried: &str,
        step: impl FnOnce(&mut RaftLog<Wal>) -> io::Result<()>,
        then: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> io::Result<()> {
        let flushed = Flushed {
            then: Some(Box::new(then)),
            alarm: self.alarm.clone(),
        };
        let mut log = lock(&self.log);
        self.alarm
            .watch(tried, step(&mut log).and_then(|()| log.flush(true, Some(flushed))))
    }

    /// A commit index goes to the file with the next entries. Where none come, nobody waits for it: it is what a node
    /// starts from that finds no other.
    fn write_commit_soon<RT: AsyncRuntime>(&self) {
        if self.commit_waits.swap(true, Ordering::SeqCst) {
            return;
        }
        let (log, waits, alarm) = (Arc::downgrade(&self.log), self.commit_waits.clone(), self.alarm.clone());
        drop(TypeConfig::<RT>::spawn(async move {
            TypeConfig::<RT>::sleep(LOG_COMMIT_WAIT).await;
            waits.store(false, Ordering::SeqCst);
            if let Some(log) = log.upgrade() {
                let written = lock(&log).flush(false, None);
                drop(alarm.watch("write the commit index to", written));
            }
        }));
    }

    fn entries(&self, range: impl RangeBounds<u64>, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        let log = lock(&self.log);
        let end_of_log = log.log_state().last().map_or(0, |last| last.index.saturating_add(1));
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => to.saturating_add(1),
            Bound::Excluded(to) => *to,
            Bound::Unbounded => end_of_log,
        };
        let to = to.min(end_of_log);
        if from >= to {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        for entry in log.read(from, to) {
            let (log_id, envelope) = self.alarm.watch("read", entry)?;
            bytes = bytes.saturating_add(envelope.0.len());
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            let entry = convert::entry_in(&log_id, envelope).map_err(|error| {
                self.alarm
                    .fatal
                    .raise(format!("cannot read log entry {}: {error}", log_id.index));
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl<RT: AsyncRuntime> RaftLogReader<TypeConfig<RT>> for DiskLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LogEntry>, io::Error> {
        self.entries(range, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<LogEntry>, io::Error> {
        self.entries(start..end, APPEND_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(lock(&self.log).log_state().vote().map(convert::vote_in))
    }
}

impl<RT: AsyncRuntime> RaftLogStorage<TypeConfig<RT>> for DiskLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig<RT>>, io::Error> {
        let log = lock(&self.log);
        let state = log.log_state();
        Ok(LogState {
            last_purged_log_id: state.purged().map(convert::log_id_in),
            last_log_id: state.last().map(convert::log_id_in),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let vote = convert::vote_out(vote);
        let (done, synced) = TypeConfig::<RT>::oneshot::<io::Result<()>>();
        self.write_and_sync(
            "save the vote in",
            |log| log.save_vote(vote).map(drop),
            move |result| {
                drop(done.send(result));
            },
        )?;
        synced
            .await
            .map_err(|_| io::Error::other("the thread that writes the log has ended"))?
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed.as_ref().map(convert::log_id_out) else {
            return Ok(());
        };
        let mut log = lock(&self.log);
        let state = log.log_state();
        let moves_on = state.committed().is_none_or(|before| *before < committed);
        if moves_on && state.last().is_some_and(|last| committed <= *last) {
            self.alarm
                .watch("write the commit index to", log.commit(committed).map(drop))?;
            drop(log);
            self.write_commit_soon::<RT>();
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(lock(&self.log).log_state().committed().map(convert::log_id_in))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig<RT>>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut bytes = 0;
        let entries = entries.into_iter().map(|entry| {
            let log_id = convert::log_id_out(&entry.log_id());
            let envelope = convert::envelope_out(&entry.payload);
            bytes += ENTRY_OVERHEAD + envelope.0.len();
            (log_id, envelope)
        });
        let appended = self.write_and_sync(
            "append to",
            |log| log.append(entries).map(drop),
            move |result| callback.io_completed(result),
        );
        if self.appended.fetch_add(bytes, Ordering::Relaxed) + bytes >= LOG_PREPARE_EVERY {
            self.appended.store(0, Ordering::Relaxed);
            self.room.prepare();
        }
        appended
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let mut log = lock(&self.log);
        let state = log.log_state();
        let next = match (&last_log_id, state.purged()) {
            (Some(keep), _) => keep.index + 1,
            (None, Some(purged)) => purged.index + 1,
            (None, None) => 0,
        };
        if state.last().is_none_or(|last| last.index < next) {
            return Ok(());
        }
        let written = log.truncate(next).and_then(|_| log.flush(false, None));
        self.alarm.watch("truncate", written)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let upto = convert::log_id_out(&log_id);
        self.write_and_sync("purge", |log| log.purge(upto).map(drop), |_| ())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
