//! OpenSSH's own client against a service on a free port: what users see.

mod scp;

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Command;

use super::*;
use crate::auth::{self, Authenticator, HostIdentity};
use crate::catalog::{Account, AuthorizedKey, Durability, Mount, Object, Storage, View, ViewSource};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::listener::{Listener, Surroundings};
use crate::path::VirtualPath;
use crate::session::{CloseReason, Registry};
use crate::vfs::Vfs;

struct World {
    folder: TempDir,
    registry: Arc<Registry>,
    listener: Option<Listener>,
    port: u16,
    view: Arc<Mutex<Arc<View>>>,
    /// No write finds room.
    full: Arc<AtomicBool>,
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object<T>(text: &str, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: name(text),
        spec,
        revision: 1,
        changed_by: "root@test".to_owned(),
        changed_at: UnixMillis(0),
    })
}

fn account(key: String) -> Account {
    Account {
        enabled: true,
        expires_at: None,
        password: None,
        keys: vec![AuthorizedKey {
            key,
            comment: String::new(),
            expires_at: None,
        }],
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name("disk"),
            folder: VirtualPath::root(),
            grants: None,
        }),
        mounts: Vec::new(),
        sources: Vec::new(),
        sessions_max: Some(1),
        ..Account::default()
    }
}

impl World {
    /// A service with the account `alice`, whose private key is the file `key`; files lie in `files`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (public, private) = auth::generate_host_key("ssh-ed25519").unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, private.as_bytes()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        let storage = Storage {
            root: folder.path().join("files").into_os_string().into_encoded_bytes(),
            durability: Durability::Strict,
            keep_interrupted: true,
            reserve_bytes: 0,
        };
        let mut view = View::default();
        view.storages.insert(name("disk"), object("disk", storage));
        view.accounts.insert(name("alice"), object("alice", account(public)));
        view.services
            .insert(name("sftp"), object("sftp", Service::sftp(1, Vec::new())));
        let view = Arc::new(Mutex::new(Arc::new(view)));
        let views: ViewSource = {
            let view = view.clone();
            Arc::new(move || view.lock().unwrap().clone())
        };
        let full = Arc::new(AtomicBool::new(false));
        let is_full = {
            let full = full.clone();
            move || full.load(Ordering::SeqCst)
        };
        let (_, host_key) = auth::generate_host_key("ssh-ed25519").unwrap();
        let host_keys = Arc::new(vec![Arc::new(HostIdentity::parse(&host_key, None).unwrap())]);
        let (registry, journal, clock) = (Arc::new(Registry::default()), Journal::default(), Clock::system());
        let held = crate::protocols::held::testing::InMemory::new(clock.clone());
        let node = Node {
            name: "node-1".to_owned(),
            views: views.clone(),
            registry: registry.clone(),
            vfs: Vfs::on_a_disk(views.clone(), clock.clone(), journal.clone(), is_full),
            journal: journal.clone(),
            clock: clock.clone(),
            authenticator: Authenticator::new(views, clock).unwrap(),
            secret: Arc::new(|_| Some(zeroize::Zeroizing::new([7; 32]))),
            locks: held.clone(),
            ended: held,
        };
        let service = SshService::new(name("sftp"), node, Arc::default(), Arc::new(move || host_keys.clone()));
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::open(address, name("sftp"), service, Surroundings::alone(journal)).unwrap();
        Self {
            folder,
            registry,
            port: listener.local_addr().port(),
            listener: Some(listener),
            view,
            full,
        }
    }

    /// Changes the view; its revision rises.
    fn change(&self, change: impl FnOnce(&mut View)) {
        let mut current = self.view.lock().unwrap();
        let mut view = View::clone(&current);
        view.revision += 1;
        change(&mut view);
        *current = Arc::new(view);
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !so(self) {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `ssh` or `sftp` with what both need.
    fn client(&self, program: &str, user: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.args(["-F", "/dev/null", "-i", "key"]);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            &format!("User={user}"),
            &format!("Port={}", self.port),
        ] {
            command.args(["-o", option]);
        }
        command
    }

    /// Runs a batch of sftp's commands.
    async fn batch(&self, user: &str, commands: &str) -> Output {
        std::fs::write(self.path().join("batch"), commands).unwrap();
        self.client("sftp", user)
            .args(["-b", "batch", "127.0.0.1"])
            .output()
            .await
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&all))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_back_as_it_went_and_its_folder_shows_it() {
    let world = World::new();
    let content: Vec<u8> = (0..20_000_003_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(world.path().join("there"), &content).unwrap();
    let output = world
        .batch("alice", "put there f\nls -l\nmkdir d\nrename f d/g\nget d/g back\n")
        .await;
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("20000003"), "{}", text(&output));
    assert!(std::fs::read(world.path().join("back")).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_user_and_a_foreign_key_are_refused_alike() {
    let world = World::new();
    let unknown = text(&world.batch("bob", "ls\n").await);
    let (_, foreign) = auth::generate_host_key("ssh-ed25519").unwrap();
    std::fs::write(world.path().join("key"), foreign.as_bytes()).unwrap();
    let foreign = text(&world.batch("alice", "ls\n").await);
    assert!(unknown.contains("Permission denied"), "{unknown}");
    assert_eq!(unknown.replace("bob", "alice"), foreign);
    assert_eq!(world.registry.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_and_a_shell_are_refused_with_a_text() {
    let world = World::new();
    for (command, status) in [(&["127.0.0.1", "ls"][..], 127), (&["127.0.0.1"], 1)] {
        let output = world.client("ssh", "alice").args(command).output().await.unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        assert!(text(&output).contains("offers SFTP, scp, md5sum"), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_session_ends_at_once_and_a_second_one_over_the_limit_is_told_why() {
    let world = World::new();
    let mut first = world.client("sftp", "alice");
    let mut first = first
        .arg("127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    world
        .until("somebody signs in", |world| world.registry.count() == 1)
        .await;
    let second = text(&world.batch("alice", "ls\n").await);
    assert!(second.contains("too many sessions"), "{second}");
    let start = Instant::now();
    world.registry.list()[0].close(CloseReason::Administrator);
    tokio::time::timeout(Duration::from_secs(10), first.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    world
        .until("the session ends", |world| world.registry.count() == 0)
        .await;
}
