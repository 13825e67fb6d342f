//! The oracle that both levels share: a history of operations, and the question whether it is linearizable.
//!
//! What a verdict means for a promise is left to the invariants.

mod history;
mod linear;
mod register;
mod slots;

pub use history::{Action, History, Operation, Outcome, Seen, Settled};
pub use linear::{Call, Model, Verdict, check};
pub use register::{Register, RegisterStep, calls_of};
pub use slots::{Slots, Taken};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
