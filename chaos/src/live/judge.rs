//! The end of a run: all nodes come to one state, and what was gathered is put before the invariants.
//!
//! What holds is left to the invariants.

use std::path::Path;
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::cluster::Cluster;
use super::files::{Files, Shown, whole};
use super::level;
use super::limits::SETTLE_MAX;
use super::load::Desk;
use super::records;
use super::run::{Asked, Verdict};
use crate::invariants::{
    Broken, back_again, back_at_level, linearizable, logins_go_on, undisturbed, whole_files, woken_leader,
};
use crate::oracle::Action;

/// What is judged.
pub struct Scene<'a> {
    /// What was to be run.
    pub asked: &'a Asked,
    /// The cluster, its faults over.
    pub cluster: &'a Cluster,
    /// What administrators did.
    pub desk: &'a Desk,
    /// What partners did.
    pub files: &'a Files,
    /// Where their files lie.
    pub home: &'a Path,
    /// What each node used before the load.
    pub before: &'a [back_at_level::Used],
}

impl Scene<'_> {
    /// All nodes come to one state, and every register is read once more at each.
    pub fn settle(&self, verdict: &mut Verdict) {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let states: Vec<_> = (0..self.cluster.nodes.len())
                .map(|at| {
                    let status = self.cluster.status(at)?;
                    Some((status["applied"].clone(), status["state_hash"].clone()))
                })
                .collect();
            if states.iter().all(|state| state.is_some() && *state == states[0]) {
                break;
            }
            if Instant::now() > until {
                let what = format!("the nodes do not come to one state: {states:?}");
                verdict.broken.push(Broken::new("same-state", what));
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut dice = Dice::new(1);
        for key in self.desk.keys() {
            for at in 0..self.cluster.nodes.len() {
                self.desk.once(100 + at as u64, at, &key, Action::Read, &mut dice);
            }
        }
        match records::judge(self.desk) {
            Ok(broken) => verdict.broken.extend(broken),
            Err(error) => verdict.broken.push(Broken::new("back-again", error)),
        }
    }

    /// Puts all of it before the invariants.
    pub fn judge(&self, verdict: &mut Verdict) {
        verdict.operations = self.desk.history.operations();
        verdict.broken.extend(linearizable::check(&verdict.operations));
        verdict.broken.extend(woken_leader::check(&verdict.operations));
        verdict.broken.extend(back_again::check(&verdict.back));
        let shown = self.files.shown();
        self.judge_files(&shown, verdict);
        self.judge_logins(&shown, verdict);
        self.judge_level(verdict);
        if self.asked.nemesis.is_unnoticed() {
            verdict.broken.extend(undisturbed::check(verdict.files.1));
        }
        for node in &self.cluster.nodes {
            let said = std::fs::read_to_string(&node.log).unwrap_or_default();
            if let Some(line) = said.lines().find(|line| line.contains("panicked at")) {
                let what = format!("{} panicked: {line}", node.name);
                verdict.broken.push(Broken::new("goes-on", what));
            }
        }
    }

    fn judge_files(&self, shown: &Shown, verdict: &mut Verdict) {
        verdict.files = (shown.acknowledged, shown.failed, shown.downloads);
        let stands: Vec<_> = shown
            .names
            .iter()
            .map(|(name, tried)| whole_files::Stands {
                name: name.clone(),
                acknowledged: tried.acknowledged,
                tried: tried.tried,
                found: std::fs::read(self.home.join(name)).ok().map(|bytes| whole(&bytes)),
            })
            .collect();
        verdict.broken.extend(whole_files::check(&shown.torn, &stands));
    }

    fn judge_logins(&self, shown: &Shown, verdict: &mut Verdict) {
        let came_in = shown.logins.iter().filter(|login| login.failed.is_none()).count();
        verdict.logins = (came_in as u64, (shown.logins.len() - came_in) as u64);
        let name = |at: usize| format!("n{}", at + 1);
        let tries: Vec<_> = shown
            .logins
            .iter()
            .map(|login| logins_go_on::Try {
                node: name(login.node),
                at: login.at,
                failed: login.failed.clone(),
            })
            .collect();
        let down: Vec<_> = verdict
            .struck
            .iter()
            .flat_map(|struck| {
                struck.down.iter().map(move |at| logins_go_on::Down {
                    node: name(*at),
                    from: struck.from,
                    to: struck.to + back_again::WITHIN,
                })
            })
            .collect();
        verdict.broken.extend(logins_go_on::check(&tries, &down));
    }

    /// After the load: every client is gone.
    fn judge_level(&self, verdict: &mut Verdict) {
        let names = self.cluster.nodes.iter().map(|node| node.name.clone());
        let levels: Vec<_> = names
            .zip(self.before.iter().cloned())
            .zip(level::used(self.cluster))
            .map(|((node, before), after)| (node, before, after))
            .collect();
        // The sessions of the account that was disabled left an upload each.
        let failed = verdict.files.1 + verdict.sessions.len() as u64;
        let operations = verdict.operations.len() as u64 + verdict.logins.0 * 2 + verdict.files.0 * 4;
        verdict.broken.extend(back_at_level::check(&levels, operations));
        let staged = level::staged(self.cluster, failed);
        verdict.broken.extend(back_at_level::check_storage(staged));
        verdict.levels = levels;
    }
}
