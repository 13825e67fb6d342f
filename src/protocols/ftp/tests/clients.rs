//! curl, lftp and Python's ftplib over FTPS. Over plain FTP the integration tests run them against whole clusters.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use super::world::{World, content};
use crate::catalog::{DataPeer, ServiceKind};

const KINDS: [ServiceKind; 2] = [ServiceKind::Ftps, ServiceKind::FtpsImplicit];

async fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.unwrap()
}

#[track_caller]
fn succeeded(output: &Output) {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(
        output.status.success(),
        "{} {}",
        output.status,
        String::from_utf8_lossy(&all)
    );
}

fn curl(world: &World, kind: ServiceKind, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--max-time", "60"]);
    command.args(["--user", "alice:secret"]).args(arguments);
    let scheme = if kind == ServiceKind::Ftps { "ftp" } else { "ftps" };
    if kind == ServiceKind::Ftps {
        command.arg("--ssl-reqd");
    }
    command.arg(format!("{scheme}://{}/{name}", world.address()));
    command
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_moves_files_resumes_lists_and_goes_active_over_ftps() {
    for kind in KINDS {
        let world = World::new(kind, |_| {});
        let local = tempfile::tempdir().unwrap();
        let (whole, local) = (content(3_000_001), local.path());
        std::fs::write(local.join("whole"), &whole).unwrap();
        std::fs::write(local.join("part"), &whole[..1_000_000]).unwrap();
        succeeded(&run(curl(&world, kind, "f", &["-T", &path(local, "whole")])).await);
        assert!(world.get("f").unwrap() == whole, "an upload");
        succeeded(&run(curl(&world, kind, "f", &["-o", &path(local, "back")])).await);
        assert!(std::fs::read(local.join("back")).unwrap() == whole, "a download");
        succeeded(&run(curl(&world, kind, "f", &["-C", "-", "-o", &path(local, "part")])).await);
        assert!(
            std::fs::read(local.join("part")).unwrap() == whole,
            "a resumed download"
        );
        world.put("g", &whole[..1_000_000]);
        succeeded(&run(curl(&world, kind, "g", &["-C", "-", "-T", &path(local, "whole")])).await);
        assert!(world.get("g").unwrap() == whole, "a resumed upload");
        let active = ["--ftp-port", "-", "-o", &path(local, "active")];
        succeeded(&run(curl(&world, kind, "f", &active)).await);
        assert!(std::fs::read(local.join("active")).unwrap() == whole, "active mode");
        let listed = run(curl(&world, kind, "", &[])).await;
        succeeded(&listed);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("3000001"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lftp_mirrors_both_ways_over_ftps() {
    for kind in KINDS {
        let world = World::new(kind, |_| {});
        let local = tempfile::tempdir().unwrap();
        let from = local.path().join("from");
        std::fs::create_dir_all(from.join("a/b")).unwrap();
        for number in 0..30_u32 {
            std::fs::write(from.join(format!("a/b/{number}")), content(number * 10_000)).unwrap();
        }
        let scheme = if kind == ServiceKind::Ftps { "ftp" } else { "ftps" };
        let address = world.address();
        let commands = format!(
            "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit yes; set ssl:verify-certificate no; \
             set ftp:ssl-force yes; set ftp:ssl-protect-data yes; open -u alice,secret {scheme}://{address}; \
             mirror -R --parallel=3 {} /up; mirror --parallel=3 /up {}; bye",
            path(local.path(), "from"),
            path(local.path(), "back")
        );
        let mut lftp = Command::new("lftp");
        lftp.args(["--norc", "-c", &commands]);
        succeeded(&run(lftp).await);
        for number in 0..30_u32 {
            let content = content(number * 10_000);
            assert!(
                world.get(&format!("up/a/b/{number}")).unwrap() == content,
                "{number} there"
            );
            let back = local.path().join(format!("back/a/b/{number}"));
            assert!(std::fs::read(back).unwrap() == content, "{number} back");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ftplib_reuses_the_controls_session_also_where_it_must() {
    for (kind, peer) in KINDS
        .into_iter()
        .flat_map(|kind| [(kind, DataPeer::SameAddress), (kind, DataPeer::Resumed)])
    {
        let world = World::new(kind, |service| service.ftp.data_peer = peer);
        let address = world.address();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/ftp.py");
        let word = if kind == ServiceKind::Ftps {
            "ftps"
        } else {
            "ftps-implicit"
        };
        let mut python = Command::new("python3");
        python
            .arg(script)
            .args([&address.ip().to_string(), &address.port().to_string()]);
        python.args(["alice", "secret", word, "/d"]);
        succeeded(&run(python).await);
    }
}
