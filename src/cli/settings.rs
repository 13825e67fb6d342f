//! `argosy settings ...`: what concerns the whole cluster and no single service.

use clap::{Args, Subcommand};

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::noun::{Fields, Given, Run, put};
use crate::catalog::Kind;
use crate::catalog::settings::SETTINGS_NAME;

/// Commands on the settings.
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// Show the settings
    Show,
    /// Change what is given, leave the rest
    Set {
        #[command(flatten)]
        settings: SettingsArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// What can be set.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// The delay after the first failed login, in milliseconds; it doubles with each further one
    #[arg(long, value_name = "MILLISECONDS")]
    login_delay: Option<u32>,
    /// The longest such delay, in milliseconds
    #[arg(long, value_name = "MILLISECONDS")]
    login_delay_max: Option<u32>,
    /// Failed logins are forgotten after this many seconds without another
    #[arg(long, value_name = "SECONDS")]
    login_memory: Option<u32>,
    /// Unfinished uploads of a node that has left the cluster are removed after this many seconds
    #[arg(long, value_name = "SECONDS")]
    staged_age_max: Option<u32>,
}

impl Given for SettingsArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        put(&mut fields, "login_delay_millis", self.login_delay);
        put(&mut fields, "login_delay_max_millis", self.login_delay_max);
        put(&mut fields, "login_memory_seconds", self.login_memory);
        put(&mut fields, "staged_age_max_seconds", self.staged_age_max);
        Ok(fields)
    }
}

impl Run for SettingsCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Show => edit::show(context, Kind::Settings, SETTINGS_NAME).await,
            Self::Set { settings, write } => {
                let given = settings.given("the settings")?.into();
                let answer = edit::patch(context, Kind::Settings, SETTINGS_NAME, given, &write).await?;
                edit::done(context, "the settings are changed", &answer)
            }
        }
    }
}
