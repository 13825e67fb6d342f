//! Clusters of real nodes on loopback addresses of their own, made as an administrator makes them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use super::process::{self, Done, Process};
use super::{Api, address, eventually, limits};

/// Every node's port for other nodes.
pub const PEER_PORT: u16 = 7401;
/// Every node's port for the admin API.
pub const ADMIN_PORT: u16 = 7443;
/// Every node's port for SFTP.
pub const SFTP_PORT: u16 = 7422;

/// One node: its folder, its address and, while it runs, its process.
pub struct Node {
    /// `n1` and so on.
    pub name: String,
    /// Where it serves.
    pub address: Ipv4Addr,
    /// Its data folder.
    pub data: PathBuf,
    /// What it said.
    pub log: PathBuf,
    process: Mutex<Option<Process>>,
}

/// Some nodes that share a storage.
pub struct Cluster {
    /// The first administrator's token.
    pub token: String,
    /// All nodes that were ever made.
    pub nodes: Vec<Node>,
    addresses: [Ipv4Addr; 4],
    folder: tempfile::TempDir,
}

/// The program under test.
pub fn argosy() -> Command {
    process::command(env!("CARGO_BIN_EXE_argosy"))
}

impl Node {
    fn new(folder: &Path, number: usize, address: Ipv4Addr) -> Self {
        let name = format!("n{number}");
        Self {
            data: folder.join(&name),
            log: folder.join(format!("{name}.log")),
            name,
            address,
            process: Mutex::new(None),
        }
    }

    /// Its process, if it was started.
    pub fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its service on `port` listens.
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// The flags that say where it lives.
    pub fn flags(&self, command: &mut Command) {
        command
            .arg("--data")
            .arg(&self.data)
            .args(["--name", &self.name])
            .args(["--peer", &self.at(PEER_PORT).to_string()])
            .args(["--service-address", &self.address.to_string()])
            .args(["--admin", &self.at(ADMIN_PORT).to_string()]);
    }

    /// Starts it, without waiting.
    pub fn start(&self) {
        let mut command = argosy();
        command.arg("serve").arg("--data").arg(&self.data);
        *self.process() = Some(Process::start(&self.name, command, &self.log));
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.process().as_mut().expect("it was started").kill();
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        self.process().as_ref().expect("it was started").freeze();
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.process().as_ref().expect("it was started").thaw();
    }

    /// SIGTERM; it must end with success.
    #[track_caller]
    pub fn stop(&self) {
        let status = self.process().as_mut().expect("it was started").stop();
        assert!(
            status.success(),
            "{} ended with {status} after SIGTERM\n{}",
            self.name,
            self.tail()
        );
    }

    /// All that it logged.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(limits::LOG_LINES)..].join("\n")
    }
}

impl Cluster {
    /// `count` nodes (1 to 3), all voters and ready, with a storage named `files`.
    pub fn start(count: usize) -> Self {
        let mut cluster = Self::empty();
        cluster.init();
        for _ in 1..count {
            cluster.join();
        }
        cluster.storage("files", "strict");
        cluster
    }

    /// Folders and addresses, but no node yet.
    pub fn empty() -> Self {
        Self {
            token: String::new(),
            nodes: Vec::new(),
            addresses: address::of_cluster(),
            folder: super::folder(),
        }
    }

    /// The next node, not yet made.
    pub fn next_node(&self) -> Node {
        let number = self.nodes.len();
        Node::new(self.folder.path(), number + 1, self.addresses[number])
    }

    /// Makes and starts the first node.
    pub fn init(&mut self) {
        let node = self.next_node();
        let mut command = argosy();
        command.arg("init");
        node.flags(&mut command);
        command.args(["--sftp-port", &SFTP_PORT.to_string()]);
        let done = process::run(command, b"").ok();
        let token = done.out.lines().find_map(|line| line.trim().strip_prefix("token: "));
        self.token = token
            .unwrap_or_else(|| panic!("`argosy init` printed no `token: `:\n{}", done.out))
            .trim()
            .to_owned();
        node.start();
        self.nodes.push(node);
        self.wait_ready(0);
    }

    /// Makes a join token at node `at` (counted from 0).
    pub fn join_token(&self, at: usize) -> String {
        let done = self.cli(at, &["token", "create"], b"").ok();
        last_word(&done.out)
    }

    /// Runs `argosy join` for `node`.
    pub fn run_join(&self, node: &Node, token: &str) -> Done {
        let mut command = argosy();
        command.arg("join");
        node.flags(&mut command);
        command.arg("--token-stdin");
        process::run(command, format!("{token}\n").as_bytes())
    }

    /// Makes and starts one more node; it is a voter when this returns.
    pub fn join(&mut self) {
        let node = self.next_node();
        self.run_join(&node, &self.join_token(0)).ok();
        node.start();
        self.nodes.push(node);
        let newest = self.nodes.len() - 1;
        self.wait_ready(newest);
        self.wait_voters(self.nodes.len());
    }

    /// Waits until node `at` says that it is ready.
    #[track_caller]
    pub fn wait_ready(&self, at: usize) {
        let node = &self.nodes[at];
        eventually(&format!("{} is ready", node.name), limits::START, || {
            if let Some(status) = node.process().as_mut().and_then(Process::ended) {
                panic!("{} ended with {status}\n{}", node.name, node.tail());
            }
            if !node.data.join("cluster/ca.crt").exists() {
                return Err("there is no authority yet".to_owned());
            }
            match self.api(at).ask("GET", "/health/ready", &[], b"") {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
                Err(error) => Err(error),
            }
        });
    }

    /// Waits until `count` members vote, as the first node sees it.
    #[track_caller]
    pub fn wait_voters(&self, count: usize) {
        eventually(&format!("{count} voters"), limits::START, || {
            let status = self.api(0).get("/api/v1/status").json();
            let mut voters = Vec::new();
            find(&status, "voter", &mut voters);
            let voters = voters.iter().filter(|voter| **voter == &Value::Bool(true)).count();
            if voters == count {
                Ok(())
            } else {
                Err(status.to_string())
            }
        });
    }

    /// Node `at`'s admin API, as the first administrator.
    pub fn api(&self, at: usize) -> Api {
        let node = &self.nodes[at];
        let token = (!self.token.is_empty()).then_some(self.token.as_str());
        Api::new(node.at(ADMIN_PORT), &node.data.join("cluster/ca.crt"), token)
    }

    /// Runs the command line as root on node `at`.
    pub fn cli(&self, at: usize, words: &[&str], input: &[u8]) -> Done {
        let mut command = argosy();
        command.args(words).arg("--data").arg(&self.nodes[at].data);
        process::run(command, input)
    }

    /// The node that `asked` believes to be the leader; waits for one.
    #[track_caller]
    pub fn leader(&self, asked: usize) -> usize {
        eventually("a leader", limits::START, || {
            let answer = self.api(asked).ask("GET", "/api/v1/status", &[], b"")?;
            let status = answer.json();
            leader_name(&status)
                .and_then(|name| self.nodes.iter().position(|node| node.name == name))
                .ok_or_else(|| status.to_string())
        })
    }

    /// A folder below the cluster's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a storage in a folder of its name.
    pub fn storage(&self, name: &str, durability: &str) {
        let root = self.path(name);
        std::fs::create_dir_all(&root).unwrap();
        let spec = json!({"root": root, "durability": durability, "reserve_bytes": 0});
        self.api(0)
            .put(&format!("/api/v1/storage/{name}?wait=enforced"), &spec)
            .enforced();
    }

    /// Prints the end of every node's log.
    pub fn print_logs(&self) {
        for node in &self.nodes {
            eprintln!("--- the end of {}'s log ({})\n{}", node.name, node.address, node.tail());
        }
    }

    /// Panics if a node's log tells of a panic.
    #[track_caller]
    pub fn no_panics(&self) {
        for node in &self.nodes {
            let said = node.said();
            let panics: Vec<_> = said.lines().filter(|line| line.contains("panicked at")).collect();
            assert!(panics.is_empty(), "{} panicked: {panics:?}", node.name);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
    }
}

/// The name of the leader in a status document.
pub fn leader_name(status: &Value) -> Option<String> {
    let mut leaders = Vec::new();
    find(status, "leader", &mut leaders);
    let leader = *leaders
        .iter()
        .find(|leader| !leader.is_null() && !leader.is_boolean())?;
    if let Some(name) = leader.as_str().filter(|name| name.starts_with('n')) {
        return Some(name.to_owned());
    }
    let id = leader.as_u64().or_else(|| leader.as_str()?.parse().ok())?;
    let mut members = Vec::new();
    find(status, "members", &mut members);
    members.iter().find_map(|members| name_of(members, id))
}

fn name_of(members: &Value, id: u64) -> Option<String> {
    match members {
        Value::Object(by_id) => by_id.get(&id.to_string())?["name"].as_str().map(str::to_owned),
        Value::Array(list) => list
            .iter()
            .find(|member| member["id"] == id || member["node"] == id)
            .and_then(|member| member["name"].as_str())
            .map(str::to_owned),
        _ => None,
    }
}

/// All values under `key`, at any depth.
pub fn find<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == key {
                    found.push(field);
                }
                find(field, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, key, found)),
        _ => {}
    }
}

fn last_word(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    let word = line.and_then(|line| line.split_whitespace().last());
    word.unwrap_or_else(|| panic!("no token was printed")).to_owned()
}

/// A three-node cluster that tests share; each test brings its own accounts.
pub struct Shared {
    cluster: &'static Cluster,
    _among: std::sync::RwLockReadGuard<'static, ()>,
}

/// The shared cluster.
pub fn shared() -> Shared {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let among = super::among_others();
    Shared {
        cluster: CLUSTER.get_or_init(|| Cluster::start(3)),
        _among: among,
    }
}

impl Shared {
    /// The cluster itself, for a test that gives up its place among the others.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }
}

impl std::ops::Deref for Shared {
    type Target = Cluster;
    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.cluster.print_logs();
        }
    }
}
