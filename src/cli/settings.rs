//! `argosy settings ...`: what concerns the whole cluster and no single service.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::input::{self, OrNone};
use super::noun::{Fields, Given, Run, put};
use super::read::{self, ReadArgs};
use crate::catalog::Kind;
use crate::catalog::settings::SETTINGS_NAME;

/// Commands on the settings.
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// Show the settings
    Show(ReadArgs),
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
    /// A node that has not heard of the cluster for this many seconds refuses logins; `none` to go on serving
    #[arg(long, value_name = "SECONDS", value_parser = input::number_or_none)]
    staleness_max: Option<OrNone<u32>>,
    /// An account that has not signed in for this many days is refused; `none` for never
    #[arg(long, value_name = "DAYS", value_parser = input::number_or_none)]
    inactive_days_max: Option<OrNone<u32>>,
    /// The shortest password, in bytes
    #[arg(long, value_name = "BYTES", help_heading = "Passwords")]
    password_length_min: Option<u32>,
    /// How hard to guess a password must be, in bits; 0 to accept any
    #[arg(long, value_name = "BITS", help_heading = "Passwords")]
    password_entropy_min: Option<u32>,
    /// After this many days a password must be changed; `none` for never
    #[arg(long, value_name = "DAYS", value_parser = input::number_or_none, help_heading = "Passwords")]
    password_age_max: Option<OrNone<u32>>,
    /// How many former passwords may not come back
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    former_passwords: Option<u32>,
    /// Failed logins from one address before it is banned; 0 for never
    #[arg(long, value_name = "NUMBER", help_heading = "Bans for failed logins")]
    failures_per_address_max: Option<u32>,
    /// Failed logins of one account before it is banned; 0 for never
    #[arg(long, value_name = "NUMBER", help_heading = "Bans for failed logins")]
    failures_per_account_max: Option<u32>,
    /// How long such a ban holds
    #[arg(long, value_name = "SECONDS", help_heading = "Bans for failed logins")]
    ban_seconds: Option<u32>,
    /// A network or address that is never banned; can be repeated; `none` for none
    #[arg(long, value_name = "NETWORK", help_heading = "Bans for failed logins")]
    never_ban: Vec<String>,
}

impl Given for SettingsArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        put(&mut fields, "login_delay_millis", self.login_delay);
        put(&mut fields, "login_delay_max_millis", self.login_delay_max);
        put(&mut fields, "login_memory_seconds", self.login_memory);
        put(&mut fields, "staged_age_max_seconds", self.staged_age_max);
        let number = |number: Option<OrNone<u32>>| number.map(|number| json!(number.0));
        put(&mut fields, "staleness_max_seconds", number(self.staleness_max));
        put(&mut fields, "inactive_days_max", number(self.inactive_days_max));
        let mut passwords = Fields::new();
        put(&mut passwords, "length_min", self.password_length_min);
        put(&mut passwords, "entropy_bits_min", self.password_entropy_min);
        put(&mut passwords, "age_days_max", number(self.password_age_max));
        put(&mut passwords, "former_kept", self.former_passwords);
        put(&mut fields, "passwords", (!passwords.is_empty()).then_some(passwords));
        let mut throttle = Fields::new();
        put(&mut throttle, "failures_per_address_max", self.failures_per_address_max);
        put(&mut throttle, "failures_per_account_max", self.failures_per_account_max);
        put(&mut throttle, "ban_seconds", self.ban_seconds);
        put(&mut throttle, "allow", input::listed(&self.never_ban));
        put(&mut fields, "throttle", (!throttle.is_empty()).then_some(throttle));
        Ok(fields)
    }
}

impl Run for SettingsCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Show(read) => read::show(context, Kind::Settings, SETTINGS_NAME, read).await,
            Self::Set { settings, write } => {
                let given = settings.given("the settings")?.into();
                let answer = edit::patch(context, Kind::Settings, SETTINGS_NAME, given, &write).await?;
                edit::done(context, "the settings are changed", &answer)
            }
        }
    }
}
