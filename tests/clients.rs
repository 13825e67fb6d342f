//! Real clients against every node: OpenSSH's `sftp` and `scp`, `sshfs`, paramiko, asyncssh; bytes compared.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::tree::{difference, prepared, same_tree};
use crate::rig::{Account, Login, eventually, limits, process, shared};

#[test]
fn openssh_sftp_moves_trees_resumes_renames_links_and_sets_attributes_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "sftp");
    let path = |name: &str| local.join(name).display().to_string();
    for (at, login) in logins.iter().enumerate() {
        let folder = format!("/at-{at}");
        login
            .sftp(&format!("mkdir {folder}\nput -r {} {folder}/", path("tree")))
            .ok();
        same_tree(
            &local.join("tree"),
            &account.home.join(&folder[1..]).join("tree"),
            "what arrived",
        );
        let back = local.join(format!("back-{at}"));
        std::fs::create_dir_all(&back).unwrap();
        let other = &logins[(at + 1) % logins.len()];
        other.sftp(&format!("get -pr {folder}/tree {}", back.display())).ok();
        same_tree(
            &local.join("tree"),
            &back.join("tree"),
            "what came back through another node",
        );
        // Resume, both ways.
        let whole = noise(77, 700_000);
        std::fs::write(path("whole"), &whole).unwrap();
        std::fs::write(path("half"), &whole[..300_000]).unwrap();
        login
            .sftp(&format!(
                "put {} {folder}/r\nreput {} {folder}/r",
                path("half"),
                path("whole")
            ))
            .ok();
        assert!(
            std::fs::read(account.home.join(format!("at-{at}/r"))).unwrap() == whole,
            "a resumed upload"
        );
        let from = path("half");
        login.sftp(&format!("reget {folder}/r {from}")).ok();
        assert!(std::fs::read(&from).unwrap() == whole, "a resumed download");
        other
            .sftp(&format!(
                "cd {folder}\nrename r r2\nln r2 hard\nln -s r2 soft\nchmod 600 r2\nls -la\ndf -h\nput -f {} synced\nrm hard\nmkdir m\nrmdir m\nrm synced",
                path("half")
            ))
            .ok();
        let there = account.home.join(format!("at-{at}"));
        assert_eq!(std::fs::metadata(there.join("r2")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_link(there.join("soft")).unwrap(), Path::new("r2"));
        login
            .sftp(&format!(
                "-rm {folder}/r2\nls {folder}/soft\nget {folder}/soft {}",
                path("none")
            ))
            .refused();
        login
            .sftp(&format!("put -p {} {folder}/kept-times", path("tree/size-1")))
            .ok();
        let modified = |path: &Path| std::fs::metadata(path).unwrap().mtime();
        assert_eq!(
            modified(&there.join("kept-times")),
            modified(&local.join("tree/size-1"))
        );
    }
}

#[test]
fn scp_copies_trees_both_ways_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "scp");
    for (at, login) in logins.iter().enumerate() {
        let mut up = login.openssh("scp");
        up.args(["-q", "-r"])
            .arg(local.join("tree"))
            .arg(format!("{}:/up-{at}", login.target()));
        process::run(up, b"").ok();
        same_tree(
            &local.join("tree"),
            &account.home.join(format!("up-{at}")),
            "what arrived",
        );
        let mut down = login.openssh("scp");
        let back = local.join(format!("down-{at}"));
        down.args(["-q", "-r", "-p"])
            .arg(format!("{}:/up-{at}", login.target()))
            .arg(&back);
        process::run(down, b"").ok();
        same_tree(&local.join("tree"), &back, "what came back");
        let mut many = login.openssh("scp");
        many.arg("-q")
            .arg(format!("{}:/up-{at}/size-*", login.target()))
            .arg(local.join(format!("down-{at}/empty")));
        process::run(many, b"").ok();
    }
}

/// A folder mounted by `sshfs`, unmounted on drop.
struct Mounted(PathBuf);

impl Mounted {
    fn new(login: &Login, at: PathBuf) -> Self {
        assert!(
            Path::new("/dev/fuse").exists(),
            "/dev/fuse is missing: sshfs can't be tried here, and a test does not skip itself"
        );
        std::fs::create_dir_all(&at).unwrap();
        let mut command = process::command("sshfs");
        command.arg(format!("{}:/", login.target())).arg(&at);
        command.args(["-F", "/dev/null", "-o", "dir_cache=no,attr_timeout=0,entry_timeout=0"]);
        command.arg("-p").arg(login.server.port().to_string());
        for option in login.options() {
            command.arg("-o").arg(option);
        }
        process::run(command, b"").ok();
        let mounted = Self(at);
        eventually("sshfs has mounted", limits::LINE, || {
            match std::fs::read_dir(&mounted.0) {
                Ok(_) if is_mounted(&mounted.0) => Ok(()),
                Ok(_) => Err("not mounted".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
        mounted
    }
}

fn is_mounted(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == path.to_str())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut command = process::command("fusermount3");
        command.args(["-u", "-z"]).arg(&self.0);
        process::run_for(command, b"", Duration::from_secs(20));
    }
}

#[test]
fn sshfs_is_a_file_system_on_every_node() {
    let shared = shared();
    let (account, local, logins) = prepared(&shared, "sshfs");
    for (at, login) in logins.iter().enumerate() {
        let mounted = Mounted::new(login, local.join(format!("mnt-{at}")));
        let folder = mounted.0.join(format!("at-{at}"));
        let mut copy = process::command("cp");
        copy.arg("-r").arg(local.join("tree")).arg(&folder);
        process::run(copy, b"").ok();
        same_tree(&local.join("tree"), &folder, "what the mount shows");
        // sshfs does not wait for the answer to a CLOSE.
        let arrived = account.home.join(format!("at-{at}"));
        eventually("the tree has arrived", limits::LINE, || {
            difference(&local.join("tree"), &arrived).map_or(Ok(()), Err)
        });
        let file = folder.join("size-1000003");
        std::fs::rename(&file, folder.join("moved")).unwrap();
        std::fs::rename(folder.join("moved"), folder.join("size-1")).unwrap();
        assert_eq!(
            std::fs::read(folder.join("size-1")).unwrap(),
            noise(1_000_003, 1_000_003)
        );
        symlink("size-1", folder.join("link")).unwrap();
        assert_eq!(std::fs::metadata(folder.join("link")).unwrap().len(), 1_000_003);
        let open = std::fs::File::options()
            .write(true)
            .open(folder.join("size-1"))
            .unwrap();
        open.set_len(10).unwrap();
        std::os::unix::fs::FileExt::write_at(&open, b"end", 100).unwrap();
        open.sync_all().unwrap();
        drop(open);
        let mut expected = noise(1_000_003, 10);
        expected.resize(100, 0);
        expected.extend_from_slice(b"end");
        assert_eq!(std::fs::read(folder.join("size-1")).unwrap(), expected);
        let mut append = std::fs::File::options()
            .append(true)
            .open(folder.join("size-1"))
            .unwrap();
        std::io::Write::write_all(&mut append, b"+more").unwrap();
        drop(append);
        expected.extend_from_slice(b"+more");
        eventually("the appended bytes have arrived", limits::LINE, || {
            let found = std::fs::read(arrived.join("size-1")).unwrap();
            if found == expected {
                Ok(())
            } else {
                Err(format!("{} bytes", found.len()))
            }
        });
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(!account.home.join(format!("at-{at}")).exists());
    }
}

#[test]
fn paramiko_does_all_that_it_can_on_every_node() {
    let shared = shared();
    let account = Account::create(&shared);
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        let login = if at == 1 { login.by_password() } else { login };
        login
            .python("conform_paramiko.py", json!({"folder": format!("paramiko-{at}")}))
            .ok();
    }
}

#[test]
fn asyncssh_does_all_that_it_can_on_every_node() {
    let shared = shared();
    let account = Account::create(&shared);
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        let login = if at == 2 { login.by_password() } else { login };
        login
            .python("conform_asyncssh.py", json!({"folder": format!("asyncssh-{at}")}))
            .ok();
    }
}

#[test]
fn a_file_of_one_gibibyte_goes_up_and_comes_back_with_default_options() {
    let shared = shared();
    let account = Account::create(&shared);
    let local = shared.path("gibibyte");
    let piece = noise(1, 64 << 20);
    let mut file = std::fs::File::create(&local).unwrap();
    for number in 0..16_u64 {
        std::io::Write::write_all(&mut file, &number.to_le_bytes()).unwrap();
        std::io::Write::write_all(&mut file, &piece[8..]).unwrap();
    }
    drop(file);
    let back = shared.path("gibibyte-back");
    let login = Login::new(&shared, &account, 1);
    let up = format!("put {} /gibibyte", local.display());
    login.sftp_for(&up, Duration::from_secs(300)).ok();
    let down = format!("get /gibibyte {}", back.display());
    Login::new(&shared, &account, 2)
        .sftp_for(&down, Duration::from_secs(300))
        .ok();
    for other in [&back, &account.home.join("gibibyte")] {
        let mut compare = process::command("cmp");
        compare.arg(&local).arg(other);
        process::run(compare, b"").ok();
    }
    for file in [&local, &back, &account.home.join("gibibyte")] {
        std::fs::remove_file(file).unwrap();
    }
}
