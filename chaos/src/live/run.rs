//! One run against a real cluster: load, a nemesis again and again, then everything well again, then the verdict.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::cluster::{ACCOUNT, Cluster};
use super::files::{Files, whole};
use super::limits::{REVOKED_MAX, SETTLE_MAX, STALL_MAX, WATCH_EVERY};
use super::load::Desk;
use super::nemesis::{self, Nemesis};
use super::{records, report, revoke};
use crate::invariants::{
    Broken, back_again, back_at_level, linearizable, logins_go_on, one_leader, revoked, same_state, whole_files,
    woken_leader,
};
use crate::oracle::{Action, Operation, Outcome};

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
    /// Each node's time to be back after the last fault.
    pub back: Vec<(String, Option<Duration>)>,
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

#[derive(Default)]
struct Watched {
    leaders: one_leader::Leaders,
    states: same_state::States,
    led: Vec<(Duration, usize)>,
    broken: Vec<Broken>,
}

/// Runs it, and writes the report.
///
/// # Errors
/// What kept it from running; a broken promise is in the verdict.
pub fn run(asked: &Asked) -> Result<Verdict, String> {
    let cluster = Cluster::start(&asked.program, &asked.folder, asked.nodes)?;
    let apis = (0..asked.nodes).map(|at| cluster.api(at)).collect::<Result<_, _>>()?;
    let addresses = (0..asked.nodes).map(|at| cluster.net.address(at)).collect();
    let files = Files::new(addresses, asked.folder.clone(), cluster.key_file());
    let desk = Desk::new(apis);
    let watched = Mutex::new(Watched::default());
    let stalled = Mutex::new(Duration::ZERO);
    let home = asked.folder.join("files").join(ACCOUNT);
    let before = used(&cluster);
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
        scope.spawn(|| watch(&cluster, desk, &watched));
        scope.spawn(|| feel(desk, &stalled));
        let faults = strike(asked, &cluster, desk);
        desk.over.store(true, std::sync::atomic::Ordering::Relaxed);
        faults
    });
    (verdict.struck, verdict.back) = faults?;
    // What cannot be done any more breaks the run, and hides nothing that was seen before.
    let ended = settle(&cluster, &desk, &mut verdict).and_then(|()| revoke::disable(&cluster, &files));
    match ended {
        Ok(sessions) => verdict.sessions = sessions,
        Err(stopped) => verdict.broken.push(Broken::new("run", stopped)),
    }
    verdict.broken.extend(revoked::check(&verdict.sessions, REVOKED_MAX));
    std::thread::sleep(Duration::from_secs(2));
    judge(&cluster, &desk, &files, &home, &before, &mut verdict);
    let mut watched = watched.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdict.broken.append(&mut watched.broken);
    verdict.leaders = watched.led;
    verdict.stalled = stalled.into_inner().unwrap_or_else(PoisonError::into_inner);
    if verdict.stalled > STALL_MAX {
        let timed = ["back-again", "logins-go-on", "revoked"];
        let all = std::mem::take(&mut verdict.broken).into_iter();
        (verdict.doubtful, verdict.broken) = all.partition(|broken| timed.contains(&broken.invariant));
    }
    verdict.lasted = desk.begun.elapsed();
    report::write(asked, &verdict)?;
    Ok(verdict)
}

type Faults = Result<(Vec<Struck>, Vec<(String, Option<Duration>)>), String>;

/// The nemesis, again and again; then all is well, and each node is to be back.
fn strike(asked: &Asked, cluster: &Cluster, desk: &Desk) -> Faults {
    let mut dice = Dice::new(asked.seed);
    let mut struck = Vec::new();
    std::thread::sleep(Duration::from_secs(3));
    while desk.begun.elapsed() < asked.lasts {
        let from = desk.begun.elapsed();
        let mut begun = nemesis::begin(asked.nemesis, cluster, &mut dice)?;
        std::thread::sleep(Duration::from_millis(2_000 + dice.below(3_000)));
        begun.end(cluster)?;
        let to = desk.begun.elapsed();
        println!(
            "  {:6.1} s to {:6.1} s: {} {:?}",
            from.as_secs_f64(),
            to.as_secs_f64(),
            asked.nemesis.name(),
            begun.struck
        );
        std::thread::sleep(Duration::from_secs(6));
        let gap = gap_between(&desk.history.operations(), from, desk.begun.elapsed());
        struck.push(Struck {
            from,
            to,
            nodes: begun.struck,
            down: begun.down,
            gap,
        });
    }
    let mut begun = nemesis::begin(asked.nemesis, cluster, &mut dice)?;
    std::thread::sleep(Duration::from_secs(2));
    let from = desk.begun.elapsed();
    begun.end(cluster)?;
    let to = desk.begun.elapsed();
    struck.push(Struck {
        from: from.saturating_sub(Duration::from_secs(2)),
        to,
        nodes: begun.struck,
        down: begun.down,
        gap: Duration::ZERO,
    });
    Ok((struck, back_after(cluster, desk, to)))
}

/// How long each node takes to take a write and to answer a read.
fn back_after(cluster: &Cluster, desk: &Desk, ended: Duration) -> Vec<(String, Option<Duration>)> {
    let mut took: Vec<Option<Duration>> = vec![None; cluster.nodes.len()];
    while took.contains(&None) && desk.begun.elapsed() < ended + back_again::WITHIN * 3 {
        std::thread::sleep(Duration::from_millis(100));
        for operation in desk.history.operations().iter().rev().take(60) {
            let served = matches!(operation.outcome, Outcome::Written { .. } | Outcome::Read(_));
            let at = cluster.nodes.iter().position(|node| node.name == operation.node);
            if let Some(at) = at.filter(|_| served && operation.invoked >= ended) {
                took[at].get_or_insert(operation.completed.saturating_sub(ended));
            }
        }
    }
    let names = cluster.nodes.iter().map(|node| format!("{} serves", node.name));
    names.zip(took).collect()
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

/// All nodes come to one state, and every register is read once more at each.
fn settle(cluster: &Cluster, desk: &Desk, verdict: &mut Verdict) -> Result<(), String> {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        let states: Vec<_> = (0..cluster.nodes.len())
            .map(|at| {
                cluster
                    .status(at)
                    .map(|status| (status["applied"].clone(), status["state_hash"].clone()))
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
    for key in desk.keys() {
        for at in 0..cluster.nodes.len() {
            desk.once(100 + at as u64, at, &key, Action::Read, &mut dice);
        }
    }
    verdict.broken.extend(records::judge(desk)?);
    Ok(())
}

fn judge(
    cluster: &Cluster,
    desk: &Desk,
    files: &Files,
    home: &Path,
    before: &[back_at_level::Used],
    verdict: &mut Verdict,
) {
    verdict.operations = desk.history.operations();
    verdict.broken.extend(linearizable::check(&verdict.operations));
    verdict.broken.extend(woken_leader::check(&verdict.operations));
    verdict.broken.extend(back_again::check(&verdict.back));
    let shown = files.shown();
    verdict.files = (shown.acknowledged, shown.failed, shown.downloads);
    let came_in = shown.logins.iter().filter(|login| login.failed.is_none()).count();
    verdict.logins = (came_in as u64, (shown.logins.len() - came_in) as u64);
    let stands: Vec<_> = shown
        .names
        .iter()
        .map(|(name, tried)| whole_files::Stands {
            name: name.clone(),
            acknowledged: tried.acknowledged,
            tried: tried.tried,
            found: std::fs::read(home.join(name)).ok().map(|bytes| whole(&bytes)),
        })
        .collect();
    verdict.broken.extend(whole_files::check(&shown.torn, &stands));
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
    let levels: Vec<_> = before
        .iter()
        .zip(used(cluster))
        .enumerate()
        .map(|(at, (before, after))| (name(at), *before, after))
        .collect();
    verdict.broken.extend(back_at_level::check(&levels));
    for node in &cluster.nodes {
        let said = std::fs::read_to_string(&node.log).unwrap_or_default();
        if let Some(line) = said.lines().find(|line| line.contains("panicked at")) {
            verdict
                .broken
                .push(Broken::new("goes-on", format!("{} panicked: {line}", node.name)));
        }
    }
}

/// What each node uses now.
fn used(cluster: &Cluster) -> Vec<back_at_level::Used> {
    let each = cluster.nodes.iter();
    each.map(|node| {
        let pid = node.pid().unwrap_or(0);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        back_at_level::Used {
            memory_bytes: kib.unwrap_or(0) * 1024,
            handles: handles as u64,
        }
    })
    .collect()
}

/// Feels how long the machine does not let this process run: no promise about time holds on such a machine.
fn feel(desk: &Desk, stalled: &Mutex<Duration>) {
    while !desk.is_over() {
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(10));
        let mut longest = stalled.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = begun.elapsed().max(*longest);
    }
}

/// The oracle's eye on the nodes.
fn watch(cluster: &Cluster, desk: &Desk, watched: &Mutex<Watched>) {
    while !desk.is_over() {
        for (at, node) in cluster.nodes.iter().enumerate() {
            let Some(status) = cluster.status(at) else { continue };
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            let watched = &mut *watched;
            if status["role"] == "leader" {
                let term = status["term"].as_u64().unwrap_or(0);
                if term > watched.leaders.newest() {
                    watched.led.push((desk.begun.elapsed(), at));
                }
                watched.broken.extend(watched.leaders.seen(term, &node.name));
            }
            let hash = status["state_hash"]
                .as_str()
                .and_then(|text| u128::from_str_radix(text, 16).ok());
            if let (Some(index), Some(hash)) = (status["applied"].as_u64(), hash) {
                watched.broken.extend(watched.states.seen(&node.name, index, hash));
            }
        }
        std::thread::sleep(WATCH_EVERY);
    }
}
