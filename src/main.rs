//! Parses, runs, exits; everything else is in [`argosy::cli`].

fn main() -> std::process::ExitCode {
    argosy::cli::run(std::env::args_os())
}
