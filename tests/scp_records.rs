//! scp record by record: those that lie, commands that are not offered, clients that are killed, grants, events.
//!
//! What real clients make of it is left to `scp`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::admin_events::journal;
use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Login, eventually, limits, process, shared};
use crate::scp::{attributes, old_scp, there};

/// Runs commands on channels of one connection: what each said, what it complained, and how it ended.
#[track_caller]
fn run_all(login: &Login, commands: &[Value]) -> Vec<(String, String, i64)> {
    let done = login.python("exec.py", json!({"commands": commands})).ok();
    let lines = done
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found: Vec<_> = lines
        .map(|line| (text(&line["out"]), text(&line["err"]), line["status"].as_i64().unwrap()))
        .collect();
    assert_eq!(found.len(), commands.len(), "{}", done.said());
    found
}

/// An account whose storage keeps nothing of an upload that broke.
fn forgetful(cluster: &Cluster, storage: &str) -> (Account, PathBuf) {
    let root = cluster.path(storage);
    std::fs::create_dir_all(&root).unwrap();
    let spec = json!({"root": root, "durability": "relaxed", "reserve_bytes": 0, "keep_interrupted": false});
    let path = format!("/api/v1/storage/{storage}?wait=enforced");
    cluster.api(0).put(&path, &spec).enforced();
    let mut account = Account::new(cluster);
    account.spec["home"] = json!({"storage": storage, "folder": "/"});
    account.home.clone_from(&root);
    account.tell(cluster, 0);
    (account, root)
}

/// The files on a storage, staged ones too.
fn files_in(root: &Path) -> Vec<PathBuf> {
    let found = attributes(root).into_keys();
    found.filter(|path| root.join(path).is_file()).collect()
}

#[test]
fn records_that_lie_are_answered_and_leave_nothing() {
    let shared = shared();
    let (account, root) = forgetful(&shared, "scp-liars");
    let overlong = format!("C0644 1 {}\nx\0", "n".repeat(20_000));
    let name = "must be one name";
    // What is sent to `scp -r -t .`; how the answer begins after the first; what it says.
    let cases = [
        ("C0644 1 ../up\nx\0", "\x02", name),
        ("C0644 1 a/b\nx\0", "\x02", name),
        ("C0644 1 /etc/passwd\nx\0", "\x02", name),
        ("C0644 1 ..\nx\0", "\x02", name),
        ("C0644 1 .\nx\0", "\x02", name),
        ("C0644 1 \nx\0", "\x02", name),
        ("C0644 1 a\0b\nx\0", "\x02", name),
        ("D0755 0 ..\nC0644 1 a\nx\0E\n", "\x02", name),
        ("D0755 0 a/../..\n", "\x02", name),
        (&overlong, "\x02", "longer than 4096 bytes"),
        ("C0644 -1 a\n", "\x02", "size"),
        ("C0644 99999999999999999999999 a\n", "\x02", "size"),
        ("C0644 9223372036854775807 a\n", "\x01", ""),
        ("C0644 1e3 a\n", "\x02", "size"),
        ("C-644 1 a\n", "\x02", "mode"),
        ("C99999 1 a\n", "\x02", "mode"),
        ("T-1 0 1 0\n", "\x02", "times"),
        ("T99999999999999999999 0 1 0\n", "\x02", "times"),
        ("E\n", "\x02", "not begun"),
        ("hello\n", "\x02", "none of C, D, E and T"),
        ("\n", "\x02", "none of C, D, E and T"),
        ("SSH-2.0-x\r\n", "\x02", "none of C, D, E and T"),
        // Bytes that do not come, and bytes that the other side takes back.
        ("C0644 10 a\nshort", "\0", ""),
        ("C0644 10 a\n", "\0", ""),
        ("C0644 1 a", "", ""),
        ("C0644 3 a\nabc", "\0", ""),
        ("C0644 3 a\nabc\x01my disk is broken\n", "\0\x01", "not published"),
        ("C0644 3 a\nabc\x02I give up\n", "\0", ""),
        ("\x02I give up\n", "", ""),
        ("\x01I have no such file\n", "", ""),
    ];
    let command = |(sent, ..): &(&str, &str, &str)| json!({"command": "scp -r -t .", "send": sent});
    let commands: Vec<_> = cases.iter().map(command).collect();
    for at in [0, 1, 2] {
        let found = run_all(&Login::new(&shared, &account, at), &commands);
        for ((sent, begins, says), (out, err, status)) in cases.iter().zip(found) {
            let case = &sent[..sent.len().min(40)];
            let answer = out
                .strip_prefix('\0')
                .unwrap_or_else(|| panic!("{case:?}: {out:?} {err:?}"));
            assert!(answer.starts_with(begins), "{case:?}: {answer:?}");
            assert!(answer.contains(says), "{case:?}: {answer:?}");
            assert!(answer.len() < 2_000, "{case:?}: {answer:?}");
            assert_eq!(status, 1, "{case:?}: {answer:?}");
        }
        eventually("nothing is left behind", limits::LINE, || match files_in(&root) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
    assert!(!shared.path("up").exists());
    shared.no_panics();
}

#[test]
fn commands_and_flags_that_are_not_offered_are_refused_with_what_is() {
    let shared = shared();
    let (account, root) = forgetful(&shared, "scp-commands");
    account.plant("file", b"content");
    let login = Login::new(&shared, &account, 1);
    // Command, what is sent, how it ends, what it says on either stream.
    let cases = [
        ("id", "", 127, "offers SFTP, scp, md5sum"),
        ("sh -c 'scp -t .'", "", 127, "`sh`"),
        ("cat file", "", 127, "`cat`"),
        ("scp -t .; id", "", 2, "no shell"),
        ("scp -t `id`", "", 2, "no shell"),
        ("scp -t $(id)", "", 2, "no shell"),
        ("md5sum file > other", "", 2, "no shell"),
        ("scp -S /bin/sh -t .", "", 2, "-S"),
        ("scp file other", "", 2, "-t or -f"),
        ("md5sum -c file", "", 2, "-c"),
        ("scp -t none/none", "C0644 1 a\nx\0", 1, "No such file"),
        ("scp -d -t none", "", 1, "Not a directory"),
        ("scp -d -t file", "", 1, "Not a directory"),
        ("scp -t .", "D0755 0 d\n", 1, "not asked for (-r)"),
        ("scp -f none", "\0", 1, "No such file"),
        ("scp -f .", "\0", 1, "not a regular file"),
        ("scp -r -f /", "\0", 1, "no name to be copied under"),
        ("scp -f file", "\0\x02enough\n", 1, "C0644 7 file"),
        ("scp -f file", "\0\x01no room\n", 1, "C0644 7 file"),
        ("scp -f file", "\0\0\0", 0, "C0644 7 file\ncontent\0"),
        ("scp -f file", "\x02no\n", 1, ""),
        ("scp -f file", "", 1, ""),
        ("scp -v -q -f -- file", "\0\0\0", 0, "content"),
        ("/usr/bin/scp -f file", "\0\0\0", 0, "content"),
        ("md5sum file", "", 0, "9a0364b9e99bb480dd25e1f0284c8555  file\n"),
        ("scp -t *", "C0644 7 new\nreplace\0", 0, ""),
    ];
    let mut commands: Vec<_> = cases
        .iter()
        .map(|(command, sent, ..)| json!({"command": command, "send": sent}))
        .collect();
    let endless = format!("\0\x01{}", "n".repeat(20_000));
    commands.push(json!({"command": "scp -f file", "send": endless}));
    commands.push(json!({"command": "scp -f '".to_owned() + &"n".repeat(20_000)}));
    commands.push(json!({"command": "md5sum ".to_owned() + &"file ".repeat(2_000)}));
    let found = run_all(&login, &commands);
    for ((command, _, ends, says), (out, err, status)) in cases.iter().zip(&found) {
        assert_eq!(status, ends, "{command}: {out:?} {err:?}");
        assert!(out.contains(says) || err.contains(says), "{command}: {out:?} {err:?}");
    }
    for ((out, err, status), says) in found[cases.len()..]
        .iter()
        .zip(["longer than", "has no end", "more than"])
    {
        assert!(
            *status > 0 && (out.contains(says) || err.contains(says)),
            "{out:?} {err:?}"
        );
    }
    // `*` was the one file, and it has the new content.
    assert_eq!(files_in(&root), [PathBuf::from("file")]);
    assert_eq!(std::fs::read(root.join("file")).unwrap(), b"replace");
    shared.no_panics();
}

#[test]
fn a_client_that_is_killed_publishes_nothing_and_leaves_nothing() {
    let shared = shared();
    let (account, root) = forgetful(&shared, "scp-killed");
    let local = account.plant_outside(&shared, "local", &noise(9, 5 << 20));
    let log = shared.path("scp-killed.log");
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        let mut up = old_scp(&login, &["-l", "8000"]);
        up.arg(&local).arg(there(&login, "/killed"));
        let mut client = process::Process::start("scp", up, &log);
        eventually("the upload has begun", limits::LINE, || match files_in(&root) {
            found if found.is_empty() => Err("no file is staged".to_owned()),
            _ => Ok(()),
        });
        assert!(!root.join("killed").exists(), "it is seen before its end");
        client.kill();
        eventually("nothing is left behind", limits::LINE, || match files_in(&root) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
        eventually("the session has ended", limits::LINE, || {
            match account.sessions(&shared, at) {
                left if left.is_empty() => Ok(()),
                left => Err(format!("{left:?}")),
            }
        });
    }
    // Where interrupted uploads are kept, this one is too: seen by its account alone, and gone on with over SFTP.
    let keeping = Account::create(&shared);
    let login = Login::new(&shared, &keeping, 0);
    let cut = json!({"command": "scp -t .", "send": "C0644 100 kept\n0123456789"});
    assert_eq!(run_all(&login, &[cut])[0].2, 1);
    assert!(!keeping.home.join("kept").exists());
    let seen = eventually("the partial is shown", limits::LINE, || {
        let done = login.sftp("ls -l /kept");
        if done.status.success() {
            Ok(done.out)
        } else {
            Err(done.said())
        }
    });
    assert!(seen.contains(" 10 "), "{seen}");
}

#[test]
fn grants_bind_scp_and_hashes_as_they_bind_sftp_and_at_once() {
    let shared = shared();
    let (mut account, root) = forgetful(&shared, "scp-grants");
    account.plant("file", b"content");
    std::fs::create_dir_all(account.home.join("folder")).unwrap();
    let mut home = account.spec["home"].clone();
    let mut set = |account: &mut Account, allow: &[&str]| {
        home["grants"] = json!([{"path": "/", "allow": allow}]);
        account.change(&shared, 0, json!({"home": home}));
    };
    // Command, what is sent, and what each of three accounts may: read and list, write only, nothing but list.
    let cases = [
        ("scp -f file", "\0\0\0", [true, false, false]),
        ("scp -f f*e", "\0\0\0", [true, false, false]),
        ("scp -r -f folder", "\0\0\0", [true, false, true]),
        ("md5sum file", "", [true, false, false]),
        ("scp -t new", "C0644 1 new\nx\0", [false, true, false]),
        ("scp -t file", "C0644 1 file\nx\0", [false, false, false]),
        ("scp -t folder", "C0644 1 new\nx\0", [false, true, false]),
        ("scp -r -t .", "D0755 0 made\nE\n", [false, false, false]),
    ];
    for (number, allow) in [&["read", "list"][..], &["write"], &["list"]].into_iter().enumerate() {
        set(&mut account, allow);
        let commands: Vec<_> = cases
            .iter()
            .map(|(command, sent, _)| json!({"command": command, "send": sent}))
            .collect();
        for at in [0, 1, 2] {
            let found = run_all(&Login::new(&shared, &account, at), &commands);
            for ((command, _, allowed), (out, err, status)) in cases.iter().zip(found) {
                assert_eq!(status == 0, allowed[number], "{allow:?} {command}: {out:?} {err:?}");
                let denied = out.contains("Permission denied") || err.contains("Permission denied");
                assert!(
                    status == 0 || denied || command.contains('*'),
                    "{allow:?} {command}: {out:?} {err:?}"
                );
            }
            for made in ["new", "folder/new"] {
                let _ = std::fs::remove_file(account.home.join(made));
            }
        }
        assert_eq!(std::fs::read(account.home.join("file")).unwrap(), b"content");
        assert!(!account.home.join("made").exists());
    }
    // A right that is taken away while an upload runs: it is not published.
    set(&mut account, &["all"]);
    let local = account.plant_outside(&shared, "slow", &noise(10, 6 << 20));
    let login = Login::new(&shared, &account, 2);
    let mut up = old_scp(&login, &["-l", "8000"]);
    up.arg(&local).arg(there(&login, "/slow"));
    let mut client = process::Process::start("scp", up, &shared.path("scp-slow.log"));
    eventually("the upload has begun", limits::LINE, || match files_in(&root) {
        found if found.len() > 1 => Ok(()),
        found => Err(format!("{found:?}")),
    });
    set(&mut account, &["read", "list"]);
    assert!(
        !client.wait(limits::CLIENT).success(),
        "scp believes that it has put the file"
    );
    assert!(!account.home.join("slow").exists(), "it was published");
    shared.no_panics();
}

#[test]
fn events_name_scp_and_count_what_it_carried() {
    let shared = shared();
    let account = Account::create(&shared);
    let login = Login::new(&shared, &account, 0);
    let sent = json!({"command": "scp -t new", "send": "C0644 5 new\nhello\0"});
    let got = json!({"command": "scp -f new", "send": "\0\0\0"});
    for (out, err, status) in run_all(&login, &[sent, got]) {
        assert_eq!(status, 0, "{out:?} {err:?}");
    }
    eventually("both transfers are written down", limits::LINE, || {
        let events = journal(&shared, 0);
        let own = events.iter().filter(|event| event["account"] == account.name.as_str());
        // The session is called so too; what it did to files has a path.
        let own = own.filter(|event| event["protocol"] == "scp" && !event["path"].is_null());
        let own: Vec<_> = own.collect();
        let moved = |number: u64| own.iter().any(|event| event["number"] == number && event["bytes"] == 5);
        match own.iter().all(|event| event["path"] == "/new") && moved(20) && moved(21) {
            true => Ok(()),
            false => Err(format!("{own:?}")),
        }
    });
}
