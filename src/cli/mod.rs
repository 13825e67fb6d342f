//! The command line: one file a subcommand. All but `init`, `join`, `serve` and `demo` are clients of the admin API.
//!
//! What a command does in the cluster is left to the admin API.

mod account;
mod account_certificate;
mod account_key;
mod administrator;
mod api_token;
mod apply;
mod authority;
mod ban;
mod border;
mod certificate;
mod client;
mod completion;
mod demo;
mod difference;
mod edit;
pub mod error;
mod export;
mod get;
mod grant;
mod group;
mod history;
mod host_key;
mod init;
mod input;
mod join;
mod limits;
mod mount;
mod node;
mod noun;
mod openapi;
mod output;
mod place;
mod plan;
mod profile;
mod profile_store;
mod read;
mod restriction;
mod role;
mod rollback;
mod serve;
mod service;
mod service_ftp;
mod service_http;
mod service_ssh;
mod service_tls;
mod session;
mod settings;
mod status;
mod storage;
mod target;
mod token;
mod trust;
mod watch;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::client::Client;
use self::error::{CliError, EXIT_CODES};
use self::noun::Run;
use self::output::Format;
use self::target::GlobalArgs;

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
  ARGOSY_TOKEN=... argosy --server https://10.0.0.2:8443 --ca ca.crt account list
  argosy profile add prod --server https://10.0.0.1:8443 --server https://10.0.0.2:8443 --ca ca.crt --use
  argosy account list";

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

#[expect(clippy::large_enum_variant, reason = "one value lives, for the length of a command")]
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
    /// Mounts and grants that many accounts have in common
    #[command(subcommand)]
    Group(noun::Commands<group::Group>),
    /// Grants under a name
    #[command(subcommand)]
    Role(noun::Commands<role::Role>),
    /// Who is kept out
    #[command(subcommand)]
    Ban(noun::Commands<ban::Ban>),
    /// Whose certificates let accounts in
    #[command(subcommand)]
    Authority(noun::Commands<authority::Authority>),
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
    /// What services show as their TLS identity
    #[command(subcommand)]
    Certificate(noun::Commands<certificate::Certificate>),
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
    /// Show changes as they are made, until Ctrl-C
    #[command(after_help = "\
Examples:
  argosy watch --kind account,group
  argosy watch --from 120 --output json | jq .name

With json, each change is one line. A watch that breaks goes on at the next server.")]
    Watch(watch::WatchArgs),
    /// Print the whole catalog as a file for `argosy apply`
    #[command(after_help = "\
Examples:
  argosy export > catalog.yaml
  argosy export --with-credentials --file catalog.yaml
  argosy apply -f catalog.yaml --in-parts         on another cluster")]
    Export(export::ExportArgs),
    /// Show who changed what, when and from where
    #[command(after_help = "\
Examples:
  argosy history --kind account --name 'a*'
  argosy history 120                              what revision 120 changed, before and after")]
    History(history::HistoryArgs),
    /// Show what differs in an object between two revisions, or since one
    #[command(after_help = "Example:\n  argosy diff account alice 120")]
    Diff(history::DiffArgs),
    /// Make objects what they were after a revision, as one more change
    #[command(after_help = "\
Examples:
  argosy rollback 120 --dry-run
  argosy rollback 120 --object account/alice --object group/partners

Passwords, keys, tokens, bans and switches stay as they are unless --with-credentials is given.")]
    Rollback(rollback::RollbackArgs),
    /// Print the description of the admin API (OpenAPI), for tools
    Openapi,
    /// Clusters by a name: servers, authority and token, for use from elsewhere
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Print what makes a shell complete commands and options
    #[command(after_help = "\
Examples:
  argosy completion bash > /etc/bash_completion.d/argosy
  argosy completion zsh > ~/.zfunc/_argosy
  argosy completion fish > ~/.config/fish/completions/argosy.fish")]
    Completion(completion::CompletionArgs),
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
    let data = global.data();
    match command {
        Command::Init(args) => Ok(init::run(&data, &args)?),
        Command::Join(args) => {
            let token = input::join_token(args.token_stdin, global.token_file.as_deref())?;
            Ok(join::run(&data, &args, &token)?)
        }
        Command::Serve => Ok(serve::run(&data)?),
        Command::Demo(args) => Ok(demo::run(&args)?),
        Command::Completion(args) => Ok(completion::run(&args)?),
        Command::Profile(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(profile::run(&global, command))?)
        }
        command => {
            let context = Context {
                client: global.client()?,
                format: global.output,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(ask(&context, command))?)
        }
    }
}

async fn ask(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Init(_)
        | Command::Join(_)
        | Command::Serve
        | Command::Demo(_)
        | Command::Profile(_)
        | Command::Completion(_) => Ok(()),
        Command::Status => status::run(context).await,
        Command::Account(command) => command.run(context).await,
        Command::Group(command) => command.run(context).await,
        Command::Role(command) => command.run(context).await,
        Command::Ban(command) => command.run(context).await,
        Command::Authority(command) => command.run(context).await,
        Command::Administrator(command) => command.run(context).await,
        Command::ApiToken(command) => command.run(context).await,
        Command::Service(command) => command.run(context).await,
        Command::HostKey(command) => command.run(context).await,
        Command::Certificate(command) => command.run(context).await,
        Command::Storage(command) => command.run(context).await,
        Command::Settings(command) => command.run(context).await,
        Command::Session(command) => command.run(context).await,
        Command::Node(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::Apply(args) => args.run(context).await,
        Command::Export(args) => args.run(context).await,
        Command::History(args) => args.run(context).await,
        Command::Diff(args) => args.run(context).await,
        Command::Rollback(args) => args.run(context).await,
        Command::Openapi => openapi::run(context).await,
        Command::Watch(args) => args.run(context).await,
        Command::Get(args) => args.run(context).await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
