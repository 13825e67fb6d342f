//! The scp of old: what is on the disk afterwards, what it is called, and how a copy ends that must not go on.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

impl World {
    fn on_disk(&self, name: &str) -> PathBuf {
        self.path().join("files").join(name)
    }

    fn put(&self, at: &Path, content: &[u8], mode: u32) {
        std::fs::write(at, content).unwrap();
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The staged files.
    fn staged(&self) -> usize {
        let Ok(accounts) = std::fs::read_dir(self.on_disk(".argosy-staging")) else {
            return 0;
        };
        accounts
            .map(|account| std::fs::read_dir(account.unwrap().path()).unwrap().count())
            .sum()
    }

    /// `scp -O`.
    async fn copy(&self, words: &[&str]) -> Output {
        let mut command = self.client("scp", "alice");
        command.args(["-O", "-q"]).args(words);
        timeout(PATIENCE, command.output()).await.unwrap().unwrap()
    }

    /// A command that runs, to be talked to.
    fn run(&self, command: &str) -> Child {
        let mut ssh = self.client("ssh", "alice");
        ssh.args(["127.0.0.1", command]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh.spawn().unwrap()
    }

    /// `scp -t` that has taken the record of a file of 1,000,000 bytes and the first half of them.
    async fn half_a_copy(&self) -> Child {
        let mut child = self.run("scp -t f");
        assert_eq!(next(&mut child).await, Some(0), "it begins");
        send(&mut child, b"C0644 1000000 f\n").await;
        assert_eq!(next(&mut child).await, Some(0), "the record is taken");
        send(&mut child, &vec![b'x'; 500_000]).await;
        child
    }
}

async fn send(child: &mut Child, bytes: &[u8]) {
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(bytes).await.unwrap();
    stdin.flush().await.unwrap();
}

/// The next byte of its standard output; `None`: it has ended.
async fn next(child: &mut Child) -> Option<u8> {
    let stdout = child.stdout.as_mut().unwrap();
    timeout(PATIENCE, stdout.read_u8()).await.unwrap().ok()
}

#[track_caller]
fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", text(output));
}

/// As OpenSSH's own scp does it at the other side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_keeps_its_mode_unless_the_client_sends_its_own() {
    let world = World::new();
    let local = world.path().join("local");
    world.put(&local, b"new content", 0o751);
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = std::fs::FileTimes::new().set_modified(time).set_accessed(time);
    std::fs::File::options()
        .write(true)
        .open(&local)
        .unwrap()
        .set_times(times)
        .unwrap();
    for (flags, was, mode, dated) in [
        (&[][..], Some(0o640), 0o640, false),
        (&["-p"], Some(0o640), 0o751, true),
        (&["-p"], None, 0o751, true),
        (&[], None, 0o751, false),
    ] {
        let there = world.on_disk("f");
        let _ = std::fs::remove_file(&there);
        if let Some(mode) = was {
            world.put(&there, b"old", mode);
        }
        let words = [flags, &["local", "127.0.0.1:f"]].concat();
        succeeded(&world.copy(&words).await);
        let seen = std::fs::metadata(&there).unwrap();
        assert_eq!(std::fs::read(&there).unwrap(), b"new content");
        assert_eq!(seen.mode() & 0o7777, mode, "{flags:?} over {was:?}");
        assert_eq!(seen.mtime() == 1_000_000_000, dated, "{flags:?} over {was:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_there_keeps_its_mode_unless_the_client_sends_its_own() {
    let world = World::new();
    std::fs::create_dir(world.path().join("d")).unwrap();
    world.put(&world.path().join("d/f"), b"content", 0o644);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o7777;
    // A mode without which its owner could not put anything in, were it given at first.
    std::fs::set_permissions(world.path().join("d"), std::fs::Permissions::from_mode(0o555)).unwrap();
    for (flags, was, expected) in [
        (&["-r"][..], Some(0o750), 0o750),
        (&["-r", "-p"], Some(0o750), 0o555),
        (&["-r"], None, 0o555),
    ] {
        let there = world.on_disk("d");
        let _ = std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o755));
        let _ = std::fs::remove_dir_all(&there);
        if let Some(mode) = was {
            std::fs::create_dir(&there).unwrap();
            std::fs::set_permissions(&there, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let words = [flags, &["d", "127.0.0.1:"]].concat();
        succeeded(&world.copy(&words).await);
        assert_eq!(mode(there.clone()), expected, "{flags:?} over {was:?}");
        assert_eq!(std::fs::read(there.join("f")).unwrap(), b"content");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_called_by_what_its_client_asked_for_first() {
    let world = World::new();
    let of = |world: &World| world.registry.list().first().map(|session| session.protocol());
    let mut copy = world.half_a_copy().await;
    assert_eq!(of(&world), Some("scp"));
    copy.kill().await.unwrap();
    world.until("it is gone", |world| world.registry.count() == 0).await;
    for (command, protocol) in [("sha256sum", "exec"), ("scp -t f", "scp")] {
        let mut child = world.run(command);
        world.until(command, |world| of(world) == Some(protocol)).await;
        child.kill().await.unwrap();
        world.until("it is gone", |world| world.registry.count() == 0).await;
    }
    let mut sftp = world.client("sftp", "alice");
    let sftp = sftp.arg("127.0.0.1").stdin(Stdio::piped()).stdout(Stdio::null());
    let _sftp = sftp.spawn().unwrap();
    world.until("sftp", |world| of(world) == Some("sftp")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_a_copy_is_told_and_nothing_is_published() {
    for keep in [true, false] {
        let world = World::new();
        world.change(|view| {
            let mut spec = view.storages.get("disk").unwrap().spec.clone();
            spec.keep_interrupted = keep;
            view.storages.insert(name("disk"), object("disk", spec));
        });
        std::fs::write(world.on_disk("f"), b"before").unwrap();
        let mut child = world.half_a_copy().await;
        world.full.store(true, Ordering::SeqCst);
        send(&mut child, &vec![b'x'; 500_000]).await;
        send(&mut child, b"\0").await;
        let told = next(&mut child).await;
        child.stdin = None;
        let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        assert_eq!(told, Some(1), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("No space left"), "{said}");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(std::fs::read(world.on_disk("f")).unwrap(), b"before");
        world
            .until("it is in order", |world| world.staged() <= usize::from(keep))
            .await;
        world.full.store(false, Ordering::SeqCst);
        std::fs::write(world.path().join("local"), b"after").unwrap();
        succeeded(&world.copy(&["local", "127.0.0.1:f"]).await);
        assert_eq!(std::fs::read(world.on_disk("f")).unwrap(), b"after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_for_which_there_is_no_room_is_refused_before_its_first_byte() {
    let world = World::new();
    world.change(|view| {
        let mut spec = view.storages.get("disk").unwrap().spec.clone();
        spec.reserve_bytes = u64::MAX / 2;
        view.storages.insert(name("disk"), object("disk", spec));
    });
    std::fs::write(world.path().join("local"), b"content").unwrap();
    let output = world.copy(&["local", "127.0.0.1:f"]).await;
    assert!(
        !output.status.success() && text(&output).contains("No space left"),
        "{}",
        text(&output)
    );
    assert_eq!((world.on_disk("f").exists(), world.staged()), (false, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_disabled_in_a_copy_ends_it_at_once_and_nothing_is_published() {
    let world = World::new();
    let mut child = world.half_a_copy().await;
    world.change(|view| {
        let mut spec = view.accounts.get("alice").unwrap().spec.clone();
        spec.enabled = false;
        view.accounts.insert(name("alice"), object("alice", spec));
    });
    // As the reconciler does it.
    let session = world.registry.list().remove(0);
    let judged = auth::judge(&world.view.lock().unwrap().clone(), &session, "node-1", UnixMillis(0));
    session.close(judged.unwrap_err());
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(!status.success());
    world.until("it is gone", |world| world.registry.count() == 0).await;
    assert!(!world.on_disk("f").exists(), "it was published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_a_copy_end_and_cuts_one_that_takes_too_long() {
    for (within, ends) in [(60, true), (1, false)] {
        let mut world = World::new();
        let mut child = world.half_a_copy().await;
        let remaining = world.listener.take().unwrap().stop().await;
        remaining.drain(Duration::from_secs(within));
        if ends {
            send(&mut child, &vec![b'x'; 500_000]).await;
            send(&mut child, b"\0").await;
            assert_eq!(next(&mut child).await, Some(0), "it is stored");
            child.stdin = None;
        }
        let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        assert_eq!(output.status.success(), ends, "{}", text(&output));
        timeout(PATIENCE, remaining.ended()).await.unwrap();
        let stored = std::fs::read(world.on_disk("f")).ok();
        assert_eq!(stored.map(|stored| stored.len()), ends.then_some(1_000_000));
    }
}
