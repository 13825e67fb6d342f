//! `argosy apply -f FILE`: objects from a file, all in one change.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::edit::{self, ChangeArgs};
use super::error::CliError;
use super::limits::{NAMED_MAX, OBJECTS_BYTES_MAX, PART};
use super::noun::Run;
use super::{Context, input, plan};

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// JSON or YAML: one object, a list of them, or several YAML documents; `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Send many objects as several changes, one after the other; if one is refused, those before it stay made
    #[arg(long, conflicts_with_all = ["dry_run", "request_id"])]
    in_parts: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

const PATH: &str = "/api/v1/apply";

/// What a file asks for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    objects: Vec<Value>,
    deletes: Vec<Value>,
    expected: Vec<Value>,
}

impl Run for ApplyArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let asked = Asked::read(&input::text_up_to(&self.file, OBJECTS_BYTES_MAX)?).map_err(|error| CliError {
            message: format!("{}: {}", self.file.display(), error.message),
            ..error
        })?;
        let body = json!({ "objects": asked.objects, "deletes": asked.deletes, "expected": asked.expected });
        if self.dry_run {
            return plan::show(context.format, &plan::of(context, PATH, &body).await?);
        }
        if self.in_parts && asked.objects.len() > PART {
            return parts(context, &asked, &self.change).await;
        }
        let path = edit::with_query(PATH, &self.change.query());
        let headers = [self.change.request()?];
        let answer = context.client.send(Method::POST, &path, &headers, Some(&body)).await?;
        edit::done(context, &asked.sentence(), &answer.body)
    }
}

/// Applies the objects in portions, in their order; then the deletes.
async fn parts(context: &Context, asked: &Asked, change: &ChangeArgs) -> Result<(), CliError> {
    if !asked.expected.is_empty() {
        return Err(CliError::usage("`expected` holds for one change; leave out --in-parts"));
    }
    let path = edit::with_query(PATH, &change.query());
    let empty: &[Value] = &[];
    let puts = asked.objects.chunks(PART).map(|part| (part, empty));
    let deletes = asked.deletes.chunks(PART).map(|part| (empty, part));
    for (objects, deletes) in puts.chain(deletes) {
        let body = json!({ "objects": objects, "deletes": deletes });
        let headers = [change.request()?];
        let answer = context.client.send(Method::POST, &path, &headers, Some(&body)).await?;
        let sentence = match deletes.len() {
            0 => format!("{} objects are applied", objects.len()),
            count => format!("{count} objects are deleted"),
        };
        edit::done(context, &sentence, &answer.body)?;
    }
    Ok(())
}

impl Asked {
    /// Reads YAML documents, of which JSON is one form; a list counts as its entries.
    fn read(text: &str) -> Result<Self, CliError> {
        let mut asked = Self::default();
        for document in serde_yaml_ng::Deserializer::from_str(text) {
            let value = Value::deserialize(document)
                .map_err(|error| CliError::failed("this is neither JSON nor YAML").because(error))?;
            match value {
                Value::Null => {}
                Value::Array(values) => asked.objects.extend(values),
                // What `argosy export`, the API's lists and `apply` itself have.
                Value::Object(map) if ["kind", "name", "spec"].iter().all(|field| !map.contains_key(*field)) => {
                    asked.take(map)?;
                }
                value @ Value::Object(_) => asked.objects.push(value),
                _ => {
                    return Err(CliError::failed(
                        "every document must be an object or a list of objects",
                    ));
                }
            }
        }
        if asked.objects.is_empty() && asked.deletes.is_empty() {
            return Err(CliError::failed("there is no object in it"));
        }
        Ok(asked)
    }

    fn take(&mut self, mut map: serde_json::Map<String, Value>) -> Result<(), CliError> {
        let lists = [
            ("objects", &mut self.objects),
            ("deletes", &mut self.deletes),
            ("expected", &mut self.expected),
        ];
        for (name, list) in lists {
            match map.remove(name) {
                None => {}
                Some(Value::Array(values)) => list.extend(values),
                Some(_) => return Err(CliError::failed(format!("`{name}` must be a list"))),
            }
        }
        // Where a list was taken from, and whether it goes on, says nothing about what to make.
        for said in ["revision", "left_out", "next"] {
            map.remove(said);
        }
        match map.keys().next() {
            Some(name) => Err(CliError::failed(format!(
                "`{name}` is not known; a document has `kind`, `name` and `spec`, or lists as `objects` and `deletes`"
            ))),
            None => Ok(()),
        }
    }

    fn sentence(&self) -> String {
        let named = |object: &Value| {
            let text = |field: &str| object[field].as_str().unwrap_or("?").to_owned();
            format!("{} `{}`", text("kind"), text("name"))
        };
        let shown = |objects: &[Value], done: &str| match objects {
            [] => String::new(),
            [one] => format!("{} is {done}", named(one)),
            [_, ..] if objects.len() <= NAMED_MAX => {
                let names: Vec<_> = objects.iter().map(named).collect();
                format!("{} objects are {done}: {}", objects.len(), names.join(", "))
            }
            _ => format!("{} objects are {done}", objects.len()),
        };
        let (applied, deleted) = (shown(&self.objects, "applied"), shown(&self.deletes, "deleted"));
        let between = if applied.is_empty() || deleted.is_empty() {
            ""
        } else {
            "; "
        };
        format!("{applied}{between}{deleted}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        match (Asked::read(text), expected) {
            (Ok(asked), Ok(names)) => {
                let found: Vec<_> = asked
                    .objects
                    .iter()
                    .map(|object| object["name"].as_str().unwrap())
                    .collect();
                assert_eq!(found, names, "{text}");
            }
            (Err(error), Err(word)) => assert!(error.message.contains(word), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn what_was_done_is_said_in_one_sentence() {
        let asked = |text: &str| Asked::read(text).unwrap().sentence();
        assert_eq!(asked("kind: account\nname: a\n"), "account `a` is applied");
        assert_eq!(
            asked(r#"{"objects": [{"kind": "k", "name": "a"}], "deletes": [{"kind": "k", "name": "b"}]}"#),
            "k `a` is applied; k `b` is deleted"
        );
        let many = format!("[{}]", vec![r#"{"kind": "k", "name": "a"}"#; 20].join(","));
        assert_eq!(asked(&many), "20 objects are applied");
    }

    #[test]
    fn objects_come_as_json_or_yaml_alone_listed_or_in_documents() {
        check(r#"{"kind": "account", "name": "a", "spec": {}}"#, Ok(&["a"]));
        check(r#"[{"name": "a"}, {"name": "b"}]"#, Ok(&["a", "b"]));
        check("kind: account\nname: a\nspec: {}\n", Ok(&["a"]));
        check("---\nname: a\n---\nname: b\n---\n", Ok(&["a", "b"]));
        check("- name: a\n- name: b\n", Ok(&["a", "b"]));
        check(r#"{"revision": 3, "objects": [{"name": "a"}]}"#, Ok(&["a"]));
        check(
            r#"{"objects": [{"name": "a"}], "deletes": [{"name": "b"}]}"#,
            Ok(&["a"]),
        );
        check(r#"{"objects": {}}"#, Err("must be a list"));
        check("nam: alice\n", Err("`nam` is not known"));
        check("", Err("no object"));
        check("just text", Err("must be an object"));
        check("{\"a\": ", Err("neither JSON nor YAML"));
    }
}
