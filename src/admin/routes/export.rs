//! `GET /api/v1/export`: the catalog as a document for `POST /api/v1/apply`, in pages.
//!
//! Credentials stand in it only where an owner asks for them; what is left out is told. Private host keys then stand
//! in the open: the cluster that takes them in seals them anew. Private keys of certificates never do: whoever has
//! them has them from elsewhere, or makes new ones.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use super::apply::parse_key;
use crate::admin::border::HostKeyAlgorithm;
use crate::admin::caller::Caller;
use crate::admin::openapi::{Doc, fields, list, of_type};
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{self, Consistency, Options, ReadQuery};
use crate::admin::select::{self, Selection};
use crate::admin::shapes::host_key::seal_context;
use crate::admin::shapes::kinds;
use crate::admin::{AdminApi, change, limits};
use crate::catalog::{Kind, ObjectKey, Role, View};
use crate::ids::Name;

/// Every kind after those that it refers to, so that pages can be applied one after the other.
pub const ORDER: [Kind; 12] = [
    Kind::Settings,
    Kind::Storage,
    Kind::HostKey,
    Kind::Certificate,
    Kind::Authority,
    Kind::Role,
    Kind::Group,
    Kind::Administrator,
    Kind::ApiToken,
    Kind::Account,
    Kind::Service,
    Kind::Ban,
];

/// Its route.
pub fn routes() -> Vec<Route> {
    let page = fields(&[
        ("revision", of_type("integer")),
        ("objects", list(of_type("object"))),
        ("left_out", list(of_type("object"))),
        ("next", json!({ "type": ["string", "null"] })),
    ]);
    let doc = Doc::new("The catalog as a document that can be applied", page)
        .reads()
        .pages(of_type("string"))
        .option(
            "with_credentials",
            of_type("boolean"),
            "With password hashes and keys; owners only.",
        );
    vec![Route::new("GET", "/api/v1/export", get(export), doc)]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    #[serde(default)]
    with_credentials: bool,
    limit: Option<String>,
    after: Option<String>,
    #[serde(default)]
    consistency: Consistency,
    min_revision: Option<u64>,
}

async fn export(
    State(api): State<Arc<AdminApi>>,
    Extension(caller): Extension<Caller>,
    Options(query): Options<ExportQuery>,
) -> Result<Response, Problem> {
    if query.with_credentials {
        caller.need(Role::Owner)?;
        caller.confirm(&api, Role::Owner).await?;
    }
    let limit = query.limit.as_deref().map_or(Ok(limits::PAGE_MAX), select::limit)?;
    let after = query.after.as_deref().map(behind).transpose()?;
    let read = ReadQuery {
        consistency: query.consistency,
        min_revision: query.min_revision,
    };
    let view = query::view(&api, &read).await?;
    let (mut objects, mut left_out, mut next) = (Vec::new(), Vec::new(), None);
    let first = after
        .as_ref()
        .map_or(Some(0), |key| ORDER.iter().position(|kind| *kind == key.kind));
    'kinds: for kind in ORDER.into_iter().skip(first.unwrap_or(0)) {
        let mut behind = after
            .as_ref()
            .filter(|key| key.kind == kind)
            .map(|key| key.name.clone());
        loop {
            let selection = Selection {
                limit: limit - objects.len().min(limit - 1),
                after: behind.take(),
                ..Selection::default()
            };
            let page = (kinds::row(kind).page)(&view, &selection);
            for shown in page.objects {
                if objects.len() == limit {
                    break 'kinds;
                }
                let Some(name) = shown["name"].as_str().and_then(|name| Name::parse(name).ok()) else {
                    continue;
                };
                let key = ObjectKey { kind, name };
                next = Some(format!("{}/{}", kind.word(), key.name));
                one(
                    &api,
                    &view,
                    key,
                    shown,
                    query.with_credentials,
                    &mut objects,
                    &mut left_out,
                )
                .await?;
            }
            match page.next {
                Some(name) => behind = Some(name),
                None => break,
            }
        }
        if kind == Kind::Ban {
            next = None;
        }
    }
    let body = json!({ "revision": view.revision, "objects": objects, "left_out": left_out, "next": next });
    Ok(change::json(StatusCode::OK, &body))
}

/// Where a page begins: `KIND/NAME`.
fn behind(text: &str) -> Result<ObjectKey, Problem> {
    let parts = text.split_once('/');
    let key = parts.and_then(|(kind, name)| parse_key(kind, name));
    key.ok_or_else(|| Problem::new(ProblemKind::Malformed, "`after` is not what `next` of a page was"))
}

/// Adds one object as it can be put, or says why it is left out.
async fn one(
    api: &AdminApi,
    view: &View,
    key: ObjectKey,
    mut shown: Value,
    with_credentials: bool,
    objects: &mut Vec<Value>,
    left_out: &mut Vec<Value>,
) -> Result<(), Problem> {
    let mut spec = shown["spec"].take();
    if let Value::Object(map) = &mut spec {
        for property in (kinds::row(key.kind).properties)() {
            if property.taken.is_none() {
                map.remove(property.name);
            }
        }
    }
    let mut leave = |what: &str| left_out.push(json!({ "kind": key.kind.word(), "name": key.name, "what": what }));
    let hash = match key.kind {
        Kind::Account => view
            .accounts
            .get(&key.name)
            .and_then(|object| object.spec.password.clone()),
        Kind::Administrator => view
            .administrators
            .get(&key.name)
            .and_then(|object| object.spec.password.clone()),
        _ => None,
    };
    match (hash, with_credentials) {
        (Some(hash), true) => spec["password_hash"] = hash.0.into(),
        (Some(_), false) => leave("password"),
        (None, _) => {}
    }
    if let Some(token) = view.api_tokens.get(&key.name).filter(|_| key.kind == Kind::ApiToken) {
        if !with_credentials {
            leave("everything: a token is a credential");
            return Ok(());
        }
        let hex: String = token
            .spec
            .secret_hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        spec["secret_hash"] = hex.into();
    }
    if let Some(host_key) = view.host_keys.get(&key.name).filter(|_| key.kind == Kind::HostKey) {
        if with_credentials {
            let opened = api
                .cluster
                .unseal(&seal_context(&key.name), &host_key.spec.sealed_private)
                .await;
            let opened = opened.map_err(|error| {
                let detail = format!("{key} cannot be opened: {error}");
                Problem::new(ProblemKind::NodeOperationFailed, detail)
            })?;
            spec["private"] = String::from_utf8_lossy(&opened).into();
        } else {
            leave("private: another pair of its kind is made where this is applied");
            if HostKeyAlgorithm::from_word(&host_key.spec.algorithm).is_none() {
                spec["algorithm"] = Value::Null;
            }
        }
    }
    if let Some(certificate) = view
        .certificates
        .get(&key.name)
        .filter(|_| key.kind == Kind::Certificate)
    {
        if certificate.spec.issued.is_none() {
            leave("everything: nobody has signed it yet, and the key of its request is never shown");
            return Ok(());
        }
        leave(
            "its private key, which is never shown: before this is applied elsewhere, bring the certificate there with \
             its key (argosy certificate import)",
        );
    }
    if key.kind == Kind::Ban && view.bans.get(&key.name).is_some_and(|ban| ban.spec.automatic) {
        leave("everything: the cluster made it for failed logins");
        return Ok(());
    }
    objects.push(json!({ "kind": key.kind.word(), "name": key.name, "spec": spec }));
    Ok(())
}
