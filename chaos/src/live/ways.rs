//! The ways in which partners come, each with its real client: OpenSSH's `sftp` and `scp -O`, curl for FTP and FTPS.
//!
//! What is moved, and what that shows, is left to `files`.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::limits::{CLIENT_MAX, CONNECT_MAX, FTP_PORT, FTPS_PORT, SFTP_PORT};
use super::net::apart;

/// The password of the load's accounts, for the ways that know no keys.
pub const PASSWORD: &str = "correct horse battery staple";

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// SFTP.
    Sftp,
    /// The legacy form of SCP.
    Scp,
    /// FTP in clear.
    Ftp,
    /// FTP with AUTH TLS.
    Ftps,
}

impl Way {
    /// All.
    pub const ALL: [Self; 4] = [Self::Sftp, Self::Scp, Self::Ftp, Self::Ftps];

    /// How it is told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sftp => "SFTP",
            Self::Scp => "SCP",
            Self::Ftp => "FTP",
            Self::Ftps => "FTPS",
        }
    }

    /// The port on every node.
    fn port(self) -> u16 {
        match self {
            Self::Sftp | Self::Scp => SFTP_PORT,
            Self::Ftp => FTP_PORT,
            Self::Ftps => FTPS_PORT,
        }
    }

    /// Any of them.
    pub fn any(dice: &mut Dice) -> Self {
        let at = usize::try_from(dice.below(Self::ALL.len() as u64)).unwrap_or(0);
        Self::ALL[at]
    }
}

/// The clients of all partners. Clones are the same.
#[derive(Clone)]
pub struct Clients {
    addresses: Arc<Vec<Ipv4Addr>>,
    key: PathBuf,
}

const SSH_OPTIONS: [&str; 8] = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "ConnectTimeout=3",
    "ServerAliveInterval=2",
    "ServerAliveCountMax=3",
    "IdentitiesOnly=yes",
];

impl Clients {
    /// Clients of the nodes at these addresses; `key` lets in over SSH.
    pub fn new(addresses: Vec<Ipv4Addr>, key: PathBuf) -> Self {
        Self {
            addresses: Arc::new(addresses),
            key,
        }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.addresses.len()
    }

    /// Uploads `from` to `name` at a node.
    ///
    /// # Errors
    /// What the client said.
    pub fn put(&self, way: Way, node: usize, account: &str, from: &Path, name: &str) -> Result<(), String> {
        match way {
            Way::Sftp => self.sftp(node, account, &format!("put {} {name}\n", from.display())),
            Way::Scp => self.scp([from.into(), self.remote(node, account, name)]),
            Way::Ftp | Way::Ftps => self.curl(way, node, account, name, &["-T".as_ref(), from.as_ref()]),
        }
    }

    /// Downloads `name` from a node.
    ///
    /// # Errors
    /// What the client said.
    pub fn get(&self, way: Way, node: usize, account: &str, name: &str, to: &Path) -> Result<(), String> {
        match way {
            Way::Sftp => self.sftp(node, account, &format!("get {name} {}\n", to.display())),
            Way::Scp => self.scp([self.remote(node, account, name), to.into()]),
            Way::Ftp | Way::Ftps => self.curl(way, node, account, name, &["-o".as_ref(), to.as_ref()]),
        }
    }

    /// Whether the port takes a connection.
    pub fn is_open(&self, way: Way, node: usize) -> bool {
        let address = (self.addresses[node], way.port()).into();
        TcpStream::connect_timeout(&address, CONNECT_MAX).is_ok()
    }

    /// Signs in at a node, and out.
    ///
    /// # Errors
    /// What the client said.
    pub fn come_in(&self, way: Way, node: usize, account: &str) -> Result<(), String> {
        match way {
            Way::Sftp => self.sftp(node, account, "pwd\n"),
            // What is there is enough: SCP signs in as SFTP does, and an exec request is seen to be answered.
            Way::Scp => {
                let mut command = self.ssh("ssh");
                command.args(["-p", &SFTP_PORT.to_string()]);
                command.arg(format!("{account}@{}", self.addresses[node])).arg("true");
                let said = finish(spawn(command, "")?);
                // Anything but a transfer is refused, once it is clear who asks.
                match said {
                    Err(said) if said.contains("scp") => Ok(()),
                    other => other,
                }
            }
            Way::Ftp | Way::Ftps => self.curl(way, node, account, "", &["--list-only".as_ref()]),
        }
    }

    /// Runs `sftp` with this batch on a node.
    ///
    /// # Errors
    /// What it said.
    pub fn sftp(&self, node: usize, account: &str, batch: &str) -> Result<(), String> {
        finish(self.spawn_sftp(node, account, batch, &[])?)
    }

    /// Starts `sftp` with this batch, and with more options.
    ///
    /// # Errors
    /// What the system said.
    pub fn spawn_sftp(&self, node: usize, account: &str, batch: &str, more: &[&str]) -> Result<Child, String> {
        let mut command = self.ssh("sftp");
        command.args(["-q", "-b", "-", "-P", &SFTP_PORT.to_string()]).args(more);
        command.arg(format!("{account}@{}", self.addresses[node]));
        spawn(command, batch)
    }

    fn scp(&self, from_and_to: [OsString; 2]) -> Result<(), String> {
        let mut command = self.ssh("scp");
        command.args(["-O", "-q", "-P", &SFTP_PORT.to_string()]);
        command.args(from_and_to);
        finish(spawn(command, "")?)
    }

    fn remote(&self, node: usize, account: &str, name: &str) -> OsString {
        format!("{account}@{}:/{name}", self.addresses[node]).into()
    }

    fn ssh(&self, program: &str) -> Command {
        let mut command = apart(&[program, "-F", "none"]);
        for option in SSH_OPTIONS {
            command.args(["-o", option]);
        }
        command.arg("-i").arg(&self.key);
        command
    }

    fn curl(&self, way: Way, node: usize, account: &str, name: &str, words: &[&OsStr]) -> Result<(), String> {
        let port = way.port();
        let mut command = apart(&["curl", "-q", "-sS", "--connect-timeout", "3"]);
        // A peer that is silent is given up as the others give it up.
        command.args(["--speed-limit", "1", "--speed-time", "8", "--ftp-method", "nocwd"]);
        if way == Way::Ftps {
            // Whose certificate it is, is not what is looked at here.
            command.args(["--ssl-reqd", "-k"]);
        }
        command.args(words).arg("--user").arg(format!("{account}:{PASSWORD}"));
        command.arg(format!("ftp://{}:{port}/{name}", self.addresses[node]));
        finish(spawn(command, "")?)
    }
}

fn spawn(mut command: Command, input: &str) -> Result<Child, String> {
    let told = |error: std::io::Error| format!("a client: {error}");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended already says itself why.
        drop(stdin.write_all(input.as_bytes()));
    }
    Ok(child)
}

fn finish(mut child: Child) -> Result<(), String> {
    let until = Instant::now() + CLIENT_MAX;
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
                return Err(format!("it ran for {CLIENT_MAX:?}"));
            }
        }
    }
}
