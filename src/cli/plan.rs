//! What a change would do, as a node says it without doing it.

use http::Method;
use serde_json::Value;

use super::Context;
use super::error::CliError;
use super::output::{self, Format};
use super::{difference, edit};

/// Asks for `body` at `path` as a dry run; the answer has the plan. A refusal is one of the change itself.
pub async fn of(context: &Context, path: &str, body: &Value) -> Result<Value, CliError> {
    let path = edit::with_query(path, &["dry_run=true".to_owned()]);
    Ok(context.client.send(Method::POST, &path, &[], Some(body)).await?.body)
}

/// Shows an answer with a plan.
pub fn show(format: Format, answer: &Value) -> Result<(), CliError> {
    match format {
        Format::Table => output::emit(&difference::all_told(&answer["plan"])),
        format => output::value(format, answer),
    }
}
