//! `argosy role ...`: grants under a name, for accounts and groups that name it.

use clap::{Args, Subcommand};

use super::Context;
use super::error::CliError;
use super::grant::{GrantCommand, Granted};
use super::input;
use super::noun::{Fields, Given, Noun, Run, Set, Settable, put};
use super::output::Column;
use crate::catalog::Kind;

/// A role.
#[derive(Debug)]
pub struct Role;

impl Noun for Role {
    const KIND: Kind = Kind::Role;
    const ONE: &'static str = "role";
    const MANY: &'static str = "roles";
    const CREATE: &'static str = "Make a role: grants for every account and group that names it";
    const DELETE: &'static str = "Delete a role that nothing names";
    const EXAMPLE: &'static str = "Example:\n  argosy role create reader --description 'looks, never touches'\n  \
        argosy role grant add reader --path / --allow read,list\n  argosy account set alice --role reader";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("GRANTS", "spec.grants"),
        ("ROLES", "spec.roles"),
        ("DESCRIPTION", "spec.description"),
        ("REVISION", "revision"),
    ];
    type Make = RoleArgs;
    type Own = RoleOwn;
}

impl Settable for Role {
    type Change = RoleArgs;
}

impl Granted for Role {
    const BY_MOUNT: bool = false;
}

/// What can be set of a role, and of a group as well.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A role whose grants it has too; can be repeated; `none` for none
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
}

impl Given for RoleArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        put(&mut fields, "description", self.description);
        put(&mut fields, "roles", input::listed(&self.roles));
        Ok(fields)
    }
}

/// What only roles can do.
#[derive(Debug, Subcommand)]
pub enum RoleOwn {
    #[command(flatten)]
    Set(Set<Role>),
    /// What it allows and denies
    #[command(subcommand, display_order = 21)]
    Grant(GrantCommand<Role>),
}

impl Run for RoleOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Set(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
        }
    }
}
