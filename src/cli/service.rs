//! `argosy service ...`: ports that every node serves.

use std::net::IpAddr;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Context;
use super::edit::WriteArgs;
use super::error::CliError;
use super::noun::{self, Fields, Given, Noun, One, Run, SetAndSwitch, Settable, Switched, put};
use super::output::Column;
use super::restriction::RestrictionArgs;
use super::service_ftp::FtpArgs;
use super::service_http::HttpArgs;
use super::service_ssh::SshArgs;
use super::service_tls::TlsArgs;
use super::{edit, input, read};
use crate::catalog::Kind;

/// A service.
#[derive(Debug)]
pub struct Service;

impl Noun for Service {
    const KIND: Kind = Kind::Service;
    const ONE: &'static str = "service";
    const MANY: &'static str = "services";
    const CREATE: &'static str = "Open a port for SFTP, FTP, FTPS, HTTP or HTTPS on every node";
    const DELETE: &'static str = "Delete a service: its port is closed on every node, and its sessions";
    const EXAMPLE: &'static str = "Examples:\n  argosy service create sftp --port 22 --host-key main --wait\n  \
                                   argosy service create ftps --kind ftps --port 21 --certificate main --passive-ports 50000-50100";
    const COLUMNS: &'static [Column] = &[
        ("NAME", "name"),
        ("KIND", "spec.kind"),
        ("ENABLED", "spec.enabled"),
        ("ADDRESS", "spec.address"),
        ("PORT", "spec.port"),
        ("HOST KEYS", "spec.host_keys"),
        ("REVISION", "revision"),
    ];
    type Make = ServiceArgs;
    type Own = ServiceOwn;

    async fn complete(context: &Context, spec: &mut Fields) -> Result<(), CliError> {
        if !spec.contains_key("port") {
            return Err(CliError::usage("a new service needs --port"));
        }
        if !spec.contains_key("kind") {
            put(spec, "kind", Some(KindArg::Sftp.word()));
        }
        let is_ssh = spec.get("kind").is_some_and(|kind| kind == KindArg::Sftp.word());
        if is_ssh && !spec.contains_key("host_keys") {
            put(spec, "host_keys", Some(every_host_key(context).await?));
        }
        Ok(())
    }
}

impl Settable for Service {
    const SET: &'static str =
        "Change what is given, leave the rest; running sessions go on unless the service is switched off";
    type Change = ServiceArgs;
}

impl Switched for Service {
    const ENABLE: &'static str = "Open the port again";
    const DISABLE: &'static str = "Close the port on every node, and the sessions that came in by it";
}

/// What only services can do.
#[expect(clippy::large_enum_variant, reason = "one value lives, for the length of a command")]
#[derive(Debug, Subcommand)]
pub enum ServiceOwn {
    #[command(flatten)]
    Common(SetAndSwitch<Service>),
    /// Say what differs on one node: its address, its port, its balancers, or that it is off there
    #[command(
        display_order = 7,
        after_help = "Example:\n  argosy service override sftp n2 --port 2222\n  argosy service override sftp n2 --clear"
    )]
    Override {
        #[command(flatten)]
        one: One<Service>,
        /// The node's name
        #[arg(value_parser = edit::name)]
        node: String,
        #[command(flatten)]
        differs: OverrideArgs,
        #[command(flatten)]
        write: WriteArgs,
    },
}

/// What can differ on a node.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct OverrideArgs {
    /// Listen on this address there
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// Listen on this port there
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Whether it is on there (true or false)
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// A balancer's network there; can be repeated; `none` for none
    #[arg(long, value_name = "NETWORK")]
    proxy_network: Vec<String>,
    /// What clients are told to connect to there for passive data connections (FTP)
    #[arg(long, value_name = "ADDRESS")]
    passive_address: Option<String>,
    /// Nothing differs there any more
    #[arg(long, conflicts_with_all = ["address", "port", "enabled", "proxy_network", "passive_address"])]
    clear: bool,
}

impl OverrideArgs {
    fn patch(self, node: String) -> Fields {
        let mut differs = Fields::new();
        put(&mut differs, "address", self.address.map(|address| json!(address)));
        put(&mut differs, "port", self.port);
        put(&mut differs, "enabled", self.enabled);
        put(&mut differs, "proxy_networks", input::listed(&self.proxy_network));
        put(&mut differs, "passive_address", self.passive_address);
        let differs = if self.clear { Value::Null } else { differs.into() };
        let nodes = Fields::from_iter([(node, differs)]);
        Fields::from_iter([("nodes".to_owned(), nodes.into())])
    }
}

impl Run for ServiceOwn {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Common(command) => command.run(context).await,
            Self::Override {
                one,
                node,
                differs,
                write,
            } => {
                let said = format!("has another override for node `{node}`");
                noun::patch::<Service>(context, &one.name, differs.patch(node), &write, &said).await
            }
        }
    }
}

/// The protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// SSH with SFTP
    Sftp,
    /// FTP in clear
    Ftp,
    /// FTP with AUTH TLS
    Ftps,
    /// FTP inside TLS from the first byte
    FtpsImplicit,
    /// HTTP in clear
    Http,
    /// HTTP inside TLS
    Https,
}

impl KindArg {
    /// As the API has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Ftp => "ftp",
            Self::Ftps => "ftps",
            Self::FtpsImplicit => "ftps-implicit",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What can be set of a service.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// The protocol; a new service speaks SFTP unless told otherwise
    #[arg(long)]
    kind: Option<KindArg>,
    /// The TCP port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// A host key to show, the most preferred first; can be repeated
    #[arg(long, value_name = "NAME", value_parser = edit::name)]
    host_key: Vec<String>,
    /// Listen on this address on every node, instead of each node's own service address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "any_node_address")]
    address: Option<IpAddr>,
    /// Listen on each node's own service address again
    #[arg(long)]
    any_node_address: bool,
    /// Text that is shown before signing in
    #[arg(long, value_name = "TEXT")]
    banner: Option<String>,
    /// The most sessions at a time on one node
    #[arg(long, value_name = "NUMBER")]
    sessions_max: Option<u32>,
    /// The most connections on one node that have not signed in
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_max: Option<u32>,
    /// The same for one address
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_per_address_max: Option<u32>,
    /// Seconds to sign in
    #[arg(long, value_name = "SECONDS")]
    login_grace: Option<u32>,
    /// Failed tries before the connection is closed
    #[arg(long, value_name = "NUMBER")]
    login_attempts_max: Option<u32>,
    /// Seconds without a byte before a session is closed; 0 for never
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u32>,
    /// Seconds between keepalives; 0 for none
    #[arg(long, value_name = "SECONDS")]
    keepalive: Option<u32>,
    /// The most connections of one address on one node
    #[arg(long, value_name = "NUMBER")]
    connections_per_address_max: Option<u32>,
    /// Seconds that sessions may go on when the service is closed
    #[arg(long, value_name = "SECONDS")]
    drain: Option<u32>,
    /// A network or address that may connect; can be repeated; `none` for any
    #[arg(long, value_name = "NETWORK")]
    source: Vec<String>,
    /// A balancer's network, whose connections begin with a PROXY header; can be repeated; `none` for none
    #[arg(long, value_name = "NETWORK")]
    proxy_network: Vec<String>,
    /// An account that may use it; can be repeated; `none` for all
    #[arg(long = "account", value_name = "NAME")]
    accounts: Vec<String>,
    /// A group whose members may use it; can be repeated; `none` for all
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// An authority whose user certificates are accepted; can be repeated; `none` for none
    #[arg(long = "user-authority", value_name = "NAME")]
    user_authorities: Vec<String>,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    restrictions: RestrictionArgs,
}

impl Given for ServiceArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        let address = self.address.map(|address| json!(address));
        let host_keys = (!self.host_key.is_empty()).then(|| json!(self.host_key));
        put(&mut fields, "kind", self.kind.map(KindArg::word));
        put(&mut fields, "port", self.port);
        put(&mut fields, "host_keys", host_keys);
        put(
            &mut fields,
            "address",
            address.or(self.any_node_address.then_some(Value::Null)),
        );
        put(&mut fields, "banner", self.banner);
        put(&mut fields, "sessions_max", self.sessions_max);
        put(&mut fields, "unauthenticated_max", self.unauthenticated_max);
        let per_address = self.unauthenticated_per_address_max;
        put(&mut fields, "unauthenticated_per_address_max", per_address);
        put(&mut fields, "login_grace_seconds", self.login_grace);
        put(&mut fields, "login_attempts_max", self.login_attempts_max);
        put(&mut fields, "idle_seconds", self.idle);
        put(&mut fields, "keepalive_seconds", self.keepalive);
        let per_address = self.connections_per_address_max;
        put(&mut fields, "connections_per_address_max", per_address);
        put(&mut fields, "drain_seconds", self.drain);
        put(&mut fields, "sources", input::listed(&self.source));
        put(&mut fields, "proxy_networks", input::listed(&self.proxy_network));
        put(&mut fields, "accounts", input::listed(&self.accounts));
        put(&mut fields, "groups", input::listed(&self.groups));
        put(&mut fields, "user_authorities", input::listed(&self.user_authorities));
        fields.extend(self.ssh.given(whose)?);
        fields.extend(self.tls.given(whose)?);
        fields.extend(self.ftp.given(whose)?);
        fields.extend(self.http.given(whose)?);
        fields.extend(self.restrictions.given(whose)?);
        Ok(fields)
    }
}

/// Without `--host-key`, all host keys are shown; there must be one.
async fn every_host_key(context: &Context) -> Result<Vec<Value>, CliError> {
    let keys = read::all(context, Kind::HostKey, &read::ListArgs::default()).await?;
    if keys.is_empty() {
        return Err(CliError::failed(
            "there is no host key yet; make one with `argosy host-key create main`",
        ));
    }
    Ok(keys.into_iter().map(|key| key["name"].clone()).collect())
}
