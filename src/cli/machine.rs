//! `argosy init`, `join`, `serve` and `demo`: what works on this machine. Only the arguments are here; doing it is
//! left to [`crate::node_commands`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

/// Options that a new node has, whether it begins a cluster or joins one.
#[derive(Debug, Clone, Args)]
pub struct NewNodeArgs {
    /// This node's name, unique in the cluster and fixed
    #[arg(long, value_name = "NAME", value_parser = super::edit::name)]
    pub name: String,
    /// Where other nodes reach this one (mutual TLS)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub peer: SocketAddr,
    /// Where services such as SFTP listen on this node
    #[arg(long, value_name = "ADDRESS")]
    pub service_address: IpAddr,
    /// Where the admin API listens on this node (HTTPS)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: SocketAddr,
}

/// Options of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// What every new node needs.
    #[command(flatten)]
    pub node: NewNodeArgs,
    /// Also make a host key and an SFTP service on this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub sftp_port: Option<u16>,
}

/// Options of `join`.
#[derive(Debug, Clone, Args)]
pub struct JoinArgs {
    /// What every new node needs.
    #[command(flatten)]
    pub node: NewNodeArgs,
    /// Read the token of `argosy token create` from standard input (first line); or give --token-file
    #[arg(long, conflicts_with = "token_file")]
    pub token_stdin: bool,
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Keep the cluster in this folder; a second start finds it [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
