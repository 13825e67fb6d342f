//! `argosy ban ...`: addresses and accounts that are kept out.

use clap::Args;
use serde_json::json;

use super::error::CliError;
use super::noun::{Fields, Given, NoMore, Noun, put};
use super::output::Column;
use super::{edit, input};
use crate::catalog::Kind;

/// A ban.
#[derive(Debug)]
pub struct Ban;

impl Noun for Ban {
    const KIND: Kind = Kind::Ban;
    const ONE: &'static str = "ban";
    const MANY: &'static str = "bans, those made by the cluster for failed logins too";
    const CREATE: &'static str = "Keep an address, a network or an account out, on every node; its sessions are closed";
    const DELETE: &'static str = "Remove a ban before its end (also: `ban remove`)";
    const EXAMPLE: &'static str = "Examples:\n  \
        argosy ban create scanner --network 192.0.2.7 --until 1d --reason 'port scans'\n  \
        argosy ban create left-the-firm --account bob";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("NETWORK", "spec.network"),
        ("ACCOUNT", "spec.account"),
        ("UNTIL", "spec.until"),
        ("AUTOMATIC", "spec.automatic"),
        ("REASON", "spec.reason"),
    ];
    type Make = BanArgs;
    type Own = NoMore;
}

/// Options of a new ban.
#[derive(Debug, Args)]
pub struct BanArgs {
    #[command(flatten)]
    whom: WhomArgs,
    /// When it ends: a time (2027-01-31T12:00:00Z) or a time from now (1d); without it, when it is removed
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    until: Option<input::OrNone<String>>,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Whom a ban keeps out.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhomArgs {
    /// An address, or a network such as 192.0.2.0/24
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// An account
    #[arg(long, value_name = "NAME", value_parser = edit::name)]
    account: Option<String>,
}

impl Given for BanArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        put(&mut fields, "network", self.whom.network);
        put(&mut fields, "account", self.whom.account);
        put(&mut fields, "until", self.until.map(|until| json!(until.0)));
        put(&mut fields, "reason", self.reason);
        Ok(fields)
    }
}
