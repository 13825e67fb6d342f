//! One node on a real disk and a real runtime: what comes back after a clean stop, after a crash, after damage.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use openraft::type_config::TypeConfigExt;
use openraft_rt_tokio::TokioRuntime;

use super::*;
use crate::envelope::{Answer, AppCommand, Envelope};
use crate::sim::Ledger;
use crate::{RequestId, StateMachine, store};

type TestCore = Core<TokioRuntime, Ledger>;

/// Nobody else is there.
#[derive(Clone)]
struct Alone;

impl PeerTransport for Alone {
    async fn call(&self, _: &Peer, _: Rpc, _: Bytes, _: Duration) -> Result<Bytes, CallError> {
        Err(CallError::Unreachable("there is no other node".to_owned()))
    }

    async fn send_snapshot(&self, _: &Peer, _: Bytes, _: SnapshotData, _: Duration) -> Result<Bytes, CallError> {
        Err(CallError::Unreachable("there is no other node".to_owned()))
    }
}

async fn start(folder: &Path) -> (TestCore, log::DiskLog) {
    let fatal = Fatal::default();
    let storage = store::open(folder, on_disk::<Ledger>, &fatal).unwrap();
    let config = CoreConfig {
        node: NodeId(1),
        heartbeat: Duration::from_millis(20),
        snapshot_every: 10_000,
        keep_behind_snapshot: 0,
        compare_every: Duration::from_secs(1),
    };
    let log = storage.log.clone();
    let core = TestCore::start(config, Alone, storage.log, storage.state, fatal)
        .await
        .unwrap();
    core.found(NodeRecord::default(), 1, 1).await.unwrap();
    (core, log)
}

async fn write(core: &TestCore, operation: u64) -> Result<Answer, CoreError> {
    let request = RequestId(u128::from(operation).to_be_bytes());
    let command = AppCommand::new(request, Ledger::encode_command(&operation).into());
    core.propose(Envelope::App(command).encode()).await
}

async fn write_many(core: &TestCore, operations: std::ops::Range<u64>) {
    for operation in operations {
        assert!(matches!(write(core, operation).await, Ok(Answer::App { .. })));
    }
}

fn ledger(core: &TestCore) -> Vec<u64> {
    core.view().iter().copied().collect()
}

fn run(test: impl Future<Output = ()>) {
    TypeConfig::<TokioRuntime>::run(test);
}

/// Waits until the lock of the log is free: a task of consensus that it does not wait for when it stops has a handle.
async fn closed(folder: &Path) {
    let lock = fs::File::options().write(true).open(folder.join("log/LOCK")).unwrap();
    let free = async {
        while lock.try_lock().is_err() {
            TypeConfig::<TokioRuntime>::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = TypeConfig::<TokioRuntime>::timeout(Duration::from_secs(5), free).await;
    assert!(waited.is_ok(), "the log is still open 5 s after the node has stopped");
}

/// Stops in good order or, without, leaves what a crash leaves.
async fn end(core: TestCore, log: log::DiskLog, in_good_order: bool, folder: &Path) {
    core.stop().await;
    drop((core, log));
    closed(folder).await;
    if !in_good_order {
        fs::remove_file(folder.join("state.clean")).unwrap();
    }
}

#[test]
fn state_is_the_same_after_a_clean_stop_and_after_a_crash() {
    for in_good_order in [true, false] {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (core, log) = start(folder.path()).await;
            write_many(&core, 0..30).await;
            let before = core.metrics();
            end(core, log, in_good_order, folder.path()).await;
            assert!(!folder.path().join("state.bad-1").exists());

            let (core, log) = start(folder.path()).await;
            assert!(core.wait_applied(before.applied, Duration::from_secs(5)).await);
            assert_eq!(ledger(&core), (0..30).collect::<Vec<_>>());
            assert_eq!(folder.path().join("state.bad-1").exists(), !in_good_order);
            assert!(matches!(write(&core, 3).await, Ok(Answer::App { revision, .. }) if revision < before.applied));
            end(core, log, true, folder.path()).await;
        });
    }
}

#[test]
fn a_snapshot_and_the_log_after_it_rebuild_the_state_and_the_log_is_purged() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (core, log) = start(folder.path()).await;
        write_many(&core, 0..50).await;
        core.snapshot().await.unwrap();
        while core.metrics().purged < 40 {
            TypeConfig::<TokioRuntime>::sleep(Duration::from_millis(5)).await;
        }
        write_many(&core, 50..60).await;
        let before = core.metrics();
        end(core, log, false, folder.path()).await;

        let (core, log) = start(folder.path()).await;
        assert!(core.wait_applied(before.applied, Duration::from_secs(5)).await);
        assert_eq!(ledger(&core), (0..60).collect::<Vec<_>>());
        end(core, log, false, folder.path()).await;

        for snapshot in fs::read_dir(folder.path().join("snapshots")).unwrap() {
            fs::remove_file(snapshot.unwrap().path()).unwrap();
        }
        let refused = store::open(folder.path(), on_disk::<Ledger>, &Fatal::default())
            .err()
            .unwrap();
        assert!(refused.0.contains("join a new one"), "{refused}");
    });
}

#[test]
fn a_failed_fsync_under_load_acknowledges_nothing_and_says_why_to_stop() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (core, log) = start(folder.path()).await;
        write_many(&core, 0..5).await;
        log.break_disk();
        let answer = TypeConfig::<TokioRuntime>::timeout(Duration::from_secs(5), write(&core, 5)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
        let reason = core.fatal().raised().await;
        assert!(reason.contains("cannot fsync the Raft log"), "{reason}");
        core.stop().await;
    });
}

#[test]
fn an_unknown_command_stops_the_node_with_advice() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (core, _log) = start(folder.path()).await;
        let unknown = Bytes::from_static(&[crate::envelope::FORMAT, 250, 1, 2, 3]);
        let answer = TypeConfig::<TokioRuntime>::timeout(Duration::from_secs(5), core.propose(unknown)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
        let reason = core.fatal().raised().await;
        assert!(reason.contains("install that release"), "{reason}");
        core.stop().await;
    });
}

#[test]
fn the_membership_of_the_first_entry_is_in_the_state_after_a_clean_stop() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (core, log) = start(folder.path()).await;
        write_many(&core, 0..1).await;
        end(core, log, true, folder.path()).await;
        let fatal = Fatal::default();
        let storage = store::open(folder.path(), on_disk::<Ledger>, &fatal).unwrap();
        let voters = &storage.state.recovered.head.membership.voters;
        assert_eq!(voters.len(), 1);
    });
}

#[test]
fn a_leader_that_writes_a_newer_format_stops_this_node_with_advice() {
    for newer_entry in [false, true] {
        run(async {
            use crate::envelope::Blob;
            use crate::envelope::wire::{AppendV1, EntryV1, Framed};
            let folder = tempfile::tempdir().unwrap();
            let (core, _log) = start(folder.path()).await;
            let mut entry = Envelope::Blank.encode().to_vec();
            entry[0] += u8::from(newer_entry);
            let append = AppendV1 {
                vote: Default::default(),
                previous: None,
                entries: vec![EntryV1 {
                    log_id: Default::default(),
                    envelope: Blob(entry.into()),
                }],
                committed: None,
            };
            let mut body = append.encode().to_vec();
            body[0] += u8::from(!newer_entry);
            assert!(core.handle(Rpc::Append, body.into()).await.is_err());
            let reason = core.fatal().reason().unwrap();
            assert!(reason.contains("install that release"), "{reason}");
            core.stop().await;
        });
    }
}
