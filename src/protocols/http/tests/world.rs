//! One node with one HTTP service and the account `alice`, whose files lie in a folder of the test; and a client that
//! says exactly what a test wants said.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::auth::{self, Authenticator};
use crate::catalog::{Account, Durability, Mount, Object, Service, ServiceKind, Storage, View, ViewSource};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::ids::Name;
use crate::listener::{Listener, Surroundings, TlsSource};
use crate::path::VirtualPath;
use crate::protocols::Node;
use crate::protocols::http::HttpService;
use crate::session::Registry;
use crate::vfs::Vfs;

pub(super) const TREE: &str = "/api/files/v1/tree";

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) registry: Arc<Registry>,
    listener: Option<Listener>,
    address: std::net::SocketAddr,
    view: Arc<Mutex<Arc<View>>>,
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

fn alice() -> Account {
    Account {
        enabled: true,
        password: Some(auth::hash_password("secret").unwrap()),
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name("disk"),
            folder: VirtualPath::root(),
            grants: None,
        }),
        ..Account::default()
    }
}

/// An answer: status, head, body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| {
            line.split_once(": ")
                .map(|(of, value)| (of.to_ascii_lowercase(), value.len()))
        };
        self.head.lines().find_map(|text| {
            let (of, length) = line(text)?;
            (of == name).then(|| &text[text.len() - length..])
        })
    }
}

impl World {
    pub(super) fn plain() -> Self {
        Self::new(|_| {})
    }

    pub(super) fn new(change: impl FnOnce(&mut Service)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut view = View::default();
        let storage = Storage {
            root: folder.path().as_os_str().as_encoded_bytes().to_vec(),
            durability: Durability::Strict,
            keep_interrupted: false,
            reserve_bytes: 0,
        };
        let mut service = Service::http(ServiceKind::Http, 80);
        change(&mut service);
        view.storages.insert(name("disk"), object("disk", storage));
        view.accounts.insert(name("alice"), object("alice", alice()));
        view.services.insert(name("web"), object("web", service));
        let view = Arc::new(Mutex::new(Arc::new(view)));
        let views: ViewSource = {
            let view = view.clone();
            Arc::new(move || view.lock().unwrap().clone())
        };
        let (registry, journal, clock) = (Arc::new(Registry::default()), Journal::default(), Clock::system());
        let held = crate::protocols::held::testing::InMemory::new(clock.clone());
        let node = Node {
            name: "node-1".to_owned(),
            views: views.clone(),
            registry: registry.clone(),
            vfs: Vfs::new(views.clone(), clock.clone(), journal.clone(), 1),
            journal: journal.clone(),
            clock: clock.clone(),
            authenticator: Authenticator::new(views, clock).unwrap(),
            secret: Arc::new(|_| Some(zeroize::Zeroizing::new([7; 32]))),
            locks: held.clone(),
            ended: held,
        };
        let tls: TlsSource = Arc::new(|| Err("no certificate".to_owned()));
        let service = HttpService::new(name("web"), node, tls).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::open(any, name("web"), service, Surroundings::alone(journal)).unwrap();
        Self {
            folder,
            registry,
            address: listener.local_addr(),
            listener: Some(listener),
            view,
        }
    }

    /// Changes the account, as an administrator would, and closes what it no longer allows.
    pub(super) fn change_alice(&self, change: impl FnOnce(&mut Account)) {
        let mut latest = self.view.lock().unwrap();
        let mut view = (**latest).clone();
        let mut account = view.account("alice").unwrap().spec.clone();
        change(&mut account);
        view.accounts.insert(name("alice"), object("alice", account));
        *latest = Arc::new(view);
    }

    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends exactly this and reads until the other side closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut all));
        drop(reading.await.unwrap());
        String::from_utf8_lossy(&all).into_owned()
    }

    /// One request as alice, on a connection of its own.
    pub(super) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let proof = basic("alice", "secret");
        let mut all = vec![("Authorization", &*proof)];
        all.extend_from_slice(headers);
        self.ask_plainly(method, target, &all, body).await
    }

    /// One request with these headers alone.
    pub(super) async fn ask_plainly(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: files.example.org\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "PUT" | "POST" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // A refused body may find the other side closed.
        drop(stream.write_all(body).await);
        let mut all = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all));
        drop(reading.await.unwrap());
        parse(&all)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.listener.take());
    }
}

pub(super) fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// An answer that ended with its connection.
fn parse(all: &[u8]) -> Answer {
    let cut = all.windows(4).position(|four| four == b"\r\n\r\n");
    let cut = cut.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(all)));
    let head = String::from_utf8_lossy(&all[..cut]).into_owned();
    let mut body = all[cut + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body,
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}
