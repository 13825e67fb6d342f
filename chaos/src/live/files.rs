//! Partners in load: OpenSSH's `sftp` uploads files that say what they are, downloads them elsewhere, and compares.
//!
//! What the outcome means is left to the invariants.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::cluster::ACCOUNT;
use super::limits::{FILE_BYTES_MAX, SFTP_MAX, SFTP_PORT};
use super::load::Desk;
use super::net::apart;

/// A try to come in, and what became of it.
#[derive(Debug, Clone)]
pub struct Login {
    /// The node.
    pub node: usize,
    /// When it began, since the start of the run.
    pub at: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What was uploaded to one name.
#[derive(Debug, Clone, Default)]
pub struct Name {
    /// The number of the last content that was acknowledged; 0: none.
    pub acknowledged: u64,
    /// The newest number that was tried.
    pub tried: u64,
}

/// What the files show.
#[derive(Debug, Default)]
pub struct Shown {
    /// Every name that was tried.
    pub names: BTreeMap<String, Name>,
    /// Uploads that were acknowledged.
    pub acknowledged: u64,
    /// Uploads that failed.
    pub failed: u64,
    /// Downloads that were whole.
    pub downloads: u64,
    /// Logins, in the order in which they ended.
    pub logins: Vec<Login>,
    /// Files that were not whole: what was seen.
    pub torn: Vec<String>,
}

/// All files of a run. Clones are the same.
#[derive(Clone)]
pub struct Files {
    shown: Arc<Mutex<Shown>>,
    addresses: Arc<Vec<Ipv4Addr>>,
    folder: PathBuf,
    key: PathBuf,
}

/// The bytes of content `number`: its number and length, then noise that follows from the number.
pub fn content(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let length = usize::try_from(32 + dice.below(FILE_BYTES_MAX)).unwrap_or(32);
    let mut bytes = format!("{number:015} {length:015}\n").into_bytes();
    while bytes.len() < length {
        bytes.extend_from_slice(&dice.roll().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Which content these bytes are, whole.
///
/// # Errors
/// How they are not.
pub fn whole(bytes: &[u8]) -> Result<u64, String> {
    let head = bytes.get(..15).and_then(|head| std::str::from_utf8(head).ok());
    let number = head.and_then(|head| head.parse().ok());
    let number: u64 = number.ok_or_else(|| format!("{} bytes without a head", bytes.len()))?;
    let expected = content(number);
    match expected == bytes {
        true => Ok(number),
        false => {
            let differs = expected.iter().zip(bytes).position(|(one, other)| one != other);
            Err(format!(
                "content {number} has {} bytes instead of {}, the first other byte at {differs:?}",
                bytes.len(),
                expected.len()
            ))
        }
    }
}

impl Files {
    /// Load for the nodes at these addresses. `folder` is for local copies, `key` lets in.
    pub fn new(addresses: Vec<Ipv4Addr>, folder: PathBuf, key: PathBuf) -> Self {
        Self {
            shown: Arc::default(),
            addresses: Arc::new(addresses),
            folder,
            key,
        }
    }

    /// Where local copies lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was shown so far.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `sftp` with this batch on a node.
    ///
    /// # Errors
    /// What it said.
    pub fn sftp(&self, node: usize, account: &str, batch: &str) -> Result<(), String> {
        let child = self.spawn(node, account, batch, &[])?;
        finish(child)
    }

    /// Starts `sftp` with this batch, and with more options.
    ///
    /// # Errors
    /// What the system said.
    pub fn spawn(&self, node: usize, account: &str, batch: &str, more: &[&str]) -> Result<Child, String> {
        let told = |error: std::io::Error| format!("sftp: {error}");
        let mut command = apart(&["sftp", "-q", "-F", "none", "-b", "-"]);
        command.args(more);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=3",
            "ServerAliveInterval=2",
            "ServerAliveCountMax=3",
            "IdentitiesOnly=yes",
        ] {
            command.args(["-o", option]);
        }
        command.arg("-i").arg(&self.key).args(["-P", &SFTP_PORT.to_string()]);
        command.arg(format!("{account}@{}", self.addresses[node]));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(told)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(batch.as_bytes()).map_err(told)?;
        }
        Ok(child)
    }

    /// One partner, until the load ends: uploads at one node, then downloads at another and compares.
    pub fn transfer(&self, desk: &Desk, process: u64, seed: u64) {
        let mut dice = Dice::new(seed ^ (process << 40));
        let nodes = self.addresses.len() as u64;
        let (up, down) = (
            self.folder.join(format!("up-{process}")),
            self.folder.join(format!("down-{process}")),
        );
        for count in 1_u64.. {
            if desk.is_over() {
                return;
            }
            let number = (process << 32) | count;
            // Every third file replaces one that is there already.
            let name = match count % 3 {
                0 => format!("again-{process}"),
                _ => format!("file-{process}-{count}"),
            };
            if std::fs::write(&up, content(number)).is_err() {
                continue;
            }
            let node = usize::try_from(dice.below(nodes)).unwrap_or(0);
            self.shown().names.entry(name.clone()).or_default().tried = number;
            let put = self.sftp(node, ACCOUNT, &format!("put {} {name}\n", up.display()));
            {
                let mut shown = self.shown();
                match &put {
                    Ok(()) => {
                        shown.acknowledged += 1;
                        shown.names.entry(name.clone()).or_default().acknowledged = number;
                    }
                    Err(_) => shown.failed += 1,
                }
            }
            let node = usize::try_from(dice.below(nodes)).unwrap_or(0);
            let got = self.sftp(node, ACCOUNT, &format!("get {name} {}\n", down.display()));
            if put.is_ok() && got.is_ok() {
                self.compare(&down, &name, number);
            }
            drop(std::fs::remove_file(&down));
            std::thread::sleep(Duration::from_millis(50 + dice.below(200)));
        }
    }

    fn compare(&self, copy: &Path, name: &str, number: u64) {
        let bytes = std::fs::read(copy).unwrap_or_default();
        let mut shown = self.shown();
        match whole(&bytes) {
            Ok(found) if found == number => shown.downloads += 1,
            Ok(found) => shown
                .torn
                .push(format!("{name}: content {found} was read after {number}")),
            Err(wrong) => shown.torn.push(format!("{name}: {wrong}")),
        }
    }

    /// Comes in at one node after the other, until the load ends.
    pub fn come_in(&self, desk: &Desk) {
        for turn in 0.. {
            if desk.is_over() {
                return;
            }
            let node = turn % self.addresses.len();
            let at = desk.begun.elapsed();
            let failed = self.sftp(node, ACCOUNT, "pwd\n").err();
            self.shown().logins.push(Login { node, at, failed });
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    /// Looks at all names in the storage itself, until the load ends: whole files only.
    pub fn look(&self, desk: &Desk, home: &Path) {
        while !desk.is_over() {
            let names: Vec<String> = self.shown().names.keys().cloned().collect();
            for name in names.iter().rev().take(30) {
                // A name that is not there is no half file.
                let Ok(bytes) = std::fs::read(home.join(name)) else {
                    continue;
                };
                if let Err(wrong) = whole(&bytes) {
                    self.shown().torn.push(format!("{name} in the storage: {wrong}"));
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn finish(mut child: Child) -> Result<(), String> {
    let until = Instant::now() + SFTP_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let mut said = String::new();
                if let Some(mut err) = child.stderr.take() {
                    drop(std::io::Read::read_to_string(&mut err, &mut said));
                }
                return Err(format!("{status}: {}", said.trim()));
            }
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("it ran for {SFTP_MAX:?}"));
            }
        }
    }
}
