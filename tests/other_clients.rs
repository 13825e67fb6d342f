//! Clients that people have besides OpenSSH's: rclone, lftp, PuTTY's `psftp` and `pscp`, FileZilla's own `fzsftp`, and
//! what WinSCP asks, which does not run here; bytes compared.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::tree::{make_plain_tree, prepared, same_tree};
use crate::rig::{Account, Cluster, Login, cluster, process, shared};

/// Writes a file next to what else the client has, and gives its path as text.
pub fn written(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// A configuration of rclone with `there`, the account's files on the login's node, and `hashed`, the same with hashes
/// that rclone keeps itself: a server without a shell gives it none.
fn rclone_configuration(login: &Login, folder: &Path) -> String {
    let text = format!(
        "[there]\ntype = sftp\nhost = {}\nport = {}\nuser = {}\nkey_file = {}\nshell_type = none\n\n\
         [hashed]\ntype = hasher\nremote = there:\nhashes = sha256\nmax_age = off\n",
        login.server.ip(),
        login.server.port(),
        login.account.name,
        login.account.key.display(),
    );
    written(folder, &format!("rclone-{}.conf", login.server.ip()), text.as_bytes())
}

#[test]
fn rclone_copies_checks_and_syncs_both_ways_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "rclone");
    // rclone gives control characters names of its own; what it makes of those comes back all the same.
    let (odd, plain) = (local.join("tree"), local.join("plain"));
    make_plain_tree(&plain);
    for (at, login) in logins.iter().enumerate() {
        let configuration = rclone_configuration(login, &local);
        let cache = local.join("rclone-cache").display().to_string();
        let rclone = |words: &[&str]| {
            let mut command = process::command("rclone");
            command.args(["--config", &configuration, "--cache-dir", &cache, "--retries", "1"]);
            process::run(command_with(command, words), b"")
        };
        let (from, there) = (plain.display().to_string(), format!("there:at-{at}"));
        rclone(&["copy", "--create-empty-src-dirs", &from, &there]).ok();
        let arrived = account.home.join(format!("at-{at}"));
        same_tree(&plain, &arrived, "what rclone copied");
        rclone(&["check", &from, &there]).ok();
        rclone(&["check", "--download", &from, &there]).ok();
        // By hash: those of what rclone reads through the node, against those of the disk.
        let hashed = format!("hashed:at-{at}");
        let through = rclone(&["hashsum", "sha256", "--download", &hashed]).ok().out;
        let on_disk = rclone(&["hashsum", "sha256", &from]).ok().out;
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&through), lines(&on_disk));
        assert!(lines(&through).len() >= 8, "{through}");
        rclone(&["check", &from, &hashed]).ok();
        // A sync sends what differs and removes what is too much, and nothing else.
        std::fs::write(arrived.join("too much"), b"-").unwrap();
        std::fs::write(arrived.join("size-1"), b"changed and longer").unwrap();
        let differs = rclone(&["check", &from, &there]).refused();
        assert!(differs.err.contains("2 differences found"), "{}", differs.err);
        rclone(&["sync", "--create-empty-src-dirs", &from, &there]).ok();
        same_tree(&plain, &arrived, "what rclone synced");
        let said = rclone(&["sync", "-v", "--create-empty-src-dirs", &from, &there])
            .ok()
            .err;
        assert!(said.contains("There was nothing to transfer"), "times are kept: {said}");
        // Names that are not UTF-8, and back.
        let there = format!("there:odd-{at}");
        rclone(&["copy", "--create-empty-src-dirs", &odd.display().to_string(), &there]).ok();
        let back = local.join(format!("odd-back-{at}"));
        rclone(&["sync", "--create-empty-src-dirs", &there, &back.display().to_string()]).ok();
        same_tree(&odd, &back, "what came back");
        rclone(&["moveto", &format!("{there}/size-0"), &format!("{there}/moved")]).ok();
        rclone(&["purge", &there]).ok();
        assert!(!account.home.join(format!("odd-{at}")).exists());
        rclone(&["about", "there:"]).ok();
    }
}

fn command_with(mut command: std::process::Command, words: &[&str]) -> std::process::Command {
    command.args(words);
    command
}

#[test]
fn lftp_mirrors_both_ways_and_resumes_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "lftp");
    let path = |name: &str| local.join(name).display().to_string();
    let whole = noise(78, 700_000);
    let (whole_file, half_file) = (written(&local, "whole", &whole), path("half"));
    for (at, login) in logins.iter().enumerate() {
        let lftp = |commands: &str| {
            let ssh = format!("ssh -a -x {}", login.arguments("ssh").join(" "));
            let script = format!(
                "set net:max-retries 1\nset net:timeout 30\nset cmd:fail-exit yes\nset sftp:auto-confirm yes\n\
                 set sftp:connect-program \"{ssh}\"\nopen -u {},- sftp://{}:{}\n{commands}\n",
                account.name,
                login.server.ip(),
                login.server.port()
            );
            let mut command = process::command("lftp");
            command.env("HOME", &local);
            command
                .arg("-f")
                .arg(written(&local, &format!("lftp-{at}"), script.as_bytes()));
            process::run(command, b"")
        };
        let (tree, back) = (path("tree"), path(&format!("lftp-back-{at}")));
        lftp(&format!("mirror -R {tree} at-{at}\nmirror at-{at} {back}")).ok();
        let arrived = account.home.join(format!("at-{at}"));
        same_tree(&local.join("tree"), &arrived, "what lftp mirrored up");
        same_tree(&local.join("tree"), Path::new(&back), "what lftp mirrored down");
        // Resume, both ways; then in several pieces at once.
        std::fs::write(&half_file, &whole[..300_000]).unwrap();
        let (pieces, catted) = (path("pieces"), path("catted"));
        let _ = std::fs::remove_file(&pieces);
        let _ = std::fs::remove_file(&catted);
        lftp(&format!(
            "cd at-{at}\nput {half_file} -o r\nput -c {whole_file} -o r\nget -c r -o {half_file}\n\
             pget -n 4 r -o {pieces}\ncat r > {catted}\nmv r r2\nln -s r2 soft\nchmod 600 r2\nls\nfind ."
        ))
        .ok();
        for file in [
            Path::new(&half_file),
            Path::new(&pieces),
            Path::new(&catted),
            &arrived.join("soft"),
        ] {
            assert!(std::fs::read(file).unwrap() == whole, "{}", file.display());
        }
        // A mirror that removes what is too much, up and down.
        lftp(&format!(
            "mirror -R --delete {tree} at-{at}\nmirror --delete at-{at} {back}"
        ))
        .ok();
        same_tree(&local.join("tree"), &arrived, "what lftp mirrored up again");
        same_tree(&local.join("tree"), Path::new(&back), "what lftp mirrored down again");
        lftp(&format!("get at-{at}/none -o {pieces}")).refused();
        lftp(&format!("rm -r at-{at}")).ok();
        assert!(!arrived.exists());
    }
}

/// A key in PuTTY's own form, and the fingerprint of the cluster's host key, which PuTTY asks for in a batch.
pub fn for_putty(cluster: &Cluster, account: &Account, folder: &Path) -> (PathBuf, String) {
    let key = folder.join("key.ppk");
    let mut command = process::command("puttygen");
    command.arg(&account.key).args(["-O", "private", "-o"]).arg(&key);
    process::run(command, b"").ok();
    let node = cluster.nodes[0].at(cluster::SFTP_PORT);
    let mut command = process::command("ssh-keyscan");
    command.args(["-t", "ed25519", "-p", &node.port().to_string(), &node.ip().to_string()]);
    let line = process::run(command, b"").ok().out;
    let mut command = process::command("ssh-keygen");
    command.args(["-l", "-f", "-"]);
    let said = process::run(command, line.as_bytes()).ok().out;
    let fingerprint = said.split_whitespace().find(|word| word.starts_with("SHA256:"));
    (key, fingerprint.unwrap().to_owned())
}

#[test]
fn psftp_and_pscp_carry_trees_both_ways_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "putty");
    let (key, fingerprint) = for_putty(&shared, &account, &local);
    make_plain_tree(&local.join("plain"));
    let path = |name: &str| local.join(name).display().to_string();
    let whole = noise(79, 700_000);
    let (whole_file, half_file) = (written(&local, "whole", &whole), path("half"));
    for (at, login) in logins.iter().enumerate() {
        let putty = |program: &str| {
            let mut command = process::command(program);
            command
                .env("HOME", &local)
                .args(["-batch", "-P", &login.server.port().to_string()]);
            command.arg("-i").arg(&key).args(["-hostkey", &fingerprint]);
            command
        };
        let psftp = |commands: &str| {
            let mut command = putty("psftp");
            let batch = written(&local, &format!("psftp-{at}"), commands.as_bytes());
            command.args(["-b", &batch, &login.target()]);
            process::run(command, b"")
        };
        std::fs::write(&half_file, &whole[..300_000]).unwrap();
        let (tree, back) = (path("tree"), path(&format!("psftp-back-{at}")));
        psftp(&format!(
            "pwd\nmkdir at-{at}\ncd at-{at}\nput -r {tree} tree\nget -r tree {back}\nput {half_file} r\n\
             reput {whole_file} r\nreget r {half_file}\nmv r \"r 2\"\nchmod 600 \"r 2\"\nls\nls /\ndir tree"
        ))
        .ok();
        let arrived = account.home.join(format!("at-{at}"));
        same_tree(&local.join("tree"), &arrived.join("tree"), "what psftp put");
        same_tree(&local.join("tree"), Path::new(&back), "what psftp got");
        for file in [Path::new(&half_file), &arrived.join("r 2")] {
            assert!(std::fs::read(file).unwrap() == whole, "{}", file.display());
        }
        psftp(&format!("cd at-{at}\nget none {half_file}")).refused();
        // pscp keeps names from itself that could be another system's; it runs over SFTP, and needs the folder.
        let plain = path("plain");
        let back = path(&format!("pscp-back-{at}"));
        std::fs::create_dir_all(&back).unwrap();
        let mut up = putty("pscp");
        up.args([
            "-q",
            "-r",
            "-p",
            "-sftp",
            &plain,
            &format!("{}:/at-{at}/", login.target()),
        ]);
        process::run(up, b"").ok();
        same_tree(&local.join("plain"), &arrived.join("plain"), "what pscp put");
        let mut down = putty("pscp");
        down.args([
            "-q",
            "-r",
            "-p",
            "-sftp",
            &format!("{}:/at-{at}/plain", login.target()),
            &back,
        ]);
        process::run(down, b"").ok();
        same_tree(&local.join("plain"), &Path::new(&back).join("plain"), "what pscp got");
    }
}

#[test]
fn filezillas_own_part_for_sftp_signs_in_and_works_on_folders_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "filezilla");
    let (key, _) = for_putty(&shared, &account, &local);
    for (at, login) in logins.iter().enumerate() {
        let folder = format!("at-{at}");
        account.plant("planted", b"12345");
        let extra = json!({"ppk": key, "home": local, "folder": folder, "account_password": account.password});
        for by in ["key", "password"] {
            let mut extra = extra.clone();
            extra["by"] = Value::from(by);
            login.python("fzsftp.py", extra).ok();
        }
        assert!(account.home.join(folder).join("kept").is_dir());
    }
}

#[test]
fn what_winscp_asks_works_on_every_node_and_its_uploads_are_resumed_on_another() {
    let shared = shared();
    for at in 0..shared.nodes.len() {
        let account = Account::create(&shared);
        let login = Login::new(&shared, &account, at);
        login.python("winscp.py", json!({"phase": "break"})).ok();
        let other = Login::new(&shared, &account, (at + 1) % shared.nodes.len());
        other.python("winscp.py", json!({"phase": "resume"})).ok();
    }
}
