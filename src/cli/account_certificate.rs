//! `argosy account certificate ...`: TLS client certificates that let an account in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::account::Account;
use super::edit::WriteArgs;
use super::error::CliError;
use super::noun::{self, One, Run};
use super::output::Column;
use crate::x509::{hex, name, parse_fingerprint};

const COLUMNS: &[Column] = &[
    ("SUBJECT", "subject"),
    ("ALTERNATIVE NAME", "san"),
    ("FINGERPRINT", "fingerprint"),
];

/// Commands on an account's client certificates.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// List which client certificates let an account in
    List {
        #[command(flatten)]
        one: One<Account>,
    },
    /// Let certificates in that an authority of the service has signed
    #[command(after_help = "Examples:\n  \
        argosy account certificate add alice --subject CN=alice,O=Example\n  \
        argosy account certificate add alice --alternative-name email:alice@example.org")]
    Add {
        #[command(flatten)]
        one: One<Account>,
        #[command(flatten)]
        which: WhichArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Let them in no more; sessions that came in by them are closed on every node
    Remove {
        #[command(flatten)]
        one: One<Account>,
        #[command(flatten)]
        which: WhichArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Which certificates.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichArgs {
    /// The one with this SHA-256, in hexadecimal
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    fingerprint: Option<String>,
    /// Those of this subject, the most specific part first: CN=alice,O=Example,C=DE
    #[arg(long, value_name = "SUBJECT", value_parser = name::canonical)]
    subject: Option<String>,
    /// Those with this alternative name: email:alice@example.org, dns:..., uri:... or ip:...
    #[arg(long, value_name = "NAME", value_parser = name::canonical_alternative)]
    alternative_name: Option<String>,
}

fn fingerprint(text: &str) -> Result<String, String> {
    let hash = parse_fingerprint(text).ok_or("must be a SHA-256 in 64 hexadecimal digits")?;
    Ok(hex(&hash))
}

impl WhichArgs {
    /// As the account has it.
    fn rule(self) -> Value {
        let mut rule = json!({});
        let given = [
            ("fingerprint", self.fingerprint),
            ("subject", self.subject),
            ("san", self.alternative_name),
        ];
        for (field, text) in given {
            if let Some(text) = text {
                rule[field] = text.into();
            }
        }
        rule
    }
}

impl Run for CertificateCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let (one, which, write, adds) = match self {
            Self::List { one } => {
                let rules = |spec: &Value| spec["certificates"].as_array().cloned().unwrap_or_default();
                return noun::list_of::<Account>(context, &one.name, COLUMNS, rules).await;
            }
            Self::Add { one, which, write } => (one, which, write, true),
            Self::Remove { one, which, write } => (one, which, write, false),
        };
        let (name, rule) = (&one.name, which.rule());
        let said = if adds {
            "lets one more kind of certificate in"
        } else {
            "lets one kind of certificate less in"
        };
        noun::modify::<Account>(context, name, &write, said, |spec| {
            let rules = spec["certificates"]
                .as_array_mut()
                .ok_or_else(|| CliError::failed("the node answered an account without a list of certificates"))?;
            let is_there = rules.contains(&rule);
            if is_there == adds {
                let has = if adds { "has already" } else { "has no" };
                return Err(CliError::failed(format!(
                    "account `{name}` {has} certificate {rule}; `argosy account certificate list {name}` shows them"
                )));
            }
            if adds {
                rules.push(rule.clone());
            } else {
                rules.retain(|present| *present != rule);
            }
            Ok(())
        })
        .await
    }
}
