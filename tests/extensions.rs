//! SFTP's extensions with real clients: packet by packet, paramiko, asyncssh, OpenSSH.

use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::{Account, Login, process, shared};

#[test]
fn every_extension_that_is_announced_works_on_names_that_are_no_text() {
    let shared = shared();
    let account = Account::create(&shared);
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        login
            .python("extensions.py", json!({"folder": format!("extended-{at}")}))
            .ok();
    }
    shared.no_panics();
}

#[test]
fn openssh_copies_on_the_server_touches_links_shows_owners_and_finds_homes() {
    let shared = shared();
    let account = Account::create(&shared);
    let content = noise(3, 1_000_003);
    account.plant("file", &content);
    let login = Login::new(&shared, &account, 0);
    let said = login
        .sftp("copy /file /copied\nln -s /file /link\nls -l /copied\ndf /")
        .ok()
        .out;
    assert_eq!(std::fs::read(account.home.join("copied")).unwrap(), content);
    let line = said.lines().find(|line| line.starts_with("-rw")).unwrap_or_default();
    assert!(line.contains(&account.name), "the owner's name is not shown: {said}");
    let before = std::fs::metadata(account.home.join("file")).unwrap().mode();
    // Linux has no mode of a link.
    login.sftp("chmod -h 600 /link").refused();
    login.sftp("chmod -h 640 /copied").ok();
    assert_eq!(std::fs::metadata(account.home.join("file")).unwrap().mode(), before);
    let mode = std::fs::metadata(account.home.join("copied")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
    let back = shared.path("expanded");
    let mut scp = login.openssh("scp");
    scp.arg("-q")
        .arg(format!("{}:~{}/file", login.target(), account.name))
        .arg(&back);
    process::run(scp, b"").ok();
    assert_eq!(std::fs::read(back).unwrap(), content);
}
