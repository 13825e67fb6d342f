//! Nodes whose state has come to differ from the others': found, mended one at a time, and left alone where nobody
//! knows which state is right.

use std::time::Duration;

use openraft::AsyncRuntime;

use super::scenarios::{leader, scenario_with, sleep};
use super::scoped::Scoped;
use super::trial::{NODES, SimCore, Trial, check_history, write_once};
use crate::raft::{CoreError, Verdict};
use crate::{StateMachine, sim::Ledger};

const SEEDS: std::ops::Range<u64> = 20..26;

async fn write_many(world: &Trial, operations: std::ops::Range<u64>) {
    for operation in operations {
        while let Err(error) = write_once(&leader(world).await, operation).await {
            assert!(!matches!(error, CoreError::Stopped { .. }), "{error}");
            sleep(10).await;
        }
    }
}

/// Another operation stands at `place` in the ledger of this node alone.
async fn corrupt(world: &Trial, id: u64, place: u64, operation: u64) {
    let key = place.to_be_bytes().to_vec();
    let core = world.core(id).unwrap();
    core.corrupt(key, Ledger::encode_command(&operation)).await.unwrap();
}

fn kept_copies(world: &Trial, id: u64) -> usize {
    world.disk(id).unwrap().snapshots.different.lock().unwrap().len()
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        sleep(10).await;
    }
    panic!("{what}: not within 10 s");
}

fn is_mended(core: &SimCore) -> bool {
    let metrics = core.metrics();
    !metrics.aside && metrics.verdict == Verdict::Agreed
}

async fn all_have_the_same(world: &Trial) {
    sleep(500).await;
    let cores = NODES.map(|id| world.core(id).unwrap());
    let upto = cores.iter().map(SimCore::applied).max().unwrap();
    for core in &cores {
        assert!(core.wait_applied(upto, Duration::from_secs(5)).await);
        assert_eq!(core.view(), cores[0].view());
        assert_eq!(core.metrics().state_hash, cores[0].metrics().state_hash);
        assert_eq!(core.fatal().reason(), None);
        check_history(0, core).unwrap();
    }
}

#[test]
fn a_follower_whose_state_differs_steps_aside_keeps_its_copy_and_is_mended_while_writes_go_on() {
    for seed in SEEDS {
        scenario_with(seed, |world| async move {
            write_many(&world, 0..20).await;
            corrupt(&world, 3, 4, 999).await;
            let wrong = world.core(3).unwrap();
            let writing = async {
                // More than a snapshot's worth, so that the log is purged meanwhile.
                for operation in 20..120 {
                    write_many(&world, operation..operation + 1).await;
                    sleep(5).await;
                }
            };
            let watching = until("node 3 steps aside", || kept_copies(&world, 3) == 1);
            futures_util::future::join(writing, watching).await;
            until("node 3 is mended", || is_mended(&wrong)).await;
            write_many(&world, 120..130).await;
            all_have_the_same(&world).await;
            assert_eq!(NODES.map(|id| kept_copies(&world, id)), [0, 0, 1]);
            // What it has on disk is right too.
            world.crash(3, true);
            write_many(&world, 130..140).await;
            world.start(3).await.unwrap();
            all_have_the_same(&world).await;
            assert_eq!(kept_copies(&world, 3), 1);
        });
    }
}

#[test]
fn a_leader_whose_state_differs_refuses_changes_hands_over_and_is_mended() {
    for seed in SEEDS {
        scenario_with(seed, |world| async move {
            write_many(&world, 0..20).await;
            let id = world.leader().unwrap();
            let wrong = world.core(id).unwrap();
            corrupt(&world, id, 4, 999).await;
            until("the difference is found", || wrong.metrics().verdict != Verdict::Agreed).await;
            let refused = write_once(&wrong, 500).await;
            assert!(
                matches!(
                    refused,
                    Err(CoreError::Unavailable { .. } | CoreError::NotLeader { .. })
                ),
                "{refused:?}"
            );
            until("it is mended", || is_mended(&wrong)).await;
            assert_ne!(world.leader(), Some(id));
            write_many(&world, 20..40).await;
            all_have_the_same(&world).await;
            assert_eq!(kept_copies(&world, id), 1);
        });
    }
}

#[test]
fn without_a_majority_of_equal_states_changes_stop_and_nobody_is_wiped() {
    for seed in SEEDS {
        scenario_with(seed, |world| async move {
            write_many(&world, 0..20).await;
            sleep(500).await;
            corrupt(&world, 2, 4, 888).await;
            corrupt(&world, 3, 4, 999).await;
            for id in NODES {
                let core = world.core(id).unwrap();
                let found = || matches!(core.metrics().verdict, Verdict::NoMajority { .. });
                until("the difference is found", found).await;
            }
            let refused = write_once(&leader(&world).await, 500).await;
            let Err(CoreError::Unavailable { reason }) = refused else {
                panic!("{refused:?}")
            };
            assert!(reason.contains("nothing is wiped"), "{reason}");
            Scoped::sleep(Duration::from_secs(5)).await;
            for (id, expected) in [(1, 4), (2, 888), (3, 999)] {
                let core = world.core(id).unwrap();
                assert!(!core.metrics().aside);
                assert_eq!(core.view().get(4), Some(&expected), "node {id}");
                assert_eq!(kept_copies(&world, id), 0);
            }
        });
    }
}

#[test]
fn two_that_differ_alike_are_the_majority_and_the_third_follows_them() {
    scenario_with(3, |world| async move {
        write_many(&world, 0..20).await;
        sleep(500).await;
        corrupt(&world, 2, 4, 999).await;
        corrupt(&world, 3, 4, 999).await;
        let core = world.core(1).unwrap();
        until("node 1 is mended", || kept_copies(&world, 1) == 1 && is_mended(&core)).await;
        // Until the history does not tell of the changed place any more.
        write_many(&world, 20..80).await;
        all_have_the_same(&world).await;
    });
}
