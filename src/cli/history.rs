//! `argosy history` and `argosy diff`: who changed what, when, from where; what an object was, and is.

use clap::Args;
use serde_json::Value;

use super::client::encoded;
use super::error::CliError;
use super::noun::Run;
use super::output::{self, Column, Format};
use super::{Context, difference, edit, get, limits, read};
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("REVISION", "revision"),
    ("WHEN", "at"),
    ("WHO", "actor"),
    ("FROM", "from"),
    ("WHAT", "action"),
    ("KIND", "kind"),
    ("NAME", "name"),
];

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Show what this revision changed, before and after
    #[arg(conflicts_with_all = ["kind", "name", "actor"])]
    revision: Option<u64>,
    /// Only objects of this kind
    #[arg(long, value_name = "KIND", value_parser = get::kind)]
    kind: Option<Kind>,
    /// Only objects whose name is like this: `*` stands for any characters, `?` for one
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only what this administrator changed; root on a node is root@NODE
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// The most entries, the newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The kind of the object
    #[arg(value_parser = get::kind)]
    kind: Kind,
    /// The object
    #[arg(value_parser = edit::name)]
    name: String,
    /// The revision to compare with
    from: u64,
    /// The other revision, instead of now
    to: Option<u64>,
}

impl Run for HistoryArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        if let Some(revision) = self.revision {
            return one(context, revision).await;
        }
        let asked = [
            ("kind", self.kind.map(|kind| kind.word().to_owned())),
            ("name", self.name),
            ("actor", self.actor),
        ];
        let query = asked.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some(format!("{name}={}", encoded(&value)))
        });
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let entries = read::newest(context, "/api/v1/history", query.collect(), "entries", most).await?;
        output::rows(context.format, COLUMNS, &entries, &Value::Array(entries.clone()))
    }
}

/// What one revision changed.
async fn one(context: &Context, revision: u64) -> Result<(), CliError> {
    let path = format!("/api/v1/history/{revision}");
    let (objects, mut answer) = read::pages_of(context, &path, Vec::new(), "objects", limits::HISTORY_PAGE).await?;
    answer["objects"] = objects.as_slice().into();
    if context.format != Format::Table {
        return output::value(context.format, &answer);
    }
    let from = match &answer["from"] {
        Value::Null => "on the machine itself".to_owned(),
        from => format!("from {}", output::word(from)),
    };
    let mut text = format!(
        "Revision {revision}, {}, by {} {from}\n\n",
        output::word(&answer["at"]),
        output::word(&answer["actor"]),
    );
    text.extend(objects.iter().map(difference::told));
    output::emit(&text)
}

impl Run for DiffArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let mut query = vec![
            format!("kind={}", self.kind.word()),
            format!("name={}", encoded(&self.name)),
            format!("from={}", self.from),
        ];
        query.extend(self.to.map(|to| format!("to={to}")));
        let path = edit::with_query("/api/v1/history/diff", &query);
        let answer = context.client.get(&path).await?.body;
        match context.format {
            Format::Table => output::emit(&difference::told(&answer)),
            format => output::value(format, &answer),
        }
    }
}
