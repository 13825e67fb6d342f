//! What the tests stand on: clusters of real processes, accounts, clients, and waits by condition.
//!
//! No expectation about the product is stated here.

pub mod account;
pub mod address;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod http;
pub mod limits;
pub mod process;
pub mod service;
pub mod stream;
pub mod tls;
pub mod tree;

use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub use account::Account;
pub use client::Login;
pub use cluster::{Cluster, shared};
pub use http::{Answer, Api};
pub use service::Service;

/// Asks `probe` again and again until it gives something; panics with `what` and its last complaint after `limit`.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(complaint) if begun.elapsed() > limit => {
                panic!("{what}: not within {limit:?}; the last look said: {complaint}")
            }
            Err(_) => std::thread::sleep(limits::POLL),
        }
    }
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo builds, and where the Python clients were installed.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => repository().join("target"),
    }
}

/// A new folder on the disk that the repository is on: `/tmp` may be a tmpfs, where an fsync proves nothing.
pub fn folder() -> tempfile::TempDir {
    let parent = target().join("test-data");
    std::fs::create_dir_all(&parent).unwrap();
    tempfile::Builder::new().prefix("t").tempdir_in(parent).unwrap()
}

static QUIET: RwLock<()> = RwLock::new(());

/// Held by an ordinary test; others of the kind run next to it.
pub fn among_others() -> RwLockReadGuard<'static, ()> {
    QUIET.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Held by a test that measures time or loads the machine: nothing runs next to it.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
