//! What is done to a real cluster, and how it is ended.
//!
//! When, and what is judged, is left to `run`.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use argosy_cluster::sim::Dice;
use rustix::process::Signal;

use super::cluster::Cluster;

/// A fault of a real cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Nemesis {
    /// SIGKILL for the leader.
    KillLeader,
    /// SIGKILL for some node.
    KillNode,
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
    /// Each node is stopped and started, one after the other.
    RollingRestart,
    /// The leader's next fsyncs fail.
    FailedFsync,
    /// Some node's clock jumps by an hour.
    ClockJump,
    /// Nothing: what the load does by itself.
    Nothing,
}

impl Nemesis {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::KillLeader,
        Self::KillNode,
        Self::KillAll,
        Self::PauseLeader,
        Self::PauseNode,
        Self::PartitionLeader,
        Self::PartitionHalves,
        Self::PartitionRing,
        Self::PartitionOneWay,
        Self::Loss,
        Self::RollingRestart,
        Self::FailedFsync,
        Self::ClockJump,
        Self::Nothing,
    ];

    /// The word for it in commands.
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A fault that goes on.
pub struct Begun {
    /// Whom it struck.
    pub struck: Vec<usize>,
    /// Nodes that cannot serve while it lasts.
    pub down: Vec<usize>,
    tracer: Option<Child>,
    /// Nodes that must start anew to be as before.
    changed: Vec<usize>,
}

/// Begins it.
///
/// # Errors
/// What the system said.
pub fn begin(nemesis: Nemesis, cluster: &Cluster, dice: &mut Dice) -> Result<Begun, String> {
    let count = cluster.nodes.len();
    let any = usize::try_from(dice.below(count as u64)).unwrap_or(0);
    let leader = cluster.leader().unwrap_or(any);
    let all: Vec<usize> = (0..count).collect();
    let others = || all.iter().copied().filter(|at| *at != leader);
    let mut begun = Begun {
        struck: vec![leader],
        down: Vec::new(),
        tracer: None,
        changed: Vec::new(),
    };
    match nemesis {
        Nemesis::KillLeader => {
            cluster.nodes[leader].kill();
            begun.down = vec![leader];
        }
        Nemesis::KillNode => {
            cluster.nodes[any].kill();
            (begun.struck, begun.down) = (vec![any], vec![any]);
        }
        Nemesis::KillAll => {
            cluster.nodes.iter().for_each(super::cluster::Node::kill);
            (begun.struck, begun.down) = (all.clone(), all.clone());
        }
        Nemesis::PauseLeader => {
            cluster.nodes[leader].signal(Signal::STOP);
            begun.down = vec![leader];
        }
        Nemesis::PauseNode => {
            cluster.nodes[any].signal(Signal::STOP);
            (begun.struck, begun.down) = (vec![any], vec![any]);
        }
        Nemesis::PartitionLeader => others().try_for_each(|at| both(cluster, leader, at))?,
        Nemesis::PartitionHalves => {
            let minority: Vec<usize> = others()
                .take(count.div_ceil(2).saturating_sub(2))
                .chain([leader])
                .collect();
            for one in &minority {
                for other in all.iter().filter(|at| !minority.contains(at)) {
                    both(cluster, *one, *other)?;
                }
            }
            begun.struck = minority;
        }
        Nemesis::PartitionRing => {
            for one in 0..count {
                for other in one + 1..count {
                    let apart = other - one;
                    let neighbours = apart == 1 || apart == count - 1;
                    if (count > 3 && !neighbours) || (count == 3 && apart == 2) {
                        both(cluster, one, other)?;
                    }
                }
            }
            begun.struck = all.clone();
        }
        Nemesis::PartitionOneWay => others().try_for_each(|at| cluster.net.cut_way(leader, at))?,
        Nemesis::Loss => {
            let percent = 2 + dice.below(10);
            all.iter().try_for_each(|at| cluster.net.lose(*at, percent))?;
            begun.struck = all.clone();
        }
        Nemesis::RollingRestart => {
            for at in &all {
                cluster.nodes[*at].stop();
                cluster.spawn(*at, &[])?;
                cluster.wait_ready(*at)?;
                std::thread::sleep(Duration::from_millis(500));
            }
            begun.struck = all.clone();
            begun.down = all.clone();
        }
        Nemesis::FailedFsync => {
            begun.tracer = Some(inject(cluster, leader)?);
            begun.down = vec![leader];
        }
        Nemesis::ClockJump => {
            let jump = if dice.below(2) == 0 { "+3600s" } else { "-3600s" };
            let library = "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
            let shift = format!("FAKETIME={jump}");
            cluster.nodes[any].kill();
            cluster.spawn(any, &["env", library, &shift, "FAKETIME_DONT_FAKE_MONOTONIC=1"])?;
            begun.changed = vec![any];
            (begun.struck, begun.down) = (vec![any], vec![any]);
        }
        Nemesis::Nothing => begun.struck = Vec::new(),
    }
    Ok(begun)
}

fn both(cluster: &Cluster, one: usize, other: usize) -> Result<(), String> {
    cluster.net.cut_way(one, other)?;
    cluster.net.cut_way(other, one)
}

/// From now on the node's fsyncs fail with EIO.
fn inject(cluster: &Cluster, at: usize) -> Result<Child, String> {
    let pid = cluster.nodes[at].pid().ok_or("the node does not run")?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "strace", "-f", "-qq", "-o", "/dev/null"]);
    command.args(["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]);
    command
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map_err(|error| format!("strace: {error}"))
}

impl Begun {
    /// Ends it: every node runs again, every link works.
    ///
    /// # Errors
    /// What the system said.
    pub fn end(&mut self, cluster: &Cluster) -> Result<(), String> {
        if let Some(mut tracer) = self.tracer.take() {
            drop(tracer.kill());
            drop(tracer.wait());
        }
        cluster.net.heal()?;
        self.changed.drain(..).for_each(|at| cluster.nodes[at].kill());
        for (at, node) in cluster.nodes.iter().enumerate() {
            node.signal(Signal::CONT);
            if node.pid().is_none() || node.has_ended() {
                node.kill();
                cluster.spawn(at, &[])?;
            }
        }
        Ok(())
    }
}
