//! `argosy account|group|role grant ...`: what may be done below which path, or where a pattern matches.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::edit::WriteArgs;
use super::error::CliError;
use super::noun::{self, Noun, One, Run};
use super::output::Column;
use crate::catalog::Operation;
use crate::path::VirtualPath;

const COLUMNS: &[Column] = &[
    ("IN", "in"),
    ("PATH", "path"),
    ("GLOB", "glob"),
    ("REGEX", "regex"),
    ("ALLOW", "allow"),
    ("DENY", "deny"),
];

const EXAMPLES: &str = "\
Denying wins over allowing; what no grant allows is denied. An account's home without any grant allows everything:
its first grant by path ends that, so grant `/` first, then deny or allow below it.

Operations: all, read, list, write, overwrite, append, rename, delete, make-folder, remove-folder, set-attributes,
links

Examples:
  argosy account grant add alice --path /inbox --allow read,list --deny delete
  argosy account grant add alice --glob '/**/*.exe' --deny write
  argosy group grant add partners --path /shared --allow read,list";

/// A noun that has grants.
pub trait Granted: Noun {
    /// Whether a grant by path belongs to the mount that holds the path, where there is one.
    const BY_MOUNT: bool;
}

/// Commands on grants.
#[derive(Debug, Subcommand)]
pub enum GrantCommand<N: Granted> {
    /// List the grants
    List {
        #[command(flatten)]
        one: One<N>,
    },
    /// Say what may be done; replaces the grant for that very path or pattern
    #[command(after_help = EXAMPLES)]
    Add {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        reach: ReachArgs,
        /// What is allowed, separated by commas
        #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', value_parser = operation)]
        allow: Vec<String>,
        /// What is denied, separated by commas
        #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', value_parser = operation)]
        deny: Vec<String>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Remove the grant for a path or pattern
    Remove {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        reach: ReachArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Where a grant holds.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ReachArgs {
    /// At this path and below, as it is seen after signing in
    #[arg(long, value_name = "PATH", value_parser = parsed)]
    path: Option<VirtualPath>,
    /// Where this glob matches the whole path: `*` stops at `/`, `**` does not
    #[arg(long, value_name = "GLOB")]
    glob: Option<String>,
    /// Where this regular expression matches the whole path
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
}

impl ReachArgs {
    fn json(&self) -> Value {
        match (&self.path, &self.glob, &self.regex) {
            (Some(path), ..) => json!({ "path": path.to_string() }),
            (_, Some(glob), _) => json!({ "glob": glob }),
            (.., regex) => json!({ "regex": regex }),
        }
    }

    /// Whether `grant` holds just there.
    fn is_of(&self, grant: &Value) -> bool {
        let path = grant["path"].as_str().and_then(|text| parsed(text).ok());
        path == self.path
            && grant["glob"].as_str() == self.glob.as_deref()
            && grant["regex"].as_str() == self.regex.as_deref()
    }
}

/// Operations by their words, or `all`.
pub fn operation(word: &str) -> Result<String, String> {
    if word == "all" || Operation::from_word(word).is_some() {
        return Ok(word.to_owned());
    }
    let known: Vec<_> = Operation::ALL.into_iter().map(Operation::word).collect();
    Err(format!("known operations are all, {}", known.join(", ")))
}

/// A virtual path.
pub fn parsed(path: &str) -> Result<VirtualPath, String> {
    if !path.starts_with('/') {
        return Err("begin with `/`".to_owned());
    }
    VirtualPath::parse(path.as_bytes()).map_err(|error| error.to_string())
}

impl<N: Granted> Run for GrantCommand<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List { one } => noun::list_of::<N>(context, &one.name, COLUMNS, listed).await,
            Self::Add {
                one,
                reach,
                allow,
                deny,
                write,
            } => {
                if allow.is_empty() && deny.is_empty() {
                    return Err(CliError::usage("give --allow, --deny, or both"));
                }
                let mut grant = reach.json();
                grant["allow"] = json!(allow);
                grant["deny"] = json!(deny);
                noun::modify::<N>(context, &one.name, &write, "has a changed grant", |spec| {
                    let place = place_of::<N>(spec, reach.path.as_ref());
                    let mut grants = grants_of(place);
                    grants.retain(|grant| !reach.is_of(grant));
                    grants.push(grant.clone());
                    place["grants"] = grants.into();
                    Ok(())
                })
                .await
            }
            Self::Remove { one, reach, write } => {
                noun::modify::<N>(context, &one.name, &write, "has one grant less", |spec| {
                    if remove(spec, &reach) {
                        return Ok(());
                    }
                    let whose = noun::whose::<N>(&one.name);
                    Err(CliError::failed(format!(
                        "{whose} has no grant for that very path or pattern; `grant list` shows its grants"
                    )))
                })
                .await
            }
        }
    }
}

fn listed(spec: &Value) -> Vec<Value> {
    let home = spec["home"].is_object().then_some(&spec["home"]);
    let mounts = home.into_iter().chain(spec["mounts"].as_array().into_iter().flatten());
    let mut rows = Vec::new();
    for mount in mounts {
        let at = mount["at"].as_str().unwrap_or("/");
        let shown = if at == "/" { "home" } else { at };
        match mount["grants"].as_array() {
            Some(grants) => rows.extend(grants.iter().map(|grant| row(shown, grant))),
            None if at == "/" => rows.push(json!({ "in": shown, "path": at, "allow": ["all"], "deny": [] })),
            None => {}
        }
    }
    rows.extend(grants_of(spec).iter().map(|grant| row("everywhere", grant)));
    rows
}

fn row(place: &str, grant: &Value) -> Value {
    let mut row = grant.clone();
    row["in"] = place.into();
    row
}

fn grants_of(place: &Value) -> Vec<Value> {
    place["grants"].as_array().cloned().unwrap_or_default()
}

/// Where a grant for `path` belongs: the mount with the longest place that holds it, or the object itself.
fn place_of<'a, N: Granted>(spec: &'a mut Value, path: Option<&VirtualPath>) -> &'a mut Value {
    let Some(path) = path.filter(|_| N::BY_MOUNT) else {
        return spec;
    };
    let places = spec["mounts"].as_array().cloned().unwrap_or_default();
    let best = places
        .iter()
        .enumerate()
        .filter_map(|(index, mount)| Some((index, parsed(mount["at"].as_str()?).ok()?)))
        .filter(|(_, at)| path.is_within(at))
        .max_by_key(|(_, at)| at.as_bytes().len());
    match best {
        Some((index, _)) => &mut spec["mounts"][index],
        None if spec["home"].is_object() => &mut spec["home"],
        None => spec,
    }
}

/// Takes the grant away wherever it stands; whether there was one.
fn remove(spec: &mut Value, reach: &ReachArgs) -> bool {
    let mut found = false;
    let mut take = |place: &mut Value| {
        if let Some(grants) = place.get_mut("grants").and_then(Value::as_array_mut) {
            let before = grants.len();
            grants.retain(|grant| !reach.is_of(grant));
            found |= grants.len() < before;
        }
    };
    take(spec);
    if let Some(home) = spec.get_mut("home") {
        take(home);
    }
    let mounts = spec.get_mut("mounts").and_then(Value::as_array_mut);
    mounts.into_iter().flatten().for_each(take);
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::account::Account;
    use super::super::group::Group;
    use super::*;

    fn below(path: &str) -> ReachArgs {
        ReachArgs {
            path: Some(parsed(path).unwrap()),
            glob: None,
            regex: None,
        }
    }

    #[test]
    fn an_accounts_grant_goes_to_its_mount_with_the_longest_place_and_a_groups_to_the_group() {
        let mut spec = json!({
            "name": "itself",
            "home": { "name": "home" },
            "mounts": [{ "at": "/a", "name": "a" }, { "at": "/a/b", "name": "b" }],
        });
        for (path, place) in [
            ("/", "home"),
            ("/ab", "home"),
            ("/a", "a"),
            ("/a/c", "a"),
            ("/a/b/c", "b"),
        ] {
            let path = parsed(path).unwrap();
            assert_eq!(place_of::<Account>(&mut spec, Some(&path))["name"], place, "{path}");
            assert_eq!(place_of::<Group>(&mut spec, Some(&path))["name"], "itself", "{path}");
        }
        assert_eq!(place_of::<Account>(&mut spec, None)["name"], "itself");
        let mut homeless = json!({ "name": "itself" });
        assert_eq!(
            place_of::<Account>(&mut homeless, below("/x").path.as_ref())["name"],
            "itself"
        );
    }

    #[test]
    fn a_grant_is_found_however_its_path_is_written_and_wherever_it_stands() {
        assert!(below("/in").is_of(&json!({ "path": "/in/" })));
        assert!(!below("/in").is_of(&json!({ "path": "/inbox" })));
        assert!(!below("/in").is_of(&json!({ "glob": "/in" })));
        let mut spec = json!({
            "home": { "grants": [{ "path": "/a" }] },
            "mounts": [{ "at": "/m", "grants": [{ "path": "/m/b" }] }, { "at": "/n" }],
            "grants": [{ "glob": "/c" }],
        });
        let glob = ReachArgs {
            path: None,
            glob: Some("/c".to_owned()),
            regex: None,
        };
        for reach in [below("/a"), below("/m/b"), glob] {
            assert!(remove(&mut spec, &reach));
            assert!(!remove(&mut spec, &reach));
        }
        assert_eq!(listed(&spec), Vec::<Value>::new());
    }
}
