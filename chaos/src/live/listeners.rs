//! How long every node takes to serve again once a fault has ended: changes and reads, the admin API, logins.
//!
//! What is in time is left to the invariant.

use std::time::Duration;

use super::cluster::{ACCOUNT, Cluster};
use super::files::Files;
use super::limits::{ANSWER_MAX, PROBE_EVERY};
use super::load::Desk;
use super::ways::Way;
use crate::invariants::back_again;
use crate::oracle::Outcome;

/// What is looked for, and how long it took; `None`: it did not come.
pub type Took = (String, Option<Duration>);

/// Looks at every node until each has served in every way, or it takes by far too long.
pub fn back_after(cluster: &Cluster, desk: &Desk, files: &Files, ended: Duration) -> Vec<Took> {
    let until = ended + back_again::WITHIN * 3;
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let mut probes = Vec::new();
        for (at, node) in cluster.nodes.iter().enumerate() {
            let probe = move |done: &mut dyn FnMut() -> bool| {
                while desk.begun.elapsed() < until {
                    if done() {
                        return Some(desk.begun.elapsed().saturating_sub(ended));
                    }
                    std::thread::sleep(PROBE_EVERY);
                }
                None
            };
            let api = cluster.api(at);
            let ready = move || {
                api.as_ref()
                    .is_ok_and(|api| api.get("/health/ready", ANSWER_MAX).is_ok())
            };
            probes.push((format!("{}: changes and reads", node.name), {
                let name = &node.name;
                scope.spawn(move || probe(&mut || has_served(desk, name, ended)))
            }));
            probes.push((format!("{}: the admin API", node.name), {
                scope.spawn(move || probe(&mut || ready()))
            }));
            for way in Way::ALL {
                probes.push((format!("{}: {}", node.name, way.word()), {
                    // Clients that start in vain, ten a second for each port, would keep a small machine's nodes from starting.
                    let clients = files.clients();
                    scope.spawn(move || {
                        probe(&mut || clients.is_open(way, at) && clients.come_in(way, at, ACCOUNT).is_ok())
                    })
                }));
            }
        }
        all.extend(
            probes
                .into_iter()
                .map(|(what, probe)| (what, probe.join().ok().flatten())),
        );
    });
    all
}

/// Whether an operation that was asked for since then was served by this node.
fn has_served(desk: &Desk, node: &str, since: Duration) -> bool {
    let operations = desk.history.operations();
    let mut late = operations.iter().rev().take(200);
    late.any(|one| {
        let served = matches!(one.outcome, Outcome::Written { .. } | Outcome::Read(_));
        one.node == node && served && one.invoked >= since
    })
}
