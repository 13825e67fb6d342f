//! `POST /api/v1/rollback`: makes objects what they were at a revision, as one more change.
//!
//! ```json
//! {"revision": 120, "objects": [{"kind": "account", "name": "alice"}], "with_credentials": false}
//! ```
//!
//! What is taken from the past, and what never by itself, stands in `admin::rollback`.

use argosy_cluster::NodeError;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Route;
use super::apply::key;
use crate::admin::change;
use crate::admin::history::{self, Since};
use crate::admin::openapi::{self, Doc, named, of_type};
use crate::admin::plan;
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{Options, PlanQuery, Write};
use crate::admin::rollback::target;
use crate::admin::shapes::fields::Fields;
use crate::admin::shapes::host_key::seal_context;
use crate::admin::shapes::schema;
use crate::admin::tries::Tries;
use crate::admin::{AdminApi, limits};
use crate::catalog::command::role_needed;
use crate::catalog::limits::STEPS_MAX;
use crate::catalog::{Expected, Object, ObjectKey, Spec, Transaction, certificate};

/// Its route.
pub fn routes() -> Vec<Route> {
    let object = openapi::fields(&[("kind", named("Kind")), ("name", schema::name())]);
    let mut body = schema::object(Map::from_iter([
        ("revision".to_owned(), json!({ "type": "integer", "minimum": 0 })),
        ("objects".to_owned(), schema::nullable(openapi::list(object))),
        ("with_credentials".to_owned(), json!({ "type": ["boolean", "null"] })),
    ]));
    body["required"] = json!(["revision"]);
    let doc = Doc::new("Make objects what they were at a revision", of_type("object"));
    let doc = doc.plans().body(body);
    vec![Route::new("POST", "/api/v1/rollback", post(rollback), doc)]
}

struct Asked {
    revision: u64,
    objects: Vec<ObjectKey>,
    with_credentials: bool,
}

impl Asked {
    fn parse(body: Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, "")?;
        let asked = Self {
            revision: fields.need("revision")?,
            objects: fields.list("objects", STEPS_MAX, |value, path| {
                let mut fields = Fields::of(value, path)?;
                let key = key(&mut fields)?;
                fields.done()?;
                Ok(key)
            })?,
            with_credentials: fields.take("with_credentials")?.unwrap_or(false),
        };
        fields.done()?;
        Ok(asked)
    }
}

async fn rollback(Options(options): Options<PlanQuery>, write: Write) -> Result<Response, Problem> {
    let posted = write.read("rollback", &options.write()).await?;
    let (api, caller) = (posted.api, posted.caller);
    let asked = Asked::parse(posted.body)?;
    let mut tries = Tries::new(posted.request, posted.wait, None, limits::PATCH_TRIES_MAX);
    loop {
        let read = api.cluster.linearize(limits::READ_DEADLINE).await;
        read.map_err(|error| Problem::from_read(&error))?;
        let since = history::since(&api, asked.revision, &asked.objects).await?;
        let (transaction, left) = transaction(&api, since, asked.with_credentials).await?;
        let puts = transaction.puts.iter().map(|(_, spec)| spec.kind());
        for kind in puts.chain(transaction.deletes.iter().map(|key| key.kind)) {
            caller.need(role_needed(kind))?;
        }
        let view = api.cluster.view();
        if options.dry_run {
            return plan::dry_run(&api, &caller, &view, transaction);
        }
        let plan = plan::to_json(&plan::differences(&view, &transaction));
        if transaction.puts.is_empty() && transaction.deletes.is_empty() {
            let body = json!({ "revision": view.revision, "plan": plan, "left_as_they_are": left });
            return Ok(change::json(StatusCode::OK, &body));
        }
        let told = Map::from_iter([("plan".to_owned(), plan), ("left_as_they_are".to_owned(), left)]);
        let answer = tries.make_with(&api, &caller, transaction, Vec::new(), told).await;
        if let Some(answer) = answer {
            return answer;
        }
    }
}

/// What is to be changed, and which objects keep something that the past had otherwise.
async fn transaction(api: &AdminApi, since: Since, with_credentials: bool) -> Result<(Transaction, Value), Problem> {
    let mut transaction = Transaction::default();
    let mut left = Vec::new();
    for (key, history::Touched { was, now, .. }) in since {
        let content = |object: &Option<Object<Spec>>| object.as_ref().map(|object| object.spec.clone());
        let (then, present) = (content(&was), content(&now));
        if then == present {
            continue;
        }
        let made = target(&key, then.as_ref(), present.as_ref(), with_credentials);
        if !made.left.is_empty() {
            left.push(json!({ "kind": key.kind.word(), "name": key.name, "fields": made.left }));
        }
        if made.spec == present {
            continue;
        }
        let expected = now.map_or(Expected::Absent, |now| Expected::Revision(now.revision));
        transaction.expected.push((key.clone(), expected));
        match made.spec {
            Some(spec) => {
                usable(api, &key, &spec).await?;
                transaction.puts.push((key.name, spec));
            }
            None => transaction.deletes.push(key),
        }
    }
    Ok((transaction, left.into()))
}

/// A private key of the past may be sealed with a data key that is gone.
async fn usable(api: &AdminApi, key: &ObjectKey, spec: &Spec) -> Result<(), Problem> {
    let (context, sealed) = match spec {
        Spec::HostKey(host_key) => (seal_context(&key.name), vec![&host_key.sealed_private]),
        Spec::Certificate(certificate) => {
            let issued = certificate.issued.as_ref().map(|issued| &issued.key);
            let requested = certificate.requested.as_ref().map(|requested| &requested.key);
            let keys = issued.into_iter().chain(requested);
            let sealed = keys.map(|key| &key.sealed_private).collect();
            (certificate::context(&key.name), sealed)
        }
        _ => return Ok(()),
    };
    for sealed in sealed {
        let opened = api.cluster.unseal(&context, sealed).await;
        opened.map_err(|error: NodeError| {
            let detail =
                format!("{key} of that revision cannot be opened any more ({error}); name the other objects alone");
            Problem::new(ProblemKind::Gone, detail)
        })?;
    }
    Ok(())
}
