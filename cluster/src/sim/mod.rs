//! Deterministic simulation of the consensus core: nodes on virtual time, with faults.
//!
//! For this crate's own tests, and, behind the feature `sim`, for the chaos harness. A [`World`] has nodes, a network
//! and disks; what is written, which faults come and what is judged is left to its user. One seed derives a whole run.

mod ask;
mod clock;
mod dice;
mod disk;
mod member;
mod net;
mod scoped;
mod world;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod differences;
#[cfg(test)]
mod ledger;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod scenarios;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(test)]
mod trial;

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft_rt_sim::SimInstant;

pub use ask::Sight;
pub use dice::Dice;
pub use disk::Disk;
#[cfg(test)]
pub(crate) use disk::{MemoryStore, MemoryValues};
#[cfg(test)]
pub use ledger::Ledger;
pub use net::Net;
use scoped::{Scoped, panics};
pub use world::{Setup, World};

/// Runs `work` on simulated time to its end.
///
/// # Errors
/// What `work` says, or that one of its tasks panicked.
pub fn run<T>(seed: u64, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let mut runtime = Scoped::with_seed(seed);
    let done = runtime.block_on(work);
    match panics().first() {
        Some(panic) => Err(format!("a task panicked: {panic}")),
        None => done,
    }
}

/// The simulated time since the start of the run.
pub fn now() -> Duration {
    SimInstant::try_now().map_or(Duration::ZERO, SimInstant::elapsed_since_start)
}

/// Waits on simulated time.
pub async fn sleep(duration: Duration) {
    Scoped::sleep(duration).await;
}

/// Starts a task that belongs to no node.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(Scoped::spawn(work));
}
