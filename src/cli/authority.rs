//! `argosy authority ...`: whose certificates let accounts in, and which of them are revoked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::edit::WriteArgs;
use super::error::CliError;
use super::noun::{self, Fields, Given, Noun, One, Run, Set, Settable, put};
use super::output::Column;
use super::{Context, input};
use crate::catalog::Kind;

/// An authority.
#[derive(Debug)]
pub struct Authority;

impl Noun for Authority {
    const KIND: Kind = Kind::Authority;
    const ONE: &'static str = "authority";
    const MANY: &'static str = "authorities";
    const CREATE: &'static str = "Trust whoever signs OpenSSH user certificates with a key";
    const DELETE: &'static str = "Delete an authority that no service trusts";
    const EXAMPLE: &'static str = "Example:\n  argosy authority create staff --key-file user_ca.pub\n  \
        argosy service set sftp --user-authority staff";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("KIND", "spec.kind"),
        ("KEYS", "spec.keys"),
        ("REVOKED SERIALS", "spec.revoked_serials"),
        ("REVOKED IDS", "spec.revoked_ids"),
        ("REVISION", "revision"),
    ];
    type Make = NewAuthorityArgs;
    type Own = AuthorityOwn;
}

impl Settable for Authority {
    type Change = AuthorityArgs;
}

/// Options of a new authority.
#[derive(Debug, Args)]
pub struct NewAuthorityArgs {
    /// A file with the public keys that sign, one a line; can be repeated
    #[arg(long, value_name = "FILE", required = true)]
    key_file: Vec<PathBuf>,
}

/// What can be set of an authority.
#[derive(Debug, Args)]
pub struct AuthorityArgs {
    /// A file with the public keys that sign, one a line; can be repeated; replaces the present ones
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
}

impl Given for NewAuthorityArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let key_file = self.key_file;
        AuthorityArgs { key_file }.given(whose)
    }
}

impl Given for AuthorityArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut keys = Vec::new();
        for file in &self.key_file {
            keys.extend(input::key_lines(file)?);
        }
        let mut fields = Fields::new();
        put(&mut fields, "keys", (!keys.is_empty()).then_some(keys));
        Ok(fields)
    }
}

/// What only authorities can do.
#[derive(Debug, Subcommand)]
pub enum AuthorityOwn {
    #[command(flatten)]
    Set(Set<Authority>),
    /// Refuse certificates from now on; sessions that came in by them are closed
    #[command(display_order = 7)]
    Revoke {
        #[command(flatten)]
        one: One<Authority>,
        #[command(flatten)]
        which: RevokedArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Take a revocation back
    #[command(display_order = 8)]
    Unrevoke {
        #[command(flatten)]
        one: One<Authority>,
        #[command(flatten)]
        which: RevokedArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Which certificates.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct RevokedArgs {
    /// By serial number; can be repeated
    #[arg(long, value_name = "NUMBER")]
    serial: Vec<u64>,
    /// By key id, the text that ssh-keygen -I gave them; can be repeated
    #[arg(long, value_name = "TEXT")]
    id: Vec<String>,
    /// By the fingerprint (SHA256:...) of the certified key; can be repeated
    #[arg(long, value_name = "FINGERPRINT")]
    key: Vec<String>,
}

impl RevokedArgs {
    fn lists(&self) -> [(&'static str, Vec<Value>); 3] {
        let texts = |texts: &[String]| texts.iter().map(|text| json!(text)).collect();
        [
            (
                "revoked_serials",
                self.serial.iter().map(|serial| json!(serial)).collect(),
            ),
            ("revoked_ids", texts(&self.id)),
            ("revoked_keys", texts(&self.key)),
        ]
    }
}

impl Run for AuthorityOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let (one, which, write, revoke) = match self {
            Self::Set(command) => return command.run(context).await,
            Self::Revoke { one, which, write } => (one, which, write, true),
            Self::Unrevoke { one, which, write } => (one, which, write, false),
        };
        noun::modify::<Authority>(context, &one.name, &write, "has changed revocations", |spec| {
            for (field, named) in which.lists() {
                let mut list = spec[field].as_array().cloned().unwrap_or_default();
                list.retain(|present| !named.contains(present));
                if revoke {
                    list.extend(named);
                }
                spec[field] = list.into();
            }
            Ok(())
        })
        .await
    }
}
