//! `argosy host-key ...`: what every node shows as its SSH identity.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::output::Column;
use super::{Context, input};
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ALGORITHM", "spec.algorithm"),
    ("FINGERPRINT", "spec.fingerprint"),
    ("CREATED", "spec.created_at"),
    ("REVISION", "revision"),
];

/// Commands on host keys.
#[derive(Debug, Subcommand)]
pub enum HostKeyCommand {
    /// List all host keys
    List,
    /// Show one host key: its public half
    Show {
        /// The host key
        #[arg(value_parser = edit::name)]
        name: String,
    },
    /// Make a host key in the cluster, or take over an existing one
    ///
    /// The private half is sealed before it is stored, and never shown.
    Create {
        /// The new host key
        #[arg(value_parser = edit::name)]
        name: String,
        /// Which kind to make
        #[arg(long, default_value = "ed25519", value_parser = ["ed25519", "rsa-3072"], conflicts_with = "private_file")]
        algorithm: String,
        /// Take over this private key (PEM, without a passphrase), so that clients see no change
        #[arg(long, value_name = "FILE")]
        private_file: Option<PathBuf>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete a host key that no service shows
    Delete {
        /// The host key
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Runs one of them.
pub async fn run(context: &Context, command: HostKeyCommand) -> Result<(), CliError> {
    let kind = Kind::HostKey;
    match command {
        HostKeyCommand::List => edit::list(context, kind, COLUMNS).await,
        HostKeyCommand::Show { name } => edit::show(context, kind, &name).await,
        HostKeyCommand::Create {
            name,
            algorithm,
            private_file,
            write,
        } => {
            let spec = match private_file {
                Some(file) => json!({ "private": Zeroizing::new(input::text(&file)?).as_str() }),
                None => json!({ "algorithm": algorithm }),
            };
            let answer = edit::create(context, kind, &name, spec, &write).await?;
            edit::done(context, &format!("host key `{name}` is made"), &answer)
        }
        HostKeyCommand::Delete { name, write } => edit::delete(context, kind, &name, &write).await,
    }
}
