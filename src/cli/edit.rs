//! Changing objects: create, patch, read-modify-write with `If-Match`, delete; telling what was done.
//!
//! Reading them is left to `read`.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::client::{REQUEST_ID, encoded};
use super::error::{CliError, Exit};
use super::limits;
use super::output::{self, Format};
use super::place::Reply;
use super::{Context, read};
use crate::admin::border;
use crate::catalog::Kind;
use crate::ids::Name;

/// Options of every change.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// Answer once every node enforces the change, and say which does not (exit code 6 then)
    #[arg(long, help_heading = HEADING)]
    wait: bool,
    /// How long to wait, in seconds (1 to 60)
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60), requires = "wait", help_heading = HEADING)]
    wait_timeout: u64,
    /// The id of an earlier try whose outcome is unknown: the change is made once at most
    #[arg(long, value_name = "ID", value_parser = request_id_text, help_heading = HEADING)]
    request_id: Option<String>,
}

/// Options of a change of one object.
#[derive(Debug, Clone, Default, Args)]
pub struct WriteArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Refuse (exit code 3) unless the object's last change is this revision
    #[arg(long, value_name = "REVISION", help_heading = HEADING)]
    if_revision: Option<u64>,
}

/// What stands before the options of a change in a help text.
const HEADING: &str = "How the change is made";

impl ChangeArgs {
    /// The header that names the request: the id that was given, or a new one.
    pub fn request(&self) -> Result<(&'static str, String), CliError> {
        let id = match &self.request_id {
            Some(id) => id.clone(),
            None => new_request_id()?,
        };
        Ok((REQUEST_ID, id))
    }

    /// The options for the query.
    pub fn query(&self) -> Vec<String> {
        match self.wait {
            true => vec!["wait=enforced".to_owned(), format!("timeout={}s", self.wait_timeout)],
            false => Vec::new(),
        }
    }
}

impl WriteArgs {
    /// The headers that name the request, and the revision that it expects.
    fn headers(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let revision = self.if_revision.map(|revision| ("if-match", format!("\"{revision}\"")));
        Ok(revision.into_iter().chain([self.change.request()?]).collect())
    }

    /// Whether a change that came too late may be made anew.
    fn may_begin_again(&self) -> bool {
        self.change.request_id.is_none() && self.if_revision.is_none()
    }
}

/// A path with the options of its query.
pub fn with_query(path: &str, options: &[String]) -> String {
    match options {
        [] => path.to_owned(),
        options => format!("{path}?{}", options.join("&")),
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

/// Where an object is.
pub fn path(kind: Kind, name: &str) -> String {
    format!("/api/v1/{}/{}", kind.word(), encoded(name))
}

/// Makes an object that must not exist yet.
pub async fn create(
    context: &Context,
    kind: Kind,
    name: &str,
    spec: Value,
    change: &ChangeArgs,
) -> Result<Value, CliError> {
    let headers = [("if-none-match", "*".to_owned()), change.request()?];
    send(context, Method::PUT, kind, name, &headers, change, Some(spec)).await
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
        let Reply { etag, body } = read::get(context, kind, name).await?;
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
        let headers = [("if-match", etag), write.change.request()?];
        match send(context, Method::PUT, kind, name, &headers, &write.change, Some(spec)).await {
            Err(error) if error.status == Some(412) && write.may_begin_again() && tries < limits::STALE_TRIES_MAX => {}
            answer => return answer,
        }
    }
}

/// Changes what `given` names of an object's spec: a JSON merge patch (RFC 7396). Nothing given is wrong usage.
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
    let headers = write.headers()?;
    send(context, Method::PATCH, kind, name, &headers, &write.change, Some(given)).await
}

/// Makes an object, or replaces the one of that name.
pub async fn replace(
    context: &Context,
    kind: Kind,
    name: &str,
    spec: Value,
    write: &WriteArgs,
) -> Result<Value, CliError> {
    let headers = write.headers()?;
    send(context, Method::PUT, kind, name, &headers, &write.change, Some(spec)).await
}

/// Deletes an object.
pub async fn delete(context: &Context, kind: Kind, name: &str, write: &WriteArgs) -> Result<Value, CliError> {
    let headers = write.headers()?;
    send(context, Method::DELETE, kind, name, &headers, &write.change, None).await
}

async fn send(
    context: &Context,
    method: Method,
    kind: Kind,
    name: &str,
    headers: &[(&'static str, String)],
    change: &ChangeArgs,
    spec: Option<Value>,
) -> Result<Value, CliError> {
    let path = with_query(&path(kind, name), &change.query());
    let body = spec.map(|spec| json!({ "spec": spec }));
    Ok(context.client.send(method, &path, headers, body.as_ref()).await?.body)
}

/// Tells that a change was made, at which revision, and, if it was waited for, what each node has enforced.
pub fn done(context: &Context, sentence: &str, answer: &Value) -> Result<(), CliError> {
    let revision = answer["revision"].as_u64().unwrap_or_default();
    // A secret goes to standard output first, before anything else can fail.
    let several = answer["secrets"].as_array().is_some_and(|made| made.len() > 1);
    for made in answer["secrets"].as_array().into_iter().flatten() {
        if context.format == Format::Table {
            match made["secret"].as_str() {
                Some(secret) if several => {
                    let name = output::word(&made["name"]);
                    output::emit(&format!("{name}  {secret}\n"))?;
                }
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
