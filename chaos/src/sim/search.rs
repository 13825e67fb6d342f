//! Many seeds on several threads, with progress and a sum.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Fault, Plan, Report, run};
use crate::invariants::Broken;

/// Which seeds are run, and how.
pub struct Asked {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// On how many threads.
    pub threads: usize,
    /// After how many failures the search ends.
    pub failures_max: usize,
    /// What each seed makes.
    pub plan: Box<dyn Fn(u64) -> Plan + Sync>,
    /// Runs first on each thread, for instance to plant a bug.
    pub prepare: Box<dyn Fn() + Sync>,
    /// Whether progress is printed.
    pub progress: bool,
}

/// What the search found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many seeds were run.
    pub seeds: u64,
    /// The sum of their reports.
    pub total: Report,
    /// The gaps of each fault, one per run in which it came.
    pub gaps: BTreeMap<Fault, Vec<Duration>>,
    /// Every seed that failed, and why.
    pub failures: Vec<(u64, Vec<Broken>)>,
    /// How long it took in truth.
    pub took: Duration,
}

impl Found {
    fn add(&mut self, seed: u64, done: Result<Report, Vec<Broken>>) {
        self.seeds += 1;
        let report = match done {
            Ok(report) => report,
            Err(broken) => return self.failures.push((seed, broken)),
        };
        self.total.operations += report.operations;
        self.total.acknowledged += report.acknowledged;
        self.total.unknown += report.unknown;
        self.total.refused += report.refused;
        self.total.terms += report.terms;
        self.total.snapshots += report.snapshots;
        self.total.lasted += report.lasted;
        for (fault, gap) in report.gaps {
            self.gaps.entry(fault).or_default().push(gap);
        }
    }

    /// The sum in words.
    pub fn summary(&self) -> String {
        let total = &self.total;
        let mut text = format!(
            "{} seeds in {:.0} s: {:.0} simulated s, {} operations, {} writes acknowledged, {} unknown, {} refused, {} \
             terms; {} seeds failed\n",
            self.seeds,
            self.took.as_secs_f64(),
            total.lasted.as_secs_f64(),
            total.operations,
            total.acknowledged,
            total.unknown,
            total.refused,
            total.terms,
            self.failures.len(),
        );
        text.push_str("longest gap without an acknowledged write, by fault (median, worst, times):\n");
        for (fault, gaps) in &self.gaps {
            let mut gaps = gaps.clone();
            gaps.sort_unstable();
            let median = gaps[gaps.len() / 2].as_secs_f64();
            let worst = gaps[gaps.len() - 1].as_secs_f64();
            text.push_str(&format!(
                "  {:18} {median:5.2} s {worst:5.2} s {:6}\n",
                fault.name(),
                gaps.len()
            ));
        }
        text
    }
}

/// Runs the seeds.
pub fn search(asked: &Asked) -> Found {
    let begun = Instant::now();
    let next = AtomicU64::new(asked.first);
    let found = Mutex::new(Found::default());
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..asked.threads.max(1) {
            scope.spawn(|| {
                (asked.prepare)();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= asked.first + asked.seeds || lock().failures.len() >= asked.failures_max {
                        return;
                    }
                    let done = run(&(asked.plan)(seed));
                    let mut found = lock();
                    found.add(seed, done);
                    if asked.progress && found.seeds.is_multiple_of(50) {
                        let (seeds, failed) = (found.seeds, found.failures.len());
                        let took = begun.elapsed().as_secs_f64();
                        println!("{seeds} of {} seeds in {took:.0} s, {failed} failed", asked.seeds);
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.took = begun.elapsed();
    found.failures.sort_by_key(|(seed, _)| *seed);
    found
}
