//! The simulation itself: it repeats itself, and named runs that once failed go well.

use std::time::Duration;

use super::{Plan, Scenario, run};

fn short(seed: u64) -> Plan {
    Plan {
        faults_last: Duration::from_secs(10),
        ..Plan::minute(seed)
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3] {
        assert_eq!(run(&short(seed)), run(&short(seed)), "seed {seed}");
    }
}

#[test]
fn a_leader_whose_followers_are_40_ms_away_keeps_its_quorum() {
    let done = run(&Scenario::FarLeaderKeepsItsQuorum.plan(2));
    assert_eq!(done.unwrap().terms, 1);
}
