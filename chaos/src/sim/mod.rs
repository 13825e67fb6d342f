//! The real cluster crate on simulated time: one seed derives a whole run, so that each failure can be replayed.

mod clients;
mod faults;
pub mod limits;
mod machine;
mod run;
mod search;

pub use faults::Fault;
pub use run::{Plan, Report, Scenario, run};
pub use search::{Asked, Found, search};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
