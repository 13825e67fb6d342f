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
    let path = format!("/api/v1/{}", kind.word());
    let (objects, _) = pages(context, &path, asked.query(), "objects").await?;
    Ok(objects)
}

/// The rows named `field` of all pages at `path`, and the last page.
pub async fn pages(
    context: &Context,
    path: &str,
    query: Vec<String>,
    field: &str,
) -> Result<(Vec<Value>, Value), CliError> {
    pages_of(context, path, query, field, limits::PAGE).await
}

/// The same by pages of `size` rows.
pub async fn pages_of(
    context: &Context,
    path: &str,
    query: Vec<String>,
    field: &str,
    size: usize,
) -> Result<(Vec<Value>, Value), CliError> {
    let mut rows = Vec::new();
    let mut last = Value::Null;
    each_page(context, path, query, size, |mut page| {
        if let Value::Array(found) = page[field].take() {
            rows.extend(found);
        }
        last = page;
        true
    })
    .await?;
    Ok((rows, last))
}

/// The first `most` rows named `field` at `path`.
pub async fn newest(
    context: &Context,
    path: &str,
    query: Vec<String>,
    field: &str,
    most: usize,
) -> Result<Vec<Value>, CliError> {
    let mut rows = Vec::new();
    each_page(context, path, query, most.min(limits::PAGE), |mut page| {
        if let Value::Array(found) = page[field].take() {
            rows.extend(found);
        }
        rows.len() < most
    })
    .await?;
    rows.truncate(most);
    Ok(rows)
}

/// Reads page after page of `size` rows at `path`, as long as `take` wants more.
pub async fn each_page(
    context: &Context,
    path: &str,
    mut query: Vec<String>,
    size: usize,
    mut take: impl FnMut(Value) -> bool,
) -> Result<(), CliError> {
    query.push(format!("limit={size}"));
    let begin = query.len();
    for _ in 0..limits::PAGES_MAX {
        let page = context.client.get(&with_query(path, &query)).await?.body;
        query.truncate(begin);
        match &page["next"] {
            Value::Null => {
                take(page);
                return Ok(());
            }
            Value::String(next) => query.push(format!("after={}", encoded(next))),
            next => query.push(format!("after={next}")),
        }
        if !take(page) {
            return Ok(());
        }
    }
    Err(CliError::failed(format!("the list at {path} does not end")))
}

/// Lists the objects of a kind that are asked for; `row` adds to a table's row what is not answered.
pub async fn list(
    context: &Context,
    kind: Kind,
    columns: &[Column],
    row: fn(&mut Value),
    asked: &ListArgs,
) -> Result<(), CliError> {
    let objects = all(context, kind, asked).await?;
    let mut rows = objects.clone();
    rows.iter_mut().for_each(row);
    output::rows(context.format, columns, &rows, &Value::Array(objects))
}

/// Shows one object.
pub async fn show(context: &Context, kind: Kind, name: &str, asked: ReadArgs) -> Result<(), CliError> {
    let path = with_query(&path(kind, name), &asked.query());
    output::value(context.format, &context.client.get(&path).await?.body)
}
