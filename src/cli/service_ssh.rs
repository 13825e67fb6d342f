//! Options of how a service speaks SSH: a named policy, or lists of algorithms.

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::input::{self, listed};
use super::noun::{Fields, Given, put};

const HEADING: &str = "SSH";

/// A named choice of algorithms.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PolicyArg {
    /// Post-quantum key exchange only: clients of 2024 and later
    Modern,
    /// Modern first, then curve25519 for clients before that
    Standard,
    /// Standard first, then what older partners need
    Compatible,
    /// Algorithms whose names FIPS 140-3 approves
    FipsNames,
}

/// How SSH is spoken.
#[derive(Debug, Default, Args)]
pub struct SshArgs {
    /// The algorithms that hold where no list is given
    #[arg(long, help_heading = HEADING)]
    ssh_policy: Option<PolicyArg>,
    /// Key exchange methods, the preferred one first; separated by commas; `none` for the policy's
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    key_exchange: Vec<String>,
    /// Ciphers
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    cipher: Vec<String>,
    /// Message authentication codes, for ciphers that need one
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    mac: Vec<String>,
    /// Signature algorithms of host keys
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    host_key_algorithm: Vec<String>,
    /// Signature algorithms of users' keys
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = HEADING)]
    signature_algorithm: Vec<String>,
    /// Take users' DSA keys, for partners that have nothing else (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    legacy_dsa: Option<bool>,
    /// Agree new keys after this many bytes, such as 1G
    #[arg(long, value_name = "BYTES", value_parser = input::bytes, help_heading = HEADING)]
    rekey_bytes: Option<u64>,
    /// Agree new keys after this many seconds
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    rekey_seconds: Option<u32>,
}

impl Given for SshArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut ssh = Fields::new();
        let policy = self.ssh_policy.map(|policy| match policy {
            PolicyArg::Modern => "modern",
            PolicyArg::Standard => "standard",
            PolicyArg::Compatible => "compatible",
            PolicyArg::FipsNames => "fips-names",
        });
        put(&mut ssh, "policy", policy);
        put(&mut ssh, "key_exchanges", listed(&self.key_exchange));
        put(&mut ssh, "ciphers", listed(&self.cipher));
        put(&mut ssh, "macs", listed(&self.mac));
        put(&mut ssh, "host_key_algorithms", listed(&self.host_key_algorithm));
        put(&mut ssh, "signature_algorithms", listed(&self.signature_algorithm));
        put(&mut ssh, "legacy_dsa", self.legacy_dsa);
        put(&mut ssh, "rekey_bytes", self.rekey_bytes);
        put(&mut ssh, "rekey_seconds", self.rekey_seconds);
        let mut fields = Fields::new();
        put(&mut fields, "ssh", (!ssh.is_empty()).then_some(ssh));
        Ok(fields)
    }
}
