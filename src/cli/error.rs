//! What can go wrong in a command, with its exit code: 1 refused or failed, 2 wrong usage, 3 unavailable or unknown.

use std::error::Error;

use serde_json::Value;

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub code: u8,
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
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            source: None,
            status: None,
        }
    }

    /// Refused or failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(1, message)
    }

    /// Called in a way that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(2, message)
    }

    /// Nobody answered, or it is not known what became of a change.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(3, message)
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
        if let Some(unreachable) = problem.get("unreachable").and_then(Value::as_array) {
            for node in unreachable {
                message.push_str(&format!("\n  {}: {}", show(&node["node"]), show(&node["reason"])));
            }
        }
        let code = if matches!(status, 408 | 429 | 502 | 503 | 504) {
            3
        } else {
            1
        };
        Self {
            status: Some(status),
            ..Self::new(code, message)
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
