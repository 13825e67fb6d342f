//! `argosy session ...`: who is signed in, on which node.

use clap::Subcommand;
use http::Method;

use super::Context;
use super::client::encoded;
use super::edit;
use super::error::{CliError, Exit};
use super::noun::Run;
use super::output::{self, Column};
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
            Self::List { account } => {
                let query = account.map(|account| format!("?account={}", encoded(&account)));
                let path = format!("/api/v1/session{}", query.unwrap_or_default());
                let answer = context.client.get(&path).await?.body;
                let sessions = answer["sessions"].as_array().map_or(&[][..], Vec::as_slice);
                output::rows(context.format, COLUMNS, sessions, &answer)?;
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
