//! Chaos: breaks a cluster on purpose and judges whether it kept its promises. Never linked into the product.
//!
//! Two levels share one oracle and one set of invariants.
//!
//! * [`oracle`]: what was asked and answered, and whether one register could have answered so.
//! * [`invariants`]: one file per promise.
//! * [`sim`]: the real cluster crate on simulated time, network and disks; one seed derives a whole run.
//!
//! * [`live`]: the real binary, one process and one network namespace a node, real clients, faults from outside.
//!
//! What a run found is told by `README.md` beside this crate.

pub mod invariants;
pub mod live;
pub mod oracle;
pub mod sim;
