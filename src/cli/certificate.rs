//! `argosy certificate ...`: what services show as their TLS identity: made here, brought here, or asked for.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::edit::{self, WriteArgs};
use super::error::CliError;
use super::noun::{self, Fields, Given, Noun, One, Run, Set, Settable, put};
use super::output::{self, Column, Format};
use super::{Context, input, read};
use crate::admin::certificates::issue::ALGORITHMS;
use crate::admin::certificates::limits::SELF_SIGNED_DAYS_MAX;
use crate::catalog::Kind;
use crate::clock::{Clock, UnixMillis};

/// A certificate.
#[derive(Debug)]
pub struct Certificate;

impl Noun for Certificate {
    const KIND: Kind = Kind::Certificate;
    const ONE: &'static str = "certificate";
    const MANY: &'static str = "certificates, with the days that are left of each";
    const CREATE: &'static str = "Make a self-signed certificate in the cluster";
    const DELETE: &'static str = "Delete a certificate that no service shows";
    const EXAMPLE: &'static str = "The key is made and sealed in the cluster, and never shown. One of an authority comes \
        by `import`, or by `request` and `chain`.\n\nExample:\n  \
        argosy certificate create main --self-signed --name ftp.example.org --name 192.0.2.7 --days 90";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("NAMES", "spec.names"),
        ("ALGORITHM", "spec.algorithm"),
        ("ISSUER", "spec.issuer"),
        ("NOT AFTER", "spec.not_after"),
        ("DAYS LEFT", "days_left"),
        ("REVISION", "revision"),
    ];
    type Make = SelfSignedArgs;
    type Own = CertificateOwn;

    fn row(row: &mut Value) {
        let end = row["spec"]["not_after"].as_str();
        let end = end.and_then(|text| UnixMillis::from_rfc3339(text).ok());
        row["days_left"] = json!(end.map(|end| days_left(end, Clock::system().now())));
    }
}

impl Settable for Certificate {
    const SET: &'static str = "Replace it by a new self-signed one; whoever connects from then on sees that";
    type Change = SelfSignedArgs;
}

/// Whole days from `now` until `end`; negative once it is over.
fn days_left(end: UnixMillis, now: UnixMillis) -> i64 {
    (end.0 - now.0).div_euclid(24 * 60 * 60 * 1000)
}

/// A self-signed certificate.
#[derive(Debug, Args)]
pub struct SelfSignedArgs {
    /// Signed by its own key: clients have to be told to trust it
    #[arg(long, required = true)]
    self_signed: bool,
    #[command(flatten)]
    wanted: WantedArgs,
    /// Days that it holds; a year unless told otherwise
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SELF_SIGNED_DAYS_MAX)))]
    days: Option<u32>,
}

impl Given for SelfSignedArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let algorithm = self.wanted.algorithm.clone();
        let mut wanted = self.wanted.fields();
        put(&mut wanted, "days", self.days);
        let mut fields = Fields::new();
        put(&mut fields, "self_signed", self.self_signed.then_some(wanted));
        put(&mut fields, "algorithm", algorithm);
        Ok(fields)
    }
}

/// Whom a certificate is for, and what kind of key it has.
#[derive(Debug, Args)]
pub struct WantedArgs {
    /// A DNS name or an address by which clients reach the service; can be repeated
    #[arg(long = "name", value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Which kind of key to make; ecdsa-p256 unless told otherwise
    #[arg(long, value_parser = ALGORITHMS)]
    algorithm: Option<String>,
    /// The subject's common name; the first name unless told otherwise
    #[arg(long, value_name = "TEXT")]
    common_name: Option<String>,
    /// The subject's organization
    #[arg(long, value_name = "TEXT")]
    organization: Option<String>,
    /// The part of the organization
    #[arg(long, value_name = "TEXT")]
    organizational_unit: Option<String>,
    /// The subject's city
    #[arg(long, value_name = "TEXT")]
    locality: Option<String>,
    /// The subject's state or province
    #[arg(long, value_name = "TEXT")]
    state: Option<String>,
    /// The subject's country, in two capital letters
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
}

impl WantedArgs {
    fn fields(self) -> Fields {
        let mut wanted = Fields::new();
        put(&mut wanted, "names", Some(self.names));
        put(&mut wanted, "common_name", self.common_name);
        put(&mut wanted, "organization", self.organization);
        put(&mut wanted, "organizational_unit", self.organizational_unit);
        put(&mut wanted, "locality", self.locality);
        put(&mut wanted, "state", self.state);
        put(&mut wanted, "country", self.country);
        wanted
    }
}

/// What only certificates can do.
#[derive(Debug, Subcommand)]
pub enum CertificateOwn {
    #[command(flatten)]
    Set(Set<Certificate>),
    /// Bring a certificate with its key; one of that name is replaced, without a break for whoever is connected
    #[command(
        display_order = 5,
        after_help = "Examples:\n  argosy certificate import main --chain fullchain.pem --private privkey.pem\n  \
                      argosy certificate import main --pkcs12 main.p12"
    )]
    Import {
        #[command(flatten)]
        one: One<Certificate>,
        #[command(flatten)]
        brought: BroughtArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Make a key, and print the request (CSR) that an authority signs; a present certificate is shown until then
    #[command(
        display_order = 6,
        after_help = "Example:\n  argosy certificate request main --name ftp.example.org > main.csr\n  \
                      argosy certificate chain main --chain signed.pem"
    )]
    Request {
        #[command(flatten)]
        one: One<Certificate>,
        #[command(flatten)]
        wanted: WantedArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Bring the chain that an authority signed, to the key that is here
    #[command(display_order = 7)]
    Chain {
        #[command(flatten)]
        one: One<Certificate>,
        /// The certificate first, then each that signed the one before; `-` for standard input
        #[arg(long, value_name = "FILE")]
        chain: PathBuf,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// Where a certificate and its key come from.
#[derive(Debug, Args)]
pub struct BroughtArgs {
    /// The certificate first, then each that signed the one before (PEM)
    #[arg(long, value_name = "FILE", requires = "private", required_unless_present = "pkcs12")]
    chain: Option<PathBuf>,
    /// Its key (PEM, without a passphrase); `-` for standard input
    #[arg(long, value_name = "FILE", requires = "chain")]
    private: Option<PathBuf>,
    /// Both in one PKCS#12 file (.p12, .pfx)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["chain", "private"])]
    pkcs12: Option<PathBuf>,
    /// Read the file's password from standard input (first line) instead of asking for it
    #[arg(long, requires = "pkcs12")]
    password_stdin: bool,
}

impl Given for BroughtArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        if let Some(file) = &self.pkcs12 {
            let bytes = input::file_bytes(file)?;
            let password = input::present_password(self.password_stdin, &file.display().to_string())?;
            put(&mut fields, "pkcs12", Some(STANDARD.encode(bytes)));
            put(&mut fields, "pkcs12_password", Some(password.as_str()));
        }
        if let Some(file) = &self.chain {
            put(&mut fields, "chain", Some(input::pem(file, "CERTIFICATE")?));
        }
        if let Some(file) = &self.private {
            put(&mut fields, "private", Some(input::text(file)?));
        }
        Ok(fields)
    }
}

impl Run for CertificateOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Set(command) => command.run(context).await,
            Self::Import { one, brought, write } => {
                let whose = noun::whose::<Certificate>(&one.name);
                let spec = brought.given(&whose)?;
                let answer = edit::replace(context, Kind::Certificate, &one.name, spec.into(), &write).await?;
                edit::done(context, &format!("{whose} is imported"), &answer)
            }
            Self::Request { one, wanted, write } => {
                let mut spec = Fields::new();
                put(&mut spec, "algorithm", wanted.algorithm.clone());
                put(&mut spec, "request", Some(wanted.fields()));
                edit::replace(context, Kind::Certificate, &one.name, spec.into(), &write).await?;
                let object = read::get(context, Kind::Certificate, &one.name).await?.body;
                match (context.format, object["spec"]["csr"].as_str()) {
                    (Format::Table, Some(csr)) => output::emit(csr),
                    (Format::Table, None) => Err(CliError::failed(
                        "the request is gone: somebody has brought a certificate meanwhile",
                    )),
                    (format, _) => output::value(format, &object),
                }
            }
            Self::Chain { one, chain, write } => {
                let chain = input::pem(&chain, "CERTIFICATE")?;
                let given = Fields::from_iter([("chain".to_owned(), chain.into())]);
                noun::patch::<Certificate>(context, &one.name, given, &write, "has a new chain").await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_left_are_whole_days_and_negative_after_the_end() {
        let hour = 60 * 60 * 1000;
        for (hours, days) in [(0, 0), (23, 0), (24, 1), (49, 2), (-1, -1), (-25, -2)] {
            assert_eq!(
                days_left(UnixMillis(hours * hour + 7), UnixMillis(7)),
                days,
                "{hours} h"
            );
        }
    }
}
