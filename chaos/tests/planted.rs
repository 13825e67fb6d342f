//! Every bug that is planted in the cluster crate is caught by the invariant that guards against it, and the table in the
//! harness's README says so. Needs the feature `planted`:
//! `cargo test --workspace --features argosy-chaos/planted --test planted`.

use std::time::Duration;

use argosy_chaos::sim::{Asked, Fault, Plan, search};
use argosy_cluster::planted::{Bug, plant};

/// How many seeds each bug may take at most.
const SEEDS_MAX: u64 = 60;

/// The faults that bring a bug out, and the invariants that guard against it.
fn seek(bug: Bug) -> (&'static [Fault], &'static [&'static str]) {
    let power: &[Fault] = &[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::SlowDisk];
    let consensus: &[&str] = &[
        "acknowledged",
        "linearizable",
        "same-state",
        "one-leader",
        "goes-on",
        "run",
    ];
    match bug {
        Bug::AnswerBeforeFsync => (power, consensus),
        Bug::ForgetVote => (&[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::Delay], consensus),
        Bug::ReadWithoutQuorum => (&Fault::ALL, &["linearizable"]),
        Bug::RetryAppliedTwice => (&[Fault::Loss, Fault::LeaderDeaf], &["applied-once"]),
        Bug::UnknownCalledFailed => (
            &[Fault::Loss, Fault::LeaderDeaf],
            &["never-called-failed", "linearizable"],
        ),
        Bug::ApplyDiffers => (&[Fault::Loss], &["same-state"]),
        Bug::NeverVotesForOthers => (&[Fault::LeaderKilled], &["back-again"]),
        Bug::LogWaitsForStorage => (&[Fault::StalledStorage], &["no-needless-election"]),
    }
}

fn only(seed: u64, faults: &[Fault]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        faults_last: Duration::from_secs(15),
        ..Plan::minute(seed)
    }
}

/// Why this bug is not proven to be caught, if so.
fn miss(bug: Bug, readme: &str) -> Option<String> {
    let (faults, guards) = seek(bug);
    let found = search(&Asked {
        first: 1,
        seeds: SEEDS_MAX,
        threads: 2,
        failures_max: 1,
        plan: Box::new(move |seed| only(seed, faults)),
        prepare: Box::new(move || plant(Some(bug))),
        progress: false,
    });
    let name = bug.name();
    let Some((seed, broken)) = found.failures.first() else {
        return Some(format!("{name}: not found in {SEEDS_MAX} seeds"));
    };
    let Some(by) = broken.iter().find(|broken| guards.contains(&broken.invariant)) else {
        return Some(format!("{name}: seed {seed} broke {broken:?}"));
    };
    println!("{name}: seed {seed}, {:.1} s: {by}", found.took.as_secs_f64());
    let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    let told = row.is_some_and(|row| guards.iter().any(|guard| row.contains(&format!("`{guard}`"))));
    (!told).then(|| format!("{name}: the table in README.md does not name one of {guards:?}"))
}

#[test]
fn every_planted_bug_is_caught_and_the_table_says_so() {
    let readme = include_str!("../README.md");
    let missed: Vec<_> = Bug::ALL.into_iter().filter_map(|bug| miss(bug, readme)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
