//! Parses, runs, exits; everything else is in [`argosy::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    argosy::cli::run(std::env::args_os())
}
