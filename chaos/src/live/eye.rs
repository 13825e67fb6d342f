//! The oracle's eye while a run goes on: on every node's state, and on the machine that all of it runs on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, Node};
use super::limits::{OTHERS_MAX, OTHERS_SECONDS, STALL_MAX, WATCH_EVERY};
use super::load::Desk;
use crate::invariants::{Broken, one_leader, same_state};

/// What was seen.
#[derive(Default)]
pub struct Watched {
    leaders: one_leader::Leaders,
    states: same_state::States,
    /// Who led: when, and which node.
    pub led: Vec<(Duration, usize)>,
    /// Nodes that someone stopped, and nobody here did.
    pub stopped: BTreeMap<String, Duration>,
    /// What contradicts what.
    pub broken: Vec<Broken>,
}

/// What kept a run from the processor.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The longest time for which the harness did not run, though it wanted to.
    pub stalled: Duration,
    /// Of a hundred parts of the processors, the most that other work had for some seconds.
    pub others: u64,
    samples: VecDeque<Ticks>,
}

/// Processor time so far, in ticks of the kernel.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    all: u64,
    busy: u64,
    ours: u64,
}

impl Machine {
    /// Whether promises about time can be judged here.
    pub fn is_quiet(&self) -> bool {
        self.stalled <= STALL_MAX && self.others <= OTHERS_MAX
    }

    fn sample(&mut self, now: Ticks) {
        self.samples.push_back(now);
        if self.samples.len() <= OTHERS_SECONDS {
            return;
        }
        let Some(then) = self.samples.pop_front() else { return };
        let busy = now.busy.saturating_sub(then.busy);
        let others = busy.saturating_sub(now.ours.saturating_sub(then.ours));
        let all = now.all.saturating_sub(then.all).max(1);
        self.others = self.others.max(others * 100 / all);
    }
}

/// Feels whether the machine lets a run have what it needs.
pub fn feel(cluster: &Cluster, desk: &Desk, machine: &Mutex<Machine>) {
    let mut sampled = Instant::now();
    while !desk.is_over() {
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(10));
        let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.stalled = begun.elapsed().max(machine.stalled);
        if sampled.elapsed() >= Duration::from_secs(1) {
            sampled = Instant::now();
            machine.sample(ticks(cluster));
        }
    }
}

fn ticks(cluster: &Cluster) -> Ticks {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let numbers: Vec<u64> = first.take(8).filter_map(|word| word.parse().ok()).collect();
    let all: u64 = numbers.iter().sum();
    let idle: u64 = numbers.iter().skip(3).take(2).sum();
    let pids = cluster.nodes.iter().filter_map(Node::pid).map(|pid| pid.to_string());
    let stats = pids.chain(["self".to_owned()]).map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        ticks_of(&stat)
    });
    Ticks {
        all,
        busy: all - idle,
        ours: stats.sum(),
    }
}

/// What a process and those of its children that have ended used, by its `stat`.
fn ticks_of(stat: &str) -> u64 {
    // Behind the name, which may hold anything: the state, ten more, then user and system, the same of its children.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let words = behind.split_whitespace().skip(11).take(4);
    words.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// The oracle's eye on the nodes; `pauses`: the run itself stops some.
pub fn watch(cluster: &Cluster, desk: &Desk, pauses: bool, watched: &Mutex<Watched>) {
    while !desk.is_over() {
        let begun = watched.lock();
        begun.unwrap_or_else(PoisonError::into_inner).leaders.begin_round();
        for (at, node) in cluster.nodes.iter().enumerate() {
            if !pauses && node.is_stopped() {
                let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
                watched.stopped.entry(node.name.clone()).or_insert(desk.begun.elapsed());
            }
            let Some(status) = cluster.status(at) else { continue };
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            let watched = &mut *watched;
            if status["role"] == "leader" {
                let term = status["term"].as_u64().unwrap_or(0);
                if term > watched.leaders.newest() {
                    watched.led.push((desk.begun.elapsed(), at));
                }
                watched.broken.extend(watched.leaders.seen(term, at as u64 + 1));
            }
            let hash = status["state_hash"]
                .as_str()
                .and_then(|text| u128::from_str_radix(text, 16).ok());
            if let (Some(index), Some(hash)) = (status["applied"].as_u64(), hash) {
                watched.broken.extend(watched.states.seen(&node.name, index, hash));
            }
        }
        std::thread::sleep(WATCH_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_of_a_process_and_its_children_are_read() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 100 200 0 0 7 5 30 1 20 0 9 0 1 2 3";
        assert_eq!(ticks_of(stat), 43);
        assert_eq!(ticks_of(""), 0);
    }

    #[test]
    fn what_others_had_counts_over_some_seconds() {
        let mut machine = Machine::default();
        for second in 0..=OTHERS_SECONDS as u64 {
            machine.sample(Ticks {
                all: second * 200,
                busy: second * 150,
                ours: second * 50,
            });
        }
        assert_eq!(machine.others, 50);
        assert!(!machine.is_quiet());
    }
}
