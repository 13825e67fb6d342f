//! What groups give, and what limits take: sizes, names, rates, staleness; on the latest view, in what is open too.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::house::{House, User, account, grant, mount, name, path, reading, resuming, writing};
use crate::catalog::pattern::{Scope, Syntax};
use crate::catalog::{Grant, Group, Object, Operation, Operations, Pattern, Reach, Restrictions, Service, Settings};
use crate::clock::UnixMillis;
use crate::vfs::{AttributeChange, OpenOptions, VfsError};

fn object<T>(text: &str, spec: T) -> std::sync::Arc<Object<T>> {
    std::sync::Arc::new(Object {
        name: name(text),
        spec,
        revision: 1,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    })
}

fn limited(house: &House, restrictions: Restrictions) {
    let mut spec = account("/alice");
    spec.restrictions = restrictions.into();
    house.account("alice", spec);
}

fn at_most(bytes: u64) -> Restrictions {
    Restrictions {
        upload_bytes_max: Some(bytes),
        ..Restrictions::default()
    }
}

fn patterns(globs: &[&str]) -> Vec<Pattern> {
    let parse = |glob: &&str| Pattern::parse(Syntax::Glob, Scope::FileName, glob).unwrap();
    globs.iter().map(parse).collect()
}

fn group(house: &House, grants: Option<Vec<Grant>>) {
    let mut spec = account("/alice");
    spec.home = None;
    spec.groups = vec![name("team")];
    house.account("alice", spec);
    let spec = Group {
        mounts: vec![mount("/team/box", "/box", grants)],
        ..Group::default()
    };
    house.change(|view| {
        view.groups.insert(name("team"), object("team", spec));
    });
}

#[track_caller]
fn is_limit<T>(result: Result<T, VfsError>) {
    assert!(matches!(result, Err(VfsError::Limit(_))), "{:?}", result.err());
}

#[tokio::test]
async fn a_mount_of_a_group_is_seen_used_and_taken_away() {
    let house = House::new();
    group(&house, Some(vec![grant("/team/box", &Operation::ALL)]));
    let alice = User::alice(&house);
    assert_eq!(alice.names("/").await, [("team".to_owned(), 0)]);
    assert_eq!(alice.names("/team").await.len(), 1);
    alice.upload("/team/box/a", b"content").await.unwrap();
    let open = alice.open("/team/box/a", &reading()).await.unwrap();
    let begun = alice.begin("/team/box/b", b"half").await;
    group(&house, Some(vec![grant("/team/box", &[Operation::List])]));
    assert_eq!(open.read_at(0, 1).await, Err(VfsError::Denied(Operation::Read)));
    assert_eq!(begun.commit().await, Err(VfsError::Denied(Operation::Write)));
    // The file, and what was kept of the upload that was refused.
    assert_eq!(alice.names("/team/box").await.len(), 2);
    house.change(|view| {
        view.groups.insert(name("team"), object("team", Group::default()));
    });
    assert!(matches!(open.read_at(0, 1).await, Err(VfsError::Revoked(_))));
    assert_eq!(alice.list("/team").await.err(), Some(VfsError::NotFound));
}

#[tokio::test]
async fn an_upload_over_the_limit_fails_as_a_whole() {
    let house = House::new();
    limited(&house, at_most(10));
    let alice = User::alice(&house);
    alice.upload("/fits", &[1; 10]).await.unwrap();
    let file = alice.begin("/over", &[1; 10]).await;
    is_limit(file.write_at(10, Bytes::from_static(b"x")).await);
    is_limit(file.write_at(0, Bytes::from_static(b"x")).await);
    is_limit(file.commit().await);
    // A hole counts as what it is long.
    let file = alice.open("/hole", &writing()).await.unwrap();
    is_limit(file.write_at(1 << 40, Bytes::from_static(b"x")).await);
    alice.interrupt(file).await;
    alice.settle().await;
    assert_eq!((house.get("over"), house.get("hole")), (None, None));
    assert!(house.staged().is_empty(), "{:?}", house.staged());

    let change = AttributeChange {
        size: Some(11),
        ..AttributeChange::default()
    };
    is_limit(alice.vfs.set_attributes(&alice.session, &path("/fits"), &change).await);
    let file = alice.open("/fits", &resuming()).await.unwrap();
    is_limit(file.set_attributes(&change).await);
    file.commit().await.unwrap();
    let append = OpenOptions {
        append: true,
        ..resuming()
    };
    let file = alice.open("/fits", &append).await.unwrap();
    is_limit(file.write_at(0, Bytes::from_static(b"x")).await);
    is_limit(file.commit().await);
    assert_eq!(house.get("fits").unwrap().len(), 10);
}

#[tokio::test]
async fn a_limit_that_falls_meanwhile_binds_what_is_open_and_what_was_kept() {
    let house = House::new();
    let alice = User::alice(&house);
    let file = alice.begin("/open", &[1; 10]).await;
    let kept = alice.begin("/kept", &[1; 10]).await;
    alice.interrupt(kept).await;
    limited(&house, at_most(5));
    is_limit(file.commit().await);
    let file = alice.open("/kept", &resuming()).await.unwrap();
    is_limit(file.write_at(10, Bytes::from_static(b"x")).await);
    is_limit(file.commit().await);
    assert_eq!((house.get("open"), house.get("kept")), (None, None));
}

#[tokio::test]
async fn names_that_are_not_taken_are_refused_wherever_a_file_goes() {
    let house = House::new();
    house.put("a.exe", b"program");
    house.put("a.txt", b"text");
    house.put("folder.exe/b.txt", b"text");
    let alice = User::alice(&house);
    let begun = alice.begin("/new.exe", b"half").await;
    limited(
        &house,
        Restrictions {
            files_denied: patterns(&["*.exe"]),
            ..Restrictions::default()
        },
    );
    let refused = |result: Result<(), VfsError>| assert!(matches!(result, Err(VfsError::NotTaken(_))), "{result:?}");
    refused(begun.write_at(0, Bytes::from_static(b"x")).await);
    refused(begun.commit().await);
    refused(alice.upload("/B.EXE", b"x").await);
    refused(alice.download("/a.exe").await.map(drop));
    refused(alice.rename("/a.txt", "/b.exe", false).await);
    refused(alice.rename("/a.exe", "/b.txt", false).await);
    refused(
        alice
            .vfs
            .make_hard_link(&alice.session, &path("/a.exe"), &path("/b.txt"))
            .await,
    );
    alice
        .vfs
        .make_link(&alice.session, b"a.exe", &path("/link.txt"))
        .await
        .unwrap();
    refused(alice.download("/link.txt").await.map(drop));
    alice.download("/folder.exe/b.txt").await.unwrap();
    alice.rename("/folder.exe", "/other.exe", false).await.unwrap();
    alice.remove("/a.exe").await.unwrap();
    assert_eq!(house.get("new.exe"), None);
}

#[tokio::test]
async fn a_folder_is_moved_past_a_pattern_that_denies_the_same_on_both_sides() {
    let house = House::new();
    house.put("in/a/x", b"");
    house.put("logs/1/x", b"");
    let mut spec = account("/alice");
    spec.grants = ["/**/*.exe", "/logs/*/*"]
        .map(|glob| Grant {
            reach: Reach::Matching(Pattern::parse(Syntax::Glob, Scope::Path, glob).unwrap()),
            allow: Operations::NONE,
            deny: [Operation::Delete].into_iter().collect(),
        })
        .into();
    house.account("alice", spec);
    let alice = User::alice(&house);
    alice.rename("/in/a", "/in/b", false).await.unwrap();
    let refused = Err(VfsError::Denied(Operation::Rename));
    assert_eq!(alice.rename("/logs/1", "/in/1", false).await, refused);
    assert_eq!(alice.rename("/in/b", "/logs/b", false).await, refused);
    // A file has nothing below it.
    alice.rename("/logs/1/x", "/in/x", false).await.unwrap();
}

#[tokio::test]
async fn a_rate_of_the_service_slows_what_is_open_and_stops_doing_so_when_it_is_lifted() {
    let house = House::new();
    let service = |rate: Option<u64>| {
        house.change(|view| {
            let mut spec = Service::sftp(22, Vec::new());
            spec.restrictions.upload_rate = rate;
            view.services.insert(name("sftp"), object("sftp", spec));
        });
    };
    let (alice, bob) = (User::alice(&house), User::new(&house, &house.node(1), "bob"));
    let bob = User {
        vfs: alice.vfs.clone(),
        ..bob
    };
    let files = [alice.begin("/a", b"").await, bob.begin("/b", b"").await];
    service(Some(100_000));
    let begun = Instant::now();
    let write = |file, from: u64| {
        let file: &crate::vfs::OpenFile = file;
        async move {
            for number in 0..10 {
                file.write_at(from + number * 2_000, Bytes::from_static(&[7; 2_000]))
                    .await
                    .unwrap();
            }
        }
    };
    tokio::join!(write(&files[0], 0), write(&files[1], 0), write(&files[0], 20_000));
    // 60,000 bytes less the 25,000 that may pass at once.
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    service(None);
    let begun = Instant::now();
    files[0].write_at(0, Bytes::from(vec![7; 1_000_000])).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for file in files {
        file.commit().await.unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_a_rate_is_let_go_when_the_session_ends() {
    let house = House::new();
    limited(
        &house,
        Restrictions {
            session_upload_rate: Some(1_024),
            ..Restrictions::default()
        },
    );
    let alice = User::alice(&house);
    let file = alice.open("/a", &writing()).await.unwrap();
    file.write_at(0, Bytes::from(vec![7; 1_000_000])).await.unwrap();
    let waiting = file.write_at(0, Bytes::from_static(b"x"));
    let (ended, ()) = tokio::join!(waiting, async {
        tokio::task::yield_now().await;
        alice.session.close(crate::session::CloseReason::Administrator);
    });
    assert!(matches!(ended, Err(VfsError::Revoked(_))), "{ended:?}");
}

#[tokio::test]
async fn nothing_is_done_by_a_node_that_has_had_no_confirmed_leader_for_too_long() {
    let house = House::new();
    let alice = User::alice(&house);
    let age = std::sync::Arc::new(Mutex::new(Duration::ZERO));
    let source = age.clone();
    alice
        .vfs
        .refuse_when_older(std::sync::Arc::new(move || *source.lock().unwrap()));
    let settings = Settings {
        staleness_max_seconds: Some(60),
        ..Settings::default()
    };
    house.change(|view| {
        view.settings.insert(name("cluster"), object("cluster", settings));
    });
    alice.upload("/a", b"content").await.unwrap();
    let file = alice.open("/a", &reading()).await.unwrap();
    file.read_at(0, 1).await.unwrap();
    *age.lock().unwrap() = Duration::from_secs(61);
    assert!(matches!(file.read_at(0, 1).await, Err(VfsError::Stale(_))));
    assert!(matches!(alice.upload("/b", b"").await, Err(VfsError::Stale(_))));
    *age.lock().unwrap() = Duration::from_secs(1);
    file.read_at(0, 1).await.unwrap();
}
