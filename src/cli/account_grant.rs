//! `argosy account grant ...`: what an account may do below which path.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::account::Account;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::noun::{self, One, Run};
use super::output::{self, Column};
use crate::catalog::{Kind, Operation};
use crate::path::VirtualPath;

const COLUMNS: &[Column] = &[
    ("MOUNT", "mount"),
    ("PATH", "path"),
    ("ALLOW", "allow"),
    ("DENY", "deny"),
];

/// Commands on an account's grants.
#[derive(Debug, Subcommand)]
pub enum GrantCommand {
    /// List an account's grants
    List {
        #[command(flatten)]
        one: One<Account>,
    },
    /// Say what may be done at a path and below; replaces the grant for that very path
    ///
    /// Denying wins over allowing; what no grant allows is denied. A home without any grant allows everything: its
    /// first grant ends that, so grant `/` first, then deny or allow below it.
    #[command(
        after_help = "Operations: all, read, list, write, overwrite, append, rename, delete, make-folder, \
        remove-folder, set-attributes, links\n\nExample:\n  \
        argosy account grant add alice --path /inbox --allow read,list --deny delete"
    )]
    Add {
        #[command(flatten)]
        one: One<Account>,
        /// The path as the account sees it
        #[arg(long, value_name = "PATH")]
        path: String,
        /// What is allowed, separated by commas
        #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', value_parser = operation)]
        allow: Vec<String>,
        /// What is denied, separated by commas
        #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', value_parser = operation)]
        deny: Vec<String>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Remove the grant for a path
    Remove {
        #[command(flatten)]
        one: One<Account>,
        /// The grant's path
        #[arg(long, value_name = "PATH")]
        path: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

fn operation(word: &str) -> Result<String, String> {
    if word == "all" || Operation::from_word(word).is_some() {
        return Ok(word.to_owned());
    }
    let known: Vec<_> = Operation::ALL.into_iter().map(Operation::word).collect();
    Err(format!("known operations are all, {}", known.join(", ")))
}

impl Run for GrantCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List { one } => list(context, &one.name).await,
            Self::Add {
                one,
                path,
                allow,
                deny,
                write,
            } => {
                if allow.is_empty() && deny.is_empty() {
                    return Err(CliError::usage("give --allow, --deny, or both"));
                }
                let path = parsed(&path)?;
                noun::modify::<Account>(context, &one.name, &write, "has a changed grant", |spec| {
                    let mount = mount_of(spec, &path)?;
                    let grants = mount["grants"].as_array().cloned().unwrap_or_default();
                    let mut grants = without(grants, &path);
                    grants.push(json!({ "path": path.to_string(), "allow": allow, "deny": deny }));
                    mount["grants"] = grants.into();
                    Ok(())
                })
                .await
            }
            Self::Remove { one, path, write } => {
                let path = parsed(&path)?;
                noun::modify::<Account>(context, &one.name, &write, "has one grant less", |spec| {
                    let mount = mount_of(spec, &path)?;
                    let grants = mount["grants"].as_array().cloned().unwrap_or_default();
                    let left = without(grants.clone(), &path);
                    if left.len() == grants.len() {
                        let message = format!("account `{}` has no grant for {path}", one.name);
                        return Err(CliError::failed(message));
                    }
                    mount["grants"] = left.into();
                    Ok(())
                })
                .await
            }
        }
    }
}

async fn list(context: &Context, name: &str) -> Result<(), CliError> {
    let object = edit::get(context, Kind::Account, name).await?.body;
    let spec = &object["spec"];
    let home = spec["home"].is_object().then_some(&spec["home"]);
    let mounts = home.into_iter().chain(spec["mounts"].as_array().into_iter().flatten());
    let mut rows = Vec::new();
    for mount in mounts {
        let at = mount["at"].as_str().unwrap_or("/");
        match mount["grants"].as_array() {
            Some(grants) => rows.extend(grants.iter().map(
                |grant| json!({ "mount": at, "path": grant["path"], "allow": grant["allow"], "deny": grant["deny"] }),
            )),
            None => {
                let allow: &[&str] = if at == "/" { &["all"] } else { &[] };
                rows.push(json!({ "mount": at, "path": at, "allow": allow, "deny": [] }));
            }
        }
    }
    output::rows(context.format, COLUMNS, &rows, &Value::Array(rows.clone()))
}

fn parsed(path: &str) -> Result<VirtualPath, CliError> {
    if !path.starts_with('/') {
        return Err(CliError::usage(format!("--path {path}: begin with `/`")));
    }
    VirtualPath::parse(path.as_bytes()).map_err(|error| CliError::usage(format!("--path {path}: {error}")))
}

fn without(mut grants: Vec<Value>, path: &VirtualPath) -> Vec<Value> {
    grants.retain(|grant| grant["path"].as_str().and_then(|text| parsed(text).ok()).as_ref() != Some(path));
    grants
}

/// The mount that holds `path`: the one with the longest place.
fn mount_of<'a>(spec: &'a mut Value, path: &VirtualPath) -> Result<&'a mut Value, CliError> {
    let places = spec["mounts"].as_array().cloned().unwrap_or_default();
    let best = places
        .iter()
        .enumerate()
        .filter_map(|(index, mount)| Some((index, parsed(mount["at"].as_str()?).ok()?)))
        .filter(|(_, at)| path.is_within(at))
        .max_by_key(|(_, at)| at.as_bytes().len());
    match best {
        Some((index, _)) => Ok(&mut spec["mounts"][index]),
        None if spec["home"].is_object() => Ok(&mut spec["home"]),
        None => Err(CliError::failed(format!(
            "no mount of the account holds {path}; give it a home first (`argosy account set --home-storage ...`)"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_goes_to_the_mount_with_the_longest_place() {
        let mut spec = json!({
            "home": { "storage": "h" },
            "mounts": [{ "at": "/a", "storage": "a" }, { "at": "/a/b", "storage": "b" }],
        });
        for (path, storage) in [("/", "h"), ("/ab", "h"), ("/a", "a"), ("/a/c", "a"), ("/a/b/c", "b")] {
            let mount = mount_of(&mut spec, &parsed(path).unwrap()).unwrap();
            assert_eq!(mount["storage"], storage, "{path}");
        }
        assert!(mount_of(&mut json!({}), &parsed("/").unwrap()).is_err());
    }

    #[test]
    fn a_grant_for_the_same_path_is_replaced_however_it_is_written() {
        let grants = vec![json!({ "path": "/in/" }), json!({ "path": "/inbox" })];
        assert_eq!(without(grants, &parsed("/in").unwrap()), [json!({ "path": "/inbox" })]);
    }
}
