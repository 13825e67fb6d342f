//! `argosy session ...`: who is signed in, on which node.

use clap::Subcommand;
use http::Method;

use super::client::encoded;
use super::edit;
use super::error::{CliError, Exit};
use super::noun::Run;
use super::output::{self, Column};
use super::{Context, read};
use crate::ids::SessionId;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("NODE", "node"),
    ("ACCOUNT", "account"),
    ("PROTOCOL", "protocol"),
    ("FROM", "peer"),
    ("SINCE", "started_at"),
    ("BYTES IN", "bytes_in"),
    ("BYTES OUT", "bytes_out"),
];

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the sessions of all nodes (exit code 6 if a node does not answer)
    List {
        /// Only this account's
        #[arg(long, value_name = "NAME", value_parser = edit::name)]
        account: Option<String>,
        /// Only this service's
        #[arg(long, value_name = "NAME", value_parser = edit::name)]
        service: Option<String>,
        /// Only this protocol's: sftp, scp, exec (hash commands over SSH), ftp, ftps
        #[arg(long, value_name = "PROTOCOL")]
        protocol: Option<String>,
        /// Only on this node
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
    },
    /// Close a session, on whichever node it is; the account may sign in again
    Close {
        /// The session's id as `session list` shows it
        #[arg(value_parser = id)]
        id: String,
    },
}

fn id(text: &str) -> Result<String, String> {
    text.parse::<SessionId>().map(|id| id.to_string())
}

impl Run for SessionCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List {
                account,
                service,
                protocol,
                node,
            } => {
                let asked = [
                    ("account", account),
                    ("service", service),
                    ("protocol", protocol),
                    ("node", node),
                ];
                let query = asked.into_iter().filter_map(|(name, value)| {
                    let value = value?;
                    Some(format!("{name}={}", encoded(&value)))
                });
                let (sessions, mut answer) =
                    read::pages(context, "/api/v1/session", query.collect(), "sessions").await?;
                answer["sessions"] = sessions.as_slice().into();
                output::rows(context.format, COLUMNS, &sessions, &answer)?;
                let silent: Vec<_> = answer["unreachable"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|node| {
                        let text = |field: &str| node[field].as_str().unwrap_or("?").to_owned();
                        format!("{} ({})", text("node"), text("reason"))
                    })
                    .collect();
                if silent.is_empty() {
                    return Ok(());
                }
                let message = format!("the sessions of these nodes are missing: {}", silent.join(", "));
                Err(CliError::new(Exit::Partly, message))
            }
            Self::Close { id } => {
                let path = format!("/api/v1/session/{id}/close");
                let answer = context.client.send(Method::POST, &path, &[], None).await?.body;
                let node = answer["node"].as_str().unwrap_or("?");
                output::told(context.format, &format!("session {id} on {node} is closed"), &answer)
            }
        }
    }
}
