//! `argosy token create`: lets one new node join the cluster.

use std::time::Duration;

use clap::Subcommand;
use http::Method;
use serde_json::json;

use super::error::CliError;
use super::noun::Run;
use super::output::{self, Format};
use super::{Context, input};

/// Commands on join tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a one-time token for `argosy join` on a new machine
    Create {
        /// How long it can be used: 15m, 1h, 7d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = input::duration)]
        valid: Duration,
    },
}

impl Run for TokenCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let Self::Create { valid } = self;
        let body = json!({ "valid_seconds": valid.as_secs() });
        let answer = context
            .client
            .send(Method::POST, "/api/v1/join-token", &[], Some(&body))
            .await?
            .body;
        match context.format {
            Format::Table => output::emit(&format!("{}\n", answer["token"].as_str().unwrap_or_default())),
            format => output::value(format, &answer),
        }
    }
}
