//! openraft's own suite over the real stores and over those of the simulation, and a disk that fails.

use std::sync::Arc;
use std::time::Duration;

use openraft::StorageError;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftLogStorageExt};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft_rt_tokio::TokioRuntime;

use super::DiskLog;
use crate::envelope::Blob;
use crate::raft::machine::{Machine, Recovered};
use crate::raft::memory_log::MemoryLog;
use crate::raft::types::{LeaderId, LogEntry, LogId, RaftVote, TypeConfig};
use crate::raft::{Fatal, Room, on_disk};
use crate::sim::{Disk, Ledger, MemoryStore};
use crate::store;

type Config = TypeConfig<TokioRuntime>;

struct OnDisk;

impl StoreBuilder<Config, DiskLog, Machine<Ledger>, tempfile::TempDir> for OnDisk {
    async fn build(&self) -> Result<(tempfile::TempDir, DiskLog, Machine<Ledger>), StorageError<Config>> {
        let folder = tempfile::tempdir().unwrap();
        let fatal = Fatal::default();
        let storage = store::open(folder.path(), on_disk::<Ledger>, &fatal).unwrap();
        let state = storage.state;
        let machine = Machine::new(state.recovered, state.applied, state.snapshots, fatal).unwrap();
        Ok((folder, storage.log, machine))
    }
}

struct InMemory;

impl StoreBuilder<Config, MemoryLog, Machine<Ledger>, ()> for InMemory {
    async fn build(&self) -> Result<((), MemoryLog, Machine<Ledger>), StorageError<Config>> {
        let disk = Disk::new(Duration::from_micros(10), false);
        let snapshots = Arc::new(disk.snapshots);
        let machine = Machine::new(
            Recovered::default(),
            Arc::new(MemoryStore::new(on_disk::<Ledger>)),
            snapshots,
            Fatal::default(),
        )
        .unwrap();
        Ok(((), disk.log, machine))
    }
}

#[test]
fn the_stores_on_disk_pass_openrafts_suite() {
    Config::run(Suite::test_all(OnDisk)).unwrap();
}

#[test]
fn the_stores_in_memory_pass_openrafts_suite() {
    Config::run(Suite::test_all(InMemory)).unwrap();
}

fn entry(index: u64) -> LogEntry {
    let leader = LeaderId { term: 1, node_id: 1 };
    LogEntry::new(
        LogId::new(leader, index),
        openraft::EntryPayload::Normal(Blob(vec![1, 2, 3].into())),
    )
}

fn open(folder: &std::path::Path) -> (DiskLog, Fatal) {
    let fatal = Fatal::default();
    let room = Arc::new(Room::new(folder.to_owned(), folder.join("reserve")));
    (DiskLog::open(folder, room, fatal.clone()).unwrap(), fatal)
}

#[test]
fn a_failed_fsync_of_an_append_stops_the_node_and_acknowledges_nothing() {
    Config::run(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, fatal) = open(folder.path());
        RaftLogStorageExt::<Config>::blocking_append(&mut log, [entry(0)])
            .await
            .unwrap();
        assert_eq!(fatal.reason(), None);

        log.break_disk();
        assert!(
            RaftLogStorageExt::<Config>::blocking_append(&mut log, [entry(1)])
                .await
                .is_err()
        );
        let reason = fatal.raised().await;
        for part in ["fsync", &folder.path().display().to_string(), "os error 5", "check it"] {
            assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
        }
    });
}

#[test]
fn a_failed_fsync_of_a_vote_stops_the_node() {
    Config::run(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, fatal) = open(folder.path());
        log.break_disk();
        let vote = RaftVote::new(1, 1);
        assert!(RaftLogStorage::<Config>::save_vote(&mut log, &vote).await.is_err());
        assert!(fatal.reason().is_some());
    });
}

#[test]
fn appends_that_arrive_together_share_an_fsync() {
    Config::run(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _fatal) = open(folder.path());
        let mut waiting = Vec::new();
        for index in 0..200 {
            let (done, synced) = Config::oneshot();
            let appended = RaftLogStorage::<Config>::append(&mut log, [entry(index)], IOFlushed::signal(done));
            appended.await.unwrap();
            waiting.push(synced);
        }
        for synced in waiting {
            synced.await.unwrap().unwrap();
        }
        let (fsyncs, seconds) = log.stats().fsyncs();
        assert!((1..150).contains(&fsyncs), "{fsyncs} fsyncs for 200 appends");
        assert!(seconds > 0.0);
    });
}

#[test]
fn what_was_synced_is_there_after_a_restart() {
    Config::run(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path());
        RaftLogStorageExt::<Config>::blocking_append(&mut log, (0..10).map(entry))
            .await
            .unwrap();
        drop(log);
        let (mut log, _) = open(folder.path());
        let state = RaftLogStorage::<Config>::get_log_state(&mut log).await.unwrap();
        assert_eq!(state.last_log_id.unwrap().index, 9);
        assert_eq!(log.entries(3..7, usize::MAX).unwrap().len(), 4);
        #[expect(clippy::reversed_empty_ranges, reason = "that is the test")]
        let inverted = log.entries(7..3, usize::MAX).unwrap();
        assert_eq!(inverted.len(), 0);
    });
}

#[test]
fn one_message_to_a_follower_is_bounded_in_bytes_and_never_empty() {
    Config::run(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path());
        RaftLogStorageExt::<Config>::blocking_append(&mut log, (0..10).map(entry))
            .await
            .unwrap();
        assert_eq!(log.entries(0..10, 7).unwrap().len(), 2);
        assert_eq!(log.entries(0..10, 1).unwrap().len(), 1);
    });
}
