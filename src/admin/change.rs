//! A change on its way: proposed, recorded, answered.
//!
//! What it consists of is left to the routes; whether it is made, to the catalog.

use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::{Committed, ProposeError, RequestId};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::problem::{Problem, ProblemKind};
use super::{AdminApi, border, enforced, etag, limits};
use crate::catalog::{Command, Expected, ObjectKey, Outcome, Refusal, Transaction, View};
use crate::events::Event;

/// Names a request and what was asked by it, so that a repetition is recognised.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The request's id.
    pub id: RequestId,
    /// The id that the caller knows it by.
    pub named: RequestId,
    /// A hash of who asked what of which path under which precondition.
    pub body_hash: [u8; 32],
}

impl Asked {
    /// The request `id` of `caller`; `parts` are method, path, preconditions and body.
    ///
    /// The hash is replicated, so that of a body that may hold a password is a slow one, as the password's own:
    /// a fast one could be guessed at.
    pub async fn new(api: &AdminApi, id: RequestId, caller: &Caller, parts: &[&[u8]]) -> Result<Self, Problem> {
        let mut text = Zeroizing::new(format!("{:?}", caller.actor).into_bytes());
        for part in parts {
            // The length keeps two parts from being read as one.
            text.extend((part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        let holds = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
        // A field's name can hide behind JSON's escapes.
        if !holds(b"password") && !holds(b"\\u") {
            let body_hash = border::sha256(&text);
            return Ok(Self {
                id,
                named: id,
                body_hash,
            });
        }
        let permit = api.builds.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Problem::new(ProblemKind::Internal, "the node is stopping"))?;
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            border::slow_hash(&text, &id.0)
        });
        match hashed.await {
            Ok(Ok(body_hash)) => Ok(Self {
                id,
                named: id,
                body_hash,
            }),
            Ok(Err(reason)) => Err(Problem::new(ProblemKind::Internal, reason)),
            Err(_) => Err(Problem::new(ProblemKind::Internal, "the request cannot be hashed")),
        }
    }

    /// The `tries`-th repetition of the request (0: the request itself) under an id that follows from its own, so
    /// that who asks again with the same id goes through the same repetitions.
    #[must_use]
    pub fn again(self, tries: u32) -> Self {
        if tries == 0 {
            return self;
        }
        let mut text = self.named.0.to_vec();
        text.extend(tries.to_be_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&border::sha256(&text)[..16]);
        Self {
            id: RequestId(id),
            ..self
        }
    }
}

/// How a change is to be made and answered.
pub struct Change {
    /// What is to change.
    pub transaction: Transaction,
    /// Names the request.
    pub request: Asked,
    /// Wait until every member has enforced it.
    pub wait: Option<Duration>,
    /// Secrets that were made for it and are shown once.
    pub secrets: Vec<NewSecret>,
    /// If another change came in between, it is tried again: then that is no refusal that is told.
    pub again: bool,
}

/// A secret that was made for an object.
pub struct NewSecret {
    /// The object; an API token.
    pub key: ObjectKey,
    /// The secret.
    pub secret: Zeroizing<String>,
}

/// Proposes a change and records what became of it. It goes on even if the caller hangs up meanwhile.
///
/// Gives the revision; a refusal or an unknown outcome is a problem that names the request.
pub async fn make(
    api: &Arc<AdminApi>,
    caller: &Caller,
    transaction: Transaction,
    request: Asked,
) -> Result<u64, Problem> {
    propose(api, caller, transaction, request, false).await
}

async fn propose(
    api: &Arc<AdminApi>,
    caller: &Caller,
    transaction: Transaction,
    request: Asked,
    again: bool,
) -> Result<u64, Problem> {
    let (api, caller) = (api.clone(), caller.clone());
    let task = tokio::spawn(async move {
        let command = Command {
            actor: caller.actor.clone(),
            from: caller.origin.address(),
            at: api.clock.now(),
            transaction: transaction.clone(),
        };
        let answer = api
            .cluster
            .propose_request(request.id, request.body_hash, command, limits::PROPOSE_DEADLINE)
            .await;
        let is_stale = |outcome: &Outcome| matches!(outcome, Outcome::Refused(Refusal::Stale { .. }));
        if !(again && answer.as_ref().is_ok_and(|committed| is_stale(&committed.outcome))) {
            record(&api, &caller, &transaction, &answer);
        }
        match answer {
            Ok(Committed {
                revision,
                outcome: Outcome::Applied,
            }) => Ok(revision),
            Ok(Committed {
                outcome: Outcome::Refused(refusal),
                ..
            }) => Err(refused(&refusal, &transaction)),
            Err(error) => Err(Problem::from_propose(&error)),
        }
    });
    let answer = task.await.unwrap_or_else(|_| {
        let problem = Problem::new(
            ProblemKind::OutcomeUnknown,
            format!(
                "it is not known whether the change was made; ask again with request id {}",
                request.named
            ),
        );
        Err(problem.with("outcome", "unknown"))
    });
    answer.map_err(|problem| problem.with("request", request.named.to_string()))
}

/// [`make`], answered with the revision, new secrets, and, if asked for, what each member has enforced.
pub async fn answer(api: &Arc<AdminApi>, caller: &Caller, change: Change) -> Result<Response, Problem> {
    answer_with(api, caller, change, Map::new()).await
}

/// [`answer`], with more members.
pub async fn answer_with(
    api: &Arc<AdminApi>,
    caller: &Caller,
    change: Change,
    mut body: Map<String, Value>,
) -> Result<Response, Problem> {
    let revision = propose(api, caller, change.transaction, change.request, change.again).await?;
    body.insert("revision".to_owned(), revision.into());
    body.insert("request".to_owned(), change.request.named.to_string().into());
    if !change.secrets.is_empty() {
        let view = api.cluster.view();
        let shown: Vec<_> = change.secrets.iter().map(|new| show_secret(new, &view)).collect();
        body.insert("secrets".to_owned(), shown.into());
    }
    if let Some(wait) = change.wait {
        body.insert("enforced".to_owned(), enforced::wait(api, revision, wait).await);
    }
    let mut response = json(StatusCode::OK, &Value::Object(body));
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&etag::of(revision)) {
        headers.insert(header::ETAG, tag);
    }
    if let Ok(request) = HeaderValue::from_str(&change.request.named.to_string()) {
        headers.insert("x-request-id", request);
    }
    Ok(response)
}

/// A repeated request makes a second secret, but the first one is what counts: then null is shown.
fn show_secret(new: &NewSecret, view: &View) -> Value {
    let row = view.api_tokens.get(&new.key.name);
    let counts = row.is_some_and(|row| row.spec.secret_hash == border::sha256(new.secret.as_bytes()));
    json!({
        "kind": new.key.kind.word(),
        "name": new.key.name,
        "secret": counts.then(|| new.secret.as_str()),
    })
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, headers, format!("{body}\n")).into_response()
}

/// A refusal of a transaction as a problem.
pub fn refused(refusal: &Refusal, transaction: &Transaction) -> Problem {
    let mut problem = Problem::from_refusal(refusal);
    if let Refusal::Stale {
        key,
        current: Some(revision),
    } = refusal
    {
        let absent = |row: &(crate::catalog::ObjectKey, Expected)| row.0 == *key && row.1 == Expected::Absent;
        if transaction.expected.iter().any(absent) {
            problem.detail = format!("{key} exists already, at revision {revision}");
        }
    }
    problem
}

fn record(
    api: &AdminApi,
    caller: &Caller,
    transaction: &Transaction,
    answer: &Result<Committed<Outcome>, ProposeError>,
) {
    let (actor, from) = (caller.to_string(), caller.origin.to_string());
    let refused = |reason: String| Event::ChangeRefused {
        actor: actor.clone(),
        from: from.clone(),
        reason,
    };
    let event = match answer {
        Ok(Committed {
            revision,
            outcome: Outcome::Applied,
        }) => {
            let puts = transaction
                .puts
                .iter()
                .map(|(name, spec)| format!("put {} `{name}`", spec.kind().word()));
            let deletes = transaction.deletes.iter().map(|key| format!("delete {key}"));
            Event::CatalogChanged {
                actor: actor.clone(),
                from: from.clone(),
                revision: *revision,
                objects: puts.chain(deletes).collect(),
            }
        }
        Ok(Committed {
            outcome: Outcome::Refused(refusal),
            ..
        }) => refused(refusal.to_string()),
        Err(error) => refused(error.to_string()),
    };
    api.journal.record(event);
}
