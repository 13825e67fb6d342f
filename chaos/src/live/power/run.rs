//! One seed: load, power cuts one after the other, a look after each, the verdict.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::bench::Bench;
use super::disk::{Loss, Lost};
use super::limits::{LOAD_MS_MIN, LOAD_MS_SPREAD, STARTING_MS_SPREAD, STRIKE_MAX};
use super::look::{self, Looked};
use super::machine::{Machine, Make};
use super::{partner, report};
use crate::invariants::Broken;
use crate::live::load::Desk;
use crate::oracle::Operation;

/// Administrators in load, for each machine.
const ADMINISTRATORS: u64 = 2;
/// Partners in load, for each machine.
const PARTNERS: u64 = 2;

/// A bug of the harness, to see that it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// The disk answers a flush before what was written is on it: as if the answer came before the sync.
    ForgetfulDisk,
    /// The storage does not sync uploads, as its setting `relaxed` says; the partners count on them all the same.
    RelaxedStorage,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Derives when and how the power goes; machines take their own time all the same.
    pub seed: u64,
    /// How many cuts.
    pub cuts: usize,
    /// How many machines, all cut at once.
    pub nodes: usize,
    /// The program under test.
    pub program: PathBuf,
    /// The kernel; the newest in `/boot` by default.
    pub kernel: Option<PathBuf>,
    /// QEMU's accelerator.
    pub accelerator: String,
    /// Where everything goes; the report too.
    pub folder: PathBuf,
    /// A bug to be caught.
    pub planted: Option<Planted>,
}

/// One cut.
#[derive(Debug, Clone)]
pub struct Cut {
    /// From 1 on.
    pub number: usize,
    /// When, since the load began first.
    pub at: Duration,
    /// What became of writes that were not flushed.
    pub loss: Loss,
    /// Whether the kernel wrote soon what nobody had synced.
    pub eager: bool,
    /// What each disk lost.
    pub lost: Vec<Lost>,
    /// Whether the power went once more while the nodes started.
    pub again: bool,
    /// Uploads that were acknowledged since the cut before.
    pub uploads: u64,
    /// Changes that were acknowledged since the cut before.
    pub changes: usize,
    /// From power on until all nodes were ready.
    pub ready: Duration,
    /// How many promises were broken.
    pub broken: usize,
}

impl Cut {
    /// In one line.
    pub fn line(&self) -> String {
        let sum = |of: fn(&Lost) -> usize| self.lost.iter().map(of).sum::<usize>();
        let pending: u64 = self.lost.iter().map(|lost| lost.pending_bytes).sum();
        format!(
            "cut {} at {:.1} s, {}, {}: {} KiB not flushed, {} sectors kept, {} lost; {} flushes, {} uploads and \
             {} changes acknowledged before; {}ready after {:.1} s: {}",
            self.number,
            self.at.as_secs_f64(),
            if self.eager { "eager kernel" } else { "lazy kernel" },
            self.loss.name(),
            pending / 1024,
            sum(|lost| lost.kept),
            sum(|lost| lost.lost),
            self.lost.iter().map(|lost| lost.flushes).sum::<u64>(),
            self.uploads,
            self.changes,
            if self.again { "cut again while starting, " } else { "" },
            self.ready.as_secs_f64(),
            match self.broken {
                0 => "all there".to_owned(),
                broken => format!("{broken} broken"),
            },
        )
    }
}

/// What a seed showed.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Every cut.
    pub cuts: Vec<Cut>,
    /// Every operation of administrators.
    pub operations: Vec<Operation>,
    /// Uploads acknowledged, and logins that broke off in the middle of their uploads.
    pub uploads: (u64, u64),
    /// Changes that were acknowledged.
    pub changes: usize,
    /// What is broken.
    pub broken: Vec<Broken>,
    /// How long it took, with the making of the machines.
    pub lasted: Duration,
}

impl Verdict {
    /// The figures in one line.
    pub fn summary(&self) -> String {
        let mut ready: Vec<Duration> = self.cuts.iter().map(|cut| cut.ready).collect();
        ready.sort_unstable();
        format!(
            "{} cuts; {} uploads acknowledged, {} logins broken off in the middle; {} operations, \
             {} changes acknowledged; ready after {:.1} s (median); {} promises broken; {:.0} s",
            self.cuts.len(),
            self.uploads.0,
            self.uploads.1,
            self.operations.len(),
            self.changes,
            ready.get(ready.len() / 2).copied().unwrap_or_default().as_secs_f64(),
            self.broken.len(),
            self.lasted.as_secs_f64(),
        )
    }
}

/// Runs it, and writes the report.
///
/// # Errors
/// What kept it from running; a broken promise is in the verdict.
pub fn run(asked: &Asked) -> Result<Verdict, String> {
    let begun = Instant::now();
    let mut bench = Bench::start(asked)?;
    println!(
        "  {} nodes are ready after {:.1} s",
        asked.nodes,
        begun.elapsed().as_secs_f64()
    );
    let desk = Desk::new(bench.apis.clone());
    let mut dice = Dice::new(asked.seed);
    let mut verdict = Verdict::default();
    let mut after = After {
        looked: Looked::new(),
        eager: false,
        last: false,
    };
    for number in 1..=asked.cuts {
        let before = (uploads(&bench).0, desk.history.acknowledged());
        load_until_cut(asked, &mut bench, &desk, number, &mut dice);
        let mut cut = Cut {
            number,
            at: desk.begun.elapsed(),
            loss: Loss::of_turn(asked.seed.wrapping_add(number as u64)),
            eager: after.eager,
            lost: Vec::new(),
            again: dice.below(4) == 0,
            uploads: uploads(&bench).0 - before.0,
            changes: desk.history.acknowledged() - before.1,
            ready: Duration::ZERO,
            broken: 0,
        };
        after.eager = dice.below(3) != 0;
        after.last = number == asked.cuts;
        let found = start_again(&mut bench, &desk, &mut cut, &mut after, &mut dice)?;
        cut.broken = found.len();
        println!("  {}", cut.line());
        verdict.cuts.push(cut);
        if !found.is_empty() {
            keep_disks(asked, &mut bench)?;
            verdict.broken = found;
            break;
        }
    }
    verdict.operations = desk.history.operations();
    verdict.changes = desk.history.acknowledged();
    verdict.uploads = uploads(&bench);
    verdict.lasted = begun.elapsed();
    report::write(asked, &verdict)?;
    Ok(verdict)
}

/// Acknowledged, and logins that broke off, at all machines.
fn uploads(bench: &Bench) -> (u64, u64) {
    let each = bench.files.iter().map(|files| {
        let shown = files.shown();
        (shown.acknowledged, shown.failed)
    });
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Load on every machine for a while, then the power goes in the middle of it.
fn load_until_cut(asked: &Asked, bench: &mut Bench, desk: &Desk, round: usize, dice: &mut Dice) {
    desk.over.store(false, Ordering::Relaxed);
    let lasts = Duration::from_millis(LOAD_MS_MIN + dice.below(LOAD_MS_SPREAD));
    // Most moments are none in which a disk has much to lose: three cuts of four come in the middle of a flush.
    let in_flush = dice.below(4) != 0;
    let Bench { machines, files, .. } = bench;
    std::thread::scope(|scope| {
        for (at, files) in files.iter().enumerate() {
            let first = (round * 100 + at * 10) as u64;
            for process in first..first + ADMINISTRATORS {
                scope.spawn(move || desk.administer(process, asked.seed));
            }
            for process in first..first + PARTNERS {
                scope.spawn(move || partner::upload(files, desk, process, asked.seed));
            }
        }
        std::thread::sleep(lasts);
        if in_flush {
            wait_for_flush(machines);
        }
        machines.iter_mut().for_each(Machine::power_off);
        desk.over.store(true, Ordering::Relaxed);
    });
}

/// Waits until some machine asks its disk to flush what it wrote.
fn wait_for_flush(machines: &[Machine]) {
    machines.iter().for_each(|machine| machine.disk().arm());
    let until = Instant::now() + STRIKE_MAX;
    while Instant::now() < until && !machines.iter().any(|machine| machine.disk().is_struck()) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What is to be done after a cut.
struct After {
    looked: Looked,
    /// Whether the kernel writes soon what nobody synced, from the next start on.
    eager: bool,
    /// No cut follows: every name is looked at.
    last: bool,
}

/// Loses what was not flushed, starts all machines again and looks.
fn start_again(
    bench: &mut Bench,
    desk: &Desk,
    cut: &mut Cut,
    after: &mut After,
    dice: &mut Dice,
) -> Result<Vec<Broken>, String> {
    cut.lost = lose(bench, cut.loss, dice);
    if cut.again {
        power_on(bench, after.eager)?;
        std::thread::sleep(Duration::from_millis(dice.below(STARTING_MS_SPREAD)));
        bench.machines.iter_mut().for_each(Machine::power_off);
        cut.lost.extend(lose(bench, cut.loss, dice));
    }
    power_on(bench, after.eager)?;
    let begun = Instant::now();
    for at in 0..bench.machines.len() {
        if let Err(error) = bench.wait_ready(at) {
            return match error.contains("GUEST cannot mount") {
                // No promise is about a file system that is lost.
                true => Err(error),
                false => Ok(vec![Broken::new("back-again", error)]),
            };
        }
    }
    cut.ready = begun.elapsed();
    match look::after_cut(bench, desk, &mut after.looked, after.last) {
        Ok(broken) => Ok(broken),
        Err(error) => Ok(vec![Broken::new("back-again", error)]),
    }
}

fn power_on(bench: &mut Bench, eager: bool) -> Result<(), String> {
    let mut machines = bench.machines.iter_mut();
    machines.try_for_each(|machine| machine.power_on(&Make::Init, eager))
}

fn lose(bench: &Bench, loss: Loss, dice: &mut Dice) -> Vec<Lost> {
    bench.machines.iter().map(|machine| machine.lose(loss, dice)).collect()
}

/// Stops the machines where a promise is broken, and keeps their disks for whoever looks for the reason.
fn keep_disks(asked: &Asked, bench: &mut Bench) -> Result<(), String> {
    for machine in &mut bench.machines {
        machine.power_off();
        let file = asked.folder.join(format!("{}.img", machine.name));
        machine.disk().save(&file)?;
        println!("  the disk of {} as it is now: {}", machine.name, file.display());
    }
    Ok(())
}
