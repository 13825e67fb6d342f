//! `argosy node ...`: the members of the cluster.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use super::Context;
use super::client::encoded;
use super::error::CliError;
use super::noun::Run;
use super::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("NODE", "name"),
    ("VOTER", "voter"),
    ("LEADER", "leader"),
    ("PEER ADDRESS", "peer_address"),
];

/// Commands on nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the members
    List,
    /// Remove a node for good; it can come back only by `argosy join`, as a new node
    Remove {
        /// Its id or name, as `node list` shows them
        node: String,
    },
    /// Hand the leadership to a node, for instance before the present leader's machine is restarted
    Lead {
        /// Its id or name, as `node list` shows them
        node: String,
    },
}

impl Run for NodeCommand {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List => {
                let answer = context.client.get("/api/v1/node").await?.body;
                let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
                output::rows(context.format, COLUMNS, nodes, &answer)
            }
            Self::Remove { node } => {
                let path = format!("/api/v1/node/{}", encoded(&node));
                let answer = context.client.send(Method::DELETE, &path, &[], None).await?.body;
                let name = answer["name"].as_str().unwrap_or(&node);
                output::told(context.format, &format!("node {name} is removed"), &answer)?;
                resealed(context, &answer["resealed"])?;
                answer["unconfirmed"]
                    .as_str()
                    .map_or(Ok(()), |reason| Err(CliError::failed(reason)))
            }
            Self::Lead { node } => {
                let path = format!("/api/v1/node/{}/lead", encoded(&node));
                let answer = context.client.send(Method::POST, &path, &[], None).await?.body;
                let leader = answer["leader"].as_str().unwrap_or(&node);
                output::told(context.format, &format!("node {leader} leads"), &answer)
            }
        }
    }
}

/// After a removal every host key is sealed anew; one that could not be must not go unnoticed.
fn resealed(context: &Context, told: &Value) -> Result<(), CliError> {
    let failed: Vec<_> = told
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, state)| *state != "resealed")
        .map(|(name, state)| format!("host key `{name}`: {}", state.as_str().unwrap_or("?")))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    if context.format != Format::Table {
        return Err(CliError::failed("not every host key was sealed anew"));
    }
    Err(CliError::failed(format!(
        "the node is removed, but not every host key was sealed anew; replace them: {}",
        failed.join("; ")
    )))
}
