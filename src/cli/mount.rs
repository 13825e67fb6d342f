//! `argosy account|group mount ...`: folders of storages that are seen besides the home.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::{CliError, Exit};
use super::grant::{operation, parsed};
use super::noun::{self, Noun, One, Run};
use super::output::Column;
use crate::path::VirtualPath;

const COLUMNS: &[Column] = &[
    ("AT", "at"),
    ("STORAGE", "storage"),
    ("FOLDER", "folder"),
    ("GRANTS", "grants"),
];

/// Commands on mounts.
#[derive(Debug, Subcommand)]
pub enum MountCommand<N: Noun> {
    /// List the mounts
    List {
        #[command(flatten)]
        one: One<N>,
    },
    /// Show a storage's folder at a path; what no grant allows there is denied
    #[command(after_help = "\
Examples:
  argosy account mount add alice --at /shared --storage files --folder /shared --allow read,list
  argosy group mount add partners --at /shared --storage files --folder /shared --allow all")]
    Add {
        #[command(flatten)]
        one: One<N>,
        /// Where it is seen after signing in; not `/`, which is the home's place
        #[arg(long, value_name = "PATH", value_parser = parsed)]
        at: VirtualPath,
        /// The storage
        #[arg(long, value_name = "STORAGE", value_parser = edit::name)]
        storage: String,
        /// The folder in that storage; made when first needed
        #[arg(long, value_name = "FOLDER", default_value = "/")]
        folder: String,
        /// What is allowed in it, separated by commas; further grants by `grant add`
        #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', value_parser = operation)]
        allow: Vec<String>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Take a mount away with its grants; its files stay
    Remove {
        #[command(flatten)]
        one: One<N>,
        /// Its place
        #[arg(long, value_name = "PATH", value_parser = parsed)]
        at: VirtualPath,
        #[command(flatten)]
        write: WriteArgs,
    },
}

impl<N: Noun> Run for MountCommand<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List { one } => noun::list_of::<N>(context, &one.name, COLUMNS, listed).await,
            Self::Add {
                one,
                at,
                storage,
                folder,
                allow,
                write,
            } => {
                let mut mount = json!({ "at": at.to_string(), "storage": storage, "folder": folder });
                if !allow.is_empty() {
                    mount["grants"] = json!([{ "path": at.to_string(), "allow": allow, "deny": [] }]);
                }
                noun::modify::<N>(context, &one.name, &write, "has one mount more", |spec| {
                    let mut mounts = mounts_of(spec);
                    if mounts.iter().any(|mount| is_at(mount, &at)) {
                        let whose = noun::whose::<N>(&one.name);
                        let message = format!("{whose} has a mount at {at} already; remove it first");
                        return Err(CliError::new(Exit::Precondition, message));
                    }
                    mounts.push(mount.clone());
                    spec["mounts"] = mounts.into();
                    Ok(())
                })
                .await
            }
            Self::Remove { one, at, write } => {
                noun::modify::<N>(context, &one.name, &write, "has one mount less", |spec| {
                    let mut mounts = mounts_of(spec);
                    let before = mounts.len();
                    mounts.retain(|mount| !is_at(mount, &at));
                    if mounts.len() == before {
                        let whose = noun::whose::<N>(&one.name);
                        let message = format!("{whose} has no mount at {at}; `mount list` shows its mounts");
                        return Err(CliError::failed(message));
                    }
                    spec["mounts"] = mounts.into();
                    Ok(())
                })
                .await
            }
        }
    }
}

/// The home, at `/`, and the further mounts.
fn listed(spec: &Value) -> Vec<Value> {
    let mut home = spec["home"].clone();
    if home.is_object() {
        home["at"] = "/".into();
    }
    let home = home.is_object().then_some(home);
    home.into_iter().chain(mounts_of(spec)).collect()
}

fn mounts_of(spec: &Value) -> Vec<Value> {
    spec["mounts"].as_array().cloned().unwrap_or_default()
}

fn is_at(mount: &Value, at: &VirtualPath) -> bool {
    mount["at"].as_str().and_then(|text| parsed(text).ok()).as_ref() == Some(at)
}
