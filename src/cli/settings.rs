//! `argosy settings ...`: what concerns the whole cluster and no single service.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
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

/// Runs one of them.
pub async fn run(context: &Context, command: SettingsCommand) -> Result<(), CliError> {
    match command {
        SettingsCommand::Show => edit::show(context, Kind::Settings, SETTINGS_NAME).await,
        SettingsCommand::Set { settings, write } => {
            let mut given = json!({});
            for (field, value) in [
                ("login_delay_millis", settings.login_delay),
                ("login_delay_max_millis", settings.login_delay_max),
                ("login_memory_seconds", settings.login_memory),
                ("staged_age_max_seconds", settings.staged_age_max),
            ] {
                if let Some(value) = value {
                    given[field] = value.into();
                }
            }
            let kind = Kind::Settings;
            let answer = edit::modify(context, kind, SETTINGS_NAME, &write, |spec| edit::merge(spec, &given)).await?;
            edit::done(context, "the settings are changed", &answer)
        }
    }
}
