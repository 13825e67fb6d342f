//! `argosy apply -f FILE`: objects from a file, all in one change.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::noun::Run;
use super::{Context, input};

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// JSON or YAML: one object, a list of them, or several YAML documents; `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    write: WriteArgs,
}

impl Run for ApplyArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let objects = objects(&input::text(&self.file)?).map_err(|error| CliError {
            message: format!("{}: {}", self.file.display(), error.message),
            ..error
        })?;
        let named: Vec<_> = objects
            .iter()
            .map(|object| {
                let text = |field: &str| object[field].as_str().unwrap_or("?").to_owned();
                format!("{} `{}`", text("kind"), text("name"))
            })
            .collect();
        let answer = edit::apply(context, &json!({ "objects": objects }), &self.write).await?;
        let sentence = match named.as_slice() {
            [one] => format!("{one} is applied"),
            many => format!("{} objects are applied: {}", many.len(), many.join(", ")),
        };
        edit::done(context, &sentence, &answer)
    }
}

/// The objects of a text: YAML documents, of which JSON is one form; a list counts as its entries.
fn objects(text: &str) -> Result<Vec<Value>, CliError> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let value = Value::deserialize(document)
            .map_err(|error| CliError::failed("this is neither JSON nor YAML").because(error))?;
        match value {
            Value::Null => {}
            Value::Array(values) => objects.extend(values),
            // What `argosy get KIND --output json` or the API's list gives.
            Value::Object(mut map) if map.contains_key("objects") && !map.contains_key("kind") => {
                match map.remove("objects") {
                    Some(Value::Array(values)) => objects.extend(values),
                    _ => return Err(CliError::failed("`objects` must be a list")),
                }
            }
            value @ Value::Object(_) => objects.push(value),
            _ => {
                return Err(CliError::failed(
                    "every document must be an object or a list of objects",
                ));
            }
        }
    }
    if objects.is_empty() {
        return Err(CliError::failed("there is no object in it"));
    }
    Ok(objects)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        match (objects(text), expected) {
            (Ok(objects), Ok(names)) => {
                let found: Vec<_> = objects.iter().map(|object| object["name"].as_str().unwrap()).collect();
                assert_eq!(found, names, "{text}");
            }
            (Err(error), Err(word)) => assert!(error.message.contains(word), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn objects_come_as_json_or_yaml_alone_listed_or_in_documents() {
        check(r#"{"kind": "account", "name": "a", "spec": {}}"#, Ok(&["a"]));
        check(r#"[{"name": "a"}, {"name": "b"}]"#, Ok(&["a", "b"]));
        check("kind: account\nname: a\nspec: {}\n", Ok(&["a"]));
        check("---\nname: a\n---\nname: b\n---\n", Ok(&["a", "b"]));
        check("- name: a\n- name: b\n", Ok(&["a", "b"]));
        check(r#"{"revision": 3, "objects": [{"name": "a"}]}"#, Ok(&["a"]));
        check("", Err("no object"));
        check("just text", Err("must be an object"));
        check("{\"a\": ", Err("neither JSON nor YAML"));
    }
}
