//! `GET /api/v1/watch`: changes of objects as server-sent events, from a revision on.
//!
//! ```text
//! event: put
//! id: 12
//! data: {"revision": 12, "kind": "account", "name": "alice", "object": {...}}
//! ```
//!
//! An id says that everything up to that revision was told; sent back as `Last-Event-ID` or `from`, the watch goes on
//! there. An object that changes faster than a client reads is told once, as it is. What is not
//! remembered any more is read from the history. Remembering is left to `admin::watch`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::Route;
use crate::admin::caller::Caller;
use crate::admin::connection::Stopping;
use crate::admin::openapi::{Doc, of_type};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{self, Options, ReadQuery};
use crate::admin::watch::{Changes, TooOld};
use crate::admin::{AdminApi, history, limits, shapes};
use crate::catalog::apply::authority;
use crate::catalog::{Kind, ObjectKey, Role};

/// Its route.
pub fn routes() -> Vec<Route> {
    let revision = || json!({ "type": "integer", "minimum": 0 });
    let doc = Doc::of(
        "Watch changes as server-sent events",
        "text/event-stream",
        of_type("string"),
    )
    .option(
        "kinds",
        of_type("string"),
        "Kinds, with commas between; all by default.",
    )
    .option("from", revision(), "Begin behind this revision; by default now.")
    .header("Last-Event-ID", revision(), "The same, and it wins.");
    vec![Route::new("GET", "/api/v1/watch", get(begin), doc)]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchQuery {
    kinds: Option<String>,
    from: Option<u64>,
}

async fn begin(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    stopping: Option<Extension<Stopping>>,
    Options(query): Options<WatchQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kinds = kinds(query.kinds.as_deref())?;
    let from = last_event_id(&headers)?.or(query.from);
    let permit = api.watchers.clone().try_acquire_owned().map_err(|_| {
        let detail = format!(
            "{} watches are open on this node; end one or ask another node",
            limits::WATCHERS_MAX
        );
        Problem::new(ProblemKind::TooManyWatchers, detail)
    })?;
    let read = ReadQuery {
        min_revision: from,
        ..ReadQuery::default()
    };
    let view = query::view(&api, &read).await?;
    let changes = api.changes();
    let cursor = from.unwrap_or(view.revision);
    let backlog = match changes.since(cursor) {
        Ok(_) => None,
        Err(too_old) => Some(backlog(&api, &changes, cursor, too_old).await?),
    };
    let (frames, received) = mpsc::channel(limits::WATCH_FRAMES_MAX);
    let last = frames.clone().try_reserve_owned();
    let last = last.map_err(|_| Problem::new(ProblemKind::Internal, "the watch cannot begin"))?;
    let stop = stopping.map_or_else(|| watch::channel(false).1, |Extension(Stopping(stop))| stop);
    let watcher = Watcher {
        api,
        caller,
        kinds,
        cursor,
        frames,
        _counted: permit,
    };
    tokio::spawn(watcher.run(changes, backlog, last, stop));
    let body = futures_util::stream::unfold(received, async |mut received| {
        let frame: Bytes = received.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), received))
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// What was changed after `from`, out of the history, and up to which revision that tells.
async fn backlog(api: &AdminApi, changes: &Changes, from: u64, too_old: TooOld) -> Result<Backlog, Problem> {
    // Before the rows: what is changed between the two reads is told by the ring once more.
    let until = api.cluster.view().revision;
    let since = history::since(api, from, &[]).await;
    let since = since.map_err(|problem| match problem.kind {
        ProblemKind::Gone | ProblemKind::TooLarge => {
            let kept = problem.fields.get("oldest").and_then(Value::as_u64);
            gone(from, kept.map_or(too_old, |oldest| TooOld { oldest }))
        }
        _ => problem,
    })?;
    changes.since(until).map_err(|too_old| gone(from, too_old))?;
    let mut told: Vec<_> = since.into_iter().map(|(key, touched)| (touched.changed, key)).collect();
    told.sort();
    Ok((told, until))
}

fn gone(from: u64, too_old: TooOld) -> Problem {
    let detail = format!(
        "the changes after revision {from} are not kept any more on this node, only those after {}; list again and \
         watch from the revision of the list",
        too_old.oldest
    );
    Problem::new(ProblemKind::Gone, detail).with("oldest", too_old.oldest)
}

fn kinds(words: Option<&str>) -> Result<BTreeSet<Kind>, Problem> {
    let Some(words) = words else {
        return Ok(Kind::ALL.into_iter().collect());
    };
    words
        .split(',')
        .map(|word| {
            Kind::from_word(word).ok_or_else(|| {
                let known: Vec<_> = Kind::ALL.into_iter().map(Kind::word).collect();
                let detail = format!("`kinds` names what is no kind; known are {}", known.join(", "));
                Problem::new(ProblemKind::Malformed, detail)
            })
        })
        .collect()
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let malformed = || Problem::new(ProblemKind::Malformed, "Last-Event-ID is no revision of this watch");
    id.map(Some).ok_or_else(malformed)
}

/// Changes that are told first, and the revision after which the ring goes on.
type Backlog = (Vec<(u64, ObjectKey)>, u64);

/// Why a watch ends; told as its last event.
enum End {
    Revoked(String),
    Slow,
    Behind,
    Stopping,
    /// The client went away: nothing is told.
    Left,
}

struct Watcher {
    api: Arc<AdminApi>,
    caller: Caller,
    kinds: BTreeSet<Kind>,
    cursor: u64,
    frames: mpsc::Sender<Bytes>,
    _counted: OwnedSemaphorePermit,
}

impl Watcher {
    async fn run(
        mut self,
        changes: Arc<Changes>,
        backlog: Option<Backlog>,
        last: mpsc::OwnedPermit<Bytes>,
        mut stop: watch::Receiver<bool>,
    ) {
        let end = tokio::select! {
            end = self.tell(&changes, backlog) => end,
            // A sender that is gone says nothing about stopping.
            () = async { if stop.wait_for(|stop| *stop).await.is_err() { std::future::pending::<()>().await } } => {
                End::Stopping
            }
        };
        let (reason, advice) = match end {
            End::Left => return,
            End::Revoked(reason) => (reason, "watch with a valid token"),
            End::Slow => (
                format!("nothing was read for {:?}", self.api.watch_pace.send_deadline),
                "watch again from `revision`, and read faster",
            ),
            End::Behind => (
                "more was changed than is remembered before it was read".to_owned(),
                "list again and watch from the revision of the list",
            ),
            End::Stopping => ("the node stops".to_owned(), "watch at another node from `revision`"),
        };
        let data = json!({ "reason": reason, "advice": advice, "revision": self.cursor });
        last.send(Bytes::from(event("end", None, &data)));
    }

    /// Tells everything until there is a reason to end.
    async fn tell(&mut self, changes: &Changes, backlog: Option<Backlog>) -> End {
        let mut newest = changes.newest();
        let mut beat = tokio::time::interval(self.api.watch_pace.heartbeat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.reset();
        let mut text = event("begin", Some(self.cursor), &json!({ "revision": self.cursor }));
        if let Some((changed, until)) = backlog {
            let told = self.send(std::mem::take(&mut text)).await;
            let told = match told {
                Ok(()) => self.batch(changed).await,
                Err(end) => Err(end),
            };
            if let Err(end) = told {
                return end;
            }
            self.cursor = self.cursor.max(until);
        }
        loop {
            if let Err(end) = self.send(std::mem::take(&mut text)).await {
                return end;
            }
            tokio::select! {
                changed = newest.wait_for(|newest| *newest > self.cursor) => {
                    if changed.is_err() {
                        return End::Stopping;
                    }
                }
                _ = beat.tick() => text = event("heartbeat", Some(self.cursor), &json!({ "revision": self.cursor })),
                () = self.frames.closed() => return End::Left,
            }
            if let Err(reason) = self.allowed() {
                return End::Revoked(reason);
            }
            match changes.since(self.cursor) {
                Err(_) => return End::Behind,
                Ok((changed, newest)) => {
                    if let Err(end) = self.batch(changed).await {
                        return end;
                    }
                    self.cursor = self.cursor.max(newest);
                }
            }
        }
    }

    async fn batch(&mut self, changed: Vec<(u64, ObjectKey)>) -> Result<(), End> {
        let view = self.api.cluster.view();
        let mut text = String::new();
        for (at, (revision, key)) in changed.iter().enumerate() {
            let whole = changed.get(at + 1).is_none_or(|(next, _)| next != revision);
            if self.kinds.contains(&key.kind) {
                // Only the last event of a revision bears its id: a watch that goes on there has missed nothing.
                let id = whole.then_some(*revision);
                let mut data = json!({ "revision": revision, "kind": key.kind.word(), "name": key.name });
                match shapes::show(&view, key) {
                    Some(object) => {
                        data["revision"] = object["revision"].clone();
                        data["object"] = object;
                        text += &event("put", id, &data);
                    }
                    None => text += &event("delete", id, &data),
                }
            }
            if text.len() >= limits::WATCH_FRAME_BYTES {
                self.send(std::mem::take(&mut text)).await?;
            }
            if whole {
                self.cursor = *revision;
            }
        }
        self.send(text).await
    }

    async fn send(&self, text: String) -> Result<(), End> {
        if text.is_empty() {
            return Ok(());
        }
        let deadline = self.api.watch_pace.send_deadline;
        match tokio::time::timeout(deadline, self.frames.send(Bytes::from(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Slow),
        }
    }

    fn allowed(&self) -> Result<(), String> {
        let role = authority(&self.api.cluster.view(), &self.caller.actor, self.api.clock.now())?;
        if role < Role::Viewer {
            return Err(format!("the role {} may not watch", role.word()));
        }
        Ok(())
    }
}

/// One event in the form of the HTML standard, section 9.2.
fn event(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
