//! The command line of the chaos harness: `sim` for simulated clusters, `live` for real ones.

use std::process::ExitCode;

use argosy_chaos::sim::{Asked, Plan, search};
use clap::{Parser, Subcommand};

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
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    match Arguments::parse().level {
        Level::Sim(sim) => run_seeds(&sim),
    }
}

fn run_seeds(sim: &Sim) -> ExitCode {
    let (first, seeds) = sim.seed.map_or((sim.first, sim.seeds), |seed| (seed, 1));
    let found = search(&Asked {
        first,
        seeds,
        threads: sim.jobs,
        failures_max: 10,
        plan: match seeds {
            1 => |seed| Plan {
                trace: true,
                ..Plan::minute(seed)
            },
            _ => Plan::minute,
        },
        prepare: || {},
        progress: true,
    });
    print!("{}", found.summary());
    for (seed, broken) in &found.failures {
        println!("seed {seed} failed; replay: cargo run --workspace --bin argosy-chaos -- sim --seed {seed}");
        for broken in broken.iter().take(5) {
            println!("  {broken}");
        }
    }
    match found.failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
