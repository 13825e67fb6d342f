//! Reading and changing objects: list, show, create, read-modify-write with `If-Match`, delete.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::Context;
use super::client::{Reply, encoded};
use super::error::{CliError, Exit};
use super::output::{self, Column, Format};
use crate::admin::border;
use crate::catalog::Kind;
use crate::ids::Name;

/// How often a change is repeated that somebody else's change came before.
const STALE_TRIES_MAX: usize = 5;
/// Objects asked for at a time.
const PAGE: usize = 1_000;
/// Pages of one list.
const PAGES_MAX: usize = 10_000;

/// Options of every change.
#[derive(Debug, Clone, Default, Args)]
pub struct WriteArgs {
    /// Answer once every node enforces the change, and say which does not (exit code 6 then)
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, in seconds (1 to 60)
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60), requires = "wait")]
    pub wait_timeout: u64,
}

impl WriteArgs {
    fn query(&self) -> String {
        if self.wait {
            format!("?wait=enforced&timeout={}s", self.wait_timeout)
        } else {
            String::new()
        }
    }
}

/// An object's name, refused before anything is sent where it can't be one.
pub fn name(text: &str) -> Result<String, String> {
    Name::parse(text)
        .map(|name| name.to_string())
        .map_err(|error| error.to_string())
}

fn path(kind: Kind, name: &str) -> String {
    format!("/api/v1/{}/{}", kind.word(), encoded(name))
}

/// One object, with its ETag.
pub async fn get(context: &Context, kind: Kind, name: &str) -> Result<Reply, CliError> {
    context.client.get(&path(kind, name)).await
}

/// All objects of a kind, page by page.
pub async fn all(context: &Context, kind: Kind) -> Result<Vec<Value>, CliError> {
    let mut objects = Vec::new();
    let mut after = String::new();
    for _ in 0..PAGES_MAX {
        let reply = context
            .client
            .get(&format!("/api/v1/{}?limit={PAGE}{after}", kind.word()))
            .await?;
        objects.extend(reply.body["objects"].as_array().cloned().unwrap_or_default());
        match reply.body["next"].as_str() {
            Some(next) => after = format!("&after={}", encoded(next)),
            None => return Ok(objects),
        }
    }
    Err(CliError::failed("the list does not end"))
}

/// Lists all objects of a kind.
pub async fn list(context: &Context, kind: Kind, columns: &[Column]) -> Result<(), CliError> {
    let objects = all(context, kind).await?;
    output::rows(context.format, columns, &objects, &Value::Array(objects.clone()))
}

/// Shows one object.
pub async fn show(context: &Context, kind: Kind, name: &str) -> Result<(), CliError> {
    output::value(context.format, &get(context, kind, name).await?.body)
}

/// Makes an object that must not exist yet.
pub async fn create(
    context: &Context,
    kind: Kind,
    name: &str,
    spec: Value,
    write: &WriteArgs,
) -> Result<Value, CliError> {
    put(context, kind, name, spec, write, ("if-none-match", "*".to_owned())).await
}

/// Reads an object, changes its spec, and writes it back; begins again when somebody else was faster.
pub async fn modify(
    context: &Context,
    kind: Kind,
    name: &str,
    write: &WriteArgs,
    mut change: impl FnMut(&mut Value) -> Result<(), CliError>,
) -> Result<Value, CliError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Reply { etag, body } = get(context, kind, name).await?;
        let mut spec = body["spec"].clone();
        change(&mut spec)?;
        let etag = etag.ok_or_else(|| CliError::failed("the node answered without an ETag"))?;
        match put(context, kind, name, spec, write, ("if-match", etag)).await {
            Err(error) if error.status == Some(412) && tries < STALE_TRIES_MAX => {}
            answer => return answer,
        }
    }
}

/// Merges `given` into an object's spec (RFC 7396, but that null is written as null); nothing given is wrong usage.
pub async fn patch(
    context: &Context,
    kind: Kind,
    name: &str,
    given: Value,
    write: &WriteArgs,
) -> Result<Value, CliError> {
    if given.as_object().is_none_or(Map::is_empty) {
        return Err(CliError::usage(
            "nothing to change was given; `--help` lists what can be",
        ));
    }
    modify(context, kind, name, write, |spec| {
        merge(spec, &given);
        Ok(())
    })
    .await
}

async fn put(
    context: &Context,
    kind: Kind,
    name: &str,
    spec: Value,
    write: &WriteArgs,
    precondition: (&'static str, String),
) -> Result<Value, CliError> {
    let headers = [precondition, request_id()?];
    let path = path(kind, name) + &write.query();
    let body = json!({ "spec": spec });
    Ok(context
        .client
        .send(Method::PUT, &path, &headers, Some(&body))
        .await?
        .body)
}

/// Deletes an object.
pub async fn delete(context: &Context, kind: Kind, name: &str, write: &WriteArgs) -> Result<Value, CliError> {
    let path = path(kind, name) + &write.query();
    let answer = context
        .client
        .send(Method::DELETE, &path, &[request_id()?], None)
        .await?;
    Ok(answer.body)
}

/// Several changes at once.
pub async fn apply(context: &Context, body: &Value, write: &WriteArgs) -> Result<Value, CliError> {
    let path = format!("/api/v1/apply{}", write.query());
    Ok(context
        .client
        .send(Method::POST, &path, &[request_id()?], Some(body))
        .await?
        .body)
}

/// A header that names a new request, so that it can be asked for again.
pub fn request_id() -> Result<(&'static str, String), CliError> {
    let id = border::random::<16>().map_err(CliError::failed)?;
    Ok(("idempotency-key", format!("{:032x}", u128::from_be_bytes(id))))
}

/// Tells that a change was made, at which revision, and, if it was waited for, what each node has enforced.
pub fn done(context: &Context, sentence: &str, answer: &Value) -> Result<(), CliError> {
    let revision = answer["revision"].as_u64().unwrap_or_default();
    // A secret goes to standard output first, before anything else can fail.
    for made in answer["secrets"].as_array().into_iter().flatten() {
        if context.format == Format::Table {
            match made["secret"].as_str() {
                Some(secret) => output::emit(&format!("{secret}\n"))?,
                None => output::emit("(the secret was shown when it was made)\n")?,
            }
            eprintln!("Keep the line above: it is shown only now.");
        }
    }
    output::told(context.format, &format!("{sentence} (revision {revision})"), answer)?;
    let Some(nodes) = answer["enforced"].as_object() else {
        return Ok(());
    };
    if context.format == Format::Table {
        let rows: Vec<_> = nodes
            .iter()
            .map(|(node, state)| json!({ "node": node, "state": state["state"], "reason": state["reason"] }))
            .collect();
        output::rows(
            Format::Table,
            &[("NODE", "node"), ("STATE", "state"), ("REASON", "reason")],
            &rows,
            answer,
        )?;
    }
    let behind: Vec<_> = nodes
        .iter()
        .filter(|(_, state)| state["state"] != "enforced")
        .map(|(node, _)| node.as_str())
        .collect();
    if behind.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Partly,
        format!(
            "the change is made, but not enforced yet on {}; those nodes enforce it as soon as they can",
            behind.join(", ")
        ),
    ))
}

fn merge(spec: &mut Value, given: &Value) {
    match given {
        Value::Object(given) => {
            if !spec.is_object() {
                *spec = json!({});
            }
            for (field, value) in given {
                merge(&mut spec[field], value);
            }
        }
        value => *spec = value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let check = |spec: Value, given: Value, expected: Value| {
            let mut merged = spec.clone();
            merge(&mut merged, &given);
            assert_eq!(merged, expected, "{spec} and {given}");
        };
        let home = json!({ "home": { "storage": "files", "folder": "/a", "grants": [] }, "keys": [1] });
        check(
            home.clone(),
            json!({ "home": { "folder": "/b" } }),
            json!({ "home": { "storage": "files", "folder": "/b", "grants": [] }, "keys": [1] }),
        );
        check(
            json!({ "home": null }),
            json!({ "home": { "storage": "s" } }),
            json!({ "home": { "storage": "s" } }),
        );
        check(json!({ "a": 1 }), json!({ "a": null }), json!({ "a": null }));
        check(json!({ "a": [1, 2] }), json!({ "a": [3] }), json!({ "a": [3] }));
    }
}
