//! A file system without any free block under a running node.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::envelope::wire::StateHeadV1;
use crate::raft::{AppliedStore, Fatal, Room, RowChange};
use crate::store::SledStore;

/// A small file system in memory, gone at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1536m", "argosy-test"])
            .arg(folder.path())
            .status();
        assert!(mounted.unwrap().success(), "mounting needs root");
        Self(folder)
    }

    /// Takes every block that is left.
    fn fill(&self) {
        let mut filler = std::fs::File::create(self.0.path().join("filler")).unwrap();
        for size in [1 << 20, 4_096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.path().join("filler")).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn machine(small: &Small) -> Machine {
    let machine = Machine {
        folder: small.path().join("node"),
        address: free_address(),
        number: 1,
        running: None,
    };
    let options = InitOptions {
        folder: machine.folder.clone(),
        name: "node-1".into(),
        peer_address: machine.address,
    };
    Cluster::<Map>::init(&options).unwrap();
    machine
}

async fn until_low(node: &Cluster<Map>, expected: bool) {
    let started = Instant::now();
    while node.status().standing.low_space != expected {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consensus_outlives_a_full_disk_and_changes_are_refused_until_there_is_room() {
    let small = Small::mount();
    let mut machine = machine(&small);
    let node = machine.start().await;
    put(&node, "a", "1").await;
    for round in 0..3 {
        small.fill();
        until_low(&node, true).await;
        let refused = node
            .propose(request(), Put("a".into(), "2".into()), SOON)
            .await
            .unwrap_err();
        let ProposeError::Unavailable { reason } = &refused else {
            panic!("{refused:?}")
        };
        assert!(reason.contains("nearly full"), "{reason}");
        // The log itself takes entries on a file system without a free block.
        for _ in 0..50 {
            node.create_join_token(Duration::from_secs(60)).await.unwrap();
        }
        assert_eq!(node.status().role, "leader");
        small.make_room();
        until_low(&node, false).await;
        // Enough for the log to begin its next file.
        for n in 0..40 {
            put(&node, "big", &format!("{}", (round + n) % 10).repeat(1 << 20)).await;
        }
    }
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_on_a_full_disk_takes_part() {
    let small = Small::mount();
    let mut machine = machine(&small);
    let node = machine.start().await;
    put(&node, "a", "1").await;
    small.fill();
    machine.stop().await;
    let node = machine.start().await;
    until_low(&node, true).await;
    let started = Instant::now();
    while let Err(error) = node.create_join_token(Duration::from_secs(60)).await {
        assert!(started.elapsed() < SOON, "{error}");
    }
    small.make_room();
    until_low(&node, false).await;
    put(&node, "a", "3").await;
    machine.stop().await;
}

#[test]
fn a_store_whose_write_found_no_room_ends_without_waiting_for_it() {
    let small = Small::mount();
    let (store, _) = SledStore::open(small.path(), None, |_| false, Fatal::default()).unwrap();
    small.fill();
    let row = |n: u8| RowChange {
        key: Arc::from([n].as_slice()),
        value: Some(Arc::from(vec![n; 1 << 20])),
    };
    store.apply((0..16).map(row).collect());
    store.close(&StateHeadV1::default()).unwrap_err();
    assert!(store.begin().is_err());
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(store);
        ended.send(()).unwrap();
    });
    end.recv_timeout(SOON).unwrap();
}

#[test]
fn the_reserve_is_given_up_for_the_next_log_file_and_made_again() {
    let small = Small::mount();
    let log = small.path().join("log");
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join("r-1.wal"), b"entries").unwrap();
    std::fs::write(log.join("r-2.part"), b"").unwrap();
    let room = Room::new(log.clone(), small.path().join("reserve"));
    assert!(!room.look().unwrap());
    small.fill();
    std::fs::rename(log.join("r-2.part"), log.join("r-2.wal")).unwrap();
    assert!(room.look().unwrap());
    assert!(!small.path().join("reserve").exists());
    let mut next = std::fs::OpenOptions::new()
        .append(true)
        .open(log.join("r-2.wal"))
        .unwrap();
    next.write_all(&vec![1; 16 << 20]).unwrap();
    small.make_room();
    assert!(!room.look().unwrap());
    assert!(small.path().join("reserve").exists());
}
