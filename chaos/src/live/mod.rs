//! Real processes, real clients, a real network: what simulation cannot show.

mod api;
mod changes;
mod cluster;
mod disk;
mod exchange;
mod eye;
mod files;
mod judge;
mod level;
pub mod limits;
mod listeners;
mod load;
mod nemesis;
mod net;
pub mod power;
mod proxy;
mod records;
mod report;
mod revoke;
mod run;
mod spaces;
mod ways;

pub use disk::sweep;
pub use nemesis::Nemesis;
pub use run::{Asked, Verdict, run};
