//! A transaction with what it would do: for dry runs and rollbacks.
//!
//! Whether it may be made is judged by the catalog itself, on a copy of the present state.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::caller::Caller;
use super::difference::Difference;
use super::problem::Problem;
use super::{AdminApi, change};
use crate::catalog::{Catalog, Command, ObjectKey, Outcome, Transaction, View};

/// What `transaction` would do to each object that it names.
pub fn differences(view: &View, transaction: &Transaction) -> Vec<Difference> {
    let mut after = BTreeMap::new();
    for key in &transaction.deletes {
        after.insert(key.clone(), None);
    }
    for (name, spec) in &transaction.puts {
        let key = ObjectKey {
            kind: spec.kind(),
            name: name.clone(),
        };
        after.insert(key, Some(spec));
    }
    after
        .into_iter()
        .map(|(key, after)| {
            let before = view.object(&key).map(|object| object.spec);
            Difference::of(key, before.as_ref(), after)
        })
        .collect()
}

/// The plan as JSON, with a count of each action.
pub fn to_json(plan: &[Difference]) -> Value {
    let mut counts = BTreeMap::from([("create", 0), ("update", 0), ("delete", 0), ("unchanged", 0)]);
    for difference in plan {
        *counts.entry(difference.action).or_default() += 1;
    }
    json!({ "changes": plan.iter().map(Difference::to_json).collect::<Vec<_>>(), "counts": counts })
}

/// Answers what `transaction` would do, without doing it; a refusal is answered as it would be.
pub fn dry_run(api: &AdminApi, caller: &Caller, view: &View, transaction: Transaction) -> Result<Response, Problem> {
    let plan = to_json(&differences(view, &transaction));
    let command = Command {
        actor: caller.actor.clone(),
        from: caller.origin.address(),
        at: api.clock.now(),
        transaction,
    };
    match Catalog::judge(view, &command) {
        Outcome::Refused(refusal) => Err(change::refused(&refusal, &command.transaction).with("plan", plan)),
        Outcome::Applied => {
            let body = json!({ "dry_run": true, "revision": view.revision, "plan": plan });
            Ok(change::json(StatusCode::OK, &body))
        }
    }
}
