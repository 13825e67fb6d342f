//! `argosy account ...`: who may transfer files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::account_certificate::CertificateCommand;
use super::account_key::KeyCommand;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::grant::{GrantCommand, Granted};
use super::input::{OrNone, PasswordArgs};
use super::mount::MountCommand;
use super::noun::{self, Fields, Given, Noun, One, Run, SetAndSwitch, Settable, Switched, put};
use super::output::Column;
use super::restriction::RestrictionArgs;
use super::{Context, input};
use crate::catalog::Kind;

/// An account.
#[derive(Debug)]
pub struct Account;

impl Noun for Account {
    const KIND: Kind = Kind::Account;
    const ONE: &'static str = "account";
    const MANY: &'static str = "accounts";
    const CREATE: &'static str = "Make an account; with a password or a key it can sign in at once, on every node";
    const DELETE: &'static str = "Delete an account and end its sessions; its files stay";
    const EXAMPLE: &'static str = "Without a home it sees no files.\n\nExamples:\n  \
        argosy account create alice --home-storage files --home-folder /alice --password\n  \
        argosy account create bob --home-storage files --home-folder /bob --key-file bob.pub \\\n      \
        --source 192.0.2.0/24 --expires 90d --wait";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("ENABLED", "spec.enabled"),
        ("PASSWORD", "spec.password_set"),
        ("KEYS", "spec.keys"),
        ("GROUPS", "spec.groups"),
        ("STORAGE", "spec.home.storage"),
        ("FOLDER", "spec.home.folder"),
        ("EXPIRES", "spec.expires_at"),
        ("REVISION", "revision"),
    ];
    type Make = AccountArgs;
    type Own = AccountOwn;
}

impl Settable for Account {
    type Change = AccountArgs;
}

impl Switched for Account {
    const ENABLE: &'static str = "Let an account sign in again";
    const DISABLE: &'static str = "Shut an account out: its sessions are closed on every node";
}

impl Granted for Account {
    const BY_MOUNT: bool = true;
}

/// What must be proven to sign in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProofsArg {
    /// A password or a key
    Any,
    /// A password; keys are not looked at
    Password,
    /// A key; passwords are not looked at
    Key,
    /// Both, in either order
    #[value(name = "password+key")]
    PasswordAndKey,
}

impl ProofsArg {
    fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Password => "password",
            Self::Key => "key",
            Self::PasswordAndKey => "password+key",
        }
    }
}

/// What only accounts can do.
#[expect(clippy::large_enum_variant, reason = "one value lives, for the length of a command")]
#[derive(Debug, Subcommand)]
pub enum AccountOwn {
    #[command(flatten)]
    Common(SetAndSwitch<Account>),
    /// Set or remove the password; sessions that came in by the old one are closed
    #[command(display_order = 7)]
    Password {
        #[command(flatten)]
        one: One<Account>,
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
    #[command(subcommand, display_order = 20)]
    Key(KeyCommand),
    /// TLS client certificates that let an account in
    #[command(subcommand, display_order = 20)]
    Certificate(CertificateCommand),
    /// Folders that an account sees besides its home
    #[command(subcommand, display_order = 21)]
    Mount(MountCommand<Account>),
    /// What an account may do below which path
    #[command(subcommand, display_order = 22)]
    Grant(GrantCommand<Account>),
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
    #[command(flatten)]
    password: PasswordArgs,
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
    /// What must be proven to sign in
    #[arg(long, value_name = "PROOFS")]
    proofs: Option<ProofsArg>,
    /// Make it change its password when it signs in next (true or false)
    #[arg(long, value_name = "BOOL")]
    password_must_change: Option<bool>,
    /// A group that it is a member of, the more important one first; can be repeated; `none` for none
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A role whose grants it has; can be repeated; `none` for none
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// A name in certificates that lets it in, instead of its own; can be repeated; `none` for its own
    #[arg(long = "principal", value_name = "TEXT")]
    principals: Vec<String>,
    #[command(flatten)]
    restrictions: RestrictionArgs,
}

impl Given for AccountArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = self.password.given(whose)?;
        if !self.key_file.is_empty() {
            let mut keys = Vec::new();
            for file in &self.key_file {
                keys.extend(input::key_lines(file)?.into_iter().map(|line| json!({ "key": line })));
            }
            put(&mut fields, "keys", Some(keys));
        }
        put(&mut fields, "sources", input::listed(&self.source));
        put(&mut fields, "sessions_max", self.sessions_max.map(|max| json!(max.0)));
        put(&mut fields, "expires_at", self.expires.map(|expires| json!(expires.0)));
        put(&mut fields, "proofs", self.proofs.map(ProofsArg::word));
        put(&mut fields, "password_must_change", self.password_must_change);
        put(&mut fields, "groups", input::listed(&self.groups));
        put(&mut fields, "roles", input::listed(&self.roles));
        put(&mut fields, "principals", input::listed(&self.principals));
        fields.extend(self.restrictions.given(whose)?);
        let mut home = Fields::new();
        put(&mut home, "storage", self.home_storage);
        put(&mut home, "folder", self.home_folder);
        put(&mut fields, "home", (!home.is_empty()).then_some(home));
        Ok(fields)
    }
}

impl Run for AccountOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Common(command) => command.run(context).await,
            Self::Password {
                one,
                stdin,
                remove,
                write,
            } => {
                let (password, said) = if remove {
                    (Value::Null, "has no password any more")
                } else {
                    let password = input::password(stdin, &noun::whose::<Account>(&one.name))?;
                    (password.as_str().into(), "has a new password")
                };
                let given = Fields::from_iter([("password".to_owned(), password)]);
                noun::patch::<Account>(context, &one.name, given, &write, said).await
            }
            Self::Key(command) => command.run(context).await,
            Self::Certificate(command) => command.run(context).await,
            Self::Mount(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
        }
    }
}
