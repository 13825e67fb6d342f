//! What can go wrong in a command, and the exit code that says so to a script.

use std::error::Error;

use serde_json::Value;

/// The exit codes, as every `--help` that speaks of them has them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or refused for a reason that only another request can change
  2  wrong usage; nothing was sent
  3  refused because of the present state: it exists already, is in use, or was changed meanwhile
  4  not known whether the change was made; repeat it with the --request-id that the message names
  5  unavailable: no node could be asked, or the cluster has no quorum; nothing was changed
  6  done in part: not every node has enforced the change yet, or not every node has answered";

/// How a command ends that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Failed, or refused.
    Failed = 1,
    /// Called in a way that makes no sense.
    Usage = 2,
    /// Refused because of the present state.
    Precondition = 3,
    /// Nobody knows what became of a change.
    Unknown = 4,
    /// Nobody answered, or nobody could.
    Unavailable = 5,
    /// Done, but not everywhere.
    Partly = 6,
}

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    /// How the command ends.
    pub exit: Exit,
    /// What was tried, on what, why it failed, what to do.
    pub message: String,
    /// Why, deeper down.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// The HTTP status, where a node answered.
    pub status: Option<u16>,
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl CliError {
    /// An error that ends the command by `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            source: None,
            status: None,
        }
    }

    /// Refused or failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Called in a way that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Nobody answered, or nobody could; nothing was changed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, message)
    }

    /// With the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A node's refusal (RFC 9457).
    pub fn from_problem(status: u16, problem: &Value) -> Self {
        let text = |name: &str| problem.get(name).and_then(Value::as_str);
        let mut message = match (text("title"), text("detail")) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => format!("the node answered with status {status}"),
        };
        for node in problem["unreachable"].as_array().into_iter().flatten() {
            message.push_str(&format!("\n  {}: {}", show(&node["node"]), show(&node["reason"])));
        }
        let exit = match (status, text("outcome")) {
            (_, Some("unknown")) | (504, _) => Exit::Unknown,
            (409 | 412 | 428, _) => Exit::Precondition,
            (408 | 429 | 502 | 503, _) => Exit::Unavailable,
            _ => Exit::Failed,
        };
        Self {
            status: Some(status),
            ..Self::new(exit, message)
        }
    }
}

fn show(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// The error and what caused it, a line each, without control characters that could change the terminal.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("error: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!("\n  because: {cause}"));
        next = cause.source();
    }
    super::output::clean(&text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_script_can_tell_refused_from_unknown_from_unavailable() {
        for (status, problem, exit) in [
            (400, json!({}), Exit::Failed),
            (401, json!({}), Exit::Failed),
            (404, json!({}), Exit::Failed),
            (409, json!({}), Exit::Precondition),
            (412, json!({ "title": "t" }), Exit::Precondition),
            (422, json!({}), Exit::Failed),
            (429, json!({}), Exit::Unavailable),
            (500, json!({}), Exit::Failed),
            (500, json!({ "outcome": "unknown" }), Exit::Unknown),
            (503, json!({}), Exit::Unavailable),
            (504, json!({ "detail": "d" }), Exit::Unknown),
        ] {
            assert_eq!(
                CliError::from_problem(status, &problem).exit,
                exit,
                "{status} {problem}"
            );
        }
    }
}
