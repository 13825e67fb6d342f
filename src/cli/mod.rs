//! The command line: one file a subcommand. All but `init`, `join`, `serve` and `demo` are clients of the admin API.
//!
//! What a command does in the cluster is left to the admin API.

mod account;
mod account_grant;
mod account_key;
mod administrator;
mod api_token;
mod apply;
mod border;
mod client;
mod demo;
mod edit;
pub mod error;
mod get;
mod host_key;
mod init;
mod input;
mod join;
mod node;
mod noun;
mod output;
mod serve;
mod service;
mod session;
mod settings;
mod status;
mod storage;
mod token;

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::client::{Client, Target};
use self::error::{CliError, EXIT_CODES};
use self::noun::Run;
use self::output::Format;

/// The data folder when neither `--data` nor `ARGOSY_DATA` names one.
pub const DATA_DEFAULT: &str = "/var/lib/argosy";
/// The admin socket's name in the data folder.
pub const SOCKET_NAME: &str = "admin.sock";

const FIRST_STEPS: &str = "\
First steps:
  argosy demo                                   three nodes on this machine, to try it out
  argosy init --help                            the first node of a real cluster
  argosy storage create files --root /srv/files
  argosy account create alice --home-storage files --home-folder /alice --password

From elsewhere:
  ARGOSY_TOKEN=... argosy --server https://10.0.0.2:8443 --ca ca.crt account list";

/// Argosy moves files between partners: a managed-file-transfer appliance that runs as a cluster of equal nodes.
///
/// Changes are made on any node and enforced on every node. On a node, root needs no password: commands use the
/// node's local socket. From elsewhere, use --server with a token and the cluster's authority.
#[derive(Debug, Parser)]
#[command(
    name = "argosy",
    version,
    max_term_width = 110,
    after_help = format!("{FIRST_STEPS}\n\n{EXIT_CODES}")
)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct GlobalArgs {
    /// The node's data folder [env: ARGOSY_DATA] [default: /var/lib/argosy]
    #[arg(long, global = true, value_name = "DIR", help_heading = "For every command")]
    data: Option<PathBuf>,
    /// Ask this node instead, as https://HOST:PORT; needs --ca and a token
    #[arg(long, global = true, value_name = "URL", help_heading = "For every command")]
    server: Option<String>,
    /// The cluster's authority, DATA/cluster/ca.crt on every node
    #[arg(long, global = true, value_name = "FILE", help_heading = "For every command")]
    ca: Option<PathBuf>,
    /// A file with the token, instead of the environment variable ARGOSY_TOKEN
    #[arg(long, global = true, value_name = "FILE", help_heading = "For every command")]
    token_file: Option<PathBuf>,
    /// How answers are written: table, json or yaml
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT", hide_possible_values = true, help_heading = "For every command")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a cluster: make its first node on this machine
    Init(init::InitArgs),
    /// Make this machine a node of an existing cluster
    Join(join::JoinArgs),
    /// Run this machine's node
    Serve,
    /// Run three nodes on this machine, to try it out
    Demo(demo::DemoArgs),
    /// Show the cluster: quorum, leader, nodes
    Status,
    /// Who may transfer files
    #[command(subcommand)]
    Account(noun::Commands<account::Account>),
    /// Who may look at and change the appliance
    #[command(subcommand)]
    Administrator(noun::Commands<administrator::Administrator>),
    /// Secrets by which administrators and programs use the admin API
    #[command(subcommand)]
    ApiToken(noun::Commands<api_token::ApiToken>),
    /// Ports that every node serves
    #[command(subcommand)]
    Service(noun::Commands<service::Service>),
    /// What every node shows as its SSH identity
    #[command(subcommand)]
    HostKey(noun::Commands<host_key::HostKey>),
    /// Where files live
    #[command(subcommand)]
    Storage(noun::Commands<storage::Storage>),
    /// What concerns the whole cluster
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Who is signed in, on which node
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// The members of the cluster
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// One-time tokens for `argosy join`
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make and change objects from a JSON or YAML file, all or none
    Apply(apply::ApplyArgs),
    /// Print objects as they are, ready for `argosy apply`
    Get(get::GetArgs),
}

/// What every client command has.
struct Context {
    /// Asks the node.
    client: Client,
    /// How answers are written.
    format: Format,
}

/// Parses the arguments, runs the command, tells what went wrong; gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(execute(arguments))
}

fn execute(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors too, with exit code 0.
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    match dispatch(cli) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}", error::chain(&*error));
            error.downcast_ref::<CliError>().map_or(1, |error| error.exit as u8)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Box<dyn Error>> {
    let Cli { global, command } = cli;
    let data = data_folder(&global);
    match command {
        Command::Init(args) => Ok(init::run(&data, &args)?),
        Command::Join(args) => {
            let token = input::join_token(args.token_stdin, global.token_file.as_deref())?;
            Ok(join::run(&data, &args, &token)?)
        }
        Command::Serve => Ok(serve::run(&data)?),
        Command::Demo(args) => Ok(demo::run(&args)?),
        command => {
            let context = Context {
                client: Client::new(target(&global, data)?),
                format: global.output,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(ask(&context, command))?)
        }
    }
}

async fn ask(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Init(_) | Command::Join(_) | Command::Serve | Command::Demo(_) => Ok(()),
        Command::Status => status::run(context).await,
        Command::Account(command) => command.run(context).await,
        Command::Administrator(command) => command.run(context).await,
        Command::ApiToken(command) => command.run(context).await,
        Command::Service(command) => command.run(context).await,
        Command::HostKey(command) => command.run(context).await,
        Command::Storage(command) => command.run(context).await,
        Command::Settings(command) => command.run(context).await,
        Command::Session(command) => command.run(context).await,
        Command::Node(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::Apply(args) => args.run(context).await,
        Command::Get(args) => args.run(context).await,
    }
}

fn data_folder(global: &GlobalArgs) -> PathBuf {
    let from_environment = || {
        std::env::var_os("ARGOSY_DATA")
            .filter(|data| !data.is_empty())
            .map(PathBuf::from)
    };
    global
        .data
        .clone()
        .or_else(from_environment)
        .unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))
}

fn target(global: &GlobalArgs, data: PathBuf) -> Result<Target, CliError> {
    match &global.server {
        Some(url) => {
            if global.data.is_some() {
                return Err(CliError::usage("--server and --data name two nodes; give one"));
            }
            let token = input::token(global.token_file.as_deref(), std::env::var("ARGOSY_TOKEN").ok())?;
            Target::server(url, global.ca.as_deref(), token)
        }
        None if global.ca.is_some() || global.token_file.is_some() => Err(CliError::usage(
            "--ca and --token-file have a meaning only with --server",
        )),
        None => Ok(Target::Socket(data.join(SOCKET_NAME))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
