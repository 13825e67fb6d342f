//! `argosy completion SHELL`: prints what makes a shell complete commands and options.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::error::CliError;
use super::{Cli, output};

/// Options of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// For which shell
    shell: ShellArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellArg {
    Bash,
    Zsh,
    Fish,
}

/// Runs it.
pub fn run(args: &CompletionArgs) -> Result<(), CliError> {
    let shell = match args.shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "argosy", &mut script);
    output::emit(&String::from_utf8_lossy(&script))
}
