//! libunftp over its own file back end: `independent-ftp ROOT ADDRESS CERTIFICATE KEY`. Anybody may sign in.
//!
//! What it is asked, and how its answers differ, stands in `tests/conformance/independent.rs`.

use libunftp::ServerBuilder;
use unftp_sbe_fs::Filesystem;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, address, certificate, key] = arguments.as_slice() else {
        return Err("independent-ftp ROOT ADDRESS CERTIFICATE KEY".into());
    };
    let root = std::path::PathBuf::from(root);
    let files = move || Filesystem::new(root.clone()).expect("the root is a folder that can be opened");
    let server = ServerBuilder::new(Box::new(files))
        .passive_ports(46_000..=46_999)
        .ftps(certificate, key)
        .build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(server.listen(address))?;
    Ok(())
}
