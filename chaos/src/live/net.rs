//! The network of a run, of one of two kinds: namespaces where root allows them, else loopback addresses behind proxies.
//! Clients reach every node always; what is troubled are the links between nodes.
//!
//! What is troubled when is left to `nemesis`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use super::limits::PEER_PORT;
use super::proxy::Loopback;
use super::spaces::Spaces;

/// What is wrong with a link, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing comes through.
    Cut,
    /// So many of a hundred packets are lost.
    Loss(u64),
    /// So many bytes a second come through.
    Slow(u64),
}

/// The network of a run; taken down when dropped.
pub enum Net {
    /// A namespace and an address a node.
    Spaces(Spaces),
    /// Loopback addresses, and a proxy before each node.
    Loopback(Loopback),
}

/// Runs a command to its end.
///
/// # Errors
/// What it said, if it failed.
pub fn run(words: &[&str]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let done = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("`{}`: {}: {}", words.join(" "), done.status, said.trim()))
}

/// A command that the kernel ends with the harness, whatever happens to that, and that no terminal can stop: a process
/// that touches the terminal from the background is stopped, and all of its group with it.
pub fn apart(words: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "setsid"]).args(words);
    command
}

impl Net {
    /// Namespaces where they are allowed, unless `loopback` asks for the other kind.
    ///
    /// # Errors
    /// Neither can be had.
    pub fn new(loopback: bool) -> Result<Self, String> {
        if loopback {
            return Ok(Self::Loopback(Loopback::default()));
        }
        match Spaces::new() {
            Ok(spaces) => Ok(Self::Spaces(spaces)),
            Err(error) => {
                println!("  no network namespaces ({error}): loopback addresses behind proxies instead");
                Ok(Self::Loopback(Loopback::default()))
            }
        }
    }

    /// The address of node `at`, counted from 0: for its services and its admin API.
    pub fn address(&self, at: usize) -> Ipv4Addr {
        match self {
            Self::Spaces(spaces) => spaces.address(at),
            Self::Loopback(loopback) => loopback.address(at),
        }
    }

    /// Where other nodes reach node `at`.
    pub fn peer(&self, at: usize) -> SocketAddr {
        match self {
            Self::Spaces(spaces) => (spaces.address(at), PEER_PORT).into(),
            Self::Loopback(loopback) => loopback.outside(at),
        }
    }

    /// A place for one more node.
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, at: usize) -> Result<(), String> {
        match self {
            Self::Spaces(spaces) => spaces.add(at),
            Self::Loopback(_) => Ok(()),
        }
    }

    /// The beginning of a command that runs where node `at` lives.
    pub fn inside(&self, at: usize) -> Command {
        match self {
            Self::Spaces(spaces) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &spaces.namespace(at)]);
                command.args(["setpriv", "--pdeathsig", "KILL", "--", "setsid"]);
                command
            }
            Self::Loopback(loopback) => {
                let mut command = apart(&["env"]);
                command.arg(format!("ARGOSY_PEER_LISTEN={}", loopback.inside(at)));
                command
            }
        }
    }

    /// Node `at` runs as this process from now on.
    ///
    /// # Errors
    /// The way to it cannot be opened.
    pub fn started(&self, at: usize, pid: u32) -> Result<(), String> {
        match self {
            Self::Spaces(_) => Ok(()),
            Self::Loopback(loopback) => loopback.started(at, pid),
        }
    }

    /// From now on what node `from` sends to node `to` has this trouble.
    ///
    /// # Errors
    /// What the system said.
    pub fn trouble(&self, from: usize, to: usize, trouble: Trouble) -> Result<(), String> {
        match self {
            Self::Spaces(spaces) => spaces.trouble(from, to, trouble),
            Self::Loopback(loopback) => {
                loopback.trouble(from, to, trouble);
                Ok(())
            }
        }
    }

    /// All links work.
    ///
    /// # Errors
    /// What the system said.
    pub fn heal(&self) -> Result<(), String> {
        match self {
            Self::Spaces(spaces) => spaces.heal(),
            Self::Loopback(loopback) => {
                loopback.heal();
                Ok(())
            }
        }
    }
}
