//! One run against a real cluster: load, a nemesis again and again, then everything well again, then the verdict.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argosy_cluster::sim::Dice;

use super::cluster::{ACCOUNT, Cluster, Plan};
use super::eye::{self, Watched};
use super::files::Files;
use super::judge::Scene;
use super::limits::{REVOKED_MAX, STALL_MAX};
use super::listeners::{self, Took};
use super::load::Desk;
use super::nemesis::{self, Nemesis};
use super::{level, report, revoke};
use crate::invariants::{Broken, back_at_level, revoked};
use crate::oracle::{Operation, Outcome};

/// What to run.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The fault.
    pub nemesis: Nemesis,
    /// Derives the choices; a real cluster takes its own time all the same.
    pub seed: u64,
    /// How long the load and the faults go on.
    pub lasts: Duration,
    /// How many nodes.
    pub nodes: usize,
    /// Loopback addresses behind proxies, even where namespaces are allowed.
    pub loopback: bool,
    /// The program under test.
    pub program: PathBuf,
    /// Where everything goes; the report too.
    pub folder: PathBuf,
}

/// One fault of a run.
#[derive(Debug, Clone)]
pub struct Struck {
    /// From when.
    pub from: Duration,
    /// Until when it was ended.
    pub to: Duration,
    /// Whom.
    pub nodes: Vec<usize>,
    /// Who could not serve meanwhile.
    pub down: Vec<usize>,
    /// The longest time without an acknowledged write in it, and until the next.
    pub gap: Duration,
}

/// What a run showed.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Every operation.
    pub operations: Vec<Operation>,
    /// Every fault.
    pub struck: Vec<Struck>,
    /// Who led: when, and which node.
    pub leaders: Vec<(Duration, usize)>,
    /// Uploads acknowledged and failed, whole downloads.
    pub files: (u64, u64, u64),
    /// Logins that came in, and that did not.
    pub logins: (u64, u64),
    /// Sessions of an account that was disabled.
    pub sessions: Vec<revoked::Session>,
    /// How long each node took to be back after the last fault, for each way to serve.
    pub back: Vec<Took>,
    /// What each node used before the load and after it.
    pub levels: Vec<(String, back_at_level::Used, back_at_level::Used)>,
    /// What is broken.
    pub broken: Vec<Broken>,
    /// What took too long while the machine itself stood still: not judged.
    pub doubtful: Vec<Broken>,
    /// The longest time for which this machine did not let the harness run.
    pub stalled: Duration,
    /// How long it took.
    pub lasted: Duration,
}

impl Verdict {
    /// The figures in one line.
    pub fn summary(&self) -> String {
        let count = |of: fn(&Outcome) -> bool| self.operations.iter().filter(|one| of(&one.outcome)).count();
        let mut gaps: Vec<Duration> = self
            .struck
            .iter()
            .map(|struck| struck.gap)
            .filter(|gap| !gap.is_zero())
            .collect();
        gaps.sort_unstable();
        let half = gaps.get(gaps.len() / 2).copied().unwrap_or_default().as_secs_f64();
        let worst = gaps.last().copied().unwrap_or_default().as_secs_f64();
        format!(
            "  {} operations, {} writes acknowledged, {} unknown, {} refused; {} uploads acknowledged, {} failed; {} \
             logins, {} failed; {} faults, longest write gap {half:.2} s median, {worst:.2} s worst; the machine stood still for up to \
             {:.2} s; {} promises broken, {} not judged",
            self.operations.len(),
            count(|outcome| matches!(outcome, Outcome::Written { .. })),
            count(|outcome| matches!(outcome, Outcome::Unknown(_))),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            self.files.0,
            self.files.1,
            self.logins.0,
            self.logins.1,
            self.struck.len(),
            self.stalled.as_secs_f64(),
            self.broken.len(),
            self.doubtful.len(),
        )
    }
}

/// Runs it, and writes the report.
///
/// # Errors
/// What kept it from running; a broken promise is in the verdict.
pub fn run(asked: &Asked) -> Result<Verdict, String> {
    let cluster = Cluster::start(&Plan {
        program: &asked.program,
        folder: &asked.folder,
        nodes: asked.nodes,
        loopback: asked.loopback,
        disks: asked.nemesis.needs_disks(),
    })?;
    let apis = (0..asked.nodes).map(|at| cluster.api(at)).collect::<Result<_, _>>()?;
    let addresses = (0..asked.nodes).map(|at| cluster.net.address(at)).collect();
    let files = Files::new(addresses, asked.folder.clone(), cluster.key_file());
    let desk = Desk::new(apis);
    let watched = Mutex::new(Watched::default());
    let stalled = Mutex::new(Duration::ZERO);
    let home = asked.folder.join("files").join(ACCOUNT);
    let before = level::used(&cluster);
    let mut verdict = Verdict::default();
    let faults = std::thread::scope(|scope| {
        let (desk, files) = (&desk, &files);
        for process in 0..6 {
            scope.spawn(move || desk.administer(process, asked.seed));
        }
        for process in 1..=2 {
            scope.spawn(move || files.transfer(desk, process, asked.seed));
        }
        scope.spawn(|| files.come_in(desk));
        scope.spawn(|| files.look(desk, &home));
        scope.spawn(|| eye::watch(&cluster, desk, asked.nemesis.pauses(), &watched));
        scope.spawn(|| eye::feel(desk, &stalled));
        let faults = strike(asked, &cluster, desk, files);
        desk.over.store(true, std::sync::atomic::Ordering::Relaxed);
        faults
    });
    let faults = faults?;
    (verdict.struck, verdict.back) = (faults.struck, faults.back);
    verdict.broken.extend(faults.ended);
    let scene = Scene {
        asked,
        cluster: &cluster,
        desk: &desk,
        files: &files,
        home: &home,
        before: &before,
    };
    scene.settle(&mut verdict);
    match revoke::disable(&cluster, &files) {
        Ok(sessions) => verdict.sessions = sessions,
        Err(error) => verdict.broken.push(Broken::new(
            "back-again",
            format!("an account could not be disabled after the faults: {error}"),
        )),
    }
    verdict.broken.extend(revoked::check(&verdict.sessions, REVOKED_MAX));
    std::thread::sleep(Duration::from_secs(2));
    scene.judge(&mut verdict);
    let mut watched = watched.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdict.broken.append(&mut watched.broken);
    verdict.leaders = watched.led;
    verdict.stalled = stalled.into_inner().unwrap_or_else(PoisonError::into_inner);
    if verdict.stalled > STALL_MAX {
        let timed = ["back-again", "logins-go-on", "revoked"];
        let all = std::mem::take(&mut verdict.broken).into_iter();
        (verdict.doubtful, verdict.broken) = all.partition(|broken| timed.contains(&broken.invariant));
    }
    for (node, at) in &watched.stopped {
        let what = format!(
            "{node} was stopped by a signal at {:.1} s, not by this run",
            at.as_secs_f64()
        );
        verdict.doubtful.push(Broken::new("goes-on", what));
    }
    verdict.lasted = desk.begun.elapsed();
    report::write(asked, &verdict)?;
    Ok(verdict)
}

/// What was done, and what came of it at once.
#[derive(Default)]
struct Faults {
    struck: Vec<Struck>,
    back: Vec<Took>,
    ended: Vec<Broken>,
}

/// The nemesis, again and again; then all is well, and each node is to be back.
fn strike(asked: &Asked, cluster: &Cluster, desk: &Desk, files: &Files) -> Result<Faults, String> {
    let mut dice = Dice::new(asked.seed);
    let mut faults = Faults::default();
    std::thread::sleep(Duration::from_secs(3));
    while desk.begun.elapsed() < asked.lasts {
        let pause = 2_000 + dice.below(3_000);
        let mut struck = strike_once(asked, cluster, desk, &mut dice, pause, &mut faults.ended)?;
        std::thread::sleep(Duration::from_secs(6));
        struck.gap = gap_between(&desk.history.operations(), struck.from, desk.begun.elapsed());
        faults.struck.push(struck);
    }
    let struck = strike_once(asked, cluster, desk, &mut dice, 2_000, &mut faults.ended)?;
    faults.back = listeners::back_after(cluster, desk, files, struck.to);
    faults.struck.push(struck);
    Ok(faults)
}

/// One fault, from its beginning to its end.
fn strike_once(
    asked: &Asked,
    cluster: &Cluster,
    desk: &Desk,
    dice: &mut Dice,
    lasts_millis: u64,
    broken: &mut Vec<Broken>,
) -> Result<Struck, String> {
    let from = desk.begun.elapsed();
    let at = |error: String| format!("at {:.1} s: {error}", desk.begun.elapsed().as_secs_f64());
    let mut begun = nemesis::begin(asked.nemesis, cluster, dice).map_err(at)?;
    std::thread::sleep(Duration::from_millis(lasts_millis));
    broken.extend(begun.end(cluster, dice).map_err(at)?);
    let to = desk.begun.elapsed();
    println!(
        "  {:6.1} s to {:6.1} s: {} {}",
        from.as_secs_f64(),
        to.as_secs_f64(),
        asked.nemesis.name(),
        begun
            .struck
            .iter()
            .map(|at| cluster.nodes[*at].name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    );
    Ok(Struck {
        from,
        to,
        nodes: begun.struck,
        down: begun.down,
        gap: Duration::ZERO,
    })
}

fn gap_between(operations: &[Operation], from: Duration, to: Duration) -> Duration {
    let written = operations
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Written { .. }));
    let mut at: Vec<Duration> = written
        .map(|one| one.completed)
        .filter(|at| *at >= from && *at <= to)
        .collect();
    at.extend([from, to]);
    at.sort_unstable();
    at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
