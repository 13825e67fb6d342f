//! One change of one object, tried again while somebody else's comes in between.
//!
//! What the change says is left to `routes::object` and `routes::patch`, which build it anew for each try.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value};

use super::AdminApi;
use super::caller::Caller;
use super::change::{self, Asked, Change, NewSecret};
use super::problem::{Problem, ProblemKind};
use super::routes::object::{Wanted, at_once};
use crate::catalog::{Expected, ObjectKey, Transaction};

/// What a request has left of its tries.
pub struct Tries {
    request: Asked,
    wait: Option<Duration>,
    made: u32,
    /// One, where the caller named the revision that is to be changed.
    max: u32,
}

impl Tries {
    /// At most `max` for a request that expects `precondition`, and one if that names a revision.
    pub fn new(request: Asked, wait: Option<Duration>, precondition: Option<Expected>, max: u32) -> Self {
        let free = matches!(precondition, None | Some(Expected::Present));
        Self {
            request,
            wait,
            made: 0,
            max: if free { max } else { 1 },
        }
    }

    /// Makes the change from this node's own view, where that is enough; `None`: it has to be built from a confirmed
    /// state. This node may be behind, or the request be a repetition of one that once was: that counts as a try.
    pub async fn at_once(
        &mut self,
        api: &Arc<AdminApi>,
        caller: &Caller,
        key: &ObjectKey,
        wanted: Wanted,
        precondition: Option<Expected>,
    ) -> Option<Result<Response, Problem>> {
        let (spec, pin) = at_once(api, caller, key, wanted, precondition)?;
        let transaction = Transaction {
            expected: vec![(key.clone(), pin)],
            puts: vec![(key.name.clone(), spec)],
            ..Transaction::default()
        };
        self.make(api, caller, transaction, Vec::new()).await
    }

    /// Makes the change; `None`: somebody else was faster, and it is to be built and made again.
    pub async fn make(
        &mut self,
        api: &Arc<AdminApi>,
        caller: &Caller,
        transaction: Transaction,
        secrets: Vec<NewSecret>,
    ) -> Option<Result<Response, Problem>> {
        self.make_with(api, caller, transaction, secrets, Map::new()).await
    }

    /// [`Self::make`], answered with more members.
    pub async fn make_with(
        &mut self,
        api: &Arc<AdminApi>,
        caller: &Caller,
        transaction: Transaction,
        secrets: Vec<NewSecret>,
        told: Map<String, Value>,
    ) -> Option<Result<Response, Problem>> {
        let request = self.request.again(self.made);
        self.made += 1;
        let again = self.made < self.max;
        let change = Change {
            transaction,
            request,
            wait: self.wait,
            secrets,
            again,
        };
        match change::answer_with(api, caller, change, told).await {
            Err(problem) if problem.kind == ProblemKind::Stale && again => None,
            answer => Some(answer),
        }
    }
}
