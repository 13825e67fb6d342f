//! Uploads as clients see them: whole or not at all, kept for resume, refused when there is no room.

use std::process::Command;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Login, among_others, process, shared};

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The names that a client sees in its root.
fn seen(login: &Login) -> Vec<String> {
    let done = login.sftp("ls -1a").ok();
    let lines = done.out.lines().filter(|line| !line.starts_with("sftp>"));
    let mut names: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
    names.retain(|name| !name.is_empty() && name != "." && name != "..");
    names.sort();
    names
}

#[test]
fn a_file_is_seen_by_others_only_once_it_is_whole() {
    let shared = shared();
    let account = Account::create(&shared);
    account.plant("replaced", b"old");
    let holding = |path: &str| json!({"path": path, "count": 4, "hold": true});
    let mut new = Login::new(&shared, &account, 0).talk("slow_put.py", holding("/new"));
    let mut over = Login::new(&shared, &account, 1).talk("slow_put.py", holding("/replaced"));
    new.expect("holding");
    over.expect("holding");
    let other = Login::new(&shared, &account, 2);
    assert!(!account.home.join("new").exists());
    other.sftp("get /new /dev/null").refused();
    assert_eq!(std::fs::read(account.home.join("replaced")).unwrap(), b"old");
    new.say("close");
    over.say("close");
    new.expect("closed");
    over.expect("closed");
    for name in ["new", "replaced"] {
        assert_eq!(
            std::fs::read(account.home.join(name)).unwrap().len(),
            4 * 32768,
            "{name}"
        );
    }
    assert_eq!(seen(&other), ["new", "replaced"]);
}

#[test]
fn of_two_uploads_to_one_name_both_are_whole_and_the_last_close_wins() {
    let shared = shared();
    let account = Account::create(&shared);
    let holding = |count: u32| json!({"path": "/same", "count": count, "hold": true});
    let mut first = Login::new(&shared, &account, 0).talk("slow_put.py", holding(2));
    let mut second = Login::new(&shared, &account, 2).talk("slow_put.py", holding(5));
    first.expect("holding");
    second.expect("holding");
    second.say("close");
    second.expect("closed");
    assert_eq!(std::fs::read(account.home.join("same")).unwrap().len(), 5 * 32768);
    first.say("close");
    first.expect("closed");
    assert_eq!(std::fs::read(account.home.join("same")).unwrap().len(), 2 * 32768);
    assert_eq!(seen(&Login::new(&shared, &account, 1)), ["same"]);
}

#[test]
fn an_interrupted_upload_is_not_published_and_is_resumed_on_another_node() {
    let shared = shared();
    let account = Account::create(&shared);
    let whole: Vec<u8> = noise(9, 5 << 20);
    let local = account.plant_outside(&shared, "local", &whole);
    // OpenSSH's client is killed in the middle of a slow upload.
    let login = Login::new(&shared, &account, 0);
    let mut command = login.openssh("sftp");
    command.args(["-l", "8000", "-b", "-"]).arg(login.target());
    let script = format!("put {} /resumed\n", local.display());
    let input = shared.path(&format!("{}-script", account.name));
    std::fs::write(&input, script).unwrap();
    let mut child = process::Process::start_with_input("sftp", command, &input, &shared.path("sftp.log"));
    std::thread::sleep(std::time::Duration::from_secs(3));
    child.kill();
    assert!(!account.home.join("resumed").exists(), "a cut upload was published");
    let other = Login::new(&shared, &account, 1);
    // What was kept shows its size to the account and can't be read.
    crate::rig::eventually("the partial is shown", crate::rig::limits::LINE, || {
        let done = other.sftp("ls -l /resumed");
        if done.status.success() {
            Ok(())
        } else {
            Err(done.said())
        }
    });
    other.sftp("get /resumed /dev/null").refused();
    other.sftp(&format!("reput {} /resumed", local.display())).ok();
    assert!(
        std::fs::read(account.home.join("resumed")).unwrap() == whole,
        "the resumed file differs"
    );
    assert_eq!(seen(&other), ["resumed"]);
}

/// A small file system in memory, unmounted on drop.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(at: std::path::PathBuf, options: &str) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .status()
            .unwrap();
        assert!(status.success(), "a tmpfs can't be mounted: these tests need root");
        Self(at)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_the_upload_with_the_reason_and_everything_else_goes_on() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let small = Tmpfs::mount(cluster.path("small"), "size=8m");
    cluster.storage("small", "strict");
    let mut account = Account::create(&cluster);
    let mounts = json!([{"at": "/small", "storage": "small", "folder": "/", "grants": [{"allow": ["all"]}]}]);
    account.change(&cluster, 0, json!({"mounts": mounts}));
    let login = Login::new(&cluster, &account, 0);
    let large = account.plant_outside(&cluster, "large", &noise(10, 16 << 20));
    let little = account.plant_outside(&cluster, "little", &noise(11, 100_000));
    login.sftp(&format!("put {} /small/kept", little.display())).ok();
    for target in ["/small/new", "/small/kept"] {
        let done = login.sftp(&format!("put {} {target}", large.display())).refused();
        assert!(!done.said().trim().is_empty());
    }
    assert_eq!(std::fs::read(small.0.join("kept")).unwrap(), noise(11, 100_000));
    assert!(!small.0.join("new").exists(), "half a file was published");
    // Another storage, another session, and the same storage once there is room.
    login.sftp(&format!("put {} /home-file", large.display())).ok();
    assert_eq!(cluster.api(0).get("/health/ready").status, 200);
    crate::rig::eventually("there is room again", crate::rig::limits::LINE, || {
        let done = login.sftp(&format!("-rm /small/new\nput {} /small/second", little.display()));
        if done.status.success() {
            Ok(())
        } else {
            Err(done.said())
        }
    });
    cluster.no_panics();
}

#[test]
fn uploads_are_refused_below_the_reserve_and_folders_without_inodes_say_so() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let few = Tmpfs::mount(cluster.path("few"), "size=64m,nr_inodes=40");
    cluster.storage("few", "relaxed");
    let mut account = Account::create(&cluster);
    let mounts = json!([{"at": "/few", "storage": "few", "folder": "/", "grants": [{"allow": ["all"]}]}]);
    account.change(&cluster, 0, json!({"mounts": mounts}));
    let login = Login::new(&cluster, &account, 0);
    let folders: String = (0..60).map(|number| format!("mkdir /few/d{number}\n")).collect();
    login.sftp(&folders).refused();
    assert!(names(&few.0).len() > 20, "{:?}", names(&few.0));
    login.sftp("put /etc/hostname /few/one").refused();
    for number in 0..20 {
        let _ = std::fs::remove_dir(few.0.join(format!("d{number}")));
    }
    login.sftp("put /etc/hostname /few/one").ok();
    let spec = json!({"root": few.0, "durability": "relaxed", "reserve_bytes": 1_u64 << 40});
    cluster
        .api(0)
        .put("/api/v1/storage/few?wait=enforced", &spec)
        .enforced();
    login.sftp("put /etc/hostname /few/two").refused();
    login.sftp("get /few/one /dev/null").ok();
    cluster.no_panics();
}

#[test]
fn a_killed_node_leaves_no_half_file_and_cleans_up_when_it_returns() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let account = Account::create(&cluster);
    account.plant("replaced", b"old");
    let mut writers: Vec<_> = ["/new", "/replaced"]
        .map(|path| {
            let mut writer =
                Login::new(&cluster, &account, 0).talk("slow_put.py", json!({"path": path, "pause": 0.01}));
            writer.expect("bytes");
            writer
        })
        .into();
    cluster.nodes[0].kill();
    for writer in &mut writers {
        writer.expect("ended");
    }
    assert_eq!(std::fs::read(account.home.join("replaced")).unwrap(), b"old");
    assert!(!account.home.join("new").exists());
    cluster.nodes[0].start();
    cluster.wait_ready(0);
    let login = Login::new(&cluster, &account, 0);
    login.sftp("put /etc/hostname /new\nput /etc/hostname /replaced").ok();
    assert_eq!(seen(&login), ["new", "replaced"]);
    assert_eq!(
        std::fs::read(account.home.join("new")).unwrap(),
        std::fs::read("/etc/hostname").unwrap()
    );
}
