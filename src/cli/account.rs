//! `argosy account ...`: who may transfer files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::account_grant::GrantCommand;
use super::account_key::KeyCommand;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::input::OrNone;
use super::output::Column;
use super::{Context, account_grant, account_key, input};
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ENABLED", "spec.enabled"),
    ("PASSWORD", "spec.password_set"),
    ("KEYS", "spec.keys"),
    ("STORAGE", "spec.home.storage"),
    ("FOLDER", "spec.home.folder"),
    ("EXPIRES", "spec.expires_at"),
    ("REVISION", "revision"),
];

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List all accounts
    List,
    /// Show one account
    Show {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
    },
    /// Make an account
    ///
    /// It can sign in at once on every node, if it has a password or a key.
    /// Without a home it sees no files.
    #[command(
        after_help = "Example:\n  argosy account create alice --home-storage files --home-folder /alice \
        --key-file alice.pub --source 192.0.2.0/24 --wait"
    )]
    Create {
        /// The new account
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        settings: AccountArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Change what is given, leave the rest
    Set {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        settings: AccountArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Let an account sign in again
    Enable {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Shut an account out: its sessions are closed on every node
    Disable {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete an account; its files stay
    Delete {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Set or remove the password; sessions that came in by the old one are closed
    Password {
        /// The account
        #[arg(value_parser = edit::name)]
        name: String,
        /// Read it from standard input (first line) instead of asking for it
        #[arg(long)]
        stdin: bool,
        /// Remove it: then only keys let the account in
        #[arg(long, conflicts_with = "stdin")]
        remove: bool,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Public keys that let an account in
    #[command(subcommand)]
    Key(KeyCommand),
    /// What an account may do below which path
    #[command(subcommand)]
    Grant(GrantCommand),
}

/// What can be set of an account.
#[derive(Debug, Default, Args)]
pub struct AccountArgs {
    /// The storage that holds the account's files, shown to it as `/`
    #[arg(long, value_name = "STORAGE", value_parser = edit::name)]
    home_storage: Option<String>,
    /// The folder in that storage; made when first needed
    #[arg(long, value_name = "FOLDER")]
    home_folder: Option<String>,
    /// Ask for a password on the terminal
    #[arg(long, conflicts_with = "password_stdin")]
    password: bool,
    /// Read the password from standard input (first line)
    #[arg(long)]
    password_stdin: bool,
    /// A file with public keys, one a line (`.pub` or `authorized_keys` without options); can be repeated
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
    /// A network or address that it may come from; can be repeated; `none` for any
    #[arg(long, value_name = "NETWORK")]
    source: Vec<String>,
    /// The most sessions at a time on one node; `none` for no limit of its own
    #[arg(long, value_name = "NUMBER", value_parser = input::number_or_none)]
    sessions_max: Option<OrNone<u32>>,
    /// When it ends: a time (2027-01-31T12:00:00Z), a time from now (30d), or `none`
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    expires: Option<OrNone<String>>,
}

impl AccountArgs {
    /// Reads files and passwords, once, before anything is changed.
    fn read(self, name: &str) -> Result<Map<String, Value>, CliError> {
        let mut given = Map::new();
        let mut set = |field: &str, value: Value| given.insert(field.to_owned(), value);
        if self.password || self.password_stdin {
            let password = input::password(self.password_stdin, &format!("account `{name}`"))?;
            set("password", password.as_str().into());
        }
        if !self.key_file.is_empty() {
            let mut keys = Vec::new();
            for file in &self.key_file {
                keys.extend(input::key_lines(file)?.into_iter().map(|line| json!({ "key": line })));
            }
            set("keys", keys.into());
        }
        if !self.source.is_empty() {
            let none = self.source == ["none"];
            set("sources", if none { json!([]) } else { json!(self.source) });
        }
        if let Some(sessions_max) = self.sessions_max {
            set("sessions_max", json!(sessions_max.0));
        }
        if let Some(expires) = self.expires {
            set("expires_at", json!(expires.0));
        }
        if self.home_storage.is_some() || self.home_folder.is_some() {
            set(
                "home",
                json!({ "storage": self.home_storage, "folder": self.home_folder }),
            );
        }
        Ok(given)
    }
}

/// Puts what was given into a spec; a home's parts that were not given stay.
fn merge(spec: &mut Value, given: &Map<String, Value>) -> Result<(), CliError> {
    for (field, value) in given {
        if field != "home" {
            spec[field] = value.clone();
            continue;
        }
        if !spec["home"].is_object() {
            spec["home"] = json!({});
        }
        for part in ["storage", "folder"] {
            if !value[part].is_null() {
                spec["home"][part] = value[part].clone();
            }
        }
        if spec["home"]["storage"].is_null() {
            return Err(CliError::usage(
                "--home-folder needs --home-storage: in which storage is the folder?",
            ));
        }
    }
    Ok(())
}

/// Runs one of them.
pub async fn run(context: &Context, command: AccountCommand) -> Result<(), CliError> {
    match command {
        AccountCommand::List => edit::list(context, Kind::Account, COLUMNS).await,
        AccountCommand::Show { name } => edit::show(context, Kind::Account, &name).await,
        AccountCommand::Create { name, settings, write } => {
            let given = settings.read(&name)?;
            let mut spec = json!({});
            merge(&mut spec, &given)?;
            let answer = edit::create(context, Kind::Account, &name, spec, &write).await?;
            edit::done(context, &format!("account `{name}` is made"), &answer)
        }
        AccountCommand::Set { name, settings, write } => {
            let given = settings.read(&name)?;
            if given.is_empty() {
                return Err(CliError::usage(
                    "nothing to change was given; `argosy account set --help` lists what can be",
                ));
            }
            modify(context, &name, &write, "is changed", |spec| merge(spec, &given)).await
        }
        AccountCommand::Enable { name, write } => {
            modify(context, &name, &write, "is enabled", |spec| {
                set(spec, "enabled", true.into())
            })
            .await
        }
        AccountCommand::Disable { name, write } => {
            modify(context, &name, &write, "is disabled", |spec| {
                set(spec, "enabled", false.into())
            })
            .await
        }
        AccountCommand::Delete { name, write } => edit::delete(context, Kind::Account, &name, &write).await,
        AccountCommand::Password {
            name,
            stdin,
            remove,
            write,
        } => {
            let password = if remove {
                Value::Null
            } else {
                input::password(stdin, &format!("account `{name}`"))?.as_str().into()
            };
            let said = if remove {
                "has no password any more"
            } else {
                "has a new password"
            };
            modify(context, &name, &write, said, |spec| {
                set(spec, "password", password.clone())
            })
            .await
        }
        AccountCommand::Key(command) => account_key::run(context, command).await,
        AccountCommand::Grant(command) => account_grant::run(context, command).await,
    }
}

fn set(spec: &mut Value, field: &str, value: Value) -> Result<(), CliError> {
    spec[field] = value;
    Ok(())
}

/// Changes an account and tells so.
pub async fn modify(
    context: &Context,
    name: &str,
    write: &WriteArgs,
    said: &str,
    change: impl FnMut(&mut Value) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let answer = edit::modify(context, Kind::Account, name, write, change).await?;
    edit::done(context, &format!("account `{name}` {said}"), &answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_home_keeps_the_part_that_was_not_given() {
        let given = |home: Value| Map::from_iter([("home".to_owned(), home)]);
        let mut spec = json!({ "home": { "storage": "files", "folder": "/a", "grants": [] } });
        merge(&mut spec, &given(json!({ "storage": null, "folder": "/b" }))).unwrap();
        assert_eq!(
            spec["home"],
            json!({ "storage": "files", "folder": "/b", "grants": [] })
        );
        let mut spec = json!({ "home": null });
        let error = merge(&mut spec, &given(json!({ "storage": null, "folder": "/b" }))).unwrap_err();
        assert_eq!(error.code, 2);
    }
}
