//! Reading and changing objects: list, show, create, read-modify-write with `If-Match`, delete.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::Context;
use super::client::{REQUEST_ID, encoded};
use super::error::{CliError, Exit};
use super::limits;
use super::output::{self, Column, Format};
use super::place::Reply;
use crate::admin::border;
use crate::catalog::Kind;
use crate::ids::Name;

/// Options of every change.
#[derive(Debug, Clone, Default, Args)]
pub struct WriteArgs {
    /// Answer once every node enforces the change, and say which does not (exit code 6 then)
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, in seconds (1 to 60)
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60), requires = "wait")]
    pub wait_timeout: u64,
    /// The id of an earlier try whose outcome is unknown: the change is made once at most
    #[arg(long, value_name = "ID", value_parser = request_id_text)]
    request_id: Option<String>,
    /// Refuse (exit code 3) unless the object's last change is this revision
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<u64>,
}

impl WriteArgs {
    /// The headers that name the request, and the revision that it expects unless `precondition` says so itself.
    pub fn headers(
        &self,
        precondition: Option<(&'static str, String)>,
    ) -> Result<Vec<(&'static str, String)>, CliError> {
        let id = match &self.request_id {
            Some(id) => id.clone(),
            None => new_request_id()?,
        };
        let given = self.if_revision.map(|revision| ("if-match", format!("\"{revision}\"")));
        Ok(precondition.or(given).into_iter().chain([(REQUEST_ID, id)]).collect())
    }

    /// Whether a change that came too late may be made anew.
    fn may_begin_again(&self) -> bool {
        self.request_id.is_none() && self.if_revision.is_none()
    }

    fn query(&self) -> String {
        if self.wait {
            format!("?wait=enforced&timeout={}s", self.wait_timeout)
        } else {
            String::new()
        }
    }
}

fn request_id_text(text: &str) -> Result<String, String> {
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("a request id has 32 hexadecimal digits, as the message that named it".to_owned())
}

fn new_request_id() -> Result<String, CliError> {
    let id = border::random::<16>().map_err(CliError::failed)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
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
    for _ in 0..limits::PAGES_MAX {
        let reply = context
            .client
            .get(&format!("/api/v1/{}?limit={}{after}", kind.word(), limits::PAGE))
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
    let new = ("if-none-match", "*".to_owned());
    put(context, kind, name, spec, write, new).await
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
        if let Some(revision) = write.if_revision
            && etag.as_deref() != Some(format!("\"{revision}\"").as_str())
        {
            let found = etag.unwrap_or_default();
            let message = format!("{} `{name}` is at revision {found}, not {revision}", kind.word());
            return Err(CliError::new(Exit::Precondition, message));
        }
        let etag = etag.ok_or_else(|| CliError::failed("the node answered without an ETag"))?;
        match put(context, kind, name, spec, write, ("if-match", etag)).await {
            Err(error) if error.status == Some(412) && write.may_begin_again() && tries < limits::STALE_TRIES_MAX => {}
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
    let headers = write.headers(Some(precondition))?;
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
        .send(Method::DELETE, &path, &write.headers(None)?, None)
        .await?;
    Ok(answer.body)
}

/// Several changes at once.
pub async fn apply(context: &Context, body: &Value, write: &WriteArgs) -> Result<Value, CliError> {
    let path = format!("/api/v1/apply{}", write.query());
    Ok(context
        .client
        .send(Method::POST, &path, &write.headers(None)?, Some(body))
        .await?
        .body)
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
