//! The command line of the chaos harness: `sim` for simulated clusters, `live` for real ones, `power` for power cuts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use argosy_chaos::invariants::Broken;
use argosy_chaos::live::{self, Nemesis, power};
use argosy_chaos::sim::{Asked, Plan, Scenario, search};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many breaks of one promise are printed; the report has all.
const SHOWN_OF_EACH: usize = 3;

/// Breaks a cluster on purpose and judges what it promised.
#[derive(Parser)]
#[command(name = "argosy-chaos")]
struct Arguments {
    #[command(subcommand)]
    level: Level,
}

#[derive(Subcommand)]
enum Level {
    /// The cluster crate on simulated time; one seed derives a run.
    Sim(Sim),
    /// The real binary: processes in network namespaces, or on loopback addresses behind proxies; real clients.
    Live(Live),
    /// The real binary in virtual machines, as root: the power is cut under load.
    Power(Power),
}

#[derive(clap::Args)]
struct Power {
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cuts for each.
    #[arg(long, default_value_t = 5)]
    cuts: usize,
    /// How many machines, all cut at once.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// A bug that must be caught: then the verdict is that a promise was broken.
    #[arg(long, value_enum)]
    planted: Option<power::Planted>,
    /// The kernel of the machines; the newest in /boot by default.
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// How QEMU runs them: `tcg` anywhere, `kvm` where it is there.
    #[arg(long, default_value = "tcg")]
    accelerator: String,
    /// The program under test.
    #[arg(long, default_value = "target/debug/argosy")]
    program: PathBuf,
    /// Where folders, logs and reports go.
    #[arg(long, default_value = "target/chaos")]
    folder: PathBuf,
}

#[derive(clap::Args)]
struct Live {
    /// What is done to the cluster; several are run one after the other.
    #[arg(long, value_enum)]
    scenario: Vec<Nemesis>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// How long each goes on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many seeds of each.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Loopback addresses behind proxies, even where network namespaces are allowed.
    #[arg(long)]
    loopback: bool,
    /// The program under test.
    #[arg(long, default_value = "target/debug/argosy")]
    program: PathBuf,
    /// Where folders, logs and reports go.
    #[arg(long, default_value = "target/chaos")]
    folder: PathBuf,
}

#[derive(clap::Args)]
struct Sim {
    /// How many seeds, a simulated minute each.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// What each seed runs.
    #[arg(long, value_enum, default_value = "minute")]
    scenario: Scenario,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    match Arguments::parse().level {
        Level::Sim(sim) => run_seeds(&sim),
        Level::Live(live) => run_live(&live),
        Level::Power(asked) => run_power(&asked),
    }
}

fn run_seeds(sim: &Sim) -> ExitCode {
    let (first, seeds) = sim.seed.map_or((sim.first, sim.seeds), |seed| (seed, 1));
    let scenario = sim.scenario;
    let found = search(&Asked {
        first,
        seeds,
        threads: sim.jobs,
        failures_max: 10,
        plan: Box::new(move |seed| Plan {
            trace: seeds == 1,
            ..scenario.plan(seed)
        }),
        prepare: Box::new(|| {}),
        progress: true,
    });
    print!("{}", found.summary());
    for (seed, broken) in &found.failures {
        let name = clap::ValueEnum::to_possible_value(&scenario);
        let name = name.map(|value| value.get_name().to_owned()).unwrap_or_default();
        println!("seed {seed} failed; replay: cargo run -p argosy-chaos -- sim --scenario {name} --seed {seed}");
        for broken in broken.iter().take(5) {
            println!("  {broken}");
        }
    }
    match found.failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run_live(asked: &Live) -> ExitCode {
    let scenarios = if asked.all {
        Nemesis::ALL.to_vec()
    } else {
        asked.scenario.clone()
    };
    if scenarios.is_empty() {
        eprintln!("say --scenario NAME or --all");
        return ExitCode::from(2);
    }
    let mut verdict = ExitCode::SUCCESS;
    for nemesis in scenarios {
        for seed in asked.seed..asked.seed + asked.seeds {
            match one_live(asked, nemesis, seed) {
                Ok(true) => {}
                Ok(false) => verdict = ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("{} seed {seed} could not be run: {error}", nemesis.name());
                    verdict = ExitCode::from(2);
                }
            }
        }
    }
    verdict
}

/// The first of each invariant: one bug breaks a promise many times, and may break several.
fn some_of_each(broken: &[Broken]) -> Vec<&Broken> {
    let mut shown: Vec<&Broken> = Vec::new();
    for one in broken {
        let same = shown.iter().filter(|other| other.invariant == one.invariant);
        if same.count() < SHOWN_OF_EACH {
            shown.push(one);
        }
    }
    shown
}

/// Runs one; true where every promise was kept.
fn one_live(asked: &Live, nemesis: Nemesis, seed: u64) -> Result<bool, String> {
    let folder = asked.folder.join(format!("{}-{seed}", nemesis.name()));
    live::sweep(&folder);
    let folder = fresh(&folder)?;
    println!(
        "{} seed {seed}: {} nodes, {} minutes",
        nemesis.name(),
        asked.nodes,
        asked.minutes
    );
    let verdict = live::run(&live::Asked {
        nemesis,
        seed,
        lasts: Duration::from_secs_f64(asked.minutes * 60.0),
        nodes: asked.nodes,
        loopback: asked.loopback,
        program: absolute(&asked.program)?,
        folder: folder.clone(),
    })?;
    println!("{}", verdict.summary());
    for broken in some_of_each(&verdict.broken) {
        println!("  BROKEN {broken}");
    }
    for doubtful in some_of_each(&verdict.doubtful) {
        println!("  NOT JUDGED (busy machine) {doubtful}");
    }
    println!("  report: {}", folder.join("report.html").display());
    Ok(verdict.broken.is_empty())
}

fn run_power(asked: &Power) -> ExitCode {
    let mut verdict = ExitCode::SUCCESS;
    for seed in asked.seed..asked.seed + asked.seeds {
        match one_power(asked, seed) {
            Ok(true) => {}
            Ok(false) => verdict = ExitCode::FAILURE,
            Err(error) => {
                eprintln!("power cuts, seed {seed}, could not be run: {error}");
                verdict = ExitCode::from(2);
            }
        }
    }
    verdict
}

/// Runs one; true where every promise was kept.
fn one_power(asked: &Power, seed: u64) -> Result<bool, String> {
    println!("power cuts, seed {seed}: {} nodes, {} cuts", asked.nodes, asked.cuts);
    let folder = fresh(&asked.folder.join(format!("power-{seed}")))?;
    let verdict = power::run(&power::Asked {
        seed,
        cuts: asked.cuts,
        nodes: asked.nodes,
        program: absolute(&asked.program)?,
        kernel: asked.kernel.clone(),
        accelerator: asked.accelerator.clone(),
        folder: folder.clone(),
        planted: asked.planted,
    })?;
    println!("  {}", verdict.summary());
    for broken in some_of_each(&verdict.broken) {
        println!("  BROKEN {broken}");
    }
    println!("  report: {}", folder.join("report.html").display());
    Ok(verdict.broken.is_empty())
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An empty folder, by its absolute path.
fn fresh(folder: &Path) -> Result<PathBuf, String> {
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    absolute(folder)
}
