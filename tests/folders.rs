//! Folders: many entries, deep trees, and no way out of an account's own.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::rig::{Account, Login, shared};

#[test]
fn a_folder_with_many_entries_is_listed_whole_and_piece_by_piece() {
    let shared = shared();
    let account = Account::create(&shared);
    let many = account.home.join("many");
    std::fs::create_dir_all(&many).unwrap();
    for number in 0..20_000 {
        std::fs::write(many.join(format!("entry-{number:05}-{}", "x".repeat(number % 50))), b"").unwrap();
    }
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        let done = login
            .python("list_many.py", json!({"path": "/many", "count": 20_000}))
            .ok();
        let report: Value = serde_json::from_str(done.out.trim()).unwrap();
        assert!(report["packets"].as_u64().unwrap() >= 20, "{report}");
    }
    let done = Login::new(&shared, &account, 0).sftp("ls -1 /many").ok();
    assert_eq!(done.out.lines().filter(|line| line.contains("entry-")).count(), 20_000);
}

#[test]
fn no_path_and_no_link_leads_out_of_an_account() {
    let shared = shared();
    let account = Account::create(&shared);
    let neighbour = Account::create(&shared);
    let marker = "what the outside holds";
    std::fs::create_dir_all(&account.home).unwrap();
    let outside = shared.path("outside").join(&account.name);
    std::fs::create_dir_all(&outside).unwrap();
    let file = outside.join("outside-marker");
    std::fs::write(&file, marker).unwrap();
    let of_neighbour = neighbour.plant("outside-marker", marker.as_bytes());
    symlink(&file, account.home.join("planted-file")).unwrap();
    symlink(&outside, account.home.join("planted-folder")).unwrap();
    symlink(format!("../{}", neighbour.name), account.home.join("planted-relative")).unwrap();
    let arguments = json!({"marker": marker, "outside": [file, of_neighbour]});
    Login::new(&shared, &account, 0).python("traversal.py", arguments).ok();
    for file in [&file, &of_neighbour] {
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            marker,
            "{} was changed",
            file.display()
        );
    }
    let entries = |folder: &std::path::Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(
        (entries(&outside), entries(&neighbour.home)),
        (1, 1),
        "something was made outside"
    );
    shared.no_panics();
}

#[test]
fn a_further_mount_shows_what_its_grants_allow_and_no_rename_crosses_storages() {
    let shared = shared();
    shared.storage("second", "relaxed");
    let mut account = Account::create(&shared);
    let common = shared.path("second").join("common");
    std::fs::create_dir_all(&common).unwrap();
    std::fs::write(common.join("read-me"), b"common").unwrap();
    let mount = |grants: Value| json!([{"at": "/shared", "storage": "second", "folder": "/common", "grants": grants}]);
    account.change(
        &shared,
        0,
        json!({"mounts": mount(json!([{"path": "/shared", "allow": ["read", "list"]}]))}),
    );
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        assert!(
            login.sftp("ls -1 /").ok().out.contains("shared"),
            "the mount is not listed"
        );
        login.sftp("get /shared/read-me /dev/null").ok();
        login.sftp("put /etc/hostname /shared/new").refused();
        login.sftp("rm /shared/read-me").refused();
        login.sftp("rmdir /shared").refused();
        login.sftp("rename /shared /stolen").refused();
    }
    account.change(
        &shared,
        0,
        json!({"mounts": mount(json!([{"path": "/shared", "allow": ["all"]}]))}),
    );
    let login = Login::new(&shared, &account, 1);
    login
        .sftp("put /etc/hostname /mine\nput /etc/hostname /shared/new")
        .ok();
    login.sftp("rename /mine /shared/mine").refused();
    login.sftp("get /mine /dev/null").ok();
    login.sftp("rename /shared/new /shared/newer").ok();
    account.change(&shared, 2, json!({"mounts": []}));
    login.sftp("get /shared/newer /dev/null").refused();
    assert!(common.join("newer").exists());
}

#[test]
fn a_home_is_made_when_first_needed_and_two_homes_do_not_mix() {
    let shared = shared();
    let (one, two) = (Account::create(&shared), Account::create(&shared));
    for (account, at) in [(&one, 0), (&two, 1)] {
        assert!(!account.home.exists());
        Login::new(&shared, account, at)
            .sftp("put /etc/hostname /mine\nls /")
            .ok();
        assert!(account.home.join("mine").exists());
    }
    std::fs::write(one.home.join("mine"), b"of one").unwrap();
    let back = shared.path("mine-back");
    Login::new(&shared, &two, 2)
        .sftp(&format!("get /mine {}", back.display()))
        .ok();
    assert_ne!(std::fs::read(back).unwrap(), b"of one");
}
