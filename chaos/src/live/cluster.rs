//! A real cluster: one process and one network namespace a node, made as an administrator makes it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::api::Api;
use super::limits::{ADMIN_PORT, ANSWER_MAX, PEER_PORT, SFTP_PORT, START_MAX};
use super::net::Net;

/// The account that all load uses.
pub const ACCOUNT: &str = "loader";

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
    program: PathBuf,
    token: String,
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
    /// `count` voters in `folder`, ready, with a storage and an account for the load.
    ///
    /// # Errors
    /// The step that failed.
    pub fn start(program: &Path, folder: &Path, count: usize) -> Result<Self, String> {
        let mut cluster = Self {
            net: Net::new()?,
            nodes: Vec::new(),
            folder: folder.to_owned(),
            program: program.to_owned(),
            token: String::new(),
        };
        std::fs::create_dir_all(folder.join("files")).map_err(|error| format!("{}: {error}", folder.display()))?;
        for at in 0..count {
            cluster.add_node(at)?;
        }
        let root = folder.join("files");
        cluster.put("/api/v1/storage/files", &json!({"root": root, "reserve_bytes": 0}))?;
        cluster.key()?;
        Ok(cluster)
    }

    fn add_node(&mut self, at: usize) -> Result<(), String> {
        self.net.add(at)?;
        let name = format!("n{}", at + 1);
        self.nodes.push(Node {
            data: self.folder.join(&name),
            log: self.folder.join(format!("{name}.log")),
            name,
            process: Mutex::default(),
        });
        if at == 0 {
            let port = SFTP_PORT.to_string();
            let said = self.command(at, "init", &["--sftp-port", &port], "")?;
            let token = said.lines().find_map(|line| line.trim().strip_prefix("token: "));
            self.token = token.ok_or("`argosy init` printed no token")?.trim().to_owned();
        } else {
            let data = self.nodes[0].data.display().to_string();
            let said = self.plain(0, &["token", "create", "--data", &data], "")?;
            let token = last_word(&said).ok_or("no join token was printed")?;
            self.command(at, "join", &["--token-stdin"], &format!("{token}\n"))?;
        }
        self.spawn(at, &[])?;
        self.wait_ready(at)?;
        self.wait_voters(at + 1)
    }

    /// `argosy init` or `join` with all that says where the node lives.
    fn command(&self, at: usize, verb: &str, more: &[&str], input: &str) -> Result<String, String> {
        let (node, address) = (&self.nodes[at], self.net.address(at));
        let (data, peer) = (node.data.display().to_string(), format!("{address}:{PEER_PORT}"));
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

    fn inside(&self, at: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.net.namespace(at)]);
        // The kernel ends it with the harness, whatever happens to that.
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]);
        command
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
        let mut command = self.inside(at);
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
        *node.process() = Some(command.spawn().map_err(told)?);
        Ok(())
    }

    /// Node `at`'s admin API.
    ///
    /// # Errors
    /// It has no authority yet.
    pub fn api(&self, at: usize) -> Result<Api, String> {
        let ca = self.nodes[at].data.join("cluster/ca.crt");
        Api::new((self.net.address(at), ADMIN_PORT).into(), &ca, &self.token)
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

    fn wait_voters(&self, count: usize) -> Result<(), String> {
        self.eventually(&format!("{count} voters"), || {
            let status = self.status(0).ok_or("no status")?;
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
        self.api(at).ok()?.get("/api/v1/status", Duration::from_secs(1)).ok()
    }

    /// Puts an object at node 0.
    ///
    /// # Errors
    /// It was not made.
    pub fn put(&self, path: &str, spec: &Value) -> Result<Value, String> {
        let body = json!({ "spec": spec });
        let asked = self.api(0)?.ask("PUT", path, &[], Some(&body), Duration::from_secs(10));
        let answer = asked.map_err(|error| error.to_string())?;
        match answer.status {
            200..300 => Ok(answer.body),
            status => Err(format!("PUT {path}: {status} {}", answer.body)),
        }
    }

    /// The file of the load's private key.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    fn key(&self) -> Result<(), String> {
        let file = self.key_file().display().to_string();
        super::net::run(&[
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
        ])?;
        self.account(ACCOUNT)
    }

    /// Makes an account that the load's key lets in.
    ///
    /// # Errors
    /// It was not made.
    pub fn account(&self, name: &str) -> Result<(), String> {
        let public = self.key_file().with_extension("pub");
        let public = std::fs::read_to_string(&public).map_err(|error| format!("{}: {error}", public.display()))?;
        let spec = json!({
            "enabled": true,
            "keys": [{"key": public.trim()}],
            "home": {"storage": "files", "folder": format!("/{name}")},
        });
        self.put(&format!("/api/v1/account/{name}?wait=enforced"), &spec)
            .map(drop)
    }

    /// The node that leads, as any node knows it.
    pub fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|at| {
            let Some(status) = self.status(*at) else { return false };
            status["role"] == "leader" || status["cluster"]["role"] == "leader"
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter().for_each(Node::kill);
    }
}
