//! What a change would do, as a node says it without doing it.

use serde_json::Value;

use super::Context;
use super::error::CliError;
use super::output::{self, Format};
use super::{difference, edit};

/// Asks for `body` at `path` as a dry run, and shows the plan.
pub async fn of(context: &Context, path: &str, body: &Value) -> Result<(), CliError> {
    let path = edit::with_query(path, &["dry_run=true".to_owned()]);
    let answer = context
        .client
        .send(http::Method::POST, &path, &[], Some(body))
        .await?
        .body;
    show(context.format, &answer)
}

/// Shows a plan: the objects that differ, and how many do not.
pub fn show(format: Format, answer: &Value) -> Result<(), CliError> {
    if format != Format::Table {
        return output::value(format, answer);
    }
    let mut same = 0;
    let mut text = String::new();
    for change in answer["changes"].as_array().into_iter().flatten() {
        let (before, after) = (&change["before"], &change["after"]);
        if difference::verb(before, after) == "unchanged" {
            same += 1;
            continue;
        }
        let word = |field: &str| change[field].as_str().unwrap_or("?").to_owned();
        text += &difference::told(&word("kind"), &word("name"), before, after);
    }
    match (text.is_empty(), same) {
        (true, _) => text = "Nothing would change.\n".to_owned(),
        (false, 0) => {}
        (false, same) => text += &format!("{same} more would stay as they are.\n"),
    }
    output::emit(&text)
}
