//! `argosy administrator ...`: who may look at and change the appliance.

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::input::PasswordArgs;
use super::noun::{Fields, Given, Noun, SetAndSwitch, Settable, Switched, put};
use super::output::Column;
use crate::catalog::Kind;

/// An administrator.
#[derive(Debug)]
pub struct Administrator;

impl Noun for Administrator {
    const KIND: Kind = Kind::Administrator;
    const ONE: &'static str = "administrator";
    const MANY: &'static str = "administrators";
    const CREATE: &'static str = "Make an administrator; `argosy api-token create` then gives a token to work with";
    const DELETE: &'static str = "Delete an administrator; delete their tokens first";
    const EXAMPLE: &'static str = "Example:\n  argosy administrator create anna --role operator";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("ROLE", "spec.role"),
        ("ENABLED", "spec.enabled"),
        ("PASSWORD", "spec.password_set"),
        ("REVISION", "revision"),
    ];
    type Make = NewAdministratorArgs;
    type Own = SetAndSwitch<Self>;
}

impl Settable for Administrator {
    type Change = AdministratorArgs;
}

impl Switched for Administrator {
    const ENABLE: &'static str = "Let an administrator in again";
    const DISABLE: &'static str = "Refuse an administrator's tokens";
}

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

/// Options of a new administrator.
#[derive(Debug, Args)]
pub struct NewAdministratorArgs {
    /// What the administrator may do
    #[arg(long)]
    role: RoleArg,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What can be set of an administrator.
#[derive(Debug, Args)]
pub struct AdministratorArgs {
    /// What the administrator may do
    #[arg(long)]
    role: Option<RoleArg>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl Given for NewAdministratorArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let (role, password) = (Some(self.role), self.password);
        AdministratorArgs { role, password }.given(whose)
    }
}

impl Given for AdministratorArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = self.password.given(whose)?;
        put(&mut fields, "role", self.role.map(RoleArg::word));
        Ok(fields)
    }
}
