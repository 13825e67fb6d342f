//! `/api/v1/KIND` and `/api/v1/KIND/NAME`: list, read, put, patch and delete one object of any kind.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{self, delete, get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::Route;
use crate::admin::caller::Caller;
use crate::admin::change::{self, Change, NewSecret};
use crate::admin::openapi::{self, Doc, named};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{self, Options, PathPart, ReadQuery, WriteQuery};
use crate::admin::select::Selection;
use crate::admin::shapes::fields::Fields;
use crate::admin::shapes::{self, Border, Built, kinds, schema};
use crate::admin::tries::Tries;
use crate::admin::{AdminApi, etag, limits, merge};
use crate::catalog::command::role_needed;
use crate::catalog::{Expected, Kind, ObjectKey, Role, Settings, Spec, Transaction, View};

/// Its routes: five a kind.
pub fn routes() -> Vec<Route> {
    Kind::ALL
        .into_iter()
        .flat_map(|kind| {
            let (word, name) = (kind.word(), openapi::kind_name(kind));
            let list_path = format!("/api/v1/{word}");
            let path = format!("{list_path}/{{name}}");
            let changed = |what: &str| {
                Doc::new(format!("{what} {word}"), named("Changed"))
                    .writes()
                    .conditional()
            };
            let read = Doc::new(format!("Read a {word}"), named(&name))
                .reads()
                .header(
                    "If-None-Match",
                    openapi::of_type("string"),
                    "Answer 304 if this is its revision.",
                )
                .also("304", "Not changed", None);
            let put = changed("Make or replace a").body(named(&format!("{name}Put")));
            let patch = named(&format!("{name}Patch"));
            let patch = changed("Change some fields of a").body_as(&super::patch::MEDIA_TYPES, patch, true);
            let extension = Extension(kind);
            [
                Route::new("GET", list_path, get(self::list).layer(extension), list_doc(kind)),
                Route::new("GET", path.clone(), get(self::read).layer(extension), read),
                Route::new("PUT", path.clone(), routing::put(write).layer(extension), put),
                Route::new(
                    "PATCH",
                    path.clone(),
                    routing::patch(super::patch::patch).layer(extension),
                    patch,
                ),
                Route::new("DELETE", path, delete(remove).layer(extension), changed("Delete a")),
            ]
        })
        .collect()
}

fn list_doc(kind: Kind) -> Doc {
    let page = named(&format!("{}List", openapi::kind_name(kind)));
    let mut doc = Doc::new(format!("List every {}", kind.word()), page)
        .reads()
        .pages(schema::name());
    let pattern = json!({ "type": "string", "minLength": 1, "maxLength": limits::FILTER_BYTES_MAX });
    doc = doc.option("name", pattern, "A pattern with `*` and `?`.");
    for (name, takes) in (kinds::row(kind).filters)() {
        doc = doc.option(name, openapi::filter(takes), "Only what this fits.");
    }
    doc
}

async fn list(
    State(api): State<Arc<AdminApi>>,
    Extension(kind): Extension<Kind>,
    Options(pairs): Options<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let row = kinds::row(kind);
    let (selection, read) = Selection::parse(pairs, &(row.filters)())?;
    let view = query::view(&api, &read).await?;
    let page = (row.page)(&view, &selection);
    let body = json!({ "revision": view.revision, "objects": page.objects, "next": page.next });
    Ok(change::json(StatusCode::OK, &body))
}

async fn read(
    State(api): State<Arc<AdminApi>>,
    Extension(kind): Extension<Kind>,
    part: PathPart,
    Options(query): Options<ReadQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = ObjectKey {
        kind,
        name: part.name()?,
    };
    let view = query::view(&api, &query).await?;
    let object = shown(&view, &key)?;
    let revision = object["revision"].as_u64().unwrap_or(0);
    let mut response = if etag::not_modified(&headers, revision) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        change::json(StatusCode::OK, &object)
    };
    if let Ok(tag) = HeaderValue::from_str(&etag::of(revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The object as it is answered.
fn shown(view: &View, key: &ObjectKey) -> Result<Value, Problem> {
    shapes::show(view, key)
        .or_else(|| default_settings(key))
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("{key} does not exist")))
}

/// Settings that were never written are shown with their defaults, at revision 0.
fn default_settings(key: &ObjectKey) -> Option<Value> {
    let asked = key.kind == Kind::Settings && key.name.as_str() == crate::catalog::settings::SETTINGS_NAME;
    asked.then(|| {
        json!({
            "kind": key.kind.word(),
            "name": key.name,
            "revision": 0,
            "spec": shapes::settings::show(&Settings::default()),
        })
    })
}

async fn write(
    State(api): State<Arc<AdminApi>>,
    Extension(kind): Extension<Kind>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
    Options(options): Options<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = ObjectKey {
        kind,
        name: part.name()?,
    };
    let wait = options.wait()?;
    let expected = etag::expected(&headers)?;
    let body = query::body(body).await?;
    let request = query::asked(&api, &caller, &format!("put {key}"), &headers, &body).await?;
    let spec = spec_of(&key, query::json(&body)?)?;
    let mut tries = Tries::new(request, wait, expected, limits::PUT_TRIES_MAX);
    if body.len() <= limits::QUICK_BYTES_MAX {
        let wanted = Wanted::Whole(spec.clone());
        if let Some(answer) = tries.at_once(&api, &caller, &key, wanted, expected).await {
            return answer;
        }
    }
    loop {
        let wanted = (key.clone(), Wanted::Whole(spec.clone()), "spec".to_owned());
        let mut transaction = Transaction::default();
        let pin = expected.map(|expected| (key.clone(), expected));
        transaction.expected.extend(pin);
        let secrets = take(&mut transaction, build(&api, &caller, vec![wanted]).await?);
        if let Some(answer) = tries.make(&api, &caller, transaction, secrets).await {
            return answer;
        }
    }
}

/// Builds an object from the JSON and this node's own view, where nothing else is needed: no password, no key, no
/// other object. The present object is pinned by the expectation that comes with it, so that a change that was made
/// meanwhile, or that this node has not seen yet, refuses this one: then it is built anew, from a confirmed state.
pub fn at_once(
    api: &AdminApi,
    caller: &Caller,
    key: &ObjectKey,
    wanted: Wanted,
    precondition: Option<Expected>,
) -> Option<(Spec, Expected)> {
    let cheap = [Kind::Account, Kind::Group, Kind::Role, Kind::Storage, Kind::Ban];
    if !cheap.contains(&key.kind) {
        return None;
    }
    let view = api.cluster.view();
    let pin = view.revision_of(key).map_or(Expected::Absent, Expected::Revision);
    match precondition {
        None => {}
        Some(Expected::Present) if pin != Expected::Absent => {}
        Some(named) if named == pin => {}
        Some(_) => return None,
    }
    let border = Border::new(&view, &*api.cluster, api.clock.now())
        .for_owner(caller.role >= Role::Owner)
        .only_quick();
    let spec = wanted.whole(&view, key).ok()?;
    let built = shapes::build(key, spec, "spec", &border).ok()?;
    built.secret.is_none().then_some((built.spec, pin))
}

/// Moves what was built into a transaction; gives the secrets that were made.
pub fn take(transaction: &mut Transaction, built: Vec<(ObjectKey, Built, Option<u64>)>) -> Vec<NewSecret> {
    let mut secrets = Vec::new();
    for (key, built, present) in built {
        if let (true, Some(present)) = (built.kept, present) {
            // A password that is kept must be the one that is there when the change is made.
            transaction.expected.push((key.clone(), Expected::Revision(present)));
        }
        transaction.puts.push((key.name.clone(), built.spec));
        secrets.extend(built.secret.map(|secret| NewSecret { key, secret }));
    }
    secrets
}

/// What an object is to be.
pub enum Wanted {
    /// This content.
    Whole(Value),
    /// What is there, changed by this merge patch.
    Patch(Map<String, Value>),
}

impl Wanted {
    fn whole(self, view: &View, key: &ObjectKey) -> Result<Value, Problem> {
        match self {
            Self::Whole(spec) => Ok(spec),
            Self::Patch(patch) => {
                let present = shown(view, key)?;
                Ok(merge::apply(
                    &present["spec"],
                    &patch,
                    &(kinds::row(key.kind).properties)(),
                ))
            }
        }
    }
}

/// Builds objects from JSON against a confirmed state, off the async threads. Each comes back with the revision of
/// the present object.
pub async fn build(
    api: &Arc<AdminApi>,
    caller: &Caller,
    objects: Vec<(ObjectKey, Wanted, String)>,
) -> Result<Vec<(ObjectKey, Built, Option<u64>)>, Problem> {
    api.cluster.linearize(limits::READ_DEADLINE).await.map_err(|error| {
        Problem::new(
            ProblemKind::Unavailable,
            format!("the change was refused, nothing was changed: {error}"),
        )
    })?;
    let internal = |_| Problem::new(ProblemKind::Internal, "the node is stopping");
    let permit = api.builds.clone().acquire_owned().await.map_err(|_| internal(()))?;
    let worker = api.clone();
    let owner = caller.role >= Role::Owner;
    let built = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let view: Arc<View> = worker.cluster.view();
        let border = Border::new(&view, &*worker.cluster, worker.clock.now()).for_owner(owner);
        objects
            .into_iter()
            .map(|(key, wanted, path)| {
                let spec = wanted.whole(&view, &key)?;
                let built = shapes::build(&key, spec, &path, &border)?;
                let present = view.revision_of(&key);
                Ok((key, built, present))
            })
            .collect()
    });
    built
        .await
        .map_err(|_| Problem::new(ProblemKind::Internal, "an object could not be read"))?
}

/// The spec in the body of a put: `{"spec": {...}}`, or a whole object whose kind and name match.
fn spec_of(key: &ObjectKey, body: Value) -> Result<Value, Problem> {
    let mut fields = Fields::of(body, "")?;
    for (name, value) in [("kind", key.kind.word()), ("name", key.name.as_str())] {
        let given: Option<String> = fields.take(name)?;
        if given.is_some_and(|given| given != value) {
            let reason = format!("is not the one in the path, `{value}`");
            return Err(Problem::invalid(name, reason));
        }
    }
    read_only(&mut fields);
    let spec = fields.raw("spec").ok_or_else(|| Problem::invalid("spec", "is missing"));
    fields.done()?;
    spec
}

/// What an answered object has besides kind, name and spec.
pub fn read_only(fields: &mut Fields) {
    for name in ["revision", "changed_by", "changed_at"] {
        fields.read_only(name);
    }
}

async fn remove(
    State(api): State<Arc<AdminApi>>,
    Extension(kind): Extension<Kind>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
    Options(options): Options<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.need(role_needed(kind))?;
    let key = ObjectKey {
        kind,
        name: part.name()?,
    };
    let wait = options.wait()?;
    let request = query::asked(&api, &caller, &format!("delete {key}"), &headers, b"").await?;
    let expected = etag::expected(&headers)?.unwrap_or(Expected::Present);
    let transaction = Transaction {
        expected: vec![(key.clone(), expected)],
        puts: Vec::new(),
        deletes: vec![key],
        seen: Vec::new(),
        held: Vec::new(),
    };
    let change = Change {
        transaction,
        request,
        wait,
        secrets: Vec::new(),
        again: false,
    };
    change::answer(&api, &caller, change).await
}
