//! `argosy storage ...`: where files live.

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::input;
use super::noun::{Fields, Given, Noun, Set, Settable, put};
use super::output::Column;
use crate::catalog::Kind;

/// A storage.
#[derive(Debug)]
pub struct Storage;

impl Noun for Storage {
    const KIND: Kind = Kind::Storage;
    const ONE: &'static str = "storage";
    const MANY: &'static str = "storages";
    const CREATE: &'static str =
        "Name a folder that every node sees under the same path (a shared mount such as NFS or CephFS)";
    const DELETE: &'static str = "Delete a storage that nothing uses; its files stay";
    const EXAMPLE: &'static str = "Example:\n  argosy storage create files --root /srv/files --wait";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("ROOT", "spec.root"),
        ("DURABILITY", "spec.durability"),
        ("RESERVE BYTES", "spec.reserve_bytes"),
        ("REVISION", "revision"),
    ];
    type Make = NewStorageArgs;
    type Own = Set<Self>;
}

impl Settable for Storage {
    type Change = StorageArgs;
}

/// What an acknowledged upload survives.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DurabilityArg {
    /// A power cut: every upload is synced before it is acknowledged
    Strict,
    /// A killed process, not a power cut: uploads are not synced
    Relaxed,
}

/// Options of a new storage.
#[derive(Debug, Args)]
pub struct NewStorageArgs {
    /// The folder's absolute path on every node
    #[arg(long, value_name = "DIR")]
    root: String,
    #[command(flatten)]
    settings: StorageArgs,
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
    /// Refuse uploads once less than this is free, in bytes or as 64K, 500M, 2G
    #[arg(long, value_name = "BYTES", value_parser = input::bytes)]
    reserve_bytes: Option<u64>,
}

impl Given for NewStorageArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = self.settings.given(whose)?;
        put(&mut fields, "root", Some(self.root));
        Ok(fields)
    }
}

impl Given for StorageArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        let durability = self.durability.map(|durability| match durability {
            DurabilityArg::Strict => "strict",
            DurabilityArg::Relaxed => "relaxed",
        });
        put(&mut fields, "durability", durability);
        put(&mut fields, "keep_interrupted", self.keep_interrupted);
        put(&mut fields, "reserve_bytes", self.reserve_bytes);
        Ok(fields)
    }
}
