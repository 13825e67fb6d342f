//! `argosy group ...`: mounts and grants that many accounts have in common.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::account::Account;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::grant::{GrantCommand, Granted};
use super::mount::MountCommand;
use super::noun::{self, Fields, Given, Noun, One, Run, Set, Settable, put};
use super::output::Column;
use super::read::{self, ListArgs};
use super::{input, role};
use crate::catalog::Kind;

/// A group.
#[derive(Debug)]
pub struct Group;

impl Noun for Group {
    const KIND: Kind = Kind::Group;
    const ONE: &'static str = "group";
    const MANY: &'static str = "groups";
    const CREATE: &'static str = "Make a group; its members see its mounts and have its grants";
    const DELETE: &'static str = "Delete a group that has no members";
    const EXAMPLE: &'static str = "\
A folder that one group reads and another fills:
  argosy group create readers
  argosy group mount add readers --at /shared --storage files --folder /shared --allow read,list
  argosy group create writers
  argosy group mount add writers --at /shared --storage files --folder /shared --allow all
  argosy group member add readers alice bob";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("MOUNTS", "spec.mounts"),
        ("GRANTS", "spec.grants"),
        ("ROLES", "spec.roles"),
        ("MEMBER OF", "spec.groups"),
        ("DESCRIPTION", "spec.description"),
        ("REVISION", "revision"),
    ];
    type Make = GroupArgs;
    type Own = GroupOwn;
}

impl Settable for Group {
    type Change = GroupArgs;
}

impl Granted for Group {
    const BY_MOUNT: bool = false;
}

/// What can be set of a group.
#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    role: role::RoleArgs,
    /// A group that this one is itself a member of; can be repeated; `none` for none
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
}

impl Given for GroupArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = self.role.given(whose)?;
        put(&mut fields, "groups", input::listed(&self.groups));
        Ok(fields)
    }
}

/// What only groups can do.
#[derive(Debug, Subcommand)]
pub enum GroupOwn {
    #[command(flatten)]
    Set(Set<Group>),
    /// Folders that its members see
    #[command(subcommand, display_order = 20)]
    Mount(MountCommand<Group>),
    /// What its members may do, on all that they see
    #[command(subcommand, display_order = 21)]
    Grant(GrantCommand<Group>),
    /// Accounts that are members
    #[command(subcommand, display_order = 22)]
    Member(MemberCommand),
}

/// Commands on a group's members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List the accounts that are members themselves, not by another group
    List {
        #[command(flatten)]
        one: One<Group>,
    },
    /// Make accounts members
    Add(MembersArgs),
    /// End the membership of accounts
    Remove(MembersArgs),
}

/// A group and accounts.
#[derive(Debug, Args)]
pub struct MembersArgs {
    #[command(flatten)]
    one: One<Group>,
    /// The accounts
    #[arg(required = true, value_name = "ACCOUNT", value_parser = edit::name)]
    accounts: Vec<String>,
    #[command(flatten)]
    write: WriteArgs,
}

impl Run for GroupOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Set(command) => command.run(context).await,
            Self::Mount(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
            Self::Member(command) => command.run(context).await,
        }
    }
}

impl Run for MemberCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List { one } => {
                read::get(context, Kind::Group, &one.name).await?;
                let asked = ListArgs::only("group", &one.name);
                read::list(context, Kind::Account, Account::COLUMNS, Account::row, &asked).await
            }
            Self::Add(args) => args.each(context, true).await,
            Self::Remove(args) => args.each(context, false).await,
        }
    }
}

impl MembersArgs {
    /// Makes or ends each membership; one account after the other, each a change of its own.
    async fn each(self, context: &Context, member: bool) -> Result<(), CliError> {
        let group = &self.one.name;
        let said = match member {
            true => format!("is a member of group `{group}`"),
            false => format!("is no member of group `{group}` any more"),
        };
        for account in &self.accounts {
            noun::modify::<Account>(context, account, &self.write, &said, |spec| {
                if holds(&spec["groups"], group) == member {
                    let not = if member { "already" } else { "not" };
                    let message = format!("account `{account}` is {not} a member of group `{group}`");
                    return Err(CliError::failed(message));
                }
                let mut groups = spec["groups"].as_array().cloned().unwrap_or_default();
                match member {
                    true => groups.push(json!(group)),
                    false => groups.retain(|name| name != group.as_str()),
                }
                spec["groups"] = groups.into();
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

fn holds(names: &Value, name: &str) -> bool {
    names
        .as_array()
        .is_some_and(|names| names.iter().any(|found| found == name))
}
