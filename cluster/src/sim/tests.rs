//! Random runs over the ledger. A failure prints its seed and the command that replays it; `ARGOSY_SIM_SEEDS` widens the
//! search.

use std::time::Duration;

use super::trial::{self, Plan, run};

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        faults: 5,
        disks_lie: false,
        sync_takes: Duration::from_millis(2),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    let seeds = match number("ARGOSY_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ARGOSY_SIM_SEEDS").unwrap_or(8),
    };
    let mut total = trial::Report::default();
    for seed in seeds {
        match run(plan(seed)) {
            Ok(report) => {
                println!("seed {seed}: {report:?}");
                total.acknowledged += report.acknowledged;
                total.retried += report.retried;
                total.terms += report.terms;
                total.snapshots += report.snapshots;
            }
            Err(wrong) => panic!(
                "seed {seed}: {wrong}\nreplay: ARGOSY_SIM_SEED={seed} cargo nextest run --workspace --no-capture -E \
                 'test(nothing_acknowledged_is_lost_whatever_fails)'"
            ),
        }
    }
    println!("{total:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(plan(7)), run(plan(7)));
}

#[test]
fn a_disk_that_answers_before_it_syncs_is_caught() {
    let caught = (0..60).find(|seed| {
        let lying = Plan {
            disks_lie: true,
            sync_takes: Duration::from_millis(40),
            ..plan(*seed)
        };
        run(lying).is_err()
    });
    assert!(
        caught.is_some(),
        "the planted bug was not found: the simulation proves nothing"
    );
}
