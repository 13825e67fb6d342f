//! Every planted bug is caught by the invariant that guards against it, and the harness's README says so: those of the
//! cluster crate in simulation, those that only real nodes show with a program of their own. Needs the feature
//! `planted`, and root for the real nodes:
//! `cargo test --workspace --features argosy-chaos/planted --test planted`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argosy_chaos::invariants;
use argosy_chaos::sim::{Asked, Fault, Plan, search};
use argosy_cluster::planted::{Bug, VARIABLE, plant};

/// How many seeds each bug may take at most.
const SEEDS_MAX: u64 = 60;
/// How often real nodes may be run to see one bug: a busy machine does not let promises about time be judged.
const RUNS_MAX: usize = 3;
/// The load before the one fault, in minutes.
const MINUTES: &str = "0.02";

const README: &str = include_str!("../README.md");

/// Simulations need the processor and real nodes the time: one of the two at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The faults that bring a bug out in simulation, and the invariants of which one must catch it; `run`: consensus
/// itself panics, and the run ends.
fn seek(bug: Bug) -> (&'static [Fault], &'static [&'static str]) {
    match bug {
        Bug::AnswerBeforeFsync => (
            &[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::SlowDisk],
            &["acknowledged"],
        ),
        Bug::ForgetVote => (&[Fault::AllLosePower, Fault::LeaderLosesPower, Fault::Delay], &["run"]),
        Bug::VotesTwice => (&[Fault::LeaderKilled], &["one-leader"]),
        Bug::ReadWithoutQuorum => (&Fault::ALL, &["linearizable"]),
        Bug::RetryAppliedTwice => (&[Fault::Loss, Fault::LeaderDeaf], &["applied-once"]),
        Bug::UnknownCalledFailed => (&[Fault::Loss, Fault::LeaderDeaf], &["never-called-failed"]),
        Bug::ApplyDiffers => (&[Fault::Loss], &["same-state"]),
        Bug::NeverVotesForOthers => (&[Fault::LeaderKilled], &["back-again"]),
        Bug::LogWaitsForStorage => (&[Fault::StalledStorage], &["no-needless-election"]),
        Bug::WokenLeaderAnswers => (&[Fault::LeaderPaused], &["woken-leader"]),
        Bug::StopsAtAnElection => (&[Fault::LeaderKilled], &["goes-on"]),
    }
}

/// A bug that real nodes show: its name, what is done to them, and the invariant that must catch it.
const LIVE: &[(&str, &str, &str)] = &[
    ("skip-rename", "nothing", "whole-files"),
    ("lose-the-end", "nothing", "whole-files"),
    ("publish-early", "nothing", "whole-files"),
    ("login-asks-the-leader", "partition-leader", "logins-go-on"),
    ("forget-eviction", "nothing", "revoked"),
    ("leak-handles", "nothing", "back-at-level"),
    ("leak-memory", "nothing", "back-at-level"),
    ("drop-at-new-keys", "certificate", "undisturbed"),
    ("torn-journal", "nothing", "recorded"),
    ("retry-applied-twice", "nothing", "applied-once"),
    ("woken-leader-answers", "pause-leader", "woken-leader"),
];

fn only(seed: u64, faults: &[Fault]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        faults_last: Duration::from_secs(15),
        ..Plan::minute(seed)
    }
}

/// Why this bug is not proven to be caught in simulation, if so.
fn miss(bug: Bug) -> Option<String> {
    let (faults, guards) = seek(bug);
    let (mut first, begun, mut others) = (1, Instant::now(), BTreeSet::new());
    while first <= SEEDS_MAX {
        let found = search(&Asked {
            first,
            seeds: SEEDS_MAX + 1 - first,
            threads: 2,
            failures_max: 1,
            plan: Box::new(move |seed| only(seed, faults)),
            prepare: Box::new(move || plant(Some(bug))),
            progress: false,
        });
        for (seed, broken) in &found.failures {
            if let Some(by) = broken.iter().find(|broken| guards.contains(&broken.invariant)) {
                println!(
                    "{}: seed {seed}, {:.1} s: {by}",
                    bug.name(),
                    begun.elapsed().as_secs_f64()
                );
                return None;
            }
            others.extend(broken.iter().map(|broken| broken.invariant));
        }
        first += found.seeds.max(1);
    }
    let name = bug.name();
    Some(format!(
        "{name}: not seen by {guards:?} in {SEEDS_MAX} seeds; {others:?} saw it"
    ))
}

/// The program with the bugs, built beside the harness; the product's own stays as it is.
fn program() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--features", "argosy/planted"])
        .args(["--bin", "argosy-planted"])
        .current_dir(workspace)
        .status();
    assert!(built.unwrap().success(), "the program with the bugs was not built");
    Path::new(env!("CARGO_BIN_EXE_argosy-chaos")).with_file_name("argosy-planted")
}

/// One run of real nodes with this bug; what the harness said.
fn run_live(program: &Path, bug: &str, scenario: &str) -> String {
    let folder = program.with_file_name("chaos-planted").join(bug);
    std::fs::create_dir_all(&folder).unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_argosy-chaos"))
        .args(["live", "--scenario", scenario, "--minutes", MINUTES])
        .arg("--program")
        .arg(program)
        .arg("--folder")
        .arg(&folder)
        .env(VARIABLE, bug)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let both = [said.stdout, said.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Why this bug is not proven to be caught with real nodes, if so.
fn miss_live(program: &Path, (bug, scenario, guard): (&str, &str, &str)) -> Option<String> {
    let mut said = String::new();
    for _ in 0..RUNS_MAX {
        let begun = Instant::now();
        said = run_live(program, bug, scenario);
        let took = begun.elapsed().as_secs_f64();
        let mut broken = said.lines().filter_map(|line| line.trim().strip_prefix("BROKEN "));
        if let Some(by) = broken.find(|broken| broken.starts_with(&format!("{guard}: "))) {
            println!("{bug}: live, {took:.1} s: {by}");
            return None;
        }
        if said.contains("could not be run") {
            break;
        }
    }
    Some(format!("{bug}: {guard} did not catch it with real nodes:\n{said}"))
}

#[test]
fn planted_bugs_are_caught_in_simulation() {
    let _alone = alone();
    let missed: Vec<_> = Bug::ALL.into_iter().filter_map(miss).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Without root, or where there are no network namespaces, it fails and says so: nothing was proven.
#[test]
fn planted_bugs_are_caught_with_real_nodes() {
    let _alone = alone();
    let program = program();
    let missed: Vec<_> = LIVE.iter().filter_map(|row| miss_live(&program, *row)).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The rows of the README's table under this heading: the first cell, and the invariants named in the last.
fn rows(heading: &str) -> Vec<(String, Vec<String>)> {
    let section = README.split("\n## ").find(|section| section.starts_with(heading));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let rows = section.unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let first: Vec<String> = quoted(cells[0]);
        (first[0].clone(), quoted(cells[cells.len() - 1]))
    })
    .collect()
}

#[test]
fn the_readme_names_each_invariant_and_each_bug_with_what_catches_it() {
    let known: BTreeSet<String> = invariants::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let told: BTreeSet<String> = rows("Invariants").into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, known, "the table of invariants");

    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for bug in Bug::ALL {
        let guards = seek(bug).1.iter();
        seen.extend(guards.map(|guard| (bug.name().to_owned(), (*guard).to_owned())));
    }
    seen.extend(
        LIVE.iter()
            .map(|(bug, _, guard)| ((*bug).to_owned(), (*guard).to_owned())),
    );
    let rows = rows("It can fail").into_iter();
    let told: BTreeSet<_> = rows
        .flat_map(|(bug, guards)| guards.into_iter().map(move |guard| (bug.clone(), guard)))
        .collect();
    assert_eq!(told, seen, "the table of bugs");

    let caught: BTreeSet<String> = seen.into_iter().map(|(_, guard)| guard).collect();
    let never: Vec<_> = known.difference(&caught).collect();
    assert!(
        never.is_empty(),
        "{never:?}: what was never seen to fail proves nothing"
    );
}
