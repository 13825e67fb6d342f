//! The oracle's eye while a run goes on: on every node's state, and on the machine that all of it runs on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::limits::WATCH_EVERY;
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

/// Feels how long the machine does not let this process run: no promise about time holds on such a machine.
pub fn feel(desk: &Desk, stalled: &Mutex<Duration>) {
    while !desk.is_over() {
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(10));
        let mut longest = stalled.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = begun.elapsed().max(*longest);
    }
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
