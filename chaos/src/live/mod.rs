//! Real processes, real clients, a real network: what simulation cannot show.

mod api;
mod cluster;
mod files;
pub mod limits;
mod load;
mod nemesis;
mod net;
pub mod power;
mod report;
mod revoke;
mod run;

pub use nemesis::Nemesis;
pub use run::{Asked, Verdict, run};
