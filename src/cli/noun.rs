//! What all nouns have in common: list, show, create, delete, and, where they have it, set, enable and disable.
//!
//! A noun's own file says what its options are, which columns it shows, and what it can do besides.

use std::fmt::Debug;
use std::future::Future;

use clap::{Args, FromArgMatches, Subcommand};
use serde_json::{Map, Value, json};

use super::Context;
use super::edit::{self, ChangeArgs, WriteArgs};
use super::error::CliError;
use super::output::{self, Column};
use super::read::{self, ListArgs, ReadArgs};
use crate::catalog::Kind;

/// Fields of a spec, as given by options.
pub type Fields = Map<String, Value>;

/// A kind of object, as commands know it.
pub trait Noun: Debug + 'static {
    /// Which kind.
    const KIND: Kind;
    /// One of them, in sentences: `host key`.
    const ONE: &'static str;
    /// Several of them.
    const MANY: &'static str;
    /// What `create` does, in its help.
    const CREATE: &'static str;
    /// What `delete` does, in its help.
    const DELETE: &'static str;
    /// Lines below `create --help`; empty for none.
    const EXAMPLE: &'static str = "";
    /// What `list` shows.
    const COLUMNS: &'static [Column];
    /// Options of `create`.
    type Make: Args + Given + Debug;
    /// Further commands.
    type Own: Subcommand + Run + Debug;

    /// Adds to a row of `list` what is shown and not answered; programs get what was answered.
    fn row(_row: &mut Value) {}

    /// Adds to a new object's spec what the options left out and a node must be asked for.
    fn complete(_context: &Context, _spec: &mut Fields) -> impl Future<Output = Result<(), CliError>> {
        async { Ok(()) }
    }
}

/// A noun that can be changed by options.
pub trait Settable: Noun {
    /// What `set` does, in its help.
    const SET: &'static str = "Change what is given, leave the rest";
    /// Options of `set`.
    type Change: Args + Given + Debug;
}

/// A noun that can be switched on and off.
pub trait Switched: Noun {
    /// What `enable` does, in its help.
    const ENABLE: &'static str;
    /// What `disable` does, in its help.
    const DISABLE: &'static str;
}

/// Options that stand for fields of a spec.
pub trait Given {
    /// The fields that were given, as a JSON merge patch. Files and passwords are read here, once; `whose` names the
    /// object in a prompt.
    fn given(self, whose: &str) -> Result<Fields, CliError>;
}

/// Commands that can be run.
pub trait Run {
    /// Runs the command.
    fn run(self, context: &Context) -> impl Future<Output = Result<(), CliError>>;
}

/// Which object.
#[derive(Debug, Args)]
pub struct One<N: Noun> {
    #[arg(value_parser = edit::name, help = format!("The {}'s name", N::ONE))]
    pub name: String,
    #[arg(skip)]
    noun: std::marker::PhantomData<N>,
}

/// What every noun can do.
#[derive(Debug, Subcommand)]
pub enum Commands<N: Noun> {
    #[command(about = format!("List all {}", N::MANY), display_order = 1)]
    List(ListArgs),
    #[command(about = format!("Show one {}", N::ONE), display_order = 2)]
    Show {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        read: ReadArgs,
    },
    #[command(about = N::CREATE, after_help = N::EXAMPLE, alias = "add", display_order = 3)]
    Create {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        settings: N::Make,
        #[command(flatten)]
        change: ChangeArgs,
    },
    #[command(about = N::DELETE, alias = "remove", display_order = 9)]
    Delete {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        write: WriteArgs,
    },
    #[command(flatten)]
    Own(N::Own),
}

/// `set`, for nouns that have it.
#[derive(Debug, Subcommand)]
pub enum Set<N: Settable> {
    #[command(about = N::SET, display_order = 4)]
    Set {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        settings: N::Change,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// `enable` and `disable`, for nouns that have them.
#[derive(Debug, Subcommand)]
pub enum Switch<N: Switched> {
    #[command(about = N::ENABLE, display_order = 5)]
    Enable {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        write: WriteArgs,
    },
    #[command(about = N::DISABLE, display_order = 6)]
    Disable {
        #[command(flatten)]
        one: One<N>,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// `set`, `enable` and `disable`.
#[derive(Debug, Subcommand)]
pub enum SetAndSwitch<N: Settable + Switched> {
    #[command(flatten)]
    Set(Set<N>),
    #[command(flatten)]
    Switch(Switch<N>),
}

impl<N: Noun> Run for Commands<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List(asked) => read::list(context, N::KIND, N::COLUMNS, N::row, &asked).await,
            Self::Show { one, read } => read::show(context, N::KIND, &one.name, read).await,
            Self::Create { one, settings, change } => {
                let mut spec = settings.given(&whose::<N>(&one.name))?;
                N::complete(context, &mut spec).await?;
                let answer = edit::create(context, N::KIND, &one.name, spec.into(), &change).await?;
                edit::done(context, &format!("{} is made", whose::<N>(&one.name)), &answer)
            }
            Self::Delete { one, write } => {
                let answer = edit::delete(context, N::KIND, &one.name, &write).await?;
                edit::done(context, &format!("{} is deleted", whose::<N>(&one.name)), &answer)
            }
            Self::Own(own) => own.run(context).await,
        }
    }
}

impl<N: Settable> Run for Set<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let Self::Set { one, settings, write } = self;
        let given = settings.given(&whose::<N>(&one.name))?;
        patch::<N>(context, &one.name, given, &write, "is changed").await
    }
}

impl<N: Switched> Run for Switch<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let (one, write, enabled) = match self {
            Self::Enable { one, write } => (one, write, true),
            Self::Disable { one, write } => (one, write, false),
        };
        let said = if enabled { "is enabled" } else { "is disabled" };
        let given = Fields::from_iter([("enabled".to_owned(), json!(enabled))]);
        patch::<N>(context, &one.name, given, &write, said).await
    }
}

impl<N: Settable + Switched> Run for SetAndSwitch<N> {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Set(command) => command.run(context).await,
            Self::Switch(command) => command.run(context).await,
        }
    }
}

/// Merges `given` into the spec of the object `name`, and tells that it `said`.
pub async fn patch<N: Noun>(
    context: &Context,
    name: &str,
    given: Fields,
    write: &WriteArgs,
    said: &str,
) -> Result<(), CliError> {
    let answer = edit::patch(context, N::KIND, name, given.into(), write).await?;
    edit::done(context, &format!("{} {said}", whose::<N>(name)), &answer)
}

/// Reads the spec of the object `name`, changes it, writes it back, and tells that it `said`.
pub async fn modify<N: Noun>(
    context: &Context,
    name: &str,
    write: &WriteArgs,
    said: &str,
    change: impl FnMut(&mut Value) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let answer = edit::modify(context, N::KIND, name, write, change).await?;
    edit::done(context, &format!("{} {said}", whose::<N>(name)), &answer)
}

/// Lists what one object holds several of: `rows` takes them out of its spec.
pub async fn list_of<N: Noun>(
    context: &Context,
    name: &str,
    columns: &[Column],
    rows: impl FnOnce(&Value) -> Vec<Value>,
) -> Result<(), CliError> {
    let object = read::get(context, N::KIND, name).await?.body;
    let rows = rows(&object["spec"]);
    output::rows(context.format, columns, &rows, &Value::Array(rows.clone()))
}

/// The object in a sentence: ``host key `main` ``.
pub fn whose<N: Noun>(name: &str) -> String {
    format!("{} `{name}`", N::ONE)
}

/// Puts the field `name` where there is a value for it.
pub fn put<T: Into<Value>>(fields: &mut Fields, name: &str, value: Option<T>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

/// No options, or no commands.
#[derive(Debug, Args)]
pub struct Nothing {}

impl Given for Nothing {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        Ok(Fields::new())
    }
}

/// No further commands.
#[derive(Debug)]
pub enum NoMore {}

impl FromArgMatches for NoMore {
    fn from_arg_matches(_matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Err(clap::Error::new(clap::error::ErrorKind::InvalidSubcommand))
    }

    fn update_from_arg_matches(&mut self, _matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        match *self {}
    }
}

impl Subcommand for NoMore {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        command
    }

    fn has_subcommand(_name: &str) -> bool {
        false
    }
}

impl Run for NoMore {
    async fn run(self, _context: &Context) -> Result<(), CliError> {
        match self {}
    }
}
