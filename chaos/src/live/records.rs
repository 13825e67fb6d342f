//! What each node's own history says was done, in the end, against what administrators were told.
//!
//! What that means for a promise is left to the invariants.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::Api;
use super::limits::{HISTORY_PAGE, HISTORY_PAGES_MAX, PAGE_MAX};
use super::load::Desk;
use crate::invariants::{Broken, acknowledged, applied_once, never_called_failed};
use crate::oracle::{Operation, Outcome, Settled};

const MARK: &str = "mark-";

/// The name of the object that operation `number` alone writes.
pub fn mark_name(number: u64) -> String {
    format!("{MARK}{number}")
}

/// The name of a register.
pub fn register_name(number: u64) -> String {
    format!("register-{number}")
}

/// A change: its revision, and the name of the object.
type Row = (u64, String);

/// Reads all nodes' histories and judges them.
///
/// # Errors
/// A history that could not be read.
pub fn judge(desk: &Desk) -> Result<Vec<Broken>, String> {
    let operations = desk.history.operations();
    let mut broken = Vec::new();
    for (at, api) in desk.apis.iter().enumerate() {
        let node = format!("n{}", at + 1);
        let rows = rows(api).map_err(|error| format!("the history of {node}: {error}"))?;
        broken.extend(held_against(&operations, &node, &rows));
    }
    Ok(broken)
}

/// A history keeps so many changes and no more: older ones are not judged.
fn held_against(operations: &[Operation], node: &str, rows: &[Row]) -> Vec<Broken> {
    let oldest = rows.iter().map(|(revision, _)| *revision).min().unwrap_or(0);
    let kept = |one: &&Operation| !matches!(one.outcome, Outcome::Written { revision } if revision < oldest);
    let operations: Vec<Operation> = operations.iter().filter(kept).cloned().collect();
    let settled = [settled(&operations, node, rows)];
    let mut broken = acknowledged::check(&operations, &settled);
    broken.extend(applied_once::check(&settled));
    broken.extend(never_called_failed::check(&operations, &settled));
    broken
}

/// Which operations these are: a mark says so itself; a register's change is the one that was acknowledged there.
fn settled(operations: &[Operation], node: &str, rows: &[Row]) -> Settled {
    let written = operations.iter().filter_map(|one| match one.outcome {
        Outcome::Written { revision } => Some(((revision, one.key.as_str()), one.number)),
        _ => None,
    });
    let written: BTreeMap<(u64, &str), u64> = written.collect();
    let number = |(revision, name): &Row| match name.strip_prefix(MARK) {
        Some(number) => number.parse().ok(),
        None => written.get(&(*revision, name.as_str())).copied(),
    };
    Settled {
        node: node.to_owned(),
        writes: rows
            .iter()
            .filter_map(|row| number(row).map(|number| (number, row.0)))
            .collect(),
    }
}

/// All changes of groups that this node still knows.
fn rows(api: &Api) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut after = String::new();
    for _ in 0..HISTORY_PAGES_MAX {
        let path = format!("/api/v1/history?kind=group&limit={HISTORY_PAGE}{after}");
        let page = api.get(&path, PAGE_MAX)?;
        let entries = page["entries"].as_array().ok_or("there are no entries")?;
        rows.extend(entries.iter().filter_map(row));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(rows),
        }
    }
    Err(format!("it has more than {HISTORY_PAGES_MAX} pages"))
}

fn row(entry: &Value) -> Option<Row> {
    Some((entry["revision"].as_u64()?, entry["name"].as_str()?.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::Action;

    fn write(number: u64, key: &str, outcome: Outcome) -> Operation {
        Operation {
            number,
            process: 1,
            node: "n1".to_owned(),
            key: key.to_owned(),
            action: Action::Write { expected: None },
            invoked: Duration::ZERO,
            completed: Duration::ZERO,
            outcome,
            tries: 1,
        }
    }

    #[track_caller]
    fn check(rows: &[(u64, &str)], expected: &[&str]) {
        let operations = [
            write(1, "mark-1", Outcome::Written { revision: 10 }),
            write(2, "register-0", Outcome::Written { revision: 11 }),
            write(3, "mark-3", Outcome::Unknown(String::new())),
            write(4, "mark-4", Outcome::Failed("refused".to_owned())),
        ];
        let rows: Vec<Row> = rows
            .iter()
            .map(|(revision, name)| (*revision, (*name).to_owned()))
            .collect();
        let broken = held_against(&operations, "n1", &rows);
        let found: Vec<_> = broken.iter().map(|broken| broken.invariant).collect();
        assert_eq!(found, expected, "{broken:?}");
    }

    #[test]
    fn what_was_answered_stands_there_once() {
        check(&[(10, "mark-1"), (11, "register-0")], &[]);
        check(&[(10, "mark-1"), (11, "register-0"), (12, "mark-3")], &[]);
        check(&[(9, "register-7"), (11, "register-0")], &["acknowledged"]);
        check(&[(10, "mark-1"), (11, "register-1")], &["acknowledged"]);
        check(
            &[(10, "mark-1"), (11, "register-0"), (12, "mark-3"), (13, "mark-3")],
            &["applied-once"],
        );
        check(
            &[(10, "mark-1"), (11, "register-0"), (12, "mark-4")],
            &["never-called-failed"],
        );
    }

    #[test]
    fn what_a_history_has_let_go_is_not_judged() {
        check(&[(11, "register-0")], &[]);
    }
}
