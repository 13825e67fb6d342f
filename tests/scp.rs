//! The scp of old (`scp -O`) and the hash commands, with real clients on every node.
//!
//! scp in its modern form is SFTP and lies with the other clients; record by record, with `scp_records`.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::other_clients::{for_putty, written};
use crate::rig::account::noise;
use crate::rig::tree::{make_plain_tree, prepared, same_tree};
use crate::rig::{Account, Login, process, shared};

/// `scp -O` with these flags.
pub fn old_scp(login: &Login, flags: &[&str]) -> Command {
    let mut command = login.openssh("scp");
    command.args(["-q", "-O"]).args(flags);
    command
}

/// The other side's name of a path.
pub fn there(login: &Login, path: &str) -> String {
    format!("{}:{path}", login.target())
}

/// Modes and times of all that lies in a tree, its own too.
pub fn attributes(root: &Path) -> BTreeMap<PathBuf, (u32, i64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(path) = open.pop() {
        // What goes away meanwhile was there, and is no more.
        let Ok(seen) = std::fs::symlink_metadata(root.join(&path)) else {
            continue;
        };
        found.insert(path.clone(), (seen.mode() & 0o7777, seen.mtime()));
        if seen.is_dir() {
            let entries = std::fs::read_dir(root.join(&path)).into_iter().flatten();
            open.extend(entries.flatten().map(|entry| path.join(entry.file_name())));
        }
    }
    found
}

/// Gives everything in a tree a mode and a time that it would not get by itself.
fn dress(root: &Path) {
    // What lies deepest first: a folder's time changes with what is put in.
    for (number, path) in attributes(root).into_keys().rev().enumerate() {
        let at = root.join(path);
        let modes = if at.is_dir() {
            [0o755, 0o700, 0o775]
        } else {
            [0o640, 0o755, 0o600]
        };
        std::fs::set_permissions(&at, Permissions::from_mode(modes[number % 3])).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + 1000 * number as u64);
        let times = FileTimes::new().set_modified(time).set_accessed(time);
        File::open(&at).unwrap().set_times(times).unwrap();
    }
}

#[test]
fn openssh_copies_trees_the_old_way_with_modes_and_times_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "scp-old");
    // The protocol has no word for a line end in a name: it comes as `\^J`.
    std::fs::remove_file(local.join("tree/odd/new\nline")).unwrap();
    dress(&local.join("tree"));
    for (at, login) in logins.iter().enumerate() {
        let mut up = old_scp(login, &["-r", "-p"]);
        up.arg(local.join("tree")).arg(there(login, &format!("/up-{at}")));
        process::run(up, b"").ok();
        let arrived = account.home.join(format!("up-{at}"));
        same_tree(&local.join("tree"), &arrived, "what arrived");
        assert_eq!(attributes(&arrived), attributes(&local.join("tree")), "what arrived");
        let other = &logins[(at + 1) % logins.len()];
        let back = local.join(format!("down-{at}"));
        let mut down = old_scp(other, &["-r", "-p"]);
        down.arg(there(other, &format!("up-{at}"))).arg(&back);
        process::run(down, b"").ok();
        same_tree(&local.join("tree"), &back, "what came back through another node");
        assert_eq!(attributes(&back), attributes(&local.join("tree")), "what came back");
        // Into a folder that is there; without -p the mode loses what the mask takes.
        let mut again = old_scp(login, &["-r"]);
        again
            .arg(local.join("tree"))
            .arg(there(login, &format!("up-{at}/empty/")));
        process::run(again, b"").ok();
        same_tree(
            &local.join("tree"),
            &arrived.join("empty/tree"),
            "what arrived in a folder",
        );
        let modes = attributes(&arrived.join("empty/tree"));
        assert!(modes.values().all(|(mode, _)| mode & 0o022 == 0), "{modes:?}");
    }
    shared.no_panics();
}

#[test]
fn a_large_file_goes_both_ways_and_replaces_only_once_it_is_whole() {
    let shared = shared();
    let account = Account::create(&shared);
    let content = noise(51, 40 << 20);
    let local = account.plant_outside(&shared, "large", &content);
    account.plant("large", b"old");
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        let mut up = old_scp(&login, &[]);
        up.arg(&local).arg(there(&login, "large"));
        process::run(up, b"").ok();
        assert!(
            std::fs::read(account.home.join("large")).unwrap() == content,
            "node {at}"
        );
        let back = local.with_extension("back");
        let mut down = old_scp(&login, &[]);
        down.arg(there(&login, "/large")).arg(&back);
        process::run(down, b"").ok();
        assert!(std::fs::read(&back).unwrap() == content, "node {at}");
        std::fs::write(account.home.join("large"), b"old").unwrap();
    }
}

#[test]
fn patterns_stand_for_what_is_there_and_an_error_does_not_stop_a_copy() {
    let shared = shared();
    let account = Account::create(&shared);
    for name in ["a.txt", "b c.txt", "[d].txt", ".hidden.txt", "e.bin", "sub/f.txt"] {
        std::fs::create_dir_all(account.home.join("sub")).unwrap();
        account.plant(name, name.as_bytes());
    }
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        for (case, sent, flags, arrived, is_ok) in [
            (
                "all",
                &["*.txt"][..],
                &[][..],
                &["[d].txt", "a.txt", "b c.txt"][..],
                true,
            ),
            ("home", &["~/?.txt"], &[], &["a.txt"], true),
            ("set", &["/[ae].*"], &[], &["a.txt", "e.bin"], true),
            ("deep", &["s*/*"], &[], &["f.txt"], true),
            ("itself", &["\\[d\\].txt"], &[], &["[d].txt"], true),
            ("blank", &["b\\ c.txt"], &[], &["b c.txt"], true),
            ("none", &["*.none"], &[], &[], false),
            ("some", &["none.txt", "a.txt"], &[], &["a.txt"], false),
            ("folders", &["*"], &[], &["[d].txt", "a.txt", "b c.txt", "e.bin"], false),
            (
                "tree",
                &["*"],
                &["-r"],
                &["[d].txt", "a.txt", "b c.txt", "e.bin", "sub"],
                true,
            ),
        ] {
            let into = shared.path(&format!("{}-{case}-{at}", account.name));
            std::fs::create_dir(&into).unwrap();
            let mut down = old_scp(&login, flags);
            down.args(sent.iter().map(|path| there(&login, path))).arg(&into);
            let done = process::run(down, b"");
            assert_eq!(done.status.success(), is_ok, "{case}: {}", done.said());
            assert_eq!(names(&into), arrived, "{case}: {}", done.said());
            if !is_ok {
                assert!(!done.said().is_empty(), "{case}: no word why");
            }
        }
        // Up: one that is refused (a folder has its name) and one that is not.
        let from = shared.path(&format!("{}-up-{at}", account.name));
        std::fs::create_dir(&from).unwrap();
        std::fs::write(from.join("sub"), b"a file").unwrap();
        std::fs::write(from.join(format!("z-{at}")), b"another").unwrap();
        let mut up = old_scp(&login, &[]);
        up.arg(from.join("sub"))
            .arg(from.join(format!("z-{at}")))
            .arg(there(&login, "."));
        let done = process::run(up, b"").refused();
        assert!(done.said().contains("Is a directory"), "{}", done.said());
        assert_eq!(std::fs::read(account.home.join(format!("z-{at}"))).unwrap(), b"another");
        assert!(account.home.join("sub").is_dir());
        std::fs::remove_file(account.home.join(format!("z-{at}"))).unwrap();
    }
}

#[test]
fn pscp_copies_trees_by_scp_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "pscp-scp");
    let (key, fingerprint) = for_putty(&shared, &account, &local);
    let plain = local.join("plain");
    make_plain_tree(&plain);
    for (at, login) in logins.iter().enumerate() {
        let pscp = |words: &[&str]| {
            let mut command = process::command("pscp");
            command.env("HOME", &local);
            command.args([
                "-batch",
                "-q",
                "-r",
                "-p",
                "-scp",
                "-P",
                &login.server.port().to_string(),
            ]);
            command.arg("-i").arg(&key).args(["-hostkey", &fingerprint]).args(words);
            process::run(command, b"")
        };
        std::fs::create_dir_all(account.home.join(format!("at-{at}"))).unwrap();
        pscp(&[plain.to_str().unwrap(), &there(login, &format!("/at-{at}/"))]).ok();
        let arrived = account.home.join(format!("at-{at}/plain"));
        same_tree(&plain, &arrived, "what pscp put");
        let times = |root: &Path| {
            let found = attributes(root).into_iter();
            let files = found.filter(|(path, _)| root.join(path).is_file());
            files.map(|(path, (_, time))| (path, time)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(times(&plain), times(&arrived));
        let back = local.join(format!("pscp-back-{at}"));
        std::fs::create_dir(&back).unwrap();
        pscp(&[&there(login, &format!("at-{at}/plain")), back.to_str().unwrap()]).ok();
        same_tree(&plain, &back.join("plain"), "what pscp got");
        assert_eq!(times(&plain), times(&back.join("plain")));
        pscp(&[&there(login, "none"), back.to_str().unwrap()]).refused();
    }
}

#[test]
fn rclone_compares_by_the_hashes_that_a_node_computes() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "rclone-hash");
    let plain = local.join("plain");
    make_plain_tree(&plain);
    std::fs::write(plain.join("with 'quotes' and \"blanks\""), b"odd").unwrap();
    for (at, login) in logins.iter().enumerate() {
        let text = format!(
            "[there]\ntype = sftp\nhost = {}\nport = {}\nuser = {}\nkey_file = {}\nshell_type = unix\n",
            login.server.ip(),
            login.server.port(),
            login.account.name,
            login.account.key.display(),
        );
        let configuration = written(&local, &format!("rclone-hash-{at}.conf"), text.as_bytes());
        let rclone = |words: &[&str]| {
            let mut command = process::command("rclone");
            command.args(["--config", &configuration, "--retries", "1"]).args(words);
            process::run(command, b"")
        };
        let (from, there) = (plain.to_str().unwrap(), format!("there:at-{at}"));
        rclone(&["copy", "--create-empty-src-dirs", from, &there]).ok();
        let checked = rclone(&["check", "-v", from, &there]).ok().err;
        assert!(!checked.contains("could not be checked"), "without hashes: {checked}");
        let lines = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        for hash in ["md5", "sha1"] {
            let found = lines(rclone(&["hashsum", hash, &there]).ok().out);
            assert_eq!(found, lines(rclone(&["hashsum", hash, from]).ok().out));
            assert!(
                found.len() >= 9 && found.iter().all(|line| !line.starts_with(' ')),
                "{found:?}"
            );
        }
        // The same size and the same time, and other bytes: only a hash shows it.
        let changed = account.home.join(format!("at-{at}/size-32768"));
        let time = std::fs::metadata(&changed).unwrap().modified().unwrap();
        std::fs::write(&changed, noise(123, 32_768)).unwrap();
        File::open(&changed).unwrap().set_modified(time).unwrap();
        let differs = rclone(&["check", from, &there]).refused();
        assert!(differs.err.contains("1 differences found"), "{}", differs.err);
    }
}

#[test]
fn hash_commands_print_what_coreutils_print() {
    let shared = shared();
    let account = Account::create(&shared);
    std::fs::create_dir_all(account.home.join("sub")).unwrap();
    for (name, size) in [
        ("empty", 0),
        ("large", 3_000_001),
        ("sub/a b", 5),
        ("back\\slash", 6),
        ("new\nline", 7),
        ("-dash", 8),
        ("quote's", 9),
    ] {
        account.plant(name, &noise(size as u64, size));
    }
    let programs = ["md5sum", "sha1sum", "sha256sum", "sha512sum"];
    let lines = [
        "",
        "-",
        "empty large",
        "-b -- large -dash",
        "-- -dash 'sub/a b' \"back\\\\slash\" 'new\nline' quote\\'s",
        "sub/* large",
        "none large",
        "sub",
    ];
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        for program in programs {
            for line in lines {
                let mut remote = login.openssh("ssh");
                remote.arg(login.target()).arg(format!("{program} {line}"));
                let found = process::run(remote, b"typed in");
                let mut own = process::command("sh");
                own.args(["-c", &format!("{program} {line}")])
                    .current_dir(&account.home);
                let expected = process::run(own, b"typed in");
                assert_eq!(found.out, expected.out, "{program} {line}: {}", found.err);
                assert_eq!(
                    found.status.code(),
                    expected.status.code(),
                    "{program} {line}: {}",
                    found.err
                );
                assert_eq!(
                    found.err.lines().count(),
                    expected.err.lines().count(),
                    "{program} {line}"
                );
            }
        }
    }
}
