//! Disks that fail or fill: the upload fails and is not published, the storage is marked, the node goes on.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustix::io::Errno;

use super::house::{House, User, name, resuming, writing};
use crate::catalog::{Durability, ViewSource};
use crate::clock::Clock;
use crate::events::Journal;
use crate::vfs::local::{FaultPoint, Faults};
use crate::vfs::{AttributeChange, Vfs, VfsError};

impl Vfs {
    /// One whose disk is full while `is_full` says so, for tests of protocols.
    pub(crate) fn on_a_disk(
        view: ViewSource,
        clock: Clock,
        journal: Journal,
        is_full: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let plan = move |at| (at == FaultPoint::Write && is_full()).then_some(Errno::NOSPC);
        Self::with_faults(view, clock, journal, 1, Faults::planned(plan))
    }
}

#[tokio::test]
async fn a_failed_fsync_fails_that_upload_which_is_not_published_and_fsync_is_not_tried_again() {
    for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
        let house = House::new();
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        let faults = Faults::planned(move |at| {
            let first = at == FaultPoint::SyncFile && counted.fetch_add(1, Ordering::SeqCst) == 0;
            first.then_some(errno)
        });
        let alice = User::new(&house, &house.node_with(1, faults), "alice");
        let result = alice.upload("/a", b"lost").await;
        assert!(matches!(result, Err(VfsError::Io(_))), "{result:?}");
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        assert_eq!(house.get("a"), None);
        assert!(house.staged().is_empty());
        assert_eq!(alice.vfs.unhealthy_storages(), [name("disk")]);
        alice.upload("/b", b"works again").await.unwrap();
        assert_eq!(house.get("b").unwrap(), b"works again");
        assert!(alice.vfs.unhealthy_storages().is_empty());
    }
}

#[tokio::test]
async fn a_failed_write_fails_that_upload_for_good() {
    for (errno, expected, left) in [
        (Errno::IO, None, 0),
        (Errno::NOSPC, Some(VfsError::Full), 1),
        (Errno::DQUOT, Some(VfsError::Full), 1),
    ] {
        let house = House::new();
        let writes = AtomicUsize::new(0);
        let faults = Faults::planned(move |at| {
            let second = at == FaultPoint::Write && writes.fetch_add(1, Ordering::SeqCst) == 1;
            second.then_some(errno)
        });
        let alice = User::new(&house, &house.node_with(1, faults), "alice");
        let file = alice.begin("/a", b"first").await;
        let error = file.write_at(5, Bytes::from_static(b"second")).await.unwrap_err();
        if let Some(expected) = expected {
            assert_eq!(error, expected);
        }
        assert_eq!(file.write_at(5, Bytes::from_static(b"third")).await, Err(error.clone()));
        assert_eq!(file.commit().await, Err(error));
        assert_eq!(house.get("a"), None);
        assert_eq!(house.staged().len(), left);
        assert_eq!(alice.vfs.unhealthy_storages(), [name("disk")]);
    }
}

#[tokio::test]
async fn a_failed_rename_leaves_the_old_file() {
    let house = House::new();
    house.put("a", b"old");
    let alice = User::new(&house, &house.node_failing(FaultPoint::Rename, Errno::IO), "alice");
    assert!(matches!(alice.upload("/a", b"new").await, Err(VfsError::Io(_))));
    assert_eq!(house.get("a").unwrap(), b"old");
}

#[tokio::test]
async fn a_failed_fsync_of_a_file_written_in_place_fails_its_end() {
    let house = House::new();
    house.put("a", b"old");
    let alice = User::new(&house, &house.node_failing(FaultPoint::SyncFile, Errno::IO), "alice");
    let file = alice.open("/a", &resuming()).await.unwrap();
    file.write_at(0, Bytes::from_static(b"x")).await.unwrap();
    assert!(matches!(file.commit().await, Err(VfsError::Io(_))));
}

#[tokio::test]
async fn a_relaxed_storage_answers_without_an_fsync() {
    let house = House::new();
    house.storage(|storage| storage.durability = Durability::Relaxed);
    let faults = Faults::planned(|at| matches!(at, FaultPoint::SyncFile | FaultPoint::SyncFolder).then_some(Errno::IO));
    let alice = User::new(&house, &house.node_with(1, faults), "alice");
    alice.upload("/a", b"quick").await.unwrap();
    assert_eq!(house.get("a").unwrap(), b"quick");
}

#[tokio::test]
async fn uploads_are_refused_once_less_than_the_reserve_is_free() {
    let house = House::new();
    house.storage(|storage| storage.reserve_bytes = u64::MAX);
    house.put("old", b"old");
    let alice = User::alice(&house);
    assert_eq!(alice.open("/a", &writing()).await.err(), Some(VfsError::Full));
    assert_eq!(alice.open("/old", &resuming()).await.err(), Some(VfsError::Full));
    assert_eq!(alice.download("/old").await.unwrap(), b"old");
}

#[tokio::test]
async fn a_missing_root_is_an_error_and_is_never_made() {
    let house = House::new();
    let root = house.root().join("not-mounted");
    house.storage(|storage| storage.root = root.as_os_str().as_encoded_bytes().to_vec());
    let alice = User::alice(&house);
    assert!(matches!(alice.upload("/a", b"x").await, Err(VfsError::Io(_))));
    assert!(!root.exists());
    assert_eq!(alice.vfs.unhealthy_storages(), [name("disk")]);
}

/// A file system in memory of one megabyte, taken down at the end.
struct Tiny(Option<tempfile::TempDir>);

impl Drop for Tiny {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
        }
    }
}

#[tokio::test]
async fn a_full_file_system_fails_the_upload_and_the_node_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(folder.path())
        .status();
    assert!(mount.unwrap().success(), "this test mounts a tmpfs and so runs as root");
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let _tiny = Tiny(Some(folder));
    let house = House::in_folder(inside);
    let alice = User::alice(&house);
    let file = alice.open("/big", &writing()).await.unwrap();
    let mut result = Ok(());
    for piece in 0..8 {
        result = file.write_at(piece * 256 * 1024, vec![1; 256 * 1024].into()).await;
        if result.is_err() {
            break;
        }
    }
    assert_eq!(result, Err(VfsError::Full));
    assert_eq!(file.commit().await, Err(VfsError::Full));
    assert_eq!(house.get("big"), None);
    assert_eq!(alice.vfs.unhealthy_storages(), [name("disk")]);
    alice.remove("/big").await.unwrap();
    alice.upload("/small", b"fits").await.unwrap();
    assert_eq!(house.get("small").unwrap(), b"fits");
    assert!(alice.vfs.unhealthy_storages().is_empty());
}

#[tokio::test]
async fn what_the_client_has_synced_is_not_synced_again_at_its_end_unless_it_was_changed_since() {
    enum Then {
        Nothing,
        Write,
        Attributes,
    }
    for (then, expected) in [(Then::Nothing, 1), (Then::Write, 2), (Then::Attributes, 2)] {
        let house = House::new();
        let syncs = Arc::new(AtomicUsize::new(0));
        let counted = syncs.clone();
        let faults = Faults::planned(move |at| {
            if at == FaultPoint::SyncFile {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            None
        });
        let alice = User::new(&house, &house.node_with(1, faults), "alice");
        let file = alice.begin("/a", b"first").await;
        file.sync().await.unwrap();
        match then {
            Then::Nothing => {}
            Then::Write => file.write_at(5, Bytes::from_static(b"more")).await.unwrap(),
            Then::Attributes => {
                let change = AttributeChange {
                    mode: Some(0o600),
                    ..AttributeChange::default()
                };
                file.set_attributes(&change).await.unwrap();
            }
        }
        file.commit().await.unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_sent_at_once_to_a_file_system_in_memory_are_all_done() {
    let house = House::in_folder(tempfile::tempdir_in("/dev/shm").unwrap());
    let alice = User::alice(&house);
    let file = Arc::new(alice.open("/a", &writing()).await.unwrap());
    let mut expected = vec![0; 64 * 1024];
    for round in 0_u8..8 {
        let writes: Vec<_> = expected
            .chunks_mut(1024)
            .zip(0_u64..)
            .map(|(piece, at)| {
                let byte = round.wrapping_mul(31).wrapping_add(u8::try_from(at).unwrap());
                piece.fill(byte);
                let (file, piece) = (file.clone(), Bytes::copy_from_slice(piece));
                tokio::spawn(async move { file.write_at(at * 1024, piece).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
    }
    Arc::into_inner(file).unwrap().commit().await.unwrap();
    assert!(house.get("a").unwrap() == expected);
}
