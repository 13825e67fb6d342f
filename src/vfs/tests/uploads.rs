//! Uploads that end in order: staged, published at their end, whole.

use bytes::Bytes;

use super::house::{House, User, grant, reading, resuming, writing};
use crate::catalog::Operation::{self, List, Read, Write};
use crate::session::CloseReason;
use crate::vfs::{AttributeChange, OpenOptions, VfsError};

#[tokio::test]
async fn a_new_file_is_staged_and_published_whole_at_its_end() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/report.csv", b"half").await;
    assert_eq!(house.get("report.csv"), None);
    assert_eq!(house.staged().len(), 1);
    file.write_at(4, Bytes::from_static(b" and half")).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(house.get("report.csv").unwrap(), b"half and half");
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn an_emptied_file_stays_for_others_until_the_new_one_is_published() {
    let house = House::new();
    house.put("a", b"old");
    let alice = User::alice(&house);
    let file = alice.begin("/a", b"newer").await;
    let other = User::new(&house, &house.node(2), "alice");
    assert_eq!(other.download("/a").await.unwrap(), b"old");
    assert_eq!(other.size("/a").await, Ok(3));
    file.commit().await.unwrap();
    assert_eq!(other.download("/a").await.unwrap(), b"newer");
}

#[tokio::test]
async fn an_existing_file_opened_without_truncate_is_written_in_place() {
    let house = House::new();
    house.put("a", b"0123456789");
    let alice = User::alice(&house);
    let file = alice.open("/a", &resuming()).await.unwrap();
    file.write_at(2, Bytes::from_static(b"xx")).await.unwrap();
    assert_eq!(alice.download("/a").await.unwrap(), b"01xx456789");
    file.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), b"01xx456789");
}

#[tokio::test]
async fn appending_writes_at_the_end_whatever_the_offset() {
    let house = House::new();
    house.put("old", b"abc");
    let alice = User::alice(&house);
    let options = OpenOptions {
        append: true,
        ..resuming()
    };
    for (at, expected) in [("old", &b"abcdefghi"[..]), ("new", b"defghi")] {
        let file = alice.open(&format!("/{at}"), &options).await.unwrap();
        file.write_at(0, Bytes::from_static(b"def")).await.unwrap();
        file.write_at(0, Bytes::from_static(b"ghi")).await.unwrap();
        file.commit().await.unwrap();
        assert_eq!(house.get(at).unwrap(), expected);
    }
}

#[tokio::test]
async fn the_session_that_holds_a_staged_upload_sees_it_by_its_name() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/up", b"12345").await;
    assert_eq!(alice.size("/up").await, Ok(5));
    assert_eq!(alice.names("/").await, [("up".to_owned(), 5)]);
    let change = AttributeChange {
        mode: Some(0o4600),
        ..AttributeChange::default()
    };
    alice
        .vfs
        .set_attributes(&alice.session, &super::house::path("/up"), &change)
        .await
        .unwrap();
    let second = alice
        .open(
            "/up",
            &OpenOptions {
                read: true,
                ..resuming()
            },
        )
        .await
        .unwrap();
    assert_eq!(second.read_at(0, 100).await.unwrap(), &b"12345"[..]);
    drop(second);
    alice.rename("/up", "/moved", false).await.unwrap();
    assert_eq!(alice.size("/up").await, Err(VfsError::NotFound));
    assert_eq!(alice.size("/moved").await, Ok(5));
    file.commit().await.unwrap();
    assert_eq!(house.get("moved").unwrap(), b"12345");
    assert_eq!(alice.look("/moved").await.unwrap().mode, 0o600);
    assert_eq!(house.get("up"), None);
}

#[tokio::test]
async fn others_see_nothing_of_a_staged_upload() {
    let house = House::new();
    let alice = User::alice(&house);
    let _file = alice.begin("/up", b"12345").await;
    for other in [
        User::new(&house, &alice.vfs, "alice"),
        User::new(&house, &house.node(2), "alice"),
    ] {
        assert_eq!(other.size("/up").await, Err(VfsError::NotFound));
        assert_eq!(other.names("/").await, []);
        assert_eq!(other.open("/up", &reading()).await.err(), Some(VfsError::NotFound));
        assert_eq!(other.remove("/up").await, Err(VfsError::NotFound));
    }
}

#[tokio::test]
async fn a_staged_upload_removed_by_its_session_is_gone() {
    let house = House::new();
    house.put("up", b"old");
    let alice = User::alice(&house);
    let file = alice.begin("/up", b"12345").await;
    alice.remove("/up").await.unwrap();
    assert_eq!(house.get("up"), None);
    assert!(house.staged().is_empty());
    assert_eq!(
        file.write_at(5, Bytes::from_static(b"6")).await,
        Err(VfsError::NotFound)
    );
    assert_eq!(file.commit().await, Err(VfsError::NotFound));
    assert_eq!(house.get("up"), None);
}

#[tokio::test]
async fn an_exclusive_create_reserves_the_name_at_open() {
    let house = House::new();
    let alice = User::alice(&house);
    let exclusive = OpenOptions {
        exclusive: true,
        truncate: false,
        ..writing()
    };
    let file = alice.open("/only", &exclusive).await.unwrap();
    let other = User::new(&house, &house.node(2), "alice");
    assert_eq!(other.open("/only", &exclusive).await.err(), Some(VfsError::Exists));
    assert_eq!(alice.open("/only", &exclusive).await.err(), Some(VfsError::Exists));
    file.write_at(0, Bytes::from_static(b"mine")).await.unwrap();
    assert_eq!(house.get("only").unwrap(), b"");
    file.commit().await.unwrap();
    assert_eq!(house.get("only").unwrap(), b"mine");
    assert_eq!(other.open("/only", &exclusive).await.err(), Some(VfsError::Exists));
}

#[tokio::test]
async fn an_exclusive_create_that_is_given_up_frees_the_name() {
    let house = House::new();
    house.storage(|storage| storage.keep_interrupted = false);
    let alice = User::alice(&house);
    let exclusive = OpenOptions {
        exclusive: true,
        truncate: false,
        ..writing()
    };
    let file = alice.open("/only", &exclusive).await.unwrap();
    alice.interrupt(file).await;
    assert_eq!(house.get("only"), None);
    let file = alice.open("/only", &exclusive).await.unwrap();
    std::fs::write(house.on_disk("only"), b"somebody's").unwrap();
    alice.interrupt(file).await;
    assert_eq!(house.get("only").unwrap(), b"somebody's");
}

#[tokio::test]
async fn of_two_uploads_to_one_name_both_are_whole_and_the_last_close_wins() {
    let house = House::new();
    let first = User::alice(&house);
    let second = User::new(&house, &house.node(2), "alice");
    let one = first.begin("/a", &[b'1'; 100_000]).await;
    let two = second.begin("/a", &[b'2'; 50_000]).await;
    two.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), [b'2'; 50_000]);
    one.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), [b'1'; 100_000]);
    assert!(house.staged().is_empty());
}

#[tokio::test]
async fn a_name_that_appeared_is_not_replaced_without_the_right_to_overwrite() {
    for refuses_no_replace in [false, true] {
        let house = House::new();
        house.grants(vec![grant("/", &[Write, List, Read])]);
        let point = crate::vfs::local::FaultPoint::RenameNoReplace;
        let node = if refuses_no_replace {
            house.node_failing(point, rustix::io::Errno::INVAL)
        } else {
            house.node(1)
        };
        let alice = User::new(&house, &node, "alice");
        let file = alice.begin("/a", b"late").await;
        house.put("a", b"early");
        assert_eq!(file.commit().await, Err(VfsError::Exists));
        assert_eq!(house.get("a").unwrap(), b"early");
        assert!(house.staged().is_empty());
        alice.upload("/b", b"free").await.unwrap();
        assert_eq!(house.get("b").unwrap(), b"free");
        assert!(house.staged().is_empty());
    }
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_and_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let house = House::new();
    house.put("a", b"old");
    let file = house.on_disk("a");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let owner = (
        rustix::process::geteuid().as_raw() + 1000,
        rustix::process::getegid().as_raw() + 1000,
    );
    // Only root may give files away; anybody else's files keep their owner by themselves.
    let given = std::os::unix::fs::chown(&file, Some(owner.0), Some(owner.1)).is_ok();
    let alice = User::alice(&house);
    alice.upload("/a", b"new").await.unwrap();
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!(house.get("a").unwrap(), b"new");
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    if given {
        assert_eq!((metadata.uid(), metadata.gid()), owner);
    }
}

#[tokio::test]
async fn a_revoked_upload_is_never_published() {
    type Revoke = fn(&House, &User) -> VfsError;
    let reasons: [Revoke; 4] = [
        |_, alice| {
            alice.session.close(CloseReason::Administrator);
            VfsError::Revoked(CloseReason::Administrator)
        },
        |house, _| {
            let mut spec = super::house::account("/alice");
            spec.enabled = false;
            house.account("alice", spec);
            VfsError::Revoked(CloseReason::Revoked("the account is disabled".into()))
        },
        |house, _| {
            house.grants(vec![grant("/", &[List, Read])]);
            VfsError::Denied(Operation::Write)
        },
        |house, _| {
            house.account("alice", super::house::account("/elsewhere"));
            VfsError::Revoked(CloseReason::Revoked(
                "the folder of this upload was moved or taken away".into(),
            ))
        },
    ];
    for revoke in reasons {
        let house = House::new();
        let alice = User::alice(&house);
        let file = alice.begin("/a", b"secret").await;
        let expected = revoke(&house, &alice);
        assert!(file.write_at(6, Bytes::from_static(b"more")).await.is_err());
        assert_eq!(file.commit().await, Err(expected));
        assert_eq!(house.get("a"), None);
    }
}

#[tokio::test]
async fn an_upload_revoked_during_its_fsync_is_not_published() {
    let house = House::new();
    let session = house.session("alice");
    let closed = session.clone();
    let faults = crate::vfs::local::Faults::planned(move |at| {
        if at == crate::vfs::local::FaultPoint::SyncFile {
            closed.close(CloseReason::Administrator);
        }
        None
    });
    let vfs = house.node_with(1, faults);
    let alice = User { vfs, session };
    let revoked = VfsError::Revoked(CloseReason::Administrator);
    assert_eq!(alice.upload("/a", b"secret").await, Err(revoked));
    assert_eq!(house.get("a"), None);
}

#[test]
fn handles_can_be_shared_between_tasks() {
    fn shared<T: Send + Sync>() {}
    shared::<crate::vfs::Vfs>();
    shared::<crate::vfs::OpenFile>();
    shared::<crate::vfs::Listing>();
}

#[tokio::test]
async fn a_handle_that_only_reads_does_not_publish_and_one_that_is_left_writes_in_place() {
    let house = House::new();
    let alice = User::alice(&house);
    let first = alice.begin("/a", b"one").await;
    let read = alice.open("/a", &reading()).await.unwrap();
    read.commit().await.unwrap();
    assert_eq!(house.get("a"), None);
    let second = alice.open("/a", &resuming()).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), b"one");
    second.write_at(3, Bytes::from_static(b"two")).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), b"onetwo");
}

#[tokio::test]
async fn an_upload_goes_on_while_the_view_changes_elsewhere() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/a", b"one").await;
    house.account("carol", super::house::account("/carol"));
    file.write_at(3, Bytes::from_static(b"two")).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(house.get("a").unwrap(), b"onetwo");
}

#[tokio::test]
async fn many_writes_at_a_time_all_land() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = std::sync::Arc::new(alice.open("/a", &writing()).await.unwrap());
    let writes: Vec<_> = (0..64_u8)
        .map(|piece| {
            let file = file.clone();
            tokio::spawn(async move { file.write_at(u64::from(piece) * 1000, vec![piece; 1000].into()).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    std::sync::Arc::into_inner(file).unwrap().commit().await.unwrap();
    let content = house.get("a").unwrap();
    assert_eq!(content.len(), 64_000);
    assert!(
        content
            .chunks(1000)
            .enumerate()
            .all(|(piece, bytes)| bytes == [piece as u8; 1000])
    );
}

#[tokio::test]
async fn a_folder_that_went_away_fails_the_end_of_its_upload() {
    let house = House::new();
    let alice = User::alice(&house);
    alice.make_folder("/in").await.unwrap();
    let file = alice.begin("/in/a", b"x").await;
    std::fs::remove_dir(house.on_disk("in")).unwrap();
    assert_eq!(file.commit().await, Err(VfsError::NotFound));
    assert!(house.staged().is_empty());
}
