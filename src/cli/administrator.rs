//! `argosy administrator ...`: who may look at and change the appliance.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::output::Column;
use super::{Context, input};
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ROLE", "spec.role"),
    ("ENABLED", "spec.enabled"),
    ("PASSWORD", "spec.password_set"),
    ("REVISION", "revision"),
];

/// What an administrator may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArg {
    /// Sees everything but secrets
    Viewer,
    /// Changes accounts and closes sessions as well
    Operator,
    /// Changes everything
    Owner,
}

impl RoleArg {
    fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }
}

/// Commands on administrators.
#[derive(Debug, Subcommand)]
pub enum AdministratorCommand {
    /// List all administrators
    List,
    /// Show one administrator
    Show {
        /// The administrator
        #[arg(value_parser = edit::name)]
        name: String,
    },
    /// Make an administrator; `argosy api-token create` then gives a token to work with
    Create {
        /// The new administrator
        #[arg(value_parser = edit::name)]
        name: String,
        /// What the administrator may do
        #[arg(long)]
        role: RoleArg,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Change the role or the password
    Set {
        /// The administrator
        #[arg(value_parser = edit::name)]
        name: String,
        /// What the administrator may do
        #[arg(long)]
        role: Option<RoleArg>,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Let an administrator in again
    Enable {
        /// The administrator
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Refuse an administrator's tokens
    Disable {
        /// The administrator
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete an administrator; delete their tokens first
    Delete {
        /// The administrator
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Ask for a password on the terminal
    #[arg(long, conflicts_with = "password_stdin")]
    password: bool,
    /// Read the password from standard input (first line)
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    fn put(&self, spec: &mut Value, name: &str) -> Result<(), CliError> {
        if self.password || self.password_stdin {
            let password = input::password(self.password_stdin, &format!("administrator `{name}`"))?;
            spec["password"] = password.as_str().into();
        }
        Ok(())
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: AdministratorCommand) -> Result<(), CliError> {
    let kind = Kind::Administrator;
    match command {
        AdministratorCommand::List => edit::list(context, kind, COLUMNS).await,
        AdministratorCommand::Show { name } => edit::show(context, kind, &name).await,
        AdministratorCommand::Create {
            name,
            role,
            password,
            write,
        } => {
            let mut spec = json!({ "role": role.word() });
            password.put(&mut spec, &name)?;
            let answer = edit::create(context, kind, &name, spec, &write).await?;
            edit::done(context, &format!("administrator `{name}` is made"), &answer)
        }
        AdministratorCommand::Set {
            name,
            role,
            password,
            write,
        } => {
            let mut given = json!({});
            if let Some(role) = role {
                given["role"] = role.word().into();
            }
            password.put(&mut given, &name)?;
            modify(context, &name, &write, "is changed", given).await
        }
        AdministratorCommand::Enable { name, write } => {
            modify(context, &name, &write, "is enabled", json!({ "enabled": true })).await
        }
        AdministratorCommand::Disable { name, write } => {
            modify(context, &name, &write, "is disabled", json!({ "enabled": false })).await
        }
        AdministratorCommand::Delete { name, write } => edit::delete(context, kind, &name, &write).await,
    }
}

async fn modify(context: &Context, name: &str, write: &WriteArgs, said: &str, given: Value) -> Result<(), CliError> {
    let answer = edit::modify(context, Kind::Administrator, name, write, |spec| {
        edit::merge(spec, &given)
    })
    .await?;
    edit::done(context, &format!("administrator `{name}` {said}"), &answer)
}
