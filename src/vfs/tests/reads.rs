//! Reading: ends, holes, offsets beyond 4 GiB, what is counted.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::house::{House, User, grant, reading, writing};
use crate::catalog::Operation::{self, List, Read};
use crate::session::CloseReason;
use crate::vfs::limits::READ_BYTES_MAX;
use crate::vfs::{AttributeChange, OpenOptions, VfsError};

#[tokio::test]
async fn a_read_gives_fewer_bytes_only_at_the_end() {
    let house = House::new();
    let content: Vec<u8> = (0..600_000_u32).map(|number| (number % 251) as u8).collect();
    house.put("a", &content);
    let alice = User::alice(&house);
    let file = alice.open("/a", &reading()).await.unwrap();
    for (offset, length) in [
        (0, 10),
        (0, 256 * 1024),
        (100, 600_000),
        (599_999, 10),
        (600_000, 10),
        (1 << 40, 10),
    ] {
        let expected = content.get(offset..).unwrap_or_default();
        let expected = &expected[..expected.len().min(length)];
        assert_eq!(
            file.read_at(offset as u64, length).await.unwrap(),
            expected,
            "{offset} {length}"
        );
    }
    assert!(matches!(
        file.read_at(0, READ_BYTES_MAX + 1).await,
        Err(VfsError::Limit(_))
    ));
    assert!(matches!(file.read_at(u64::MAX, 1).await, Err(VfsError::Unsupported(_))));
}

#[tokio::test]
async fn a_sparse_file_is_written_beyond_4_gib_and_its_hole_reads_as_zeros() {
    const FAR: u64 = 5 << 30;
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.open("/sparse", &writing()).await.unwrap();
    file.write_at(FAR, Bytes::from_static(b"end")).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(alice.size("/sparse").await, Ok(FAR + 3));
    let file = alice.open("/sparse", &reading()).await.unwrap();
    assert_eq!(file.read_at(FAR - 2, 100).await.unwrap(), &b"\0\0end"[..]);
    assert_eq!(file.read_at(1 << 32, 4).await.unwrap(), &[0; 4][..]);
}

#[tokio::test]
async fn a_cut_and_a_grown_file_have_the_size_asked_for() {
    let house = House::new();
    house.put("a", b"0123456789");
    let alice = User::alice(&house);
    let options = OpenOptions {
        read: true,
        write: true,
        ..OpenOptions::default()
    };
    let file = alice.open("/a", &options).await.unwrap();
    for (size, expected) in [(4, &b"0123"[..]), (6, b"0123\0\0"), (0, b"")] {
        let change = AttributeChange {
            size: Some(size),
            ..AttributeChange::default()
        };
        file.set_attributes(&change).await.unwrap();
        assert_eq!(file.read_at(0, 100).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn bytes_are_counted_into_the_session() {
    let house = House::new();
    let alice = User::alice(&house);
    alice.upload("/a", &[7; 1000]).await.unwrap();
    alice.download("/a").await.unwrap();
    assert_eq!(alice.session.bytes_in.load(Ordering::Relaxed), 1000);
    assert_eq!(alice.session.bytes_out.load(Ordering::Relaxed), 1000);
}

#[tokio::test]
async fn a_read_stops_at_once_when_the_right_is_taken_away() {
    let house = House::new();
    house.put("a", b"content");
    let alice = User::alice(&house);
    let file = alice.open("/a", &reading()).await.unwrap();
    assert_eq!(file.read_at(0, 3).await.unwrap(), &b"con"[..]);
    house.grants(vec![grant("/", &[List])]);
    assert_eq!(file.read_at(0, 3).await, Err(VfsError::Denied(Operation::Read)));
    house.grants(vec![grant("/", &[List, Read])]);
    assert_eq!(file.read_at(0, 3).await.unwrap(), &b"con"[..]);
    alice.session.close(CloseReason::Administrator);
    assert_eq!(
        file.read_at(0, 3).await,
        Err(VfsError::Revoked(CloseReason::Administrator))
    );
}

#[tokio::test]
async fn a_file_is_used_only_as_it_was_opened() {
    let house = House::new();
    house.put("a", b"content");
    let alice = User::alice(&house);
    let file = alice.open("/a", &reading()).await.unwrap();
    assert!(matches!(
        file.write_at(0, Bytes::from_static(b"x")).await,
        Err(VfsError::Unsupported(_))
    ));
    let file = alice.open("/b", &writing()).await.unwrap();
    assert!(matches!(file.read_at(0, 1).await, Err(VfsError::Unsupported(_))));
    let neither = OpenOptions::default();
    assert!(matches!(
        alice.open("/a", &neither).await.err(),
        Some(VfsError::Unsupported(_))
    ));
    let make_unwritten = OpenOptions {
        create: true,
        ..reading()
    };
    assert!(matches!(
        alice.open("/c", &make_unwritten).await.err(),
        Some(VfsError::Unsupported(_))
    ));
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    let house = House::new();
    std::fs::create_dir_all(house.on_disk("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        house.on_disk("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let alice = User::alice(&house);
    for options in [reading(), writing()] {
        assert_eq!(alice.open("/folder", &options).await.err(), Some(VfsError::IsFolder));
        assert_eq!(alice.open("/", &options).await.err(), Some(VfsError::IsFolder));
        assert!(matches!(
            alice.open("/pipe", &options).await.err(),
            Some(VfsError::Unsupported(_))
        ));
    }
    assert_eq!(alice.open("/missing", &reading()).await.err(), Some(VfsError::NotFound));
    assert_eq!(
        alice.open("/missing/file", &writing()).await.err(),
        Some(VfsError::NotFound)
    );
}
