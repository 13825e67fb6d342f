//! Hashes and copies on the server: what they cover, what they refuse, and that the rights hold to the end.

use rustix::io::Errno;

use super::house::{House, User, account, grant, mount, name, path, reading, writing};
use crate::catalog::Operation::{self, List, Overwrite, Read, Write};
use crate::session::CloseReason;
use crate::vfs::limits::CONTENT_READ_BYTES;
use crate::vfs::local::FaultPoint;
use crate::vfs::{AttributeChange, Hash, Hashing, OpenOptions, VfsError};

fn all(hash: Hash) -> Hashing {
    Hashing {
        hash,
        start: 0,
        length: None,
        piece: None,
        answer_bytes_max: 1000,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

#[tokio::test]
async fn each_hash_is_the_one_its_standard_names() {
    let house = House::new();
    house.put("a", b"abc");
    let alice = User::alice(&house);
    for (hash, expected) in [
        (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            Hash::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Hash::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643c\
             e80e2a9ac94fa54ca49f",
        ),
    ] {
        let found = alice.vfs.hashes(&alice.session, &path("/a"), all(hash)).await.unwrap();
        assert_eq!(hex(&found), expected, "{hash:?}");
    }
}

#[tokio::test]
async fn pieces_and_ranges_cover_what_was_asked_for_and_nothing_beyond_the_end() {
    let house = House::new();
    let content = noise(2 * CONTENT_READ_BYTES + 1000);
    house.put("a", &content);
    house.put("empty", b"");
    let alice = User::alice(&house);
    let file = alice.open("/a", &reading()).await.unwrap();
    let end = content.len();
    for (start, length, piece) in [
        (0, None, None),
        (0, Some(1), None),
        (100, Some(CONTENT_READ_BYTES as u64), None),
        (0, None, Some(CONTENT_READ_BYTES as u64)),
        (7, None, Some(100_000)),
        (7, Some(200_000), Some(100_000)),
        (0, Some(1 << 40), Some(300_000)),
        (end as u64 - 5, None, Some(256)),
        (end as u64, None, None),
        (end as u64, None, Some(256)),
        (1 << 40, None, None),
    ] {
        let hashing = Hashing {
            start,
            length,
            piece,
            ..all(Hash::Md5)
        };
        let from = end.min(start as usize);
        let to = length.map_or(end, |length| end.min(from.saturating_add(length as usize)));
        let expected: Vec<u8> = match piece {
            None => md5::compute(&content[from..to]).0.to_vec(),
            Some(piece) => content[from..to]
                .chunks(piece as usize)
                .flat_map(|piece| md5::compute(piece).0)
                .collect(),
        };
        let found = file.hashes(hashing).await.unwrap();
        assert_eq!(hex(&found), hex(&expected), "{start} {length:?} {piece:?}");
    }
    let found = alice.vfs.hashes(&alice.session, &path("/empty"), all(Hash::Md5)).await;
    assert_eq!(found.unwrap(), md5::compute(b"").0);
}

#[tokio::test]
async fn more_hashes_than_one_answer_takes_are_refused() {
    let house = House::new();
    house.put("a", &noise(100_000));
    let alice = User::alice(&house);
    let hashing = Hashing {
        piece: Some(256),
        ..all(Hash::Sha512)
    };
    let found = alice.vfs.hashes(&alice.session, &path("/a"), hashing).await;
    assert!(matches!(found, Err(VfsError::Limit(_))), "{found:?}");
}

#[tokio::test]
async fn whoever_may_not_read_learns_no_hash() {
    let house = House::new();
    house.put("a", b"content");
    house.grants(vec![grant("/", &[List, Write, Overwrite])]);
    let alice = User::alice(&house);
    let by_path = alice.vfs.hashes(&alice.session, &path("/a"), all(Hash::Md5)).await;
    assert_eq!(by_path, Err(VfsError::Denied(Read)));
    let written = alice.begin("/b", b"mine").await;
    assert!(matches!(
        written.hashes(all(Hash::Md5)).await,
        Err(VfsError::Unsupported(_))
    ));
    house.grants(vec![grant("/", &[List, Read])]);
    let file = alice.open("/a", &reading()).await.unwrap();
    house.grants(vec![grant("/", &[List])]);
    assert_eq!(file.hashes(all(Hash::Md5)).await, Err(VfsError::Denied(Read)));
    house.grants(vec![grant("/", &[List, Read])]);
    alice.session.close(CloseReason::Administrator);
    assert!(matches!(file.hashes(all(Hash::Md5)).await, Err(VfsError::Revoked(_))));
}

/// Copies `/a` to a new `/b` and publishes it.
async fn copy(alice: &User, from: u64, length: Option<u64>, at: u64) -> Result<u64, VfsError> {
    let source = alice.open("/a", &reading()).await?;
    let target = alice.open("/b", &writing()).await?;
    let copied = source.copy_to(from, length, &target, at).await?;
    target.commit().await?;
    Ok(copied)
}

#[tokio::test]
async fn a_copy_has_the_bytes_asked_for_whoever_makes_it() {
    let house = House::new();
    let content = noise(3 * CONTENT_READ_BYTES + 17);
    house.put("a", &content);
    let end = content.len() as u64;
    let nodes = [house.node(1), house.node_failing(FaultPoint::CopyRange, Errno::XDEV)];
    for vfs in nodes {
        let alice = User::new(&house, &vfs, "alice");
        for (from, length, at) in [
            (0, None, 0),
            (0, Some(end), 0),
            (5, Some(1000), 10),
            (end - 5, Some(1000), 0),
            (end + 5, None, 0),
            (0, Some(1 << 40), 1 << 20),
        ] {
            let first = end.min(from) as usize;
            let last = length.map_or(end, |length| end.min(from.saturating_add(length))) as usize;
            let moved = &content[first..last.max(first)];
            assert_eq!(copy(&alice, from, length, at).await, Ok(moved.len() as u64));
            let expected = if moved.is_empty() {
                Vec::new()
            } else {
                [&vec![0; at as usize][..], moved].concat()
            };
            assert!(house.get("b").unwrap() == expected, "{from} {length:?} {at}");
        }
    }
}

#[tokio::test]
async fn a_copy_counts_as_what_was_written_and_an_interrupted_one_keeps_it() {
    let house = House::new();
    house.put("a", &noise(5000));
    let alice = User::alice(&house);
    let source = alice.open("/a", &reading()).await.unwrap();
    let target = alice.open("/b", &writing()).await.unwrap();
    assert_eq!(source.copy_to(0, Some(3000), &target, 0).await, Ok(3000));
    assert_eq!(target.moved(), (0, 3000));
    assert_eq!(source.moved(), (0, 0), "nothing went to the client");
    alice.interrupt(target).await;
    assert_eq!(alice.size("/b").await, Ok(3000));
    assert_eq!(house.get("b"), None);
}

#[tokio::test]
async fn a_file_is_copied_onto_itself_only_where_the_ranges_do_not_overlap() {
    let house = House::new();
    let both = OpenOptions {
        read: true,
        write: true,
        ..OpenOptions::default()
    };
    let alice = User::alice(&house);
    for (from, length, at, allowed) in [
        (0, Some(10), 10, true),
        (0, Some(10), 9, false),
        (10, Some(10), 0, true),
        (10, Some(10), 1, false),
        (0, None, 0, false),
        (0, None, 50, false),
        (0, None, 100, true),
        (90, None, 0, true),
        (90, None, 85, false),
        (90, Some(1000), 80, true),
    ] {
        let content = noise(100);
        house.put("a", &content);
        let one = alice.open("/a", &both).await.unwrap();
        let other = alice.open("/a", &both).await.unwrap();
        for target in [&one, &other] {
            house.put("a", &content);
            let copied = one.copy_to(from, length, target, at).await;
            if !allowed {
                assert!(
                    matches!(copied, Err(VfsError::Unsupported(_))),
                    "{from} {length:?} {at}"
                );
                assert_eq!(house.get("a").unwrap(), content);
                continue;
            }
            let last = length.map_or(100, |length| 100.min(from + length)) as usize;
            let moved = &content[from as usize..last];
            assert_eq!(copied, Ok(moved.len() as u64), "{from} {length:?} {at}");
            let found = house.get("a").unwrap();
            assert_eq!(&found[at as usize..at as usize + moved.len()], moved);
        }
    }
}

#[tokio::test]
async fn a_copy_into_a_file_that_appends_goes_to_its_end() {
    let house = House::new();
    house.put("a", b"source");
    house.put("b", b"target ");
    let alice = User::alice(&house);
    let appending = OpenOptions {
        write: true,
        append: true,
        ..OpenOptions::default()
    };
    let source = alice.open("/a", &reading()).await.unwrap();
    let target = alice.open("/b", &appending).await.unwrap();
    assert_eq!(source.copy_to(0, None, &target, 0).await, Ok(6));
    target.commit().await.unwrap();
    assert_eq!(house.get("b").unwrap(), b"target source");
}

#[tokio::test]
async fn a_copy_needs_the_right_to_read_one_and_to_write_the_other() {
    let house = House::new();
    house.put("a", b"content");
    house.put("b", b"");
    let alice = User::alice(&house);
    let in_place = OpenOptions {
        write: true,
        ..OpenOptions::default()
    };
    let source = alice.open("/a", &reading()).await.unwrap();
    let target = alice.open("/b", &in_place).await.unwrap();
    let check = async |allow: &[Operation], expected: Result<u64, VfsError>| {
        house.grants(vec![grant("/", allow)]);
        assert_eq!(source.copy_to(0, None, &target, 0).await, expected);
    };
    check(&[List, Overwrite], Err(VfsError::Denied(Read))).await;
    check(&[List, Read], Err(VfsError::Denied(Overwrite))).await;
    assert_eq!(house.get("b").unwrap(), b"");
    check(&[List, Read, Overwrite], Ok(7)).await;
    for (from, to) in [(&target, &source), (&source, &source)] {
        let copied = from.copy_to(0, None, to, 0).await;
        assert!(matches!(copied, Err(VfsError::Unsupported(_))), "{copied:?}");
    }
    alice.session.close(CloseReason::Administrator);
    let copied = source.copy_to(0, None, &target, 0).await;
    assert!(matches!(copied, Err(VfsError::Revoked(_))));
}

#[tokio::test]
async fn a_copy_crosses_storages() {
    let house = House::new();
    let content = noise(2 * CONTENT_READ_BYTES + 3);
    house.put("a", &content);
    let other = tempfile::tempdir().unwrap();
    house.second_storage("second", other.path());
    let mut spec = account("/alice");
    let mut far = mount("/far", "/", Some(vec![grant("/far", &[Write])]));
    far.storage = name("second");
    spec.mounts = vec![far];
    house.account("alice", spec);
    let alice = User::alice(&house);
    let source = alice.open("/a", &reading()).await.unwrap();
    let target = alice.open("/far/b", &writing()).await.unwrap();
    assert_eq!(source.copy_to(0, None, &target, 0).await, Ok(content.len() as u64));
    target.commit().await.unwrap();
    assert!(std::fs::read(other.path().join("b")).unwrap() == content);
}

#[tokio::test]
async fn a_copy_that_the_storage_fails_is_not_published() {
    let house = House::new();
    house.put("a", b"content");
    let vfs = house.node_failing(FaultPoint::Write, Errno::NOSPC);
    let alice = User::new(&house, &vfs, "alice");
    assert_eq!(copy(&alice, 0, None, 0).await, Err(VfsError::Full));
    assert_eq!(house.get("b"), None);
}

#[tokio::test]
async fn a_link_has_times_of_its_own_and_nothing_else_to_set() {
    let house = House::new();
    house.put("a", b"content");
    std::os::unix::fs::symlink("a", house.on_disk("link")).unwrap();
    let alice = User::alice(&house);
    let set = async |at: &str, change: AttributeChange| {
        alice.vfs.set_link_attributes(&alice.session, &path(at), &change).await
    };
    let before = alice.look("/a").await.unwrap();
    let at = crate::clock::UnixMillis(1_000_000_000_000);
    let times = AttributeChange {
        times: Some((at, at)),
        ..AttributeChange::default()
    };
    set("/link", times.clone()).await.unwrap();
    assert_eq!(alice.look("/link").await.unwrap().modified, at);
    assert_eq!(alice.look("/a").await.unwrap(), before, "the target was changed");
    let mode = AttributeChange {
        mode: Some(0o600),
        ..AttributeChange::default()
    };
    let size = AttributeChange {
        size: Some(1),
        ..AttributeChange::default()
    };
    let owner = AttributeChange {
        owner: Some((before.uid + 1, before.gid)),
        ..AttributeChange::default()
    };
    for change in [mode.clone(), size, owner] {
        let found = set("/link", change).await;
        assert!(matches!(found, Err(VfsError::Unsupported(_))), "{found:?}");
    }
    set("/a", mode).await.unwrap();
    assert_eq!(alice.look("/a").await.unwrap().mode, 0o600);
    assert_eq!(set("/missing", times.clone()).await, Err(VfsError::NotFound));
    house.grants(vec![grant("/", &[List, Read])]);
    assert_eq!(
        set("/link", times).await,
        Err(VfsError::Denied(Operation::SetAttributes))
    );
}
