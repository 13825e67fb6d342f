//! Uploads that were interrupted: kept, shown, gone on with, taken over, cleaned.

use std::time::Duration;

use bytes::Bytes;

use super::house::{House, User, reading, resuming, writing};
use crate::clock::{Clock, UnixMillis};
use crate::vfs::{Cleaned, OpenOptions, VfsError};

#[tokio::test]
async fn an_interrupted_upload_is_kept_and_shown_with_its_size_only_to_its_account() {
    let house = House::new();
    let mut shared = super::house::account("/alice");
    shared.enabled = true;
    house.account("eve", shared);
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    assert_eq!(house.get("big"), None);
    for user in [&alice, &User::new(&house, &house.node(2), "alice")] {
        assert_eq!(user.size("/big").await, Ok(5));
        assert_eq!(user.names("/").await, [("big".to_owned(), 5)]);
    }
    let eve = User::new(&house, &alice.vfs, "eve");
    assert_eq!(eve.size("/big").await, Err(VfsError::NotFound));
    assert_eq!(eve.names("/").await, []);
}

#[tokio::test]
async fn reading_a_kept_partial_is_refused() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    let refused = VfsError::Denied(crate::catalog::Operation::Read);
    assert_eq!(alice.open("/big", &reading()).await.err(), Some(refused));
}

#[tokio::test]
async fn a_kept_partial_is_hidden_where_a_finished_file_has_the_name() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    house.put("big", b"whole file");
    assert_eq!(alice.size("/big").await, Ok(10));
    assert_eq!(alice.names("/").await, [("big".to_owned(), 10)]);
    assert_eq!(alice.download("/big").await.unwrap(), b"whole file");
}

#[tokio::test]
async fn an_interrupted_upload_is_removed_where_the_storage_says_so() {
    let house = House::new();
    house.storage(|storage| storage.keep_interrupted = false);
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    assert_eq!(alice.size("/big").await, Err(VfsError::NotFound));
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn an_interrupted_upload_is_resumed_on_another_node() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    let other = User::new(&house, &house.node(2), "alice");
    let no_create = OpenOptions {
        create: false,
        ..resuming()
    };
    let file = other.open("/big", &no_create).await.unwrap();
    assert_eq!(file.attributes().await.unwrap().size, 5);
    file.write_at(5, Bytes::from_static(b"6789")).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(house.get("big").unwrap(), b"123456789");
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn appending_goes_on_at_the_end_of_a_partial() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    let append = OpenOptions {
        append: true,
        ..resuming()
    };
    let file = alice.open("/big", &append).await.unwrap();
    file.write_at(0, Bytes::from_static(b"678")).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(house.get("big").unwrap(), b"12345678");
}

#[tokio::test]
async fn the_old_writer_of_an_upload_taken_over_can_neither_write_nor_publish_nor_delete() {
    let house = House::new();
    for nodes in [(1, 1), (1, 2)] {
        let first = house.node(nodes.0);
        let second = if nodes.0 == nodes.1 {
            first.clone()
        } else {
            house.node(nodes.1)
        };
        let old = User::new(&house, &first, "alice");
        let new = User::new(&house, &second, "alice");
        let writer = old.begin("/big", b"12345").await;
        let publisher = old.open("/big", &resuming()).await.unwrap();
        let taker = new.open("/big", &resuming()).await.unwrap();
        assert_eq!(
            writer.write_at(5, Bytes::from_static(b"old")).await,
            Err(VfsError::TakenOver)
        );
        assert_eq!(publisher.commit().await, Err(VfsError::TakenOver));
        assert!(matches!(
            old.remove("/big").await,
            Err(VfsError::TakenOver | VfsError::NotFound)
        ));
        old.interrupt(writer).await;
        assert_eq!(house.staged().len(), 1);
        taker.write_at(5, Bytes::from_static(b"new")).await.unwrap();
        taker.commit().await.unwrap();
        assert_eq!(house.get("big").unwrap(), b"12345new");
        assert!(house.staged().is_empty());
        std::fs::remove_file(house.on_disk("big")).unwrap();
    }
}

#[tokio::test]
async fn a_partial_is_cut_to_what_is_whole_from_its_beginning() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    file.write_at(100, Bytes::from_static(b"ahead")).await.unwrap();
    alice.interrupt(file).await;
    assert_eq!(alice.size("/big").await, Ok(5));
}

#[tokio::test]
async fn an_empty_upload_that_was_interrupted_leaves_nothing() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.open("/big", &writing()).await.unwrap();
    alice.interrupt(file).await;
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn a_partial_can_be_removed_by_its_account() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    User::new(&house, &house.node(2), "alice").remove("/big").await.unwrap();
    assert!(house.staged().is_empty());
    assert_eq!(alice.remove("/big").await, Err(VfsError::NotFound));
}

#[tokio::test]
async fn a_file_uploaded_anew_takes_its_partial_away() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/big", b"12345").await;
    alice.interrupt(file).await;
    alice.upload("/big", b"all of it").await.unwrap();
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn an_upload_that_nobody_writes_to_is_shown_as_a_partial_after_a_while() {
    let mut house = House::new();
    let alice = User::alice(&house);
    let _file = alice.begin("/big", b"12345").await;
    let now = Clock::system().now().0;
    house.clock = Clock::fixed(UnixMillis(now + 60_000));
    let later = User::new(&house, &house.node(2), "alice");
    assert_eq!(later.size("/big").await, Ok(5));
}

#[tokio::test]
async fn staged_names_hold_the_node_and_randomness_and_cannot_be_named_by_clients() {
    let house = House::new();
    let alice = User::alice(&house);
    let _one = alice.begin("/a", b"1").await;
    let _two = alice.begin("/b", b"2").await;
    let names: Vec<_> = house
        .staged()
        .iter()
        .map(|file| file.file_name().unwrap().to_owned())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| name.to_str().unwrap().contains("-0000000000000001-"))
    );
    assert_ne!(names[0], names[1]);
    house.account("root", super::house::account("/"));
    let root = User::new(&house, &alice.vfs, "root");
    assert!(root.names("/").await.iter().all(|(name, _)| name != ".argosy-staging"));
    for at in [
        "/.argosy-staging",
        "/.ARGOSY-Staging",
        "/.argosy-staging/x",
        "/alice/.argosy-staging",
    ] {
        assert!(matches!(root.look(at).await, Err(VfsError::InvalidName(_))), "{at}");
        assert!(
            matches!(root.open(at, &writing()).await.err(), Some(VfsError::InvalidName(_))),
            "{at}"
        );
        assert!(
            matches!(root.list(at).await.err(), Some(VfsError::InvalidName(_))),
            "{at}"
        );
        assert!(
            matches!(root.rename("/alice", at, true).await, Err(VfsError::InvalidName(_))),
            "{at}"
        );
    }
    std::os::unix::fs::symlink(".argosy-staging", house.root().join("door")).unwrap();
    assert_eq!(root.list("/door").await.err(), Some(VfsError::NotFound));
}

#[tokio::test]
async fn of_many_sessions_that_take_over_at_the_same_moment_one_publishes_a_whole_file() {
    let house = House::new();
    let nodes = [house.node(1), house.node(2), house.node(3)];
    for round in 0..20 {
        let at = format!("/big-{round}");
        let alice = User::new(&house, &nodes[0], "alice");
        let file = alice.begin(&at, b"12345").await;
        alice.interrupt(file).await;
        let takers: Vec<_> = nodes
            .iter()
            .map(|node| {
                let (user, at) = (User::new(&house, node, "alice"), at.clone());
                tokio::spawn(async move {
                    let options = OpenOptions {
                        create: false,
                        ..resuming()
                    };
                    let file = user.open(&at, &options).await?;
                    file.write_at(5, Bytes::from_static(b"678")).await?;
                    file.commit().await
                })
            })
            .collect();
        let mut published = 0;
        for taker in takers {
            match taker.await.unwrap() {
                Ok(()) => published += 1,
                Err(VfsError::TakenOver | VfsError::NotFound) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(published >= 1, "round {round}");
        assert_eq!(house.get(&at[1..]).unwrap(), b"12345678");
    }
    assert!(house.staged().is_empty());
}

/// Leaves a staged file as a killed node does: its handle never ends.
async fn killed_upload(user: &User, at: &str) {
    std::mem::forget(user.begin(at, b"12345").await);
}

#[tokio::test]
async fn a_node_keeps_its_leftovers_for_resume_at_its_next_start() {
    let house = House::new();
    let before = User::alice(&house);
    killed_upload(&before, "/big").await;
    let other = house.node(2);
    assert_eq!(other.clean_at_start().await, Cleaned::default());
    let after = User::alice(&house);
    assert_eq!(after.vfs.clean_at_start().await, Cleaned { kept: 1, removed: 0 });
    assert_eq!(after.size("/big").await, Ok(5));
}

#[tokio::test]
async fn a_node_removes_its_leftovers_at_its_next_start_where_the_storage_says_so() {
    let house = House::new();
    house.storage(|storage| storage.keep_interrupted = false);
    killed_upload(&User::alice(&house), "/big").await;
    let after = User::alice(&house);
    let running = after.begin("/other", b"x").await;
    assert_eq!(after.vfs.clean_at_start().await, Cleaned { kept: 0, removed: 1 });
    running.commit().await.unwrap();
}

#[tokio::test]
async fn a_name_reserved_by_a_killed_node_is_free_after_its_next_start() {
    let house = House::new();
    let before = User::alice(&house);
    let exclusive = OpenOptions {
        exclusive: true,
        ..resuming()
    };
    std::mem::forget(before.open("/only", &exclusive).await.unwrap());
    assert_eq!(house.get("only").unwrap(), b"");
    house.node(1).clean_at_start().await;
    assert_eq!(house.get("only"), None);
}

#[tokio::test]
async fn staged_files_of_a_node_that_has_left_are_cleaned_by_age_and_of_a_member_never() {
    let mut house = House::new();
    killed_upload(&User::new(&house, &house.node(3), "alice"), "/big").await;
    house.clock = Clock::fixed(UnixMillis(Clock::system().now().0 + 3_600_000));
    let node = house.node(1);
    let hour = Duration::from_secs(1800);
    assert_eq!(node.clean_departed(&[1, 2, 3], hour).await, Cleaned::default());
    assert_eq!(
        node.clean_departed(&[1, 2], Duration::from_secs(7200)).await,
        Cleaned::default()
    );
    assert_eq!(
        node.clean_departed(&[1, 2], hour).await,
        Cleaned { kept: 0, removed: 1 }
    );
    assert!(house.staged().is_empty());
}
