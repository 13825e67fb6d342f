//! Takeovers from another node: what its old holder does late never reaches the published file.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustix::io::Errno;

use super::house::{House, User, resuming};
use crate::vfs::local::{FaultPoint, Faults};
use crate::vfs::{Cleaned, Vfs, VfsError};

/// A node that stops at `point`, after it was looked whether the upload still is its own, when it comes there the
/// `nth` time; it says so and waits to be told to go on.
fn node_that_stops(house: &House, point: FaultPoint, nth: usize) -> (Vfs, Receiver<()>, Sender<()>) {
    let (arrived, here) = channel();
    let (go_on, told) = channel::<()>();
    let (told, times) = (Mutex::new(told), Mutex::new(0));
    let plan = move |at| {
        if at == point {
            let mut times = times.lock().unwrap();
            *times += 1;
            if *times == nth {
                arrived.send(()).unwrap();
                told.lock().unwrap().recv().unwrap();
            }
        }
        None
    };
    (house.node_with(1, Faults::planned(plan)), here, go_on)
}

async fn wait_for(here: Receiver<()>) {
    tokio::task::spawn_blocking(move || here.recv().unwrap()).await.unwrap();
}

/// Goes on with `/big` at `size` bytes on node 2 and publishes it.
async fn publish_elsewhere(house: &House, size: u64, rest: &'static [u8]) {
    let other = User::new(house, &house.node(2), "alice");
    let file = other.open("/big", &resuming()).await.unwrap();
    assert_eq!(file.attributes().await.unwrap().size, size);
    file.write_at(size, Bytes::from_static(rest)).await.unwrap();
    file.commit().await.unwrap();
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn a_late_write_of_another_nodes_old_holder_does_not_reach_the_published_file() {
    let house = House::new();
    let (vfs, here, go_on) = node_that_stops(&house, FaultPoint::Write, 2);
    let old = User::new(&house, &vfs, "alice");
    let file = Arc::new(old.begin("/big", b"12345").await);
    let writer = file.clone();
    let late = tokio::spawn(async move { writer.write_at(0, Bytes::from_static(b"late, late")).await });
    wait_for(here).await;
    publish_elsewhere(&house, 5, b"6789").await;
    go_on.send(()).unwrap();
    let _ = late.await.unwrap();
    assert_eq!(house.get("big").unwrap(), b"123456789");
    let file = Arc::into_inner(file).unwrap();
    assert_eq!(file.commit().await, Err(VfsError::TakenOver));
    assert_eq!(house.get("big").unwrap(), b"123456789");
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn a_late_cut_of_another_nodes_old_holder_does_not_reach_the_published_file() {
    let house = House::new();
    let (vfs, here, go_on) = node_that_stops(&house, FaultPoint::Cut, 1);
    let old = User::new(&house, &vfs, "alice");
    let file = old.begin("/big", b"12345").await;
    // Together in one block, so that the file has no hole and the other node goes on behind it.
    file.write_at(7, Bytes::from_static(b"ahead")).await.unwrap();
    drop(file);
    wait_for(here).await;
    publish_elsewhere(&house, 12, b"rest").await;
    go_on.send(()).unwrap();
    old.settle().await;
    assert_eq!(house.get("big").unwrap(), b"12345\0\0aheadrest");
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn what_goes_on_from_another_node_is_copied_with_its_looks_with_and_without_the_kernels_help() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    for fault in [None, Some(Errno::XDEV), Some(Errno::NOSYS)] {
        let house = House::new();
        let old = User::alice(&house);
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let file = old.begin("/big", &content).await;
        let before = house.staged().remove(0);
        std::fs::set_permissions(&before, std::fs::Permissions::from_mode(0o640)).unwrap();
        let inode = std::fs::metadata(&before).unwrap().ino();
        let faults = Faults::planned(move |at| fault.filter(|_| at == FaultPoint::CopyRange));
        let new = User::new(&house, &house.node_with(2, faults), "alice");
        let taken = new.open("/big", &resuming()).await.unwrap();
        assert_eq!(house.staged().len(), 1);
        taken.commit().await.unwrap();
        let after = std::fs::metadata(house.on_disk("big")).unwrap();
        assert_eq!((after.mode() & 0o7777, after.len()), (0o640, 3_000_000));
        assert_ne!(after.ino(), inode);
        assert!(house.get("big").unwrap() == content, "{fault:?}");
        old.interrupt(file).await;
        assert!(house.staged().is_empty());
    }
}

#[tokio::test]
async fn a_copy_that_fails_leaves_the_upload_with_its_old_holder() {
    let house = House::new();
    let file = User::alice(&house).begin("/big", b"12345").await;
    let full = Faults::planned(|at| (at == FaultPoint::CopyRange).then_some(Errno::NOSPC));
    let new = User::new(&house, &house.node_with(2, full), "alice");
    assert_eq!(new.open("/big", &resuming()).await.err(), Some(VfsError::Full));
    assert_eq!(house.staged().len(), 1);
    file.commit().await.unwrap();
    assert_eq!(house.get("big").unwrap(), b"12345");
}

#[tokio::test]
async fn a_cleaning_at_start_leaves_what_this_process_has_staged_alone() {
    let house = House::new();
    let alice = User::alice(&house);
    let empty = alice.open("/empty", &resuming()).await.unwrap();
    let begun = alice.begin("/begun", b"1").await;
    assert_eq!(alice.vfs.clean_at_start().await, Cleaned::default());
    empty.commit().await.unwrap();
    begun.commit().await.unwrap();
}
