//! Configuration is linearizable on every node (promise 2): each register's operations could have been answered by one
//! register, at one moment between question and answer.

use super::Broken;
use crate::oracle::{Operation, Register, Verdict, calls_of, check as search};

/// The promise.
pub const PROMISE: &str = "configuration is linearizable on every node";

/// Every register for itself: together they are linearizable if each is.
pub fn check(operations: &[Operation]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (key, calls) in calls_of(operations) {
        match search::<Register>(&calls) {
            Verdict::Linearizable => {}
            Verdict::Broken { stuck_at, after } => {
                let what = format!("{key}: operation {stuck_at} cannot have been answered so after {after:?}");
                let numbers = after.into_iter().chain([stuck_at]).collect();
                broken.push(Broken::new("linearizable", what).with(numbers));
            }
            Verdict::TooHard => {
                let what = format!("{key}: the search over {} operations was given up", calls.len());
                broken.push(Broken::new("linearizable", what));
            }
        }
    }
    broken
}
