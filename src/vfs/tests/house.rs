//! What the tests stand on: a folder, a view that can be changed, nodes, sessions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustix::io::Errno;
use tempfile::TempDir;

use crate::catalog::{Account, Durability, Grant, Mount, Object, Operation, Operations, Reach, Storage, View};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::ids::{Name, SessionId};
use crate::path::VirtualPath;
use crate::session::{Credential, NewSession, Principal, Registry, Session};
use crate::vfs::local::{FaultPoint, Faults, STAGING};
use crate::vfs::{Attributes, Listing, OpenFile, OpenOptions, Vfs, VfsError};

/// A cluster's files in one temporary folder: storage `disk` with the accounts `alice` and `bob`.
pub(super) struct House {
    pub(super) folder: TempDir,
    view: Arc<Mutex<Arc<View>>>,
    pub(super) clock: Clock,
    registry: Arc<Registry>,
    next_session: Mutex<u128>,
}

pub(super) fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

pub(super) fn name(text: &str) -> Name {
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

pub(super) fn mount(at: &str, folder: &str, grants: Option<Vec<Grant>>) -> Mount {
    Mount {
        at: path(at),
        storage: name("disk"),
        folder: path(folder),
        grants,
    }
}

pub(super) fn grant(at: &str, allow: &[Operation]) -> Grant {
    Grant {
        reach: Reach::Below(path(at)),
        allow: allow.iter().copied().collect(),
        deny: Operations::NONE,
    }
}

pub(super) fn account(home: &str) -> Account {
    Account {
        enabled: true,
        expires_at: None,
        password: None,
        keys: Vec::new(),
        home: Some(mount("/", home, None)),
        mounts: Vec::new(),
        sources: Vec::new(),
        sessions_max: None,
        ..Account::default()
    }
}

impl House {
    pub(super) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    pub(super) fn in_folder(folder: TempDir) -> Self {
        let house = Self {
            folder,
            view: Arc::default(),
            clock: Clock::system(),
            registry: Arc::default(),
            next_session: Mutex::new(1),
        };
        let storage = Storage {
            root: house.root().as_os_str().as_encoded_bytes().to_vec(),
            durability: Durability::Strict,
            keep_interrupted: true,
            reserve_bytes: 0,
        };
        house.change(|view| {
            view.storages.insert(name("disk"), object("disk", storage));
        });
        house.account("alice", account("/alice"));
        house.account("bob", account("/bob"));
        house
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the view; its revision rises.
    pub(super) fn change(&self, change: impl FnOnce(&mut View)) {
        let mut current = self.view.lock().unwrap();
        let mut view = View::clone(&current);
        view.revision += 1;
        change(&mut view);
        *current = Arc::new(view);
    }

    pub(super) fn account(&self, text: &str, spec: Account) {
        self.change(|view| {
            view.accounts.insert(name(text), object(text, spec));
        });
    }

    pub(super) fn storage(&self, change: impl FnOnce(&mut Storage)) {
        self.change(|view| {
            let mut spec = view.storages.get("disk").unwrap().spec.clone();
            change(&mut spec);
            view.storages.insert(name("disk"), object("disk", spec));
        });
    }

    /// A further storage in `root`.
    pub(super) fn second_storage(&self, text: &str, root: &Path) {
        self.change(|view| {
            let mut spec = view.storages.get("disk").unwrap().spec.clone();
            spec.root = root.as_os_str().as_encoded_bytes().to_vec();
            view.storages.insert(name(text), object(text, spec));
        });
    }

    /// `alice` with these grants on her home.
    pub(super) fn grants(&self, grants: Vec<Grant>) {
        let mut spec = account("/alice");
        spec.home = Some(mount("/", "/alice", Some(grants)));
        self.account("alice", spec);
    }

    pub(super) fn node(&self, id: u64) -> Vfs {
        self.node_with(id, Faults::default())
    }

    pub(super) fn node_with(&self, id: u64, faults: Faults) -> Vfs {
        let view = self.view.clone();
        let source = Arc::new(move || view.lock().unwrap().clone());
        Vfs::with_faults(source, self.clock.clone(), Journal::default(), id, faults)
    }

    /// A node where `point` fails with `errno`.
    pub(super) fn node_failing(&self, point: FaultPoint, errno: Errno) -> Vfs {
        self.node_with(1, Faults::planned(move |at| (at == point).then_some(errno)))
    }

    pub(super) fn session(&self, account: &str) -> Arc<Session> {
        let mut next = self.next_session.lock().unwrap();
        *next += 1;
        let new = NewSession {
            principal: Principal {
                account: name(account),
                credential: Credential::Password { hash_digest: [0; 32] },
            },
            service: name("sftp"),
            protocol: "sftp",
            peer: SocketAddr::from(([127, 0, 0, 1], 4000)),
            started_at: UnixMillis(0),
            account_max: None,
            service_max: 1000,
        };
        self.registry.register(SessionId(*next), new).unwrap().session().clone()
    }

    /// Where `text` of `alice` lies on the disk.
    pub(super) fn on_disk(&self, text: &str) -> PathBuf {
        self.root().join("alice").join(text)
    }

    /// Puts a file of `alice` on the disk, past the Vfs.
    pub(super) fn put(&self, text: &str, content: &[u8]) {
        let path = self.on_disk(text);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// What a file of `alice` holds on the disk; `None`: nothing has the name.
    pub(super) fn get(&self, text: &str) -> Option<Vec<u8>> {
        std::fs::read(self.on_disk(text)).ok()
    }

    /// The staged files of all accounts.
    pub(super) fn staged(&self) -> Vec<PathBuf> {
        let staging = self.root().join(String::from_utf8(STAGING.to_vec()).unwrap());
        let Ok(accounts) = std::fs::read_dir(staging) else {
            return Vec::new();
        };
        accounts
            .flat_map(|account| std::fs::read_dir(account.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }
}

/// One node and one session: the short way to ask.
#[derive(Clone)]
pub(super) struct User {
    pub(super) vfs: Vfs,
    pub(super) session: Arc<Session>,
}

/// Opens to make or empty a file.
pub(super) fn writing() -> OpenOptions {
    OpenOptions {
        write: true,
        create: true,
        truncate: true,
        ..OpenOptions::default()
    }
}

/// Opens to write into what is there, made where it is missing.
pub(super) fn resuming() -> OpenOptions {
    OpenOptions {
        truncate: false,
        ..writing()
    }
}

/// Opens to read.
pub(super) fn reading() -> OpenOptions {
    OpenOptions {
        read: true,
        ..OpenOptions::default()
    }
}

impl User {
    pub(super) fn new(house: &House, vfs: &Vfs, account: &str) -> Self {
        Self {
            vfs: vfs.clone(),
            session: house.session(account),
        }
    }

    /// `alice` on a node of her own.
    pub(super) fn alice(house: &House) -> Self {
        Self::new(house, &house.node(1), "alice")
    }

    pub(super) async fn open(&self, at: &str, options: &OpenOptions) -> Result<OpenFile, VfsError> {
        self.vfs.open(&self.session, &path(at), options).await
    }

    /// Begins an upload and writes `content`.
    pub(super) async fn begin(&self, at: &str, content: &[u8]) -> OpenFile {
        let file = self.open(at, &writing()).await.unwrap();
        file.write_at(0, Bytes::copy_from_slice(content)).await.unwrap();
        file
    }

    pub(super) async fn upload(&self, at: &str, content: &[u8]) -> Result<(), VfsError> {
        let file = self.open(at, &writing()).await?;
        file.write_at(0, Bytes::copy_from_slice(content)).await?;
        file.commit().await
    }

    pub(super) async fn download(&self, at: &str) -> Result<Vec<u8>, VfsError> {
        let file = self.open(at, &reading()).await?;
        let mut content = Vec::new();
        loop {
            let piece = file.read_at(content.len() as u64, 32 * 1024).await?;
            if piece.is_empty() {
                file.commit().await?;
                return Ok(content);
            }
            content.extend_from_slice(&piece);
        }
    }

    pub(super) async fn look(&self, at: &str) -> Result<Attributes, VfsError> {
        self.vfs.attributes(&self.session, &path(at), false).await
    }

    pub(super) async fn size(&self, at: &str) -> Result<u64, VfsError> {
        self.look(at).await.map(|attributes| attributes.size)
    }

    pub(super) async fn remove(&self, at: &str) -> Result<(), VfsError> {
        self.vfs.remove(&self.session, &path(at)).await
    }

    pub(super) async fn rename(&self, from: &str, to: &str, overwrite: bool) -> Result<(), VfsError> {
        self.vfs.rename(&self.session, &path(from), &path(to), overwrite).await
    }

    pub(super) async fn make_folder(&self, at: &str) -> Result<(), VfsError> {
        self.vfs.make_folder(&self.session, &path(at), None).await
    }

    pub(super) async fn list(&self, at: &str) -> Result<Listing, VfsError> {
        self.vfs.list(&self.session, &path(at)).await
    }

    /// The names in a folder with their sizes, sorted.
    pub(super) async fn names(&self, at: &str) -> Vec<(String, u64)> {
        let mut listing = self.list(at).await.unwrap();
        let mut names = Vec::new();
        loop {
            let entries = listing.next(3).await.unwrap();
            if entries.is_empty() {
                names.sort();
                return names;
            }
            for entry in entries {
                names.push((String::from_utf8_lossy(&entry.name).into_owned(), entry.attributes.size));
            }
        }
    }

    /// Drops a file in the middle and waits until the disk is in order.
    pub(super) async fn interrupt(&self, file: OpenFile) {
        drop(file);
        self.settle().await;
    }

    /// Waits until all that was handed to the pool before is done.
    pub(super) async fn settle(&self) {
        use crate::vfs::limits::POOL_THREADS_MAX;
        // Each of these jobs holds one thread until all run: what was queued before is done by then.
        let barrier = Arc::new(std::sync::Barrier::new(POOL_THREADS_MAX));
        let jobs: Vec<_> = (0..POOL_THREADS_MAX)
            .map(|_| {
                let (pool, barrier) = (self.vfs.inner.pool(&name("disk")), barrier.clone());
                tokio::spawn(async move {
                    pool.run(move || {
                        barrier.wait();
                        Ok(())
                    })
                    .await
                })
            })
            .collect();
        for job in jobs {
            job.await.unwrap().unwrap();
        }
    }
}
