//! `argosy rollback REVISION`: makes objects what they were, as one more change.

use std::io::{BufRead, IsTerminal, Read};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::edit::{self, ChangeArgs};
use super::error::CliError;
use super::noun::Run;
use super::output::{self, Format};
use super::{Context, difference, get, plan};

const PATH: &str = "/api/v1/rollback";
/// The most that is read of an answer to a question, in bytes.
const ANSWER_BYTES_MAX: u64 = 100;

/// Options of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Back to what was after this revision
    revision: u64,
    /// Only this object, as KIND/NAME; can be repeated
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    object: Vec<Value>,
    /// Take back passwords, keys, tokens, bans and switches as well, which otherwise stay as they are
    #[arg(long)]
    with_credentials: bool,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking; must be given where there is no terminal to ask on
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

fn object(text: &str) -> Result<Value, String> {
    let (kind, name) = text
        .split_once('/')
        .ok_or("write it as KIND/NAME, such as account/alice")?;
    Ok(json!({ "kind": get::kind(kind)?.word(), "name": edit::name(name)? }))
}

impl Run for RollbackArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let body = json!({
            "revision": self.revision,
            "objects": self.object,
            "with_credentials": self.with_credentials,
        });
        if self.dry_run {
            return plan::show(context.format, &plan::of(context, PATH, &body).await?);
        }
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                let advice = "a rollback is asked about first, and there is no terminal: look at it with --dry-run, \
                              then give --yes";
                return Err(CliError::usage(advice));
            }
            let planned = plan::of(context, PATH, &body).await?;
            eprint!("{}Do this? [y/N] ", difference::all_told(&planned["plan"]));
            if !agreed() {
                return Err(CliError::failed("nothing was changed"));
            }
        }
        let path = edit::with_query(PATH, &self.change.query());
        let headers = [self.change.request()?];
        let answer = context
            .client
            .send(Method::POST, &path, &headers, Some(&body))
            .await?
            .body;
        if context.format == Format::Table {
            plan::show(context.format, &answer)?;
            left(&answer["left_as_they_are"])?;
        }
        edit::done(context, &format!("back to revision {}", self.revision), &answer)
    }
}

fn agreed() -> bool {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

/// What was not taken back.
fn left(objects: &Value) -> Result<(), CliError> {
    let mut text = String::new();
    for object in objects.as_array().into_iter().flatten() {
        let fields = object["fields"].as_array().into_iter().flatten();
        let fields: Vec<_> = fields.map(output::word).collect();
        text += &format!(
            "{} `{}` keeps {} (--with-credentials takes that back too)\n",
            output::word(&object["kind"]),
            output::word(&object["name"]),
            fields.join(", ")
        );
    }
    output::emit(&text)
}
