//! Attributes: what can be changed, what never is.

use super::house::{House, User, grant, path, writing};
use crate::catalog::Operation::{List, SetAttributes, Write};
use crate::clock::UnixMillis;
use crate::vfs::{AttributeChange, VfsError};

async fn set(user: &User, at: &str, change: AttributeChange) -> Result<(), VfsError> {
    user.vfs.set_attributes(&user.session, &path(at), &change).await
}

fn mode(mode: u32) -> AttributeChange {
    AttributeChange {
        mode: Some(mode),
        ..AttributeChange::default()
    }
}

#[tokio::test]
async fn mode_times_and_size_are_changed_by_path() {
    let house = House::new();
    house.put("a", b"0123456789");
    let alice = User::alice(&house);
    let change = AttributeChange {
        size: Some(4),
        mode: Some(0o640),
        owner: None,
        times: Some((UnixMillis(1_000_000_000_123), UnixMillis(-1500))),
    };
    set(&alice, "/a", change).await.unwrap();
    let seen = alice.look("/a").await.unwrap();
    assert_eq!((seen.size, seen.mode), (4, 0o640));
    assert_eq!(
        (seen.accessed, seen.modified),
        (UnixMillis(1_000_000_000_123), UnixMillis(-1500))
    );
    assert_eq!(set(&alice, "/missing", mode(0o600)).await, Err(VfsError::NotFound));
    alice.make_folder("/dir").await.unwrap();
    set(&alice, "/dir", mode(0o700)).await.unwrap();
    assert_eq!(alice.look("/dir").await.unwrap().mode, 0o700);
}

#[tokio::test]
async fn set_id_bits_are_never_set() {
    let house = House::new();
    house.put("a", b"");
    let alice = User::alice(&house);
    set(&alice, "/a", mode(0o6755)).await.unwrap();
    assert_eq!(alice.look("/a").await.unwrap().mode, 0o755);
    let options = crate::vfs::OpenOptions {
        mode: Some(0o6711),
        ..writing()
    };
    alice.open("/b", &options).await.unwrap().commit().await.unwrap();
    assert_eq!(alice.look("/b").await.unwrap().mode & 0o6000, 0);
    alice
        .vfs
        .make_folder(&alice.session, &path("/dir"), Some(0o6755))
        .await
        .unwrap();
    assert_eq!(alice.look("/dir").await.unwrap().mode & 0o6000, 0);
}

#[tokio::test]
async fn the_owner_stays_and_only_the_same_one_is_accepted() {
    let house = House::new();
    house.put("a", b"");
    let alice = User::alice(&house);
    let seen = alice.look("/a").await.unwrap();
    let owner = |uid, gid| AttributeChange {
        owner: Some((uid, gid)),
        ..AttributeChange::default()
    };
    set(&alice, "/a", owner(seen.uid, seen.gid)).await.unwrap();
    assert!(matches!(
        set(&alice, "/a", owner(seen.uid + 1, seen.gid)).await,
        Err(VfsError::Unsupported(_))
    ));
}

#[tokio::test]
async fn an_upload_of_the_sessions_own_needs_only_the_right_to_write() {
    let house = House::new();
    house.grants(vec![grant("/", &[Write, List])]);
    house.put("old", b"");
    let alice = User::alice(&house);
    let file = alice.begin("/up", b"1").await;
    set(&alice, "/up", mode(0o600)).await.unwrap();
    let times = AttributeChange {
        times: Some((UnixMillis(5000), UnixMillis(7000))),
        ..AttributeChange::default()
    };
    file.set_attributes(&times).await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(alice.look("/up").await.unwrap().modified, UnixMillis(7000));
    let refused = Err(VfsError::Denied(SetAttributes));
    assert_eq!(set(&alice, "/up", mode(0o644)).await, refused.clone());
    assert_eq!(set(&alice, "/old", mode(0o644)).await, refused);
}

#[tokio::test]
async fn space_is_told() {
    let house = House::new();
    let alice = User::alice(&house);
    let space = alice.vfs.space(&alice.session, &path("/")).await.unwrap();
    assert!(space.blocks > 0 && space.namemax >= 255);
}
