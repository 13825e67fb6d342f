//! A network of its own for each run: a bridge, and one network namespace with an address for each node. Links are cut and
//! made lossy with nftables in the receiver's namespace. Clients sit on the bridge and reach every node always.
//!
//! What is cut when is left to `nemesis`.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// The network of a run; taken down when dropped.
pub struct Net {
    bridge: String,
    prefix: String,
    nodes: Vec<usize>,
    third: u8,
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

impl Net {
    /// A bridge, and the host's address on it.
    ///
    /// # Errors
    /// Without root, or without network namespaces.
    pub fn new() -> Result<Self, String> {
        let number = std::process::id() % 10_000;
        let net = Self {
            bridge: format!("argb{number}"),
            prefix: format!("arg{number}n"),
            nodes: Vec::new(),
            third: u8::try_from(number % 250).unwrap_or(1),
        };
        run(&["ip", "link", "add", "name", &net.bridge, "type", "bridge"])?;
        let address = format!("10.87.{}.254/24", net.third);
        run(&["ip", "address", "add", &address, "dev", &net.bridge])?;
        run(&["ip", "link", "set", &net.bridge, "up"])?;
        Ok(net)
    }

    /// The address of node `at`, counted from 0.
    pub fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 87, self.third, u8::try_from(at + 1).unwrap_or(1))
    }

    /// The bridge that all are on.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// The namespace of node `at`.
    pub fn namespace(&self, at: usize) -> String {
        format!("{}{at}", self.prefix)
    }

    /// A namespace for one more node.
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, at: usize) -> Result<(), String> {
        let (space, outside) = (self.namespace(at), format!("{}{at}v", self.prefix));
        run(&["ip", "netns", "add", &space])?;
        self.nodes.push(at);
        run(&[
            "ip", "link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &space,
        ])?;
        run(&["ip", "link", "set", &outside, "master", &self.bridge, "up"])?;
        let address = format!("{}/24", self.address(at));
        for words in [
            &["address", "add", &address, "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
        ] {
            run(&[&["ip", "-n", &space], words].concat())?;
        }
        self.rule(at, "add table inet chaos")?;
        self.rule(at, "add chain inet chaos in { type filter hook input priority 0; }")
    }

    fn rule(&self, at: usize, rule: &str) -> Result<(), String> {
        run(&["ip", "netns", "exec", &self.namespace(at), "nft", rule]).map(drop)
    }

    /// From now on nothing of node `from` comes to node `to`.
    ///
    /// # Errors
    /// What the system said.
    pub fn cut_way(&self, from: usize, to: usize) -> Result<(), String> {
        self.rule(
            to,
            &format!("add rule inet chaos in ip saddr {} drop", self.address(from)),
        )
    }

    /// So many of a hundred packets between nodes are lost at node `at`.
    ///
    /// # Errors
    /// What the system said.
    pub fn lose(&self, at: usize, percent: u64) -> Result<(), String> {
        for other in self.nodes.iter().filter(|other| **other != at) {
            let from = self.address(*other);
            let rule = format!("add rule inet chaos in ip saddr {from} numgen random mod 100 < {percent} drop");
            self.rule(at, &rule)?;
        }
        Ok(())
    }

    /// All links work.
    ///
    /// # Errors
    /// What the system said.
    pub fn heal(&self) -> Result<(), String> {
        self.nodes
            .iter()
            .try_for_each(|at| self.rule(*at, "flush chain inet chaos in"))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for at in &self.nodes {
            drop(run(&["ip", "netns", "delete", &self.namespace(*at)]));
        }
        drop(run(&["ip", "link", "delete", &self.bridge]));
    }
}
