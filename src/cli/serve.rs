//! `argosy serve`: runs a node until it is told to stop.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::border;
use crate::config::{LogFormat, NodeConfig};
use crate::node::Node;

/// Runs the node in `data`. Logs go to standard error; SIGTERM and SIGINT stop it in order.
pub fn run(data: &Path) -> Result<(), String> {
    let config = NodeConfig::load(data, &|key| std::env::var(key).ok()).map_err(|error| error.to_string())?;
    log_to_stderr(&config)?;
    let runtime = border::runtime()?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("SIGTERM: {error}"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("SIGINT: {error}"))?;
        let node = Node::start(config).await?;
        let reason = tokio::select! {
            _ = terminate.recv() => Ok("SIGTERM"),
            _ = interrupt.recv() => Ok("SIGINT"),
            failure = node.failed() => Err(failure),
        };
        match reason {
            Ok(signal) => {
                node.stop(signal).await;
                Ok(())
            }
            Err(failure) => {
                tracing::error!(%failure, "the node stops: it can no longer keep what it promises");
                Err(format!("the node stopped: {failure}"))
            }
        }
    });
    // A blocked disk must not keep a stopped node alive.
    runtime.shutdown_background();
    result
}

fn log_to_stderr(config: &NodeConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| format!("log_filter `{}` is refused: {error}", config.log_filter))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = match config.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|error| format!("logging cannot be set up: {error}"))
}
