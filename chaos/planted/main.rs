//! Argosy with one bug, named in `ARGOSY_PLANTED`: what the harness must find. A program of its own, so that no build
//! of it stands where the product's does.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match argosy::planted::named() {
        Ok(_) => argosy::cli::run(std::env::args_os()),
        Err(reason) => {
            eprintln!("{reason}");
            std::process::ExitCode::from(2)
        }
    }
}
