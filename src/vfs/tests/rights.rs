//! Which right each operation asks for: a table, run with that right alone and with all but that right.

use bytes::Bytes;

use super::house::{House, User, grant, path, reading, resuming, writing};
use crate::catalog::Operation::{self, *};
use crate::vfs::{AttributeChange, OpenOptions, VfsError};

/// The operations of the table.
#[derive(Debug, Clone, Copy)]
enum Act {
    ReadFile,
    NewFile,
    EmptyFile,
    WriteInto,
    AppendTo,
    AppendToNew,
    RemoveFile,
    RemoveEmptyFolder,
    NewFolder,
    ChangeMode,
    MoveFile,
    MoveOver,
    LinkTo,
    ListFolder,
}

async fn act(user: &User, act: Act) -> Result<(), VfsError> {
    let append = OpenOptions {
        append: true,
        ..resuming()
    };
    let write = |at: &'static str, options: OpenOptions| async move {
        let file = user.open(at, &options).await?;
        file.write_at(0, Bytes::from_static(b"x")).await?;
        file.commit().await
    };
    let vfs = &user.vfs;
    let session = &user.session;
    match act {
        Act::ReadFile => user.open("/dir/old", &reading()).await?.read_at(0, 1).await.map(|_| ()),
        Act::NewFile => write("/dir/new", writing()).await,
        Act::EmptyFile => write("/dir/old", writing()).await,
        Act::WriteInto => write("/dir/old", resuming()).await,
        Act::AppendTo => write("/dir/old", append).await,
        Act::AppendToNew => write("/dir/new", append).await,
        Act::RemoveFile => user.remove("/dir/old").await,
        Act::RemoveEmptyFolder => vfs.remove_folder(session, &path("/dir/empty")).await,
        Act::NewFolder => user.make_folder("/dir/folder").await,
        Act::ChangeMode => {
            let change = AttributeChange {
                mode: Some(0o600),
                ..AttributeChange::default()
            };
            vfs.set_attributes(session, &path("/dir/old"), &change).await
        }
        Act::MoveFile => user.rename("/dir/old", "/dir/new", true).await,
        Act::MoveOver => user.rename("/dir/old", "/dir/other", true).await,
        Act::LinkTo => vfs.make_link(session, b"old", &path("/dir/link")).await,
        Act::ListFolder => user.list("/dir").await.map(|_| ()),
    }
}

fn house() -> House {
    let house = House::new();
    house.put("dir/old", b"old");
    house.put("dir/other", b"other");
    std::fs::create_dir(house.on_disk("dir/empty")).unwrap();
    house
}

#[tokio::test]
async fn each_operation_asks_for_its_right_and_no_other() {
    for (what, rights) in [
        (Act::ReadFile, &[Read][..]),
        (Act::NewFile, &[Write]),
        (Act::EmptyFile, &[Overwrite]),
        (Act::WriteInto, &[Overwrite]),
        (Act::AppendTo, &[Append]),
        (Act::AppendToNew, &[Write]),
        (Act::RemoveFile, &[Delete]),
        (Act::RemoveEmptyFolder, &[RemoveFolder]),
        (Act::NewFolder, &[MakeFolder]),
        (Act::ChangeMode, &[SetAttributes]),
        (Act::MoveFile, &[Rename]),
        (Act::MoveOver, &[Rename, Overwrite]),
        (Act::LinkTo, &[Links]),
        (Act::ListFolder, &[List]),
    ] {
        let with = house();
        with.grants(vec![grant("/dir", rights)]);
        assert_eq!(act(&User::alice(&with), what).await, Ok(()), "{what:?} with {rights:?}");
        for right in rights {
            let without = house();
            let others: Vec<Operation> = Operation::ALL.into_iter().filter(|other| other != right).collect();
            without.grants(vec![grant("/dir", &others)]);
            let refused = act(&User::alice(&without), what).await;
            assert_eq!(refused, Err(VfsError::Denied(*right)), "{what:?} without {right:?}");
            assert_eq!(without.get("dir/old").unwrap(), b"old");
            assert_eq!(without.get("dir/new"), None);
        }
    }
}

#[tokio::test]
async fn attributes_are_seen_by_who_lists_the_folder_or_may_do_anything_to_the_path() {
    for (grants, seen) in [
        (vec![grant("/dir", &[List])], true),
        (vec![grant("/dir/old", &[Delete])], true),
        (vec![grant("/", &[List])], true),
        (vec![grant("/dir/other", &[Read])], false),
        (vec![], false),
    ] {
        let house = house();
        house.grants(grants.clone());
        let result = User::alice(&house).look("/dir/old").await;
        assert_eq!(result.is_ok(), seen, "{grants:?}");
        if !seen {
            assert_eq!(result, Err(VfsError::Denied(List)));
        }
    }
}

#[tokio::test]
async fn a_further_mount_without_grants_denies_everything() {
    let house = House::new();
    let mut spec = super::house::account("/alice");
    spec.mounts = vec![super::house::mount("/box", "/pool", None)];
    house.account("alice", spec);
    let alice = User::alice(&house);
    assert_eq!(alice.list("/box").await.err(), Some(VfsError::Denied(List)));
    assert_eq!(alice.upload("/box/a", b"").await, Err(VfsError::Denied(Write)));
}

#[tokio::test]
async fn an_account_that_is_removed_disabled_or_expired_does_nothing() {
    let house = house();
    let alice = User::alice(&house);
    let mut spec = super::house::account("/alice");
    spec.expires_at = Some(crate::clock::UnixMillis(1));
    house.account("alice", spec);
    assert!(matches!(alice.look("/dir").await, Err(VfsError::Revoked(_))));
    house.change(|view| {
        view.accounts.remove("alice");
    });
    assert!(matches!(alice.list("/").await.err(), Some(VfsError::Revoked(_))));
    assert!(matches!(alice.upload("/a", b"").await, Err(VfsError::Revoked(_))));
}
