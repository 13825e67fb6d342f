//! `argosy account key ...`: public keys that let an account in.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::account::Account;
use super::edit::WriteArgs;
use super::error::CliError;
use super::input::OrNone;
use super::noun::{self, One, Run};
use super::output::Column;
use super::{Context, input};

const COLUMNS: &[Column] = &[
    ("FINGERPRINT", "fingerprint"),
    ("COMMENT", "comment"),
    ("EXPIRES", "expires_at"),
];

/// Commands on an account's keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List an account's keys
    List {
        #[command(flatten)]
        one: One<Account>,
    },
    /// Add the public keys of a file
    Add {
        #[command(flatten)]
        one: One<Account>,
        /// A `.pub` or `authorized_keys` file without options; `-` for standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// When these keys end: a time (2027-01-31T12:00:00Z) or a time from now (30d)
        #[arg(long, value_name = "TIME", value_parser = input::moment)]
        expires: Option<OrNone<String>>,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Remove a key; sessions that came in by it are closed on every node
    Remove {
        #[command(flatten)]
        one: One<Account>,
        /// The key's fingerprint as `key list` shows it (SHA256:...)
        fingerprint: String,
        #[command(flatten)]
        write: WriteArgs,
    },
}

impl Run for KeyCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List { one } => {
                let keys = |spec: &Value| spec["keys"].as_array().cloned().unwrap_or_default();
                noun::list_of::<Account>(context, &one.name, COLUMNS, keys).await
            }
            Self::Add {
                one,
                file,
                expires,
                write,
            } => {
                let lines = input::key_lines(&file)?;
                let said = match lines.len() {
                    1 => "has one more key".to_owned(),
                    count => format!("has {count} more keys"),
                };
                noun::modify::<Account>(context, &one.name, &write, &said, |spec| {
                    let keys = keys_of(spec)?;
                    let expires = expires.as_ref().and_then(|expires| expires.0.as_ref());
                    let new = lines.iter().map(|line| json!({ "key": line, "expires_at": expires }));
                    keys.extend(new);
                    Ok(())
                })
                .await
            }
            Self::Remove {
                one,
                fingerprint,
                write,
            } => {
                let name = &one.name;
                noun::modify::<Account>(context, name, &write, "has one key less", |spec| {
                    let keys = keys_of(spec)?;
                    let before = keys.len();
                    keys.retain(|key| key["fingerprint"] != fingerprint.as_str());
                    if keys.len() == before {
                        return Err(CliError::failed(format!(
                            "account `{name}` has no key {fingerprint}; `argosy account key list {name}` shows its keys"
                        )));
                    }
                    Ok(())
                })
                .await
            }
        }
    }
}

fn keys_of(spec: &mut Value) -> Result<&mut Vec<Value>, CliError> {
    spec["keys"]
        .as_array_mut()
        .ok_or_else(|| CliError::failed("the node answered an account without a list of keys"))
}
