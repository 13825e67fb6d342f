//! `argosy api-token ...`: secrets by which administrators and their programs use the admin API.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::input::{self, OrNone};
use super::noun::{self, Fields, Given, Noun, One, Run, put};
use super::output::Column;
use crate::catalog::Kind;

/// An API token.
#[derive(Debug)]
pub struct ApiToken;

impl Noun for ApiToken {
    const KIND: Kind = Kind::ApiToken;
    const ONE: &'static str = "API token";
    const MANY: &'static str = "API tokens; their secrets are known to nobody";
    const CREATE: &'static str = "Make an API token; its secret is shown once";
    const DELETE: &'static str = "Delete an API token: it is refused from then on";
    const EXAMPLE: &'static str = "Example:\n  \
        argosy api-token create anna-laptop --administrator anna --expires 90d > anna.token";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("ADMINISTRATOR", "spec.administrator"),
        ("EXPIRES", "spec.expires_at"),
        ("REVISION", "revision"),
    ];
    type Make = ApiTokenArgs;
    type Own = ApiTokenOwn;
}

/// Options of a new API token.
#[derive(Debug, Args)]
pub struct ApiTokenArgs {
    /// Whom it stands for
    #[arg(long, value_name = "NAME", value_parser = edit::name)]
    administrator: String,
    /// When it ends: a time (2027-01-31T12:00:00Z) or a time from now (30d)
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    expires: Option<OrNone<String>>,
}

impl Given for ApiTokenArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        put(&mut fields, "administrator", Some(self.administrator));
        put(&mut fields, "expires_at", self.expires.map(|expires| json!(expires.0)));
        Ok(fields)
    }
}

/// What only API tokens can do.
#[derive(Debug, Subcommand)]
pub enum ApiTokenOwn {
    /// Make a new secret for a token, shown once; the old one is refused from then on
    #[command(display_order = 4)]
    Rotate {
        #[command(flatten)]
        one: One<ApiToken>,
        #[command(flatten)]
        write: WriteArgs,
    },
}

impl Run for ApiTokenOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let Self::Rotate { one, write } = self;
        let given = Fields::from_iter([("rotate".to_owned(), json!(true))]);
        noun::patch::<ApiToken>(context, &one.name, given, &write, "has a new secret").await
    }
}
