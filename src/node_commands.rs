//! What `argosy init`, `join`, `serve` and `demo` do on this machine.

use std::error::Error;
use std::path::Path;

use crate::cli::error::CliError;
use crate::cli::machine::{DemoArgs, InitArgs, JoinArgs};

/// Makes the first node of a new cluster in `data`.
pub fn init(data: &Path, _args: &InitArgs) -> Result<(), Box<dyn Error>> {
    missing(&format!("init in {}", data.display()))
}

/// Makes a node of an existing cluster in `data`, by the join token `token`.
pub fn join(data: &Path, _args: &JoinArgs, _token: &str) -> Result<(), Box<dyn Error>> {
    missing(&format!("join in {}", data.display()))
}

/// Runs the node in `data` until it is told to stop.
pub fn serve(data: &Path) -> Result<(), Box<dyn Error>> {
    missing(&format!("serve from {}", data.display()))
}

/// Runs three nodes on this machine.
pub fn demo(_args: &DemoArgs) -> Result<(), Box<dyn Error>> {
    missing("demo")
}

fn missing(what: &str) -> Result<(), Box<dyn Error>> {
    Err(CliError::failed(format!("{what}: this build cannot do that yet")).into())
}
