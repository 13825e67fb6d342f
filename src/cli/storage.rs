//! `argosy storage ...`: where files live.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Context;
use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::output::Column;
use crate::catalog::Kind;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ROOT", "spec.root"),
    ("DURABILITY", "spec.durability"),
    ("RESERVE BYTES", "spec.reserve_bytes"),
    ("REVISION", "revision"),
];

/// What an acknowledged upload survives.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DurabilityArg {
    /// A power cut: every upload is synced before it is acknowledged
    Strict,
    /// A killed process, not a power cut: uploads are not synced
    Relaxed,
}

/// Commands on storages.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// List all storages
    List,
    /// Show one storage
    Show {
        /// The storage
        #[arg(value_parser = edit::name)]
        name: String,
    },
    /// Name a folder that every node sees under the same path (a shared mount such as NFS or CephFS)
    Create {
        /// The new storage
        #[arg(value_parser = edit::name)]
        name: String,
        /// The folder's absolute path on every node
        #[arg(long, value_name = "DIR")]
        root: String,
        #[command(flatten)]
        settings: StorageArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Change what is given, leave the rest
    Set {
        /// The storage
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        settings: StorageArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Delete a storage that no account uses; its files stay
    Delete {
        /// The storage
        #[arg(value_parser = edit::name)]
        name: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// What can be set of a storage.
#[derive(Debug, Args)]
pub struct StorageArgs {
    /// What an acknowledged upload survives
    #[arg(long)]
    durability: Option<DurabilityArg>,
    /// Keep interrupted uploads, so that they can be resumed (true or false)
    #[arg(long, value_name = "BOOL")]
    keep_interrupted: Option<bool>,
    /// Refuse uploads once less than this many bytes are free
    #[arg(long, value_name = "BYTES")]
    reserve_bytes: Option<u64>,
}

impl StorageArgs {
    fn given(&self) -> Value {
        let mut given = json!({});
        if let Some(durability) = self.durability {
            given["durability"] = match durability {
                DurabilityArg::Strict => "strict",
                DurabilityArg::Relaxed => "relaxed",
            }
            .into();
        }
        if let Some(keep) = self.keep_interrupted {
            given["keep_interrupted"] = keep.into();
        }
        if let Some(bytes) = self.reserve_bytes {
            given["reserve_bytes"] = bytes.into();
        }
        given
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: StorageCommand) -> Result<(), CliError> {
    let kind = Kind::Storage;
    match command {
        StorageCommand::List => edit::list(context, kind, COLUMNS).await,
        StorageCommand::Show { name } => edit::show(context, kind, &name).await,
        StorageCommand::Create {
            name,
            root,
            settings,
            write,
        } => {
            let mut spec = settings.given();
            spec["root"] = root.into();
            let answer = edit::create(context, kind, &name, spec, &write).await?;
            edit::done(context, &format!("storage `{name}` is made"), &answer)
        }
        StorageCommand::Set { name, settings, write } => {
            let given = settings.given();
            let answer = edit::modify(context, kind, &name, &write, |spec| edit::merge(spec, &given)).await?;
            edit::done(context, &format!("storage `{name}` is changed"), &answer)
        }
        StorageCommand::Delete { name, write } => edit::delete(context, kind, &name, &write).await,
    }
}
