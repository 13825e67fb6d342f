//! Options of how a service speaks TLS: what it shows, what it agrees to, whether clients show certificates.

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::input::listed;
use super::noun::{Fields, Given, put};

const HEADING: &str = "TLS";

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClientCertificatesArg {
    /// They are not asked
    Off,
    /// They are asked, and may show none
    Optional,
    /// Nobody comes in without
    Required,
}

/// How TLS is spoken.
#[derive(Debug, Default, Args)]
pub struct TlsArgs {
    /// A certificate to show, by the name that a client asks for, and the first where none fits; can be repeated;
    /// `none` for none
    #[arg(long = "certificate", value_name = "NAME", help_heading = HEADING)]
    certificates: Vec<String>,
    /// The oldest version
    #[arg(long, value_name = "VERSION", value_parser = ["1.2", "1.3"], help_heading = HEADING)]
    tls_min: Option<String>,
    /// The newest version
    #[arg(long, value_name = "VERSION", value_parser = ["1.2", "1.3"], help_heading = HEADING)]
    tls_max: Option<String>,
    /// Cipher suites, the preferred one first; separated by commas; `none` for the default's
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    cipher_suite: Vec<String>,
    /// Key exchange groups, the preferred one first; separated by commas; `none` for the default's
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    tls_group: Vec<String>,
    /// Whether clients are asked for certificates
    #[arg(long, help_heading = HEADING)]
    client_certificates: Option<ClientCertificatesArg>,
    /// An authority whose client certificates are trusted; can be repeated; `none` for none
    #[arg(long = "trust", value_name = "AUTHORITY", help_heading = HEADING)]
    authorities: Vec<String>,
}

impl Given for TlsArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut tls = Fields::new();
        let asked = self.client_certificates.map(|asked| match asked {
            ClientCertificatesArg::Off => "off",
            ClientCertificatesArg::Optional => "optional",
            ClientCertificatesArg::Required => "required",
        });
        put(&mut tls, "certificates", listed(&self.certificates));
        put(&mut tls, "version_min", self.tls_min);
        put(&mut tls, "version_max", self.tls_max);
        put(&mut tls, "cipher_suites", listed(&self.cipher_suite));
        put(&mut tls, "groups", listed(&self.tls_group));
        put(&mut tls, "client_certificates", asked);
        put(&mut tls, "authorities", listed(&self.authorities));
        let mut fields = Fields::new();
        put(&mut fields, "tls", (!tls.is_empty()).then_some(tls));
        Ok(fields)
    }
}
