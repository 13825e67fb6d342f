//! `argosy status`: the cluster as a node sees it.

use serde_json::Value;

use super::Context;
use super::error::CliError;
use super::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("NODE", "name"),
    ("VOTER", "voter"),
    ("LEADER", "leader"),
    ("PEER ADDRESS", "peer_address"),
    ("ENFORCED", "enforced"),
    ("UNREACHABLE", "unreachable"),
];

/// Runs it.
pub async fn run(context: &Context) -> Result<(), CliError> {
    let answer = context.client.get("/api/v1/status").await?.body;
    if context.format != Format::Table {
        return output::value(context.format, &answer);
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let quorum = if answer["quorum"] == true {
        "yes"
    } else {
        "NO: changes are refused, transfers go on"
    };
    let summary = format!(
        "Cluster {}, asked node {} ({}), version {}\nQuorum: {quorum}\nLeader: {}, term {}\n\
         Applied revision: {}, committed: {}\nSessions on this node: {}\n\n",
        text(&answer["cluster"]),
        text(&answer["node"]["name"]),
        text(&answer["role"]),
        text(&answer["version"]),
        text(&answer["leader"]),
        text(&answer["term"]),
        text(&answer["applied"]),
        text(&answer["committed"]),
        text(&answer["sessions"]),
    );
    output::emit(&output::clean(&summary))?;
    let standing = &answer["standing"];
    let attention = [
        standing["not_ready"].as_str(),
        (standing["no_majority"] == true).then_some("the nodes' states differ without a majority: changes stop"),
        (standing["low_space"] == true).then_some("the data folder of this node is nearly full"),
    ];
    for reason in attention.into_iter().flatten() {
        output::emit(&output::clean(&format!("ATTENTION: {reason}\n\n")))?;
    }
    let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    output::rows(Format::Table, COLUMNS, nodes, &answer)?;
    for node in nodes {
        for failure in node["failures"].as_array().into_iter().flatten() {
            let line = format!("\n{}: {}\n", text(&node["name"]), text(failure));
            output::emit(&output::clean(&line))?;
        }
    }
    Ok(())
}
