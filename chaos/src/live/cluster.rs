//! A real cluster: one process a node, each with an address of its own, made as an administrator makes it.
//!
//! What is changed later is left to `changes`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::api::Api;
use super::disk::Disk;
use super::limits::{
    ADMIN_PORT, ANSWER_MAX, CHANGE_MAX, FTP_PORT, FTPS_PORT, LEADER_MAX, NODE_DISK_BYTES, SFTP_PORT, START_MAX,
    STATUS_MAX, STORAGE_DISK_BYTES, WATCH_EVERY,
};
use super::net::Net;
use super::ways::PASSWORD;

/// The account that all load uses.
pub const ACCOUNT: &str = "loader";
/// The certificate of what is served over TLS.
const CERTIFICATE: &str = "files";

/// Makes the key pair of the load's account.
///
/// # Errors
/// What `ssh-keygen` said.
pub fn make_key(file: &Path) -> Result<(), String> {
    let file = file.display().to_string();
    let words = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        ACCOUNT,
        "-f",
        &file,
    ];
    super::net::run(&words).map(drop)
}

/// A node: its folder and, while it runs, its process.
pub struct Node {
    /// `n1` and so on.
    pub name: String,
    /// Where it lives.
    pub data: PathBuf,
    /// What it said.
    pub log: PathBuf,
    process: Mutex<Option<Child>>,
}

/// Some nodes that share a storage.
pub struct Cluster {
    /// The network between them.
    pub net: Net,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Where everything is.
    pub folder: PathBuf,
    /// The storage's file system and then each node's, where they are to be filled.
    pub disks: Vec<Disk>,
    program: PathBuf,
    token: String,
}

/// What a cluster is made of.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The program under test.
    pub program: &'a Path,
    /// Where everything goes.
    pub folder: &'a Path,
    /// How many voters.
    pub nodes: usize,
    /// Loopback addresses behind proxies, even where namespaces are allowed.
    pub loopback: bool,
    /// Every data folder and the storage on a file system of its own.
    pub disks: bool,
}

impl Node {
    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Child::id)
    }

    /// Whether it ended by itself.
    pub fn has_ended(&self) -> bool {
        self.process()
            .as_mut()
            .is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Whether its process is stopped by a signal.
    pub fn is_stopped(&self) -> bool {
        let stat = |pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        self.pid().is_some_and(|pid| stat(pid).contains(") T "))
    }

    /// Sends a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // One that has ended meanwhile needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
        let until = Instant::now() + Duration::from_secs(15);
        while !self.has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }
}

fn last_word(text: &str) -> Option<String> {
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    line.split_whitespace().last().map(str::to_owned)
}

impl Cluster {
    /// All voters, ready, with a storage and an account for the load.
    ///
    /// # Errors
    /// The step that failed.
    pub fn start(plan: &Plan<'_>) -> Result<Self, String> {
        let folder = plan.folder;
        let mut cluster = Self {
            net: Net::new(plan.loopback)?,
            nodes: Vec::new(),
            folder: folder.to_owned(),
            disks: Vec::new(),
            program: plan.program.to_owned(),
            token: String::new(),
        };
        let root = folder.join("files");
        std::fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", folder.display()))?;
        // Mounted before any node starts: what is mounted later is not seen in a namespace that is there already.
        if plan.disks {
            cluster.disks.push(Disk::new(&root, STORAGE_DISK_BYTES)?);
        }
        for at in 0..plan.nodes {
            cluster.add_node(at, plan.disks)?;
        }
        cluster.put("/api/v1/storage/files", &json!({"root": root, "reserve_bytes": 0}))?;
        cluster.key()?;
        cluster.new_certificate(0)?;
        cluster.put(
            "/api/v1/service/ftp",
            &json!({"kind": "ftp", "port": FTP_PORT, "ftp": {"passive_ports": "50000-50005"}}),
        )?;
        let tls = json!({"certificates": [CERTIFICATE]});
        let ftp = json!({"passive_ports": "50010-50015"});
        let ftps = json!({"kind": "ftps", "port": FTPS_PORT, "tls": tls, "ftp": ftp});
        cluster.put("/api/v1/service/ftps?wait=enforced", &ftps)?;
        Ok(cluster)
    }

    fn add_node(&mut self, at: usize, disk: bool) -> Result<(), String> {
        self.net.add(at)?;
        let name = format!("n{}", at + 1);
        let place = self.folder.join(&name);
        if disk {
            self.disks.push(Disk::new(&place, NODE_DISK_BYTES)?);
        }
        self.nodes.push(Node {
            data: place.join("data"),
            log: self.folder.join(format!("{name}.log")),
            name,
            process: Mutex::default(),
        });
        if at == 0 {
            let port = SFTP_PORT.to_string();
            let said = self.command(at, "init", &["--sftp-port", &port], "")?;
            let token = said.lines().find_map(|line| line.trim().strip_prefix("token: "));
            self.token = token.ok_or("`argosy init` printed no token")?.trim().to_owned();
            // A node that is removed loses its own copy.
            std::fs::copy(self.nodes[0].data.join("cluster/ca.crt"), self.authority())
                .map_err(|error| format!("{}: {error}", self.authority().display()))?;
            return self.serve(at);
        }
        self.join(at, 0)?;
        self.wait_voters(0, at + 1)
    }

    /// Makes node `at` a member, with a token from node `through`, and starts it.
    ///
    /// # Errors
    /// The step that failed.
    pub fn join(&self, at: usize, through: usize) -> Result<(), String> {
        let data = self.nodes[through].data.display().to_string();
        let said = self.plain(through, &["token", "create", "--data", &data], "")?;
        let token = last_word(&said).ok_or("no join token was printed")?;
        self.command(at, "join", &["--token-stdin"], &format!("{token}\n"))?;
        self.serve(at)
    }

    fn serve(&self, at: usize) -> Result<(), String> {
        self.spawn(at, &[])?;
        self.wait_ready(at)
    }

    fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// `argosy init` or `join` with all that says where the node lives.
    fn command(&self, at: usize, verb: &str, more: &[&str], input: &str) -> Result<String, String> {
        let (node, address) = (&self.nodes[at], self.net.address(at));
        let (data, peer) = (node.data.display().to_string(), self.net.peer(at).to_string());
        let (admin, address) = (format!("{address}:{ADMIN_PORT}"), address.to_string());
        let words = [
            verb,
            "--data",
            &data,
            "--name",
            &node.name,
            "--peer",
            &peer,
            "--service-address",
            &address,
            "--admin",
            &admin,
        ];
        self.plain(at, &[&words, more].concat(), input)
    }

    /// Runs the program in the namespace of node `at`, to its end.
    ///
    /// # Errors
    /// What it said, if it failed.
    pub fn plain(&self, at: usize, words: &[&str], input: &str) -> Result<String, String> {
        let told = |error: std::io::Error| format!("argosy {words:?}: {error}");
        let mut child = self
            .net
            .inside(at)
            .arg(&self.program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(told)?;
        if let Some(mut stdin) = child.stdin.take() {
            std::io::Write::write_all(&mut stdin, input.as_bytes()).map_err(told)?;
        }
        let done = child.wait_with_output().map_err(told)?;
        match done.status.success() {
            true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
            false => Err(format!("argosy {words:?}: {}", String::from_utf8_lossy(&done.stderr))),
        }
    }

    /// Starts node `at`; `round` stands before the program, for instance a fault injector.
    ///
    /// # Errors
    /// What the system said.
    pub fn spawn(&self, at: usize, round: &[&str]) -> Result<(), String> {
        let node = &self.nodes[at];
        let told = |error: std::io::Error| format!("cannot start {}: {error}", node.name);
        let out = File::options()
            .create(true)
            .append(true)
            .open(&node.log)
            .map_err(told)?;
        let mut command = self.net.inside(at);
        command
            .args(round)
            .arg(&self.program)
            .arg("serve")
            .arg("--data")
            .arg(&node.data);
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(told)?)
            .stderr(out);
        let child = command.spawn().map_err(told)?;
        let pid = child.id();
        *node.process() = Some(child);
        self.net.started(at, pid)
    }

    /// Node `at`'s admin API.
    ///
    /// # Errors
    /// It has no authority yet.
    pub fn api(&self, at: usize) -> Result<Api, String> {
        let address = (self.net.address(at), ADMIN_PORT).into();
        Api::new(address, &self.authority(), &self.token)
    }

    /// Waits until node `at` says that it is ready.
    ///
    /// # Errors
    /// It does not, in time.
    pub fn wait_ready(&self, at: usize) -> Result<(), String> {
        self.eventually(&format!("{} is ready", self.nodes[at].name), || {
            self.api(at)?.get("/health/ready", ANSWER_MAX).map(drop)
        })
    }

    /// Waits until node `at` knows so many voters.
    ///
    /// # Errors
    /// It does not, in time.
    pub fn wait_voters(&self, at: usize, count: usize) -> Result<(), String> {
        self.eventually(&format!("{count} voters"), || {
            let status = self.status(at).ok_or("no status")?;
            let text = status.to_string();
            match text.matches("\"voter\":true").count() == count {
                true => Ok(()),
                false => Err(text),
            }
        })
    }

    fn eventually(&self, what: &str, mut done: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        let until = Instant::now() + START_MAX;
        loop {
            match done() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > until => return Err(format!("{what}: not in time: {error}")),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// What node `at` says of itself.
    pub fn status(&self, at: usize) -> Option<Value> {
        self.api(at).ok()?.get("/api/v1/status", STATUS_MAX).ok()
    }

    /// Puts an object at node 0.
    ///
    /// # Errors
    /// It was not made.
    pub fn put(&self, path: &str, spec: &Value) -> Result<Value, String> {
        self.change(0, "PUT", path, Some(&json!({ "spec": spec })))
    }

    /// Makes a change at node `at`; asks again with one request id while it cannot be made now.
    ///
    /// # Errors
    /// It was not made, or it is not known whether it was.
    pub fn change(&self, at: usize, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let id = format!("{:032x}", now.unwrap_or_default().as_nanos());
        let until = Instant::now() + CHANGE_MAX;
        loop {
            let headers = [("idempotency-key", id.as_str())];
            let asked = self.api(at)?.ask(method, path, &headers, body, CHANGE_MAX);
            let reason = match asked {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer.body),
                Ok(answer) => {
                    let told = format!("{method} {path} at n{}: {} {}", at + 1, answer.status, answer.body);
                    if ![503, 504].contains(&answer.status) {
                        return Err(told);
                    }
                    told
                }
                Err(error) => format!("{method} {path} at n{}: {error}", at + 1),
            };
            if Instant::now() > until {
                return Err(reason);
            }
            std::thread::sleep(WATCH_EVERY);
        }
    }

    /// The file of the load's private key.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    fn key(&self) -> Result<(), String> {
        make_key(&self.key_file())?;
        self.account(ACCOUNT)
    }

    /// Makes another certificate for what is served over TLS, in place of the one before, at node `at`.
    ///
    /// # Errors
    /// It was not made.
    pub fn new_certificate(&self, at: usize) -> Result<(), String> {
        let spec = json!({"self_signed": {"names": ["files.example.org"], "days": 30}});
        let path = format!("/api/v1/certificate/{CERTIFICATE}?wait=enforced");
        self.change(at, "PUT", &path, Some(&json!({ "spec": spec }))).map(drop)
    }

    /// Makes an account that the load's key and password let in.
    ///
    /// # Errors
    /// It was not made.
    pub fn account(&self, name: &str) -> Result<(), String> {
        let public = self.key_file().with_extension("pub");
        let public = std::fs::read_to_string(&public).map_err(|error| format!("{}: {error}", public.display()))?;
        let spec = json!({
            "enabled": true,
            "password": PASSWORD,
            "keys": [{"key": public.trim()}],
            "home": {"storage": "files", "folder": format!("/{name}")},
        });
        self.put(&format!("/api/v1/account/{name}?wait=enforced"), &spec)
            .map(drop)
    }

    /// The node that leads, as it says itself; an election that is under way is waited for.
    pub fn leader(&self) -> Option<usize> {
        let until = Instant::now() + LEADER_MAX;
        loop {
            let leads = |at: &usize| self.status(*at).is_some_and(|status| status["role"] == "leader");
            let found = (0..self.nodes.len()).find(leads);
            if found.is_some() || Instant::now() > until {
                return found;
            }
            std::thread::sleep(WATCH_EVERY);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter().for_each(Node::kill);
    }
}
