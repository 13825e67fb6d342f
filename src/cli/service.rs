//! `argosy service ...`: ports that every node serves.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::output::Column;
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("KIND", "spec.kind"),
    ("ENABLED", "spec.enabled"),
    ("ADDRESS", "spec.address"),
    ("PORT", "spec.port"),
    ("HOST KEYS", "spec.host_keys"),
    ("REVISION", "revision"),
];

/// Commands on services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// List all services
    List,
    /// Show one service
    Show {
        /// The service
        #[arg(value_parser = edit::name)]
        name: String,
    },
    /// Open a port for SFTP on every node
    #[command(after_help = "Example:\n  argosy service create sftp --port 22 --host-key main --wait")]
    Create {
        /// The new service
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        settings: ServiceArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Change what is given, leave the rest; running sessions go on unless the service is switched off
    Set {
        /// The service
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        settings: ServiceArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Open the port again
    Enable {
        /// The service
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Close the port on every node, and the sessions that came in by it
    Disable {
        /// The service
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete a service: its port is closed on every node, and its sessions
    Delete {
        /// The service
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// What can be set of a service.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// The TCP port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// A host key to show, the most preferred first; can be repeated
    #[arg(long, value_name = "NAME", value_parser = edit::name)]
    host_key: Vec<String>,
    /// Listen on this address on every node, instead of each node's own service address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "any_node_address")]
    address: Option<IpAddr>,
    /// Listen on each node's own service address again
    #[arg(long)]
    any_node_address: bool,
    /// Text that is shown before signing in
    #[arg(long, value_name = "TEXT")]
    banner: Option<String>,
    /// The most sessions at a time on one node
    #[arg(long, value_name = "NUMBER")]
    sessions_max: Option<u32>,
    /// The most connections on one node that have not signed in
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_max: Option<u32>,
    /// The same for one address
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_per_address_max: Option<u32>,
    /// Seconds to sign in
    #[arg(long, value_name = "SECONDS")]
    login_grace: Option<u32>,
    /// Failed tries before the connection is closed
    #[arg(long, value_name = "NUMBER")]
    login_attempts_max: Option<u32>,
    /// Seconds without a byte before a session is closed; 0 for never
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u32>,
    /// Seconds between keepalives; 0 for none
    #[arg(long, value_name = "SECONDS")]
    keepalive: Option<u32>,
}

impl ServiceArgs {
    fn given(&self) -> Value {
        let mut given = serde_json::Map::new();
        let mut set = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                given.insert(field.to_owned(), value);
            }
        };
        set("port", self.port.map(Into::into));
        set("host_keys", (!self.host_key.is_empty()).then(|| json!(self.host_key)));
        set("address", self.address.map(|address| json!(address)));
        set("address", self.any_node_address.then_some(Value::Null));
        set("banner", self.banner.clone().map(Into::into));
        set("sessions_max", self.sessions_max.map(Into::into));
        set("unauthenticated_max", self.unauthenticated_max.map(Into::into));
        set(
            "unauthenticated_per_address_max",
            self.unauthenticated_per_address_max.map(Into::into),
        );
        set("login_grace_seconds", self.login_grace.map(Into::into));
        set("login_attempts_max", self.login_attempts_max.map(Into::into));
        set("idle_seconds", self.idle.map(Into::into));
        set("keepalive_seconds", self.keepalive.map(Into::into));
        Value::Object(given)
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: ServiceCommand) -> Result<(), CliError> {
    let kind = Kind::Service;
    match command {
        ServiceCommand::List => edit::list(context, kind, COLUMNS).await,
        ServiceCommand::Show { name } => edit::show(context, kind, &name).await,
        ServiceCommand::Create { name, settings, write } => {
            if settings.port.is_none() {
                return Err(CliError::usage("a new service needs --port"));
            }
            let mut spec = settings.given();
            spec["kind"] = "sftp".into();
            if settings.host_key.is_empty() {
                spec["host_keys"] = every_host_key(context).await?.into();
            }
            let answer = edit::create(context, kind, &name, spec, &write).await?;
            edit::done(context, &format!("service `{name}` is made"), &answer)
        }
        ServiceCommand::Set { name, settings, write } => {
            modify(context, &name, &write, "is changed", settings.given()).await
        }
        ServiceCommand::Enable { name, write } => {
            modify(context, &name, &write, "is enabled", json!({ "enabled": true })).await
        }
        ServiceCommand::Disable { name, write } => {
            modify(context, &name, &write, "is disabled", json!({ "enabled": false })).await
        }
        ServiceCommand::Delete { name, write } => edit::delete(context, kind, &name, &write).await,
    }
}

/// Without `--host-key`, all host keys are shown; there must be one.
async fn every_host_key(context: &Context) -> Result<Vec<Value>, CliError> {
    let keys = edit::all(context, Kind::HostKey).await?;
    if keys.is_empty() {
        return Err(CliError::failed(
            "there is no host key yet; make one with `argosy host-key create main`",
        ));
    }
    Ok(keys.into_iter().map(|key| key["name"].clone()).collect())
}

async fn modify(context: &Context, name: &str, write: &WriteArgs, said: &str, given: Value) -> Result<(), CliError> {
    let answer = edit::modify(context, Kind::Service, name, write, |spec| edit::merge(spec, &given)).await?;
    edit::done(context, &format!("service `{name}` {said}"), &answer)
}
