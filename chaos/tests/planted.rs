//! Every bug that is planted in the cluster crate is caught by the invariant that guards against it, and the table in the
//! harness's README says so. Needs the feature `planted`:
//! `cargo test --workspace --features argosy-chaos/planted --test planted`.

use std::time::Duration;

use argosy_chaos::sim::{Asked, Fault, Plan, search};
use argosy_cluster::planted::{Bug, plant};

/// How many seeds each bug may take at most.
const SEEDS_MAX: u64 = 60;

fn seek(bug: Bug) -> (fn(), fn(u64) -> Plan, &'static [&'static str]) {
    let whole: fn(u64) -> Plan = |seed| only(seed, &Fault::ALL);
    match bug {
        Bug::AnswerBeforeFsync => (
            || plant(Some(Bug::AnswerBeforeFsync)),
            |seed| only(seed, &[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::SlowDisk]),
            &["acknowledged", "linearizable", "same-state"],
        ),
        Bug::ForgetVote => (
            || plant(Some(Bug::ForgetVote)),
            |seed| only(seed, &[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::Delay]),
            &[
                "one-leader",
                "acknowledged",
                "linearizable",
                "same-state",
                "run",
                "goes-on",
            ],
        ),
        Bug::ReadWithoutQuorum => (|| plant(Some(Bug::ReadWithoutQuorum)), whole, &["linearizable"]),
        Bug::RetryAppliedTwice => (|| plant(Some(Bug::RetryAppliedTwice)), whole, &["applied-once"]),
        Bug::UnknownCalledFailed => (
            || plant(Some(Bug::UnknownCalledFailed)),
            whole,
            &["never-called-failed", "linearizable"],
        ),
        Bug::ApplyDiffers => (|| plant(Some(Bug::ApplyDiffers)), whole, &["same-state"]),
        Bug::NeverVotesForOthers => (
            || plant(Some(Bug::NeverVotesForOthers)),
            |seed| only(seed, &[Fault::LeaderKilled]),
            &["back-again"],
        ),
        Bug::LogWaitsForStorage => (
            || plant(Some(Bug::LogWaitsForStorage)),
            |seed| only(seed, &[Fault::StalledStorage]),
            &["no-needless-election"],
        ),
    }
}

fn only(seed: u64, faults: &[Fault]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        faults_last: Duration::from_secs(15),
        ..Plan::minute(seed)
    }
}

#[test]
fn every_planted_bug_is_caught_and_the_table_says_so() {
    let readme = include_str!("../README.md");
    for bug in Bug::ALL {
        let (prepare, plan, guards) = seek(bug);
        let found = search(&Asked {
            first: 1,
            seeds: SEEDS_MAX,
            threads: 2,
            failures_max: 1,
            plan,
            prepare,
            progress: false,
        });
        let Some((seed, broken)) = found.failures.first() else {
            panic!("{}: not found in {SEEDS_MAX} seeds", bug.name());
        };
        let by = broken.iter().find(|broken| guards.contains(&broken.invariant));
        let by = by.unwrap_or_else(|| panic!("{}: caught by {broken:?}", bug.name()));
        println!("{} seed {seed}: {by}", bug.name());
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", bug.name())));
        let row = row.unwrap_or_else(|| panic!("{} is not in the table", bug.name()));
        assert!(
            guards.iter().any(|guard| row.contains(&format!("`{guard}`"))),
            "{}: the table names none of {guards:?}",
            bug.name()
        );
    }
}
