//! `argosy host-key ...`: what every node shows as its SSH identity.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::input;
use super::noun::{Fields, Given, Noun, Set, Settable, put};
use super::output::Column;
use crate::admin::border::HostKeyAlgorithm;
use crate::catalog::Kind;

/// A host key.
#[derive(Debug)]
pub struct HostKey;

impl Noun for HostKey {
    const KIND: Kind = Kind::HostKey;
    const ONE: &'static str = "host key";
    const MANY: &'static str = "host keys";
    const CREATE: &'static str = "Make a host key in the cluster, or take over an existing one";
    const DELETE: &'static str = "Delete a host key that no service shows";
    const EXAMPLE: &'static str = "The private half is sealed before it is stored, and never shown.\n\nExamples:\n  \
        argosy host-key create main\n  \
        argosy host-key create old-server --private-file /etc/ssh/ssh_host_ed25519_key";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("ALGORITHM", "spec.algorithm"),
        ("FINGERPRINT", "spec.fingerprint"),
        ("CREATED", "spec.created_at"),
        ("REVISION", "revision"),
    ];
    type Make = HostKeyArgs;
    type Own = Set<Self>;
}

impl Settable for HostKey {
    const SET: &'static str = "Show a host key with a certificate, or without";
    type Change = CertificateArgs;
}

/// What can be set of a host key.
#[derive(Debug, Args)]
pub struct CertificateArgs {
    /// A file with its host certificate, as ssh-keygen -h made it; `none` for no certificate any more
    #[arg(long, value_name = "FILE", required = true)]
    certificate_file: PathBuf,
}

impl Given for CertificateArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let certificate = match self.certificate_file.to_str() {
            Some("none") => Value::Null,
            _ => input::text(&self.certificate_file)?.trim().into(),
        };
        Ok(Fields::from_iter([("certificate".to_owned(), certificate)]))
    }
}

/// Options of a new host key.
#[derive(Debug, Args)]
pub struct HostKeyArgs {
    /// Which kind to make
    #[arg(long, default_value = "ed25519", value_parser = HostKeyAlgorithm::WORDS, conflicts_with = "private_file")]
    algorithm: String,
    /// Take over this private key (PEM, without a passphrase), so that clients see no change
    #[arg(long, value_name = "FILE")]
    private_file: Option<PathBuf>,
}

impl Given for HostKeyArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        match self.private_file {
            Some(file) => put(&mut fields, "private", Some(input::text(&file)?)),
            None => put(&mut fields, "algorithm", Some(self.algorithm)),
        }
        Ok(fields)
    }
}
