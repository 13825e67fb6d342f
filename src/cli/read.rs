//! Reading objects: one, or all of a kind that a list asks for, page by page.

use clap::Args;
use serde_json::Value;

use super::Context;
use super::client::encoded;
use super::edit::{path, with_query};
use super::error::CliError;
use super::limits;
use super::output::{self, Column};
use super::place::Reply;
use crate::catalog::Kind;

/// Options of every reading.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ReadArgs {
    /// Answer from what the node that is asked knows, also without a quorum
    #[arg(long)]
    local: bool,
}

/// Options of every list.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// Only names like this: `*` stands for any characters, `?` for one
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only where this holds, such as enabled=true; can be repeated; a wrong one lists what there is
    #[arg(long = "where", value_name = "FILTER=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,
    #[command(flatten)]
    read: ReadArgs,
}

impl ReadArgs {
    fn query(self) -> Vec<String> {
        match self.local {
            true => vec!["consistency=local".to_owned()],
            false => Vec::new(),
        }
    }
}

impl ListArgs {
    /// A list of those for which `name` is `value`.
    pub fn only(name: &str, value: &str) -> Self {
        Self {
            conditions: vec![(name.to_owned(), value.to_owned())],
            ..Self::default()
        }
    }

    fn query(&self) -> Vec<String> {
        let name = self.name.iter().map(|name| ("name", name.as_str()));
        let conditions = self
            .conditions
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let asked = name.chain(conditions);
        let asked = asked.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        self.read.query().into_iter().chain(asked).collect()
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => Err("write it as FILTER=VALUE".to_owned()),
    }
}

/// One object, with its ETag.
pub async fn get(context: &Context, kind: Kind, name: &str) -> Result<Reply, CliError> {
    context.client.get(&path(kind, name)).await
}

/// All objects of a kind that are asked for.
pub async fn all(context: &Context, kind: Kind, asked: &ListArgs) -> Result<Vec<Value>, CliError> {
    let mut objects = Vec::new();
    let mut query = asked.query();
    query.push(format!("limit={}", limits::PAGE));
    let begin = query.len();
    for _ in 0..limits::PAGES_MAX {
        let path = with_query(&format!("/api/v1/{}", kind.word()), &query);
        let reply = context.client.get(&path).await?;
        objects.extend(reply.body["objects"].as_array().cloned().unwrap_or_default());
        query.truncate(begin);
        match reply.body["next"].as_str() {
            Some(next) => query.push(format!("after={}", encoded(next))),
            None => return Ok(objects),
        }
    }
    Err(CliError::failed("the list does not end"))
}

/// Lists the objects of a kind that are asked for.
pub async fn list(context: &Context, kind: Kind, columns: &[Column], asked: &ListArgs) -> Result<(), CliError> {
    let objects = all(context, kind, asked).await?;
    output::rows(context.format, columns, &objects, &Value::Array(objects.clone()))
}

/// Shows one object.
pub async fn show(context: &Context, kind: Kind, name: &str, asked: ReadArgs) -> Result<(), CliError> {
    let path = with_query(&path(kind, name), &asked.query());
    output::value(context.format, &context.client.get(&path).await?.body)
}
