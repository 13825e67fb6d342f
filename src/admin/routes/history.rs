//! `GET /api/v1/history`, `/history/REVISION`, `/history/diff`: who changed what, when, from where, before and after.
//!
//! Going back is left to `rollback`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use crate::admin::difference::Difference;
use crate::admin::history::{self, Placed};
use crate::admin::openapi::{Doc, fields, list, named, of_type};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{Options, PathPart};
use crate::admin::select::{self, Glob};
use crate::admin::shapes::{self, schema};
use crate::admin::{AdminApi, change, limits};
use crate::catalog::history::Record;
use crate::catalog::{Kind, ObjectKey, Spec};
use crate::ids::Name;

/// Its routes.
pub fn routes() -> Vec<Route> {
    let text = || of_type("string");
    let revision = || json!({ "type": "integer", "minimum": 0 });
    let next = json!({ "type": ["string", "null"] });
    let entries = Doc::new(
        "List what was changed, the newest first",
        fields(&[("entries", list(of_type("object"))), ("next", next.clone())]),
    );
    let entries = entries
        .option("kind", named("Kind"), "Only objects of this kind.")
        .option(
            "name",
            json!({ "type": "string", "minLength": 1, "maxLength": limits::FILTER_BYTES_MAX }),
            "A pattern.",
        )
        .option("actor", text(), "Only what this administrator changed.")
        .pages(text());
    let whole = fields(&[
        ("revision", revision()),
        ("at", text()),
        ("actor", text()),
        ("objects", list(of_type("object"))),
        ("next", next),
    ]);
    let one = Doc::new("What one revision changed, before and after", whole).pages(text());
    let between = fields(&[("from", revision()), ("to", revision()), ("action", text())]);
    let between = Doc::new("What differs in an object between two revisions", between)
        .needs("kind", named("Kind"), "Its kind.")
        .needs("name", schema::name(), "Its name.")
        .needs("from", revision(), "The one revision.")
        .option("to", revision(), "The other; now by default.");
    vec![
        Route::new("GET", "/api/v1/history", get(entries_list), entries),
        Route::new("GET", "/api/v1/history/diff", get(diff), between),
        Route::new("GET", "/api/v1/history/{revision}", get(revision_read), one),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    kind: Option<Kind>,
    name: Option<String>,
    actor: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

async fn entries_list(
    State(api): State<Arc<AdminApi>>,
    Options(query): Options<HistoryQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.as_deref().map_or(Ok(limits::PAGE_DEFAULT), select::limit)?;
    let pattern = query.name.as_deref().map(Glob::parse).transpose()?;
    let mut from = match query.after.as_deref() {
        None => Some((u64::MAX, u32::MAX)),
        Some(text) => history::behind(place(text)?, true),
    };
    confirmed(&api).await?;
    let takes = |record: &Record| {
        query.kind.is_none_or(|kind| kind == record.key.kind)
            && pattern
                .as_ref()
                .is_none_or(|pattern| pattern.matches(record.key.name.as_str()))
            && query.actor.as_deref().is_none_or(|actor| actor == record.actor)
    };
    let (mut entries, mut next, mut looked_at) = (Vec::new(), None, 0);
    'reading: while let Some(at) = from {
        let read = history::read(&api, Some(at), limits::HISTORY_READ, true).await?;
        from = None;
        for (index, record) in read {
            if entries.len() == limit || looked_at == limits::HISTORY_LOOKED_AT_MAX {
                break 'reading;
            }
            looked_at += 1;
            let here = (record.revision, index);
            next = Some(format!("{}-{index}", record.revision));
            from = history::behind(here, true);
            if takes(&record) {
                entries.push(entry(&record));
            }
        }
        if from.is_none() {
            next = None;
        }
    }
    let body = json!({ "entries": entries, "next": next });
    Ok(change::json(StatusCode::OK, &body))
}

/// A read of the history says what was committed when it was asked, as any other.
async fn confirmed(api: &AdminApi) -> Result<(), Problem> {
    let read = api.cluster.linearize(limits::READ_DEADLINE).await;
    read.map(|_| ()).map_err(|error| Problem::from_read(&error))
}

/// A place as `next` tells it: `REVISION-INDEX`.
fn place(text: &str) -> Result<(u64, u32), Problem> {
    text.split_once('-')
        .and_then(|(revision, index)| Some((revision.parse().ok()?, index.parse().ok()?)))
        .ok_or_else(|| Problem::new(ProblemKind::Malformed, "`after` is not what `next` of a page was"))
}

fn entry(record: &Record) -> Value {
    let action = match (&record.before, &record.after) {
        (None, _) => "create",
        (_, None) => "delete",
        _ => "update",
    };
    json!({
        "revision": record.revision,
        "at": record.at.to_rfc3339(),
        "actor": record.actor,
        "from": record.from,
        "kind": record.key.kind.word(),
        "name": record.key.name,
        "action": action,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<String>,
    after: Option<String>,
}

async fn revision_read(
    State(api): State<Arc<AdminApi>>,
    part: PathPart,
    Options(query): Options<PageQuery>,
) -> Result<Response, Problem> {
    let malformed = |detail: &str| Problem::new(ProblemKind::Malformed, detail);
    let revision: u64 = part.0.parse().map_err(|_| malformed("the path names no revision"))?;
    let limit = query
        .limit
        .as_deref()
        .map_or(Ok(limits::HISTORY_PAGE_DEFAULT), select::limit)?;
    let after = query.after.as_deref().map(place).transpose()?.map(|(_, index)| index);
    confirmed(&api).await?;
    let found = history::of_revision(&api, revision).await?;
    let mut page: Vec<&Placed> = found
        .iter()
        .filter(|(index, _)| after.is_none_or(|after| *index > after))
        .take(limit + 1)
        .collect();
    let next = (page.len() > limit).then(|| {
        page.truncate(limit);
        page.last().map(|(index, _)| format!("{revision}-{index}"))
    });
    let Some((_, first)) = found.first() else {
        return Err(Problem::new(ProblemKind::NotFound, "the revision changed no object"));
    };
    let objects: Vec<_> = page.into_iter().map(|(_, record)| object(record)).collect();
    let body = json!({
        "revision": revision,
        "at": first.at.to_rfc3339(),
        "actor": first.actor,
        "from": first.from,
        "objects": objects,
        "next": next.flatten(),
    });
    Ok(change::json(StatusCode::OK, &body))
}

fn object(record: &Record) -> Value {
    let spec = |object: &Option<crate::catalog::Object<Spec>>| object.as_ref().map(|object| object.spec.clone());
    let difference = Difference::of(
        record.key.clone(),
        spec(&record.before).as_ref(),
        spec(&record.after).as_ref(),
    );
    let mut shown = difference.to_json();
    shown["action"] = entry(record)["action"].take();
    shown["before"] = record.before.as_ref().map(shapes::show_object).into();
    shown["after"] = record.after.as_ref().map(shapes::show_object).into();
    shown
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    kind: Kind,
    name: String,
    from: u64,
    to: Option<u64>,
}

async fn diff(State(api): State<Arc<AdminApi>>, Options(query): Options<DiffQuery>) -> Result<Response, Problem> {
    let name = Name::parse(&query.name).map_err(|error| Problem::new(ProblemKind::Malformed, error.to_string()))?;
    let key = ObjectKey { kind: query.kind, name };
    confirmed(&api).await?;
    let to = query.to.unwrap_or_else(|| api.cluster.view().revision);
    let before = at(&api, &key, query.from).await?;
    let after = at(&api, &key, to).await?;
    if before.is_none() && after.is_none() {
        let detail = format!("{key} was there neither at revision {} nor at {to}", query.from);
        return Err(Problem::new(ProblemKind::NotFound, detail));
    }
    let mut body = Difference::of(key, before.as_ref(), after.as_ref()).to_json();
    body["from"] = query.from.into();
    body["to"] = to.into();
    Ok(change::json(StatusCode::OK, &body))
}

/// What an object was at a revision.
async fn at(api: &AdminApi, key: &ObjectKey, revision: u64) -> Result<Option<Spec>, Problem> {
    // Before the rows: what is changed between the two reads is in the rows then.
    let view = api.cluster.view();
    let mut since = history::since(api, revision, std::slice::from_ref(key)).await?;
    let was = match since.remove(key) {
        Some(touched) => touched.was,
        None => view.object(key),
    };
    Ok(was.map(|object| object.spec))
}
