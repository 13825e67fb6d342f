//! What is done to a real cluster, and how it is ended.
//!
//! When, and what is judged, is left to `run`; changes that an administrator makes are in `changes`.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;
use rustix::process::Signal;

use super::changes::{self, HostKeys};
use super::cluster::{Cluster, Node};
use super::limits::TRACED_MAX;
use super::net::{Trouble, apart};
use crate::invariants::Broken;

/// A fault of a real cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Nemesis {
    /// SIGKILL for the leader.
    KillLeader,
    /// SIGKILL for some node.
    KillNode,
    /// SIGKILL for as many as a majority outlives, the leader among them.
    KillMinority,
    /// SIGKILL for all.
    KillAll,
    /// SIGSTOP for the leader.
    PauseLeader,
    /// SIGSTOP for some node.
    PauseNode,
    /// The leader alone.
    PartitionLeader,
    /// A majority, and a minority with the leader.
    PartitionHalves,
    /// Each node reaches its neighbours only.
    PartitionRing,
    /// The leader is not heard; it hears.
    PartitionOneWay,
    /// Packets are lost everywhere.
    Loss,
    /// Few bytes a second between any two nodes.
    SlowLinks,
    /// Each node is stopped and started, one after the other.
    RollingRestart,
    /// The leader's next fsyncs fail.
    FailedFsync,
    /// Some node's writes to its log, or its reads of it, fail.
    Eio,
    /// Some node's data folder, or the storage, is full to the last block.
    FullDisk,
    /// Some node's clock jumps by an hour.
    ClockJump,
    /// A member is removed for good, and another joins in its place.
    Membership,
    /// Host keys and their certificates are exchanged, with both keys shown for a while.
    Certificate,
    /// Nothing: what the load does by itself.
    Nothing,
}

impl Nemesis {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::KillLeader,
        Self::KillNode,
        Self::KillMinority,
        Self::KillAll,
        Self::PauseLeader,
        Self::PauseNode,
        Self::PartitionLeader,
        Self::PartitionHalves,
        Self::PartitionRing,
        Self::PartitionOneWay,
        Self::Loss,
        Self::SlowLinks,
        Self::RollingRestart,
        Self::FailedFsync,
        Self::Eio,
        Self::FullDisk,
        Self::ClockJump,
        Self::Membership,
        Self::Certificate,
        Self::Nothing,
    ];

    /// The word for it in commands.
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it needs every folder on a file system of its own.
    pub fn needs_disks(self) -> bool {
        self == Self::FullDisk
    }

    /// Whether it stops processes.
    pub fn pauses(self) -> bool {
        matches!(self, Self::PauseLeader | Self::PauseNode)
    }

    /// Whether no transfer may notice it.
    pub fn is_unnoticed(self) -> bool {
        matches!(self, Self::Certificate | Self::Nothing)
    }
}

/// A fault that goes on.
#[derive(Default)]
pub struct Begun {
    /// Whom it struck.
    pub struck: Vec<usize>,
    /// Nodes that cannot serve while it lasts.
    pub down: Vec<usize>,
    /// Nodes that may end by themselves of it.
    may_end: Vec<usize>,
    undo: Vec<Undo>,
}

/// What is to be done at the end, besides healing links and starting what was killed.
enum Undo {
    Tracer(Child),
    /// A node starts anew to be as before.
    Restart(usize),
    /// A disk, by its place in the cluster's list.
    Room(usize),
    /// A removed node is replaced.
    Join(usize),
    Keys(HostKeys),
}

/// Begins it.
///
/// # Errors
/// What the system said.
pub fn begin(nemesis: Nemesis, cluster: &Cluster, dice: &mut Dice) -> Result<Begun, String> {
    let count = cluster.nodes.len();
    let any = usize::try_from(dice.below(count as u64)).unwrap_or(0);
    match nemesis {
        Nemesis::KillNode => Ok(kill(cluster, vec![any])),
        Nemesis::KillAll => Ok(kill(cluster, (0..count).collect())),
        Nemesis::PauseNode => Ok(pause(cluster, any)),
        Nemesis::PartitionRing | Nemesis::Loss | Nemesis::SlowLinks => links(nemesis, cluster, dice),
        Nemesis::RollingRestart => rolling_restart(cluster),
        Nemesis::Eio => eio(cluster, any, dice),
        Nemesis::FullDisk => full_disk(cluster, any, dice),
        Nemesis::ClockJump => clock_jump(cluster, any, dice),
        Nemesis::Membership => membership(cluster, any, dice),
        Nemesis::Certificate => {
            let keys = HostKeys::show_new(cluster, any, dice)?;
            Ok(Begun {
                undo: vec![Undo::Keys(keys)],
                ..Begun::default()
            })
        }
        Nemesis::Nothing => Ok(Begun::default()),
        _ => begin_at_leader(nemesis, cluster, cluster.leader().unwrap_or(any)),
    }
}

fn begin_at_leader(nemesis: Nemesis, cluster: &Cluster, leader: usize) -> Result<Begun, String> {
    let count = cluster.nodes.len();
    let mut others: Vec<usize> = (0..count).filter(|at| *at != leader).collect();
    let with_leader = |others: &[usize]| [others, &[leader]].concat();
    let minority = with_leader(&others[..count.div_ceil(2).saturating_sub(2).min(others.len())]);
    match nemesis {
        Nemesis::KillLeader => return Ok(kill(cluster, vec![leader])),
        Nemesis::KillMinority => return Ok(kill(cluster, minority)),
        Nemesis::PauseLeader => return Ok(pause(cluster, leader)),
        Nemesis::PartitionLeader => apart_from(cluster, &[leader], &others)?,
        Nemesis::PartitionHalves => {
            others.retain(|at| !minority.contains(at));
            apart_from(cluster, &minority, &others)?;
            return Ok(Begun {
                struck: minority,
                ..Begun::default()
            });
        }
        Nemesis::PartitionOneWay => {
            for at in others {
                cluster.net.trouble(leader, at, Trouble::Cut)?;
            }
        }
        _ => {
            let calls = "fsync,fdatasync";
            let tracer = inject(cluster, leader, &["-e", &format!("trace={calls}")], calls)?;
            return Ok(Begun {
                struck: vec![leader],
                down: vec![leader],
                may_end: vec![leader],
                undo: vec![Undo::Tracer(tracer)],
            });
        }
    }
    Ok(Begun {
        struck: vec![leader],
        ..Begun::default()
    })
}

fn kill(cluster: &Cluster, nodes: Vec<usize>) -> Begun {
    nodes.iter().for_each(|at| cluster.nodes[*at].kill());
    Begun {
        struck: nodes.clone(),
        down: nodes,
        ..Begun::default()
    }
}

fn pause(cluster: &Cluster, at: usize) -> Begun {
    cluster.nodes[at].signal(Signal::STOP);
    Begun {
        struck: vec![at],
        down: vec![at],
        ..Begun::default()
    }
}

fn apart_from(cluster: &Cluster, some: &[usize], others: &[usize]) -> Result<(), String> {
    for one in some {
        for other in others {
            both(cluster, *one, *other, Trouble::Cut)?;
        }
    }
    Ok(())
}

fn both(cluster: &Cluster, one: usize, other: usize, trouble: Trouble) -> Result<(), String> {
    cluster.net.trouble(one, other, trouble)?;
    cluster.net.trouble(other, one, trouble)
}

/// Whether a ring of so many nodes has no link between these two. A ring of three is a line: else it were whole.
fn across_ring(count: usize, one: usize, other: usize) -> bool {
    let apart = one.abs_diff(other);
    match count {
        3 => apart == 2,
        _ => apart != 1 && apart != count - 1,
    }
}

/// Trouble for links everywhere.
fn links(nemesis: Nemesis, cluster: &Cluster, dice: &mut Dice) -> Result<Begun, String> {
    let count = cluster.nodes.len();
    let trouble = match nemesis {
        Nemesis::Loss => Trouble::Loss(2 + dice.below(10)),
        Nemesis::SlowLinks => Trouble::Slow((30 + dice.below(170)) * 1024),
        _ => Trouble::Cut,
    };
    for one in 0..count {
        for other in one + 1..count {
            if trouble != Trouble::Cut || across_ring(count, one, other) {
                both(cluster, one, other, trouble)?;
            }
        }
    }
    Ok(Begun {
        struck: (0..count).collect(),
        ..Begun::default()
    })
}

fn rolling_restart(cluster: &Cluster) -> Result<Begun, String> {
    let all: Vec<usize> = (0..cluster.nodes.len()).collect();
    for at in &all {
        cluster.nodes[*at].stop();
        cluster.spawn(*at, &[])?;
        cluster.wait_ready(*at)?;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(Begun {
        struck: all.clone(),
        down: all,
        ..Begun::default()
    })
}

fn clock_jump(cluster: &Cluster, at: usize, dice: &mut Dice) -> Result<Begun, String> {
    let jump = if dice.below(2) == 0 { "+3600s" } else { "-3600s" };
    let library = "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    let shift = format!("FAKETIME={jump}");
    cluster.nodes[at].kill();
    cluster.spawn(at, &["env", library, &shift, "FAKETIME_DONT_FAKE_MONOTONIC=1"])?;
    Ok(Begun {
        struck: vec![at],
        down: vec![at],
        undo: vec![Undo::Restart(at)],
        ..Begun::default()
    })
}

/// The last disk is the storage's. A node on a full disk serves; now and then it is also started there.
fn full_disk(cluster: &Cluster, any: usize, dice: &mut Dice) -> Result<Begun, String> {
    let storage = dice.below(3) == 0;
    let disk = if storage { cluster.nodes.len() } else { any };
    let full = cluster.disks.get(disk).ok_or("the nodes have no disks of their own")?;
    full.fill()?;
    let mut begun = Begun {
        undo: vec![Undo::Room(disk)],
        ..Begun::default()
    };
    if !storage {
        begun.struck = vec![any];
        if dice.below(2) == 0 {
            cluster.nodes[any].kill();
            cluster.spawn(any, &[])?;
            begun.down = vec![any];
        }
    }
    Ok(begun)
}

fn membership(cluster: &Cluster, any: usize, dice: &mut Dice) -> Result<Begun, String> {
    let through = other_than(cluster, any, dice);
    changes::remove(cluster, any, through)?;
    Ok(Begun {
        struck: vec![any],
        down: vec![any],
        may_end: vec![any],
        undo: vec![Undo::Join(any)],
    })
}

fn other_than(cluster: &Cluster, at: usize, dice: &mut Dice) -> usize {
    let count = cluster.nodes.len();
    let step = 1 + usize::try_from(dice.below(count.saturating_sub(1) as u64)).unwrap_or(0);
    (at + step) % count
}

fn eio(cluster: &Cluster, at: usize, dice: &mut Dice) -> Result<Begun, String> {
    let log = cluster.nodes[at].data.join("cluster/log");
    let told = |error: std::io::Error| format!("{}: {error}", log.display());
    let mut words = Vec::new();
    for entry in std::fs::read_dir(&log).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            words.extend(["-P".to_owned(), path.display().to_string()]);
        }
    }
    let calls = match dice.below(3) {
        0 => "read,pread64,readv,preadv",
        _ => "write,pwrite64,writev,pwritev",
    };
    words.extend(["-e".to_owned(), format!("trace={calls}")]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(Begun {
        struck: vec![at],
        down: vec![at],
        may_end: vec![at],
        undo: vec![Undo::Tracer(inject(cluster, at, &words, calls)?)],
    })
}

/// From now on these calls of the node fail with EIO, as far as `traced` names them.
fn inject(cluster: &Cluster, at: usize, traced: &[&str], calls: &str) -> Result<Child, String> {
    let pid = cluster.nodes[at].pid().ok_or("the node does not run")?;
    let mut command = apart(&["strace", "-f", "-qq", "-o", "/dev/null"]);
    command.args(traced).args(["-e", &format!("inject={calls}:error=EIO")]);
    command
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("strace: {error}"))?;
    let until = Instant::now() + TRACED_MAX;
    let status = format!("/proc/{pid}/status");
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mut lines = text.lines();
        // A node that has ended of it already is held too.
        if text.is_empty() || lines.any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")) {
            return Ok(child);
        }
        if !matches!(child.try_wait(), Ok(None)) || Instant::now() > until {
            return Err(format!(
                "strace does not take hold of process {pid}: is ptrace allowed?"
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Begun {
    /// Ends it: every node runs again, every link works. Gives the nodes that ended by themselves and may not.
    ///
    /// # Errors
    /// What the system said.
    pub fn end(&mut self, cluster: &Cluster, dice: &mut Dice) -> Result<Vec<Broken>, String> {
        let ended = self.ended(cluster);
        cluster.net.heal()?;
        for undo in self.undo.drain(..) {
            match undo {
                Undo::Tracer(mut tracer) => {
                    drop(tracer.kill());
                    drop(tracer.wait());
                }
                Undo::Restart(at) => cluster.nodes[at].kill(),
                Undo::Room(disk) => cluster.disks.get(disk).map_or(Ok(()), super::disk::Disk::free)?,
                Undo::Join(at) => changes::join_anew(cluster, at, other_than(cluster, at, dice))?,
                Undo::Keys(keys) => keys.forget_old(cluster)?,
            }
        }
        for (at, node) in cluster.nodes.iter().enumerate() {
            node.signal(Signal::CONT);
            if node.pid().is_none() || node.has_ended() {
                node.kill();
                cluster.spawn(at, &[])?;
            }
        }
        Ok(ended)
    }

    fn ended(&self, cluster: &Cluster) -> Vec<Broken> {
        let nodes = cluster.nodes.iter().enumerate();
        let ended = nodes.filter(|(at, node)| node.has_ended() && !self.may_end.contains(at));
        ended.map(|(_, node)| ended_by_itself(node)).collect()
    }
}

fn ended_by_itself(node: &Node) -> Broken {
    let said = std::fs::read_to_string(&node.log).unwrap_or_default();
    let last = said.lines().last().unwrap_or_default();
    Broken::new("goes-on", format!("{} ended by itself: {last}", node.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_leaves_each_node_two_neighbours_and_one_of_three_is_a_line() {
        for (count, neighbours) in [(3, [1, 2, 1].as_slice()), (4, &[2; 4]), (5, &[2; 5]), (7, &[2; 7])] {
            for (one, expected) in neighbours.iter().enumerate() {
                let others = (0..count).filter(|other| *other != one);
                let reached = others.filter(|other| !across_ring(count, one, *other)).count();
                assert_eq!(reached, *expected, "node {one} of {count}");
            }
        }
    }

    #[test]
    fn every_nemesis_has_its_own_name_and_is_in_the_list() {
        let names: std::collections::BTreeSet<String> = Nemesis::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), Nemesis::ALL.len());
        assert_eq!(<Nemesis as clap::ValueEnum>::value_variants().len(), Nemesis::ALL.len());
    }
}
