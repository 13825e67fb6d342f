//! A bridge, and one network namespace with an address for each node. Links are troubled with nftables in the receiver's
//! namespace. Clients sit on the bridge.

use std::net::Ipv4Addr;

use super::net::{Trouble, run};

/// How much a slow link lets through at once before it counts, in bytes.
const SLOW_BURST_BYTES: u64 = 32 * 1024;

/// The namespaces of a run; taken down when dropped.
pub struct Spaces {
    bridge: String,
    prefix: String,
    nodes: Vec<usize>,
    third: u8,
}

impl Spaces {
    /// A bridge, and the host's address on it.
    ///
    /// # Errors
    /// Without root, or without network namespaces.
    pub fn new() -> Result<Self, String> {
        sweep();
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

    /// From now on what node `from` sends to node `to` has this trouble.
    ///
    /// # Errors
    /// What the system said.
    pub fn trouble(&self, from: usize, to: usize, trouble: Trouble) -> Result<(), String> {
        let what = match trouble {
            Trouble::Cut => "drop".to_owned(),
            Trouble::Loss(percent) => format!("numgen random mod 100 < {percent} drop"),
            Trouble::Slow(bytes) => format!("limit rate over {bytes} bytes/second burst {SLOW_BURST_BYTES} bytes drop"),
        };
        let from = self.address(from);
        self.rule(to, &format!("add rule inet chaos in ip saddr {from} {what}"))
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

impl Drop for Spaces {
    fn drop(&mut self) {
        for at in &self.nodes {
            drop(run(&["ip", "netns", "delete", &self.namespace(*at)]));
        }
        drop(run(&["ip", "link", "delete", &self.bridge]));
    }
}

/// The number in `argNnM`, and in `argbN`.
fn number_of(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("argb").or_else(|| name.strip_prefix("arg"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let behind = rest.get(digits.len()..)?;
    (behind.is_empty() || behind.starts_with('n'))
        .then(|| digits.parse().ok())
        .flatten()
}

/// Takes down what killed harnesses left.
fn sweep() {
    let mut live = vec![std::process::id() % 10_000];
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let pid: Option<u32> = entry.file_name().to_str().and_then(|text| text.parse().ok());
        if let Some(pid) = pid.filter(|_| name.starts_with("argosy-chaos") || name.starts_with("argosy_chaos")) {
            live.push(pid % 10_000);
        }
    }
    let left = |name: &&str| number_of(name).is_some_and(|number| !live.contains(&number));
    let spaces = run(&["ip", "netns", "list"]).unwrap_or_default();
    for space in spaces
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(left)
    {
        drop(run(&["ip", "netns", "delete", space]));
    }
    let links = run(&["ip", "-o", "link", "show", "type", "bridge"]).unwrap_or_default();
    let names = links.lines().filter_map(|line| line.split_whitespace().nth(1));
    for bridge in names.map(|name| name.trim_end_matches(':')).filter(left) {
        drop(run(&["ip", "link", "delete", bridge]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_are_swept() {
        for (name, expected) in [
            ("arg123n0", Some(123)),
            ("argb77", Some(77)),
            ("arg9n12", Some(9)),
            ("argosy", None),
            ("argb", None),
            ("arg12x", None),
            ("br0", None),
        ] {
            assert_eq!(number_of(name), expected, "{name}");
        }
    }
}
