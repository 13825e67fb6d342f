//! Folders, removing and renaming.

use super::house::{House, User, account, grant, mount, path};
use crate::catalog::Operation::{self, List, Overwrite, Read, Rename, Write};
use crate::catalog::{Grant, Operations, Reach};
use crate::vfs::VfsError;

#[tokio::test]
async fn folders_are_made_and_removed_when_empty() {
    let house = House::new();
    let alice = User::alice(&house);
    let remove = |at: &'static str| {
        let alice = alice.clone();
        async move { alice.vfs.remove_folder(&alice.session, &path(at)).await }
    };
    alice.make_folder("/in").await.unwrap();
    assert_eq!(alice.make_folder("/in").await, Err(VfsError::Exists));
    assert_eq!(alice.make_folder("/").await, Err(VfsError::Exists));
    assert_eq!(alice.make_folder("/no/where").await, Err(VfsError::NotFound));
    alice.upload("/in/a", b"x").await.unwrap();
    assert_eq!(remove("/in").await, Err(VfsError::NotEmpty));
    assert_eq!(alice.remove("/in").await, Err(VfsError::IsFolder));
    assert_eq!(remove("/in/a").await, Err(VfsError::NotFolder));
    alice.remove("/in/a").await.unwrap();
    assert_eq!(alice.remove("/in/a").await, Err(VfsError::NotFound));
    remove("/in").await.unwrap();
    assert_eq!(remove("/in").await, Err(VfsError::NotFound));
    assert_eq!(remove("/").await, Err(VfsError::Denied(Operation::RemoveFolder)));
}

#[tokio::test]
async fn a_rename_replaces_only_when_told_to() {
    let house = House::new();
    house.put("a", b"a");
    house.put("b", b"b");
    house.put("dir/x", b"x");
    let alice = User::alice(&house);
    assert_eq!(alice.rename("/a", "/b", false).await, Err(VfsError::Exists));
    assert_eq!(alice.rename("/a", "/a", false).await, Err(VfsError::Exists));
    assert_eq!(alice.rename("/a", "/a", true).await, Ok(()));
    assert_eq!(alice.rename("/missing", "/c", true).await, Err(VfsError::NotFound));
    assert_eq!(alice.rename("/a", "/dir", true).await, Err(VfsError::IsFolder));
    assert_eq!(alice.rename("/dir", "/b", true).await, Err(VfsError::NotFolder));
    assert!(matches!(
        alice.rename("/dir", "/dir/x/y", true).await,
        Err(VfsError::Unsupported(_) | VfsError::NotFolder)
    ));
    assert!(matches!(
        alice.rename("/dir", "/dir/y", true).await,
        Err(VfsError::Unsupported(_))
    ));
    alice.rename("/a", "/b", true).await.unwrap();
    assert_eq!((house.get("a"), house.get("b").unwrap()), (None, b"a".to_vec()));
    alice.rename("/dir", "/moved", false).await.unwrap();
    assert_eq!(house.get("moved/x").unwrap(), b"x");
}

#[tokio::test]
async fn a_rename_without_no_replace_in_the_file_system_still_replaces_nothing() {
    let house = House::new();
    house.put("a", b"a");
    house.put("b", b"b");
    house.put("dir/x", b"x");
    let point = crate::vfs::local::FaultPoint::RenameNoReplace;
    let alice = User::new(&house, &house.node_failing(point, rustix::io::Errno::INVAL), "alice");
    assert_eq!(alice.rename("/a", "/b", false).await, Err(VfsError::Exists));
    alice.rename("/a", "/c", false).await.unwrap();
    assert_eq!((house.get("a"), house.get("c").unwrap()), (None, b"a".to_vec()));
    alice.rename("/dir", "/moved", false).await.unwrap();
    assert_eq!(house.get("moved/x").unwrap(), b"x");
}

#[tokio::test]
async fn a_rename_onto_a_file_needs_the_right_to_overwrite() {
    let house = House::new();
    house.put("a", b"a");
    house.put("b", b"b");
    house.grants(vec![grant("/", &[Rename, List, Read, Write])]);
    let alice = User::alice(&house);
    assert_eq!(alice.rename("/a", "/b", true).await, Err(VfsError::Denied(Overwrite)));
    alice.rename("/a", "/c", true).await.unwrap();
    house.grants(vec![grant("/in", &[Rename, List])]);
    house.put("in/a", b"a");
    assert_eq!(
        alice.rename("/in/a", "/out", false).await,
        Err(VfsError::Denied(Rename))
    );
    assert_eq!(alice.rename("/c", "/in/c", false).await, Err(VfsError::Denied(Rename)));
}

#[tokio::test]
async fn a_folder_with_a_denial_below_it_is_not_moved_away_from_under_it() {
    let house = House::new();
    house.put("a/secret/file", b"s");
    let deny = Grant {
        reach: Reach::Below(path("/a/secret")),
        allow: Operations::NONE,
        deny: Operations::ALL,
    };
    house.grants(vec![grant("/", &Operation::ALL), deny]);
    let alice = User::alice(&house);
    assert_eq!(alice.rename("/a", "/b", false).await, Err(VfsError::Denied(Rename)));
}

#[tokio::test]
async fn mount_points_are_neither_removed_nor_renamed() {
    let house = House::new();
    let mut spec = account("/alice");
    spec.mounts = vec![mount("/x/box", "/pool", Some(vec![grant("/x/box", &Operation::ALL)]))];
    house.account("alice", spec);
    house.put("x/own", b"");
    let alice = User::alice(&house);
    for at in ["/", "/x", "/x/box"] {
        let removed = alice.vfs.remove_folder(&alice.session, &path(at)).await;
        assert!(matches!(removed, Err(VfsError::Denied(_))), "{at}: {removed:?}");
        assert!(alice.remove(at).await.is_err());
        assert!(
            matches!(alice.rename(at, "/new", true).await, Err(VfsError::Denied(_))),
            "{at}"
        );
        assert_eq!(alice.make_folder(at).await, Err(VfsError::Exists));
    }
    house.put("file", b"x");
    assert!(alice.rename("/file", "/x/box", true).await.is_err());
    alice.rename("/file", "/x/box/file", false).await.unwrap();
    assert!(house.root().join("pool/file").exists());
}

#[tokio::test]
async fn a_rename_over_two_storages_is_refused() {
    let house = House::new();
    let second = tempfile::tempdir().unwrap();
    house.change(|view| {
        let mut object = (**view.storages.get("disk").unwrap()).clone();
        object.name = super::house::name("second");
        object.spec.root = second.path().as_os_str().as_encoded_bytes().to_vec();
        view.storages.insert(object.name.clone(), std::sync::Arc::new(object));
    });
    let mut spec = account("/alice");
    let mut other = mount("/other", "/", Some(vec![grant("/other", &Operation::ALL)]));
    other.storage = super::house::name("second");
    spec.mounts = vec![other];
    house.account("alice", spec);
    house.put("a", b"a");
    let alice = User::alice(&house);
    assert_eq!(
        alice.rename("/a", "/other/a", false).await,
        Err(VfsError::CrossesStorages)
    );
    alice.upload("/other/b", b"b").await.unwrap();
    assert_eq!(std::fs::read(second.path().join("b")).unwrap(), b"b");
}
