//! Options of how a service speaks FTP: data connections and where TLS is required.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::error::CliError;
use super::input;
use super::noun::{Fields, Given, put};

const HEADING: &str = "FTP";

/// Whose data connections are taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DataPeerArg {
    /// Those from the client's own address
    SameAddress,
    /// Those from its network (/24, or /64 of IPv6)
    SameNetwork,
    /// Those that resume the TLS session of the control connection, from any address
    Resumed,
}

/// How FTP is spoken.
#[derive(Debug, Default, Args)]
pub struct FtpArgs {
    /// Ports of passive data connections, such as 50000-50100
    #[arg(long, value_name = "FIRST-LAST", help_heading = HEADING)]
    passive_ports: Option<String>,
    /// What clients are told to connect to: an IPv4 address, a host's name, or `connection` for the address that they
    /// came to
    #[arg(long, value_name = "ADDRESS", help_heading = HEADING)]
    passive_address: Option<String>,
    /// Another passive address for clients of a network; can be repeated; `none` for none
    #[arg(long, value_name = "NETWORK=ADDRESS", help_heading = HEADING)]
    passive_network: Vec<String>,
    /// Connect to clients that ask for it with PORT or EPRT (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    active: Option<bool>,
    /// Whose data connections are taken
    #[arg(long, help_heading = HEADING)]
    data_peer: Option<DataPeerArg>,
    /// Nobody signs in before AUTH TLS (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    require_tls_control: Option<bool>,
    /// No data connection without TLS (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    require_tls_data: Option<bool>,
    /// Publish uploads whose TLS ends without close_notify, for clients that never send it (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    lenient_tls_end: Option<bool>,
    /// Seconds in which a transfer must move a byte
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    data_idle: Option<u32>,
    /// Bytes a second that a transfer must move, such as 1K; 0 for any
    #[arg(long, value_name = "BYTES", value_parser = input::bytes, help_heading = HEADING)]
    minimum_rate: Option<u64>,
}

impl Given for FtpArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut ftp = Fields::new();
        let peer = self.data_peer.map(|peer| match peer {
            DataPeerArg::SameAddress => "same-address",
            DataPeerArg::SameNetwork => "same-network",
            DataPeerArg::Resumed => "resumed",
        });
        put(&mut ftp, "passive_ports", self.passive_ports);
        put(&mut ftp, "passive_address", self.passive_address);
        put(&mut ftp, "passive_networks", networks(&self.passive_network)?);
        put(&mut ftp, "active", self.active);
        put(&mut ftp, "data_peer", peer);
        put(&mut ftp, "require_tls_control", self.require_tls_control);
        put(&mut ftp, "require_tls_data", self.require_tls_data);
        put(&mut ftp, "lenient_tls_end", self.lenient_tls_end);
        put(&mut ftp, "data_idle_seconds", self.data_idle);
        put(&mut ftp, "minimum_rate", self.minimum_rate);
        let mut fields = Fields::new();
        put(&mut fields, "ftp", (!ftp.is_empty()).then_some(ftp));
        Ok(fields)
    }
}

fn networks(given: &[String]) -> Result<Option<Value>, CliError> {
    let Some(Value::Array(texts)) = input::listed(given) else {
        return Ok(None);
    };
    let network = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        let (clients, address) = text
            .split_once('=')
            .ok_or_else(|| CliError::usage(format!("--passive-network `{text}` is not of the form NETWORK=ADDRESS")))?;
        Ok(json!({ "clients": clients, "address": address }))
    };
    let networks: Result<Vec<_>, CliError> = texts.iter().map(network).collect();
    Ok(Some(Value::Array(networks?)))
}
