//! `POST /api/v1/apply`: several puts and deletes, of any kinds, in one transaction.
//!
//! ```json
//! {"objects": [{"kind": "storage", "name": "files", "spec": {"root": "/srv/files"}}],
//!  "deletes": [{"kind": "account", "name": "old"}],
//!  "expected": [{"kind": "account", "name": "old", "revision": 12}, {"kind": "storage", "name": "files", "absent": true}]}
//! ```

use std::collections::BTreeSet;

use axum::response::Response;
use axum::routing::post;
use serde_json::Value;

use super::Route;
use super::object::{Wanted, build, read_only, take};
use crate::admin::change::{self, Change};
use crate::admin::openapi::{self, Doc, named};
use crate::admin::plan;
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{Options, PlanQuery, Write};
use crate::admin::shapes::fields::Fields;
use crate::admin::shapes::schema;
use crate::catalog::command::role_needed;
use crate::catalog::limits::STEPS_MAX;
use crate::catalog::{Expected, Kind, ObjectKey, Transaction};
use crate::ids::Name;

/// Its route.
pub fn routes() -> Vec<Route> {
    let object = || openapi::fields(&[("kind", named("Kind")), ("name", schema::name())]);
    let mut put = object();
    put["properties"]["spec"] = openapi::of_type("object");
    put["required"] = serde_json::json!(["kind", "name", "spec"]);
    let mut expected = object();
    for (name, schema) in [("revision", "integer"), ("absent", "boolean"), ("present", "boolean")] {
        expected["properties"][name] = openapi::of_type(schema);
    }
    let lists = [("objects", put), ("deletes", object()), ("expected", expected)];
    let lists = lists.map(|(name, items)| (name.to_owned(), schema::nullable(openapi::list(items))));
    let mut body = schema::object(lists.into_iter().collect());
    for told in ["revision", "left_out", "next"] {
        body["properties"][told] = serde_json::json!({ "description": "As an export says it; not looked at" });
    }
    let doc = Doc::new(
        "Make several changes together or not at all",
        openapi::of_type("object"),
    )
    .plans()
    .body(body);
    vec![Route::new("POST", "/api/v1/apply", post(apply), doc)]
}

async fn apply(Options(options): Options<PlanQuery>, write: Write) -> Result<Response, Problem> {
    let posted = write.read("apply", &options.write()).await?;
    let (api, caller) = (posted.api, posted.caller);
    let asked = Asked::parse(posted.body)?;
    let keys = asked.objects.iter().map(|object| &object.0).chain(&asked.deletes);
    for key in keys {
        caller.need(role_needed(key.kind))?;
    }
    let built = build(&api, &caller, asked.objects).await?;
    let mut transaction = Transaction {
        expected: asked.expected,
        puts: Vec::new(),
        deletes: asked.deletes,
        seen: Vec::new(),
        held: Vec::new(),
    };
    let secrets = take(&mut transaction, built);
    if options.dry_run {
        return plan::dry_run(&api, &caller, &api.cluster.view(), transaction);
    }
    let change = Change {
        transaction,
        request: posted.request,
        wait: posted.wait,
        secrets,
        again: false,
    };
    change::answer(&api, &caller, change).await
}

/// What is asked for; the specs are not read yet.
struct Asked {
    objects: Vec<(ObjectKey, Wanted, String)>,
    deletes: Vec<ObjectKey>,
    expected: Vec<(ObjectKey, Expected)>,
}

impl Asked {
    fn parse(body: Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, "")?;
        let asked = Self {
            objects: fields.list("objects", STEPS_MAX, |value, path| {
                let mut fields = Fields::of(value, path)?;
                let key = key(&mut fields)?;
                read_only(&mut fields);
                let spec_path = fields.at("spec");
                let spec = fields
                    .raw("spec")
                    .ok_or_else(|| Problem::invalid(&spec_path, "is missing"))?;
                fields.done()?;
                Ok((key, Wanted::Whole(spec), spec_path))
            })?,
            deletes: fields.list("deletes", STEPS_MAX, |value, path| {
                let mut fields = Fields::of(value, path)?;
                let key = key(&mut fields)?;
                fields.done()?;
                Ok(key)
            })?,
            expected: fields.list("expected", STEPS_MAX, expected)?,
        };
        // What an export says besides its objects.
        for told in ["revision", "left_out", "next"] {
            fields.read_only(told);
        }
        fields.done()?;
        asked.check()
    }

    fn check(self) -> Result<Self, Problem> {
        let steps = self.objects.len() + self.deletes.len();
        if steps > STEPS_MAX {
            let detail = format!("the change has {steps} steps, over the limit of {STEPS_MAX}; split it");
            return Err(Problem::new(ProblemKind::TooLarge, detail));
        }
        if steps == 0 {
            return Err(Problem::invalid(
                "objects",
                "is empty, and so is `deletes`: there is nothing to do",
            ));
        }
        let mut seen = BTreeSet::new();
        for key in self.objects.iter().map(|object| &object.0).chain(&self.deletes) {
            if !seen.insert(key) {
                let detail = format!("{key} stands twice in one change");
                return Err(Problem::new(ProblemKind::Invalid, detail));
            }
        }
        Ok(self)
    }
}

/// The fields `kind` and `name`.
pub fn key(fields: &mut Fields) -> Result<ObjectKey, Problem> {
    let word: String = fields.need("kind")?;
    let kind = Kind::from_word(&word).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.into_iter().map(Kind::word).collect();
        Problem::invalid(
            &fields.at("kind"),
            format!("is no kind; known are {}", known.join(", ")),
        )
    })?;
    Ok(ObjectKey {
        kind,
        name: fields.name("name")?,
    })
}

/// An object by its kind's word and its name.
pub fn parse_key(kind: &str, name: &str) -> Option<ObjectKey> {
    let kind = Kind::from_word(kind)?;
    let name = Name::parse(name).ok()?;
    Some(ObjectKey { kind, name })
}

fn expected(value: Value, path: &str) -> Result<(ObjectKey, Expected), Problem> {
    let mut fields = Fields::of(value, path)?;
    let key = key(&mut fields)?;
    let revision: Option<u64> = fields.take("revision")?;
    let absent = fields.take("absent")?.unwrap_or(false);
    let present = fields.take("present")?.unwrap_or(false);
    fields.done()?;
    let expected = match (revision, absent, present) {
        (Some(0), false, false) | (None, true, false) => Expected::Absent,
        (Some(revision), false, false) => Expected::Revision(revision),
        (None, false, true) => Expected::Present,
        _ => {
            return Err(Problem::invalid(
                path,
                "must have one of `revision`, `\"absent\": true`, `\"present\": true`",
            ));
        }
    };
    Ok((key, expected))
}
