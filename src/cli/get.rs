//! `argosy get KIND [NAME]`: any object as it is, ready for `argosy apply`.

use clap::Args;
use serde_json::Value;

use super::Context;
use super::edit;
use super::error::CliError;
use super::noun::Run;
use super::output::{self, Format};
use super::read::{self, ListArgs};
use crate::catalog::Kind;

/// Options of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// account, group, role, ban, authority, administrator, api-token, service, host-key, certificate, storage or settings
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Only this object
    #[arg(value_parser = edit::name)]
    name: Option<String>,
}

/// A kind by its word.
pub fn kind(word: &str) -> Result<Kind, String> {
    let known: Vec<_> = Kind::ALL.into_iter().map(Kind::word).collect();
    Kind::from_word(word).ok_or_else(|| format!("known kinds are {}", known.join(", ")))
}

impl Run for GetArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let value = match &self.name {
            Some(name) => read::get(context, self.kind, name).await?.body,
            None => Value::Array(read::all(context, self.kind, &ListArgs::default()).await?),
        };
        let format = match context.format {
            Format::Table => Format::Yaml,
            format => format,
        };
        output::value(format, &value)
    }
}
