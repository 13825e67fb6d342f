//! Listings: batches, mounts, names as bytes.

use super::house::{House, User, account, grant, mount};
use crate::catalog::Operation::{List, Read};
use crate::vfs::{FileType, VfsError};

#[tokio::test]
async fn a_folder_is_listed_in_batches_without_dots() {
    let house = House::new();
    for number in 0..50 {
        house.put(&format!("file-{number}"), b"1234");
    }
    let alice = User::alice(&house);
    let mut listing = alice.list("/").await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let entries = listing.next(7).await.unwrap();
        assert!(entries.len() <= 7);
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            assert_eq!((entry.attributes.file_type, entry.attributes.size), (FileType::File, 4));
            assert!(seen.insert(entry.name));
        }
    }
    assert_eq!(seen.len(), 50);
    assert!(listing.next(7).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let house = House::new();
    let odd = b"\xff\xfe \n\\";
    house.put("x", b"");
    std::fs::write(house.on_disk("").join(std::ffi::OsStr::from_bytes(odd)), b"odd").unwrap();
    let alice = User::alice(&house);
    let entries = alice.list("/").await.unwrap().next(10).await.unwrap();
    assert!(entries.iter().any(|entry| &entry.name[..] == odd));
    let odd = crate::path::VirtualPath::parse(&[b"/", &odd[..]].concat()).unwrap();
    assert_eq!(alice.vfs.attributes(&alice.session, &odd, true).await.unwrap().size, 3);
}

#[tokio::test]
async fn mounts_and_the_folders_that_lead_to_them_are_listed_once() {
    let house = House::new();
    let mut spec = account("/alice");
    spec.mounts = vec![
        mount("/shared", "/pool/shared", Some(vec![grant("/shared", &[List, Read])])),
        mount(
            "/far/away/box",
            "/pool/box",
            Some(vec![grant("/far/away/box", &[List])]),
        ),
    ];
    house.account("alice", spec);
    house.put("shared/hidden-by-the-mount", b"x");
    house.put("own", b"12");
    std::fs::create_dir_all(house.root().join("pool/shared")).unwrap();
    std::fs::write(house.root().join("pool/shared/from-pool"), b"123").unwrap();
    let alice = User::alice(&house);
    let names = |at: &'static str| {
        let alice = alice.clone();
        async move {
            alice
                .names(at)
                .await
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(names("/").await, ["far", "own", "shared"]);
    assert_eq!(names("/far").await, ["away"]);
    assert_eq!(names("/far/away").await, ["box"]);
    assert_eq!(names("/far/away/box").await, [] as [&str; 0]);
    assert_eq!(names("/shared").await, ["from-pool"]);
    assert_eq!(alice.look("/far").await.unwrap().file_type, FileType::Folder);
    assert_eq!(alice.look("/far/away/box").await.unwrap().file_type, FileType::Folder);
    assert!(house.root().join("pool/box").is_dir(), "made when first needed");
}

#[tokio::test]
async fn an_account_without_a_home_sees_only_its_mounts() {
    let house = House::new();
    let mut spec = account("/alice");
    spec.home = None;
    spec.mounts = vec![mount("/a/b", "/pool", Some(vec![grant("/a/b", &[List])]))];
    house.account("alice", spec);
    let alice = User::alice(&house);
    assert_eq!(alice.names("/").await, [("a".to_owned(), 0)]);
    assert_eq!(alice.names("/a").await, [("b".to_owned(), 0)]);
    assert_eq!(alice.look("/").await.unwrap().file_type, FileType::Folder);
    assert_eq!(alice.look("/other").await, Err(VfsError::NotFound));
    assert_eq!(alice.list("/other").await.err(), Some(VfsError::NotFound));
    assert!(matches!(alice.make_folder("/other").await, Err(VfsError::Denied(_))));
    assert!(matches!(alice.upload("/other", b"x").await, Err(VfsError::Denied(_))));
}

#[tokio::test]
async fn a_file_is_not_listed_and_a_missing_folder_is_not_found() {
    let house = House::new();
    house.put("file", b"");
    let alice = User::alice(&house);
    assert_eq!(alice.list("/file").await.err(), Some(VfsError::NotFolder));
    assert_eq!(alice.list("/missing").await.err(), Some(VfsError::NotFound));
}

#[tokio::test]
async fn a_listing_stops_when_the_right_is_taken_away() {
    let house = House::new();
    house.put("file", b"");
    let alice = User::alice(&house);
    let mut listing = alice.list("/").await.unwrap();
    house.grants(vec![grant("/", &[Read])]);
    assert_eq!(listing.next(10).await.err(), Some(VfsError::Denied(List)));
    assert_eq!(alice.list("/").await.err(), Some(VfsError::Denied(List)));
}
