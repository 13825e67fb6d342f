//! `argosy api-token ...`: secrets by which administrators and their programs use the admin API.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::input::{self, OrNone};
use super::output::{self, Column, Format};
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ADMINISTRATOR", "spec.administrator"),
    ("EXPIRES", "spec.expires_at"),
    ("REVISION", "revision"),
];

/// Commands on API tokens.
#[derive(Debug, Subcommand)]
pub enum ApiTokenCommand {
    /// List all API tokens; their secrets are known to nobody
    List,
    /// Make an API token; its secret is shown once
    Create {
        /// The new token
        #[arg(value_parser = edit::name)]
        name: String,
        /// Whom it stands for
        #[arg(long, value_name = "NAME", value_parser = edit::name)]
        administrator: String,
        /// When it ends: a time (2027-01-31T12:00:00Z) or a time from now (30d)
        #[arg(long, value_name = "TIME", value_parser = input::moment)]
        expires: Option<OrNone<String>>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Make a new secret for a token, shown once; the old one is refused from then on
    Rotate {
        /// The token
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete a token: it is refused from then on
    Delete {
        /// The token
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Runs one of them.
pub async fn run(context: &Context, command: ApiTokenCommand) -> Result<(), CliError> {
    let kind = Kind::ApiToken;
    match command {
        ApiTokenCommand::List => edit::list(context, kind, COLUMNS).await,
        ApiTokenCommand::Create {
            name,
            administrator,
            expires,
            write,
        } => {
            let expires = expires.and_then(|expires| expires.0);
            let spec = json!({ "administrator": administrator, "expires_at": expires });
            let answer = edit::create(context, kind, &name, spec, &write).await?;
            shown(context, &format!("API token `{name}` is made"), &answer)
        }
        ApiTokenCommand::Rotate { name, write } => {
            let rotate = |spec: &mut Value| edit::merge(spec, &json!({ "rotate": true }));
            let answer = edit::modify(context, kind, &name, &write, rotate).await?;
            shown(context, &format!("API token `{name}` has a new secret"), &answer)
        }
        ApiTokenCommand::Delete { name, write } => edit::delete(context, kind, &name, &write).await,
    }
}

fn shown(context: &Context, sentence: &str, answer: &Value) -> Result<(), CliError> {
    // The secret alone goes to standard output first, before anything else can fail.
    if context.format == Format::Table {
        match answer["secrets"][0]["secret"].as_str() {
            Some(secret) => output::emit(&format!("{secret}\n"))?,
            None => output::emit("(the secret was shown when the token was made)\n")?,
        }
        eprintln!("Keep the line above: it is shown only now.");
    }
    edit::done(context, sentence, answer)
}
