//! Links: followed only beneath the mount, stored relative, decided on both names.

use std::os::unix::fs::symlink;

use super::house::{House, User, account, grant, mount, path, writing};
use crate::catalog::Operation::{self, Append, Delete, Links, List, Overwrite, Read, SetAttributes, Write};
use crate::vfs::{FileType, VfsError};

async fn link(user: &User, target: &str, at: &str) -> Result<(), VfsError> {
    user.vfs.make_link(&user.session, target.as_bytes(), &path(at)).await
}

async fn target(user: &User, at: &str) -> Result<String, VfsError> {
    let text = user.vfs.read_link(&user.session, &path(at)).await?;
    Ok(String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn links_beneath_the_mount_are_followed() {
    let house = House::new();
    house.put("real/dir/file", b"content");
    symlink("real/dir", house.on_disk("short")).unwrap();
    symlink("../dir/file", house.on_disk("real/dir/self")).unwrap();
    let alice = User::alice(&house);
    assert_eq!(alice.download("/short/file").await.unwrap(), b"content");
    assert_eq!(alice.download("/short/self").await.unwrap(), b"content");
    assert_eq!(alice.look("/short").await.unwrap().file_type, FileType::Link);
    let behind = alice
        .vfs
        .attributes(&alice.session, &path("/short"), true)
        .await
        .unwrap();
    assert_eq!(behind.file_type, FileType::Folder);
    alice.upload("/short/new", b"n").await.unwrap();
    alice.upload("/short/self", b"through the link").await.unwrap();
    assert_eq!(house.get("real/dir/new").unwrap(), b"n");
    assert_eq!(house.get("real/dir/file").unwrap(), b"through the link");
    assert_eq!(alice.look("/short/self").await.unwrap().file_type, FileType::Link);
}

#[tokio::test]
async fn a_link_that_leaves_the_mount_is_not_followed_in_any_operation() {
    let house = House::new();
    house.put("in/file", b"x");
    std::fs::create_dir_all(house.root().join("bob")).unwrap();
    std::fs::write(house.root().join("bob/secret"), b"secret").unwrap();
    for (text, at) in [
        ("/etc", "absolute"),
        ("../bob", "up"),
        ("in/../../bob", "round"),
        ("loop", "loop"),
    ] {
        symlink(text, house.on_disk(at)).unwrap();
        let alice = User::alice(&house);
        for below in ["", "/secret"] {
            let at = format!("/{at}{below}");
            let followed = alice.vfs.attributes(&alice.session, &path(&at), true).await;
            assert_eq!(followed.err(), Some(VfsError::OutOfMount), "{at}");
            assert_eq!(
                alice.open(&at, &super::house::reading()).await.err(),
                Some(VfsError::OutOfMount),
                "{at}"
            );
            assert_eq!(
                alice.open(&at, &writing()).await.err(),
                Some(VfsError::OutOfMount),
                "{at}"
            );
            assert_eq!(alice.list(&at).await.err(), Some(VfsError::OutOfMount), "{at}");
        }
        let inner = format!("/{at}/secret");
        assert_eq!(alice.remove(&inner).await, Err(VfsError::OutOfMount));
        assert_eq!(alice.rename(&inner, "/mine", false).await, Err(VfsError::OutOfMount));
        assert_eq!(alice.make_folder(&inner).await, Err(VfsError::OutOfMount));
        alice.remove(&format!("/{at}")).await.unwrap();
    }
    assert_eq!(std::fs::read(house.root().join("bob/secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn a_folder_swapped_for_a_link_never_leads_out() {
    let house = House::new();
    std::fs::create_dir_all(house.root().join("bob")).unwrap();
    std::fs::write(house.root().join("bob/file"), b"secret").unwrap();
    house.put("dir/file", b"mine");
    let alice = User::alice(&house);
    let (dir, aside) = (house.on_disk("dir"), house.on_disk("aside"));
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = done.clone();
    let swapper = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            std::fs::rename(&dir, &aside).unwrap();
            symlink("../bob", &dir).unwrap();
            std::fs::remove_file(&dir).unwrap();
            std::fs::rename(&aside, &dir).unwrap();
        }
    });
    let mut read = 0;
    // Most tries may fall on the moment when the folder is away; so many are made that some do not.
    for round in 0..1_000_000 {
        if round >= 500 && read >= 20 {
            break;
        }
        if let Ok(content) = alice.download("/dir/file").await {
            assert_eq!(content, b"mine");
            read += 1;
        }
        // Whether it succeeds depends on the moment; where it goes does not.
        let _ = alice.upload("/dir/new", b"n").await;
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(read >= 20);
    assert!(!house.root().join("bob/new").exists());
}

#[tokio::test]
async fn a_link_made_by_a_client_is_stored_relative_within_its_mount() {
    let house = House::new();
    house.put("a/b/file", b"x");
    let alice = User::alice(&house);
    for (to, at, stored) in [
        ("/a/b/file", "/a/link1", Ok("b/file")),
        ("/a/b/file", "/link2", Ok("a/b/file")),
        ("/a", "/a/b/link3", Ok("..")),
        ("/", "/link4", Ok(".")),
        ("file", "/a/b/link5", Ok("file")),
        ("../nothing", "/a/b/link6", Ok("../nothing")),
        ("../../../etc/passwd", "/a/b/link7", Err(VfsError::OutOfMount)),
        ("..", "/link8", Err(VfsError::OutOfMount)),
    ] {
        let made = link(&alice, to, at).await;
        assert_eq!(made, stored.clone().map(|_| ()), "{to}");
        if let Ok(stored) = stored {
            assert_eq!(target(&alice, at).await.unwrap(), stored);
        }
    }
    assert_eq!(link(&alice, "x", "/link2").await, Err(VfsError::Exists));
    assert!(matches!(link(&alice, "", "/l").await, Err(VfsError::InvalidName(_))));
    assert!(matches!(
        link(&alice, "a\0b", "/l").await,
        Err(VfsError::InvalidName(_))
    ));
    assert!(matches!(
        link(&alice, "/.argosy-staging", "/l").await,
        Err(VfsError::InvalidName(_))
    ));
    assert_eq!(alice.download("/a/link1").await.unwrap(), b"x");
}

#[tokio::test]
async fn an_absolute_link_made_behind_a_link_leads_where_it_was_told() {
    let house = House::new();
    house.put("deep/down/here/x", b"");
    house.put("file", b"found");
    symlink("deep/down/here", house.on_disk("short")).unwrap();
    let alice = User::alice(&house);
    link(&alice, "/file", "/short/l").await.unwrap();
    assert_eq!(alice.download("/short/l").await.unwrap(), b"found");
    assert_eq!(target(&alice, "/short/l").await.unwrap(), "../../../file");
}

#[tokio::test]
async fn a_link_into_another_mount_is_refused() {
    let house = House::new();
    let mut spec = account("/alice");
    spec.mounts = vec![mount("/box", "/pool", Some(vec![grant("/box", &Operation::ALL)]))];
    house.account("alice", spec);
    let alice = User::alice(&house);
    assert_eq!(link(&alice, "/box/file", "/l").await, Err(VfsError::OutOfMount));
    assert_eq!(link(&alice, "box/file", "/l").await, Err(VfsError::OutOfMount));
    assert_eq!(link(&alice, "/file", "/box/l").await, Err(VfsError::OutOfMount));
    assert_eq!(link(&alice, "/box/file", "/box/l").await, Ok(()));
    assert_eq!(target(&alice, "/box/l").await.unwrap(), "file");
}

#[tokio::test]
async fn an_absolute_text_on_the_disk_is_never_shown() {
    let house = House::new();
    house.put("x", b"");
    symlink("/srv/real/place", house.on_disk("abs")).unwrap();
    symlink("../../up", house.on_disk("up")).unwrap();
    let alice = User::alice(&house);
    assert_eq!(target(&alice, "/abs").await, Err(VfsError::OutOfMount));
    assert_eq!(target(&alice, "/up").await, Err(VfsError::OutOfMount));
    assert!(matches!(target(&alice, "/x").await, Err(VfsError::Unsupported(_))));
}

#[tokio::test]
async fn what_a_link_leads_to_is_decided_as_well() {
    let house = House::new();
    house.put("pub/x", b"");
    house.put("secret/file", b"s");
    house.grants(vec![grant("/pub", &Operation::ALL)]);
    symlink("../secret", house.on_disk("pub/door")).unwrap();
    symlink("../secret/file", house.on_disk("pub/file")).unwrap();
    let alice = User::alice(&house);
    let refused = Err(VfsError::Denied(Read));
    assert_eq!(alice.download("/pub/door/file").await, refused.clone());
    assert_eq!(alice.download("/pub/file").await, refused);
    assert_eq!(alice.list("/pub/door").await.err(), Some(VfsError::Denied(List)));
    assert!(matches!(
        alice.upload("/pub/door/new", b"").await,
        Err(VfsError::Denied(_))
    ));
    assert!(matches!(alice.remove("/pub/door/file").await, Err(VfsError::Denied(_))));
    assert!(matches!(
        alice.make_folder("/pub/door/sub").await,
        Err(VfsError::Denied(_))
    ));
}

#[tokio::test]
async fn a_hard_link_needs_links_at_both_ends_and_every_right_to_change_the_existing_file() {
    let hard = |user: User| async move {
        user.vfs
            .make_hard_link(&user.session, &path("/a"), &path("/in/b"))
            .await
    };
    let needed = [Links, Read, Overwrite, Append, SetAttributes, Delete];
    let mut cases = vec![
        (needed.to_vec(), vec![Links, Write], Ok(())),
        (needed.to_vec(), vec![Links], Err(VfsError::Denied(Write))),
        (needed.to_vec(), vec![Write], Err(VfsError::Denied(Links))),
    ];
    for missing in needed {
        let rest = needed.into_iter().filter(|operation| *operation != missing).collect();
        cases.push((rest, Operation::ALL.to_vec(), Err(VfsError::Denied(missing))));
    }
    for (source, folder, expected) in cases {
        let house = House::new();
        house.put("a", b"a");
        std::fs::create_dir(house.on_disk("in")).unwrap();
        house.grants(vec![grant("/a", &source), grant("/in", &folder)]);
        assert_eq!(hard(User::alice(&house)).await, expected, "{source:?} {folder:?}");
        assert_eq!(house.get("in/b").is_some(), expected.is_ok());
    }
}
