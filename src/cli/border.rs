//! What several commands need at the border to this machine: files, standard input, randomness, a runtime.

use std::future::Future;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;

use argosy_cluster::{NodeId, PeerService, RequestId};
use bytes::Bytes;
use zeroize::Zeroizing;

/// Answers no peer; for a cluster that runs only for one change.
pub struct NoPeers;

impl PeerService for NoPeers {
    fn call<'a>(
        &'a self,
        _from: NodeId,
        route: &'a str,
        _request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>> {
        Box::pin(async move { Err(format!("`{route}` is not answered while the node is being made")) })
    }
}

/// A runtime for the services.
pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("argosy")
        .build()
        .map_err(|error| format!("no runtime could be started: {error}"))
}

/// Makes a folder that only its owner can enter, with what is missing above it.
pub fn make_private_folder(path: &Path) -> Result<(), String> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("the folder {} cannot be made: {error}", path.display()))
}

/// Writes a file whole: a new file beside it, synced, renamed over it, the folder synced.
pub fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let staged = folder.join(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&staged)
        .map_err(fail)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&staged, path).map_err(fail)?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(fail)
}

/// A fresh request id.
pub fn new_request_id() -> Result<RequestId, String> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(RequestId(bytes))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), String> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| "the system's random number generator failed".to_owned())
}

/// A password for people to copy: 20 letters and digits, about 100 random bits.
pub fn new_password() -> Result<Zeroizing<String>, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = Zeroizing::new([0; 20]);
    fill_random(bytes.as_mut())?;
    Ok(Zeroizing::new(
        bytes
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect(),
    ))
}
