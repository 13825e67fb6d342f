//! `argosy authority ...`: whose certificates let accounts in, and which of them are revoked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::edit::WriteArgs;
use super::error::CliError;
use super::noun::{self, Fields, Given, Noun, One, Run, Set, Settable, put};
use super::output::Column;
use super::{Context, input};
use crate::admin::certificates::pem;
use crate::catalog::Kind;

/// An authority.
#[derive(Debug)]
pub struct Authority;

impl Noun for Authority {
    const KIND: Kind = Kind::Authority;
    const ONE: &'static str = "authority";
    const MANY: &'static str = "authorities";
    const CREATE: &'static str = "Trust whoever signs OpenSSH user certificates or TLS client certificates with a key";
    const DELETE: &'static str = "Delete an authority that no service trusts";
    const EXAMPLE: &'static str = "Examples:\n  argosy authority create staff --key-file user_ca.pub\n  \
        argosy service set sftp --user-authority staff\n\n  \
        argosy authority create partners --kind tls-client --certificate-file ca.pem --revocation-list-file ca.crl\n  \
        argosy service set ftps --client-certificates required --trust partners";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("KIND", "spec.kind"),
        ("KEYS", "spec.keys"),
        ("CERTIFICATES", "spec.certificate_facts"),
        ("LISTS", "spec.revocation_facts"),
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

/// What an authority signs.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    /// OpenSSH user certificates
    SshUser,
    /// TLS client certificates
    TlsClient,
}

/// Options of a new authority.
#[derive(Debug, Args)]
pub struct NewAuthorityArgs {
    /// What it signs; told by the files unless given
    #[arg(long)]
    kind: Option<KindArg>,
    /// A file with the public keys that sign, one a line; can be repeated (SSH)
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "certificate_file",
        conflicts_with = "certificate_file"
    )]
    key_file: Vec<PathBuf>,
    /// A file with the certificates that sign, in PEM or DER; can be repeated (TLS)
    #[arg(long, value_name = "FILE", required_if_eq("kind", "tls-client"))]
    certificate_file: Vec<PathBuf>,
    #[command(flatten)]
    revocations: RevocationArgs,
}

/// What can be set of an authority.
#[derive(Debug, Args)]
pub struct AuthorityArgs {
    /// A file with the public keys that sign, one a line; can be repeated; replaces the present ones (SSH)
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_file")]
    key_file: Vec<PathBuf>,
    /// A file with the certificates that sign, in PEM or DER; can be repeated; replaces the present ones (TLS)
    #[arg(long, value_name = "FILE")]
    certificate_file: Vec<PathBuf>,
    #[command(flatten)]
    revocations: RevocationArgs,
}

/// Which TLS client certificates count no more.
#[derive(Debug, Args)]
struct RevocationArgs {
    /// A file with a revocation list (CRL), in PEM or DER; can be repeated; replaces the present ones (TLS)
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    revocation_list_file: Vec<PathBuf>,
    /// Where newer lists are fetched, an http:// URL; `none` for nowhere (TLS)
    #[arg(long, value_name = "URL", conflicts_with = "key_file")]
    revocation_url: Option<String>,
    /// Seconds between two fetches; an hour unless told otherwise
    #[arg(long, value_name = "SECONDS", requires = "revocation_url")]
    revocation_every: Option<u32>,
    /// Take certificates also while a list is older than it promised to be (true or false) (TLS)
    #[arg(long, value_name = "BOOL", conflicts_with = "key_file")]
    takes_stale_lists: Option<bool>,
}

impl Given for RevocationArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        let lists = self.revocation_list_file.iter();
        let lists: Vec<String> = lists
            .map(|file| input::pem(file, LIST_LABEL))
            .collect::<Result<_, _>>()?;
        put(&mut fields, "revocation_lists", (!lists.is_empty()).then_some(lists));
        put(&mut fields, "takes_stale_lists", self.takes_stale_lists);
        let every = self.revocation_every;
        let source = self.revocation_url.map(|url| match url.as_str() {
            "none" => Value::Null,
            _ => every.map_or_else(
                || json!({ "url": url }),
                |every| json!({ "url": url, "every_seconds": every }),
            ),
        });
        put(&mut fields, "revocation_source", source);
        Ok(fields)
    }
}

impl Given for NewAuthorityArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let kind = match self.kind {
            Some(KindArg::SshUser) => Some("ssh-user"),
            Some(KindArg::TlsClient) => Some("tls-client"),
            None => (!self.certificate_file.is_empty()).then_some("tls-client"),
        };
        let change = AuthorityArgs {
            key_file: self.key_file,
            certificate_file: self.certificate_file,
            revocations: self.revocations,
        };
        let mut fields = change.given(whose)?;
        put(&mut fields, "kind", kind);
        Ok(fields)
    }
}

impl Given for AuthorityArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = self.revocations.given(whose)?;
        let mut keys = Vec::new();
        for file in &self.key_file {
            keys.extend(input::key_lines(file)?);
        }
        put(&mut fields, "keys", (!keys.is_empty()).then_some(keys));
        let certificates = self.certificate_file.iter();
        let certificates: Vec<String> = certificates
            .map(|file| input::pem(file, "CERTIFICATE"))
            .collect::<Result<_, _>>()?;
        put(
            &mut fields,
            "certificates",
            (!certificates.is_empty()).then_some(certificates),
        );
        Ok(fields)
    }
}

/// What PEM says of a revocation list.
const LIST_LABEL: &str = "X509 CRL";

/// Puts a list in the place of the one of the same issuer, or beside the others.
fn bring(lists: &mut Vec<Value>, new: &str) -> Result<(), CliError> {
    let issuer = |text: &str| {
        let list = pem::revocation_list(text)?;
        let issuer = list.facts().map(|facts| facts.issuer_der.clone());
        issuer.ok_or_else(|| "cannot be read".to_owned())
    };
    let own = issuer(new).map_err(|reason| CliError::failed(format!("the revocation list {reason}")))?;
    lists.retain(|present| present.as_str().and_then(|text| issuer(text).ok()).as_ref() != Some(&own));
    lists.push(new.into());
    Ok(())
}

/// What only authorities can do.
#[derive(Debug, Subcommand)]
pub enum AuthorityOwn {
    #[command(flatten)]
    Set(Set<Authority>),
    /// Refuse SSH certificates from now on; sessions that came in by them are closed
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
    /// Bring a revocation list (CRL) in place of the one of the same issuer; the next handshake on every node obeys it
    #[command(display_order = 8)]
    RevocationList {
        #[command(flatten)]
        one: One<Authority>,
        /// In PEM or DER; `-` for standard input
        file: PathBuf,
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
            Self::RevocationList { one, file, write } => {
                let new = input::pem(&file, LIST_LABEL)?;
                return noun::modify::<Authority>(context, &one.name, &write, "has a new revocation list", |spec| {
                    let lists = spec["revocation_lists"].as_array_mut();
                    bring(
                        lists.ok_or_else(|| {
                            CliError::failed("the node answered an authority without a list of lists")
                        })?,
                        &new,
                    )
                })
                .await;
            }
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
