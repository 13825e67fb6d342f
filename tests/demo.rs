//! The first command of the README: three nodes on one machine, kept and found again.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::rig::cluster::argosy;
use crate::rig::process::{self, Process};
use crate::rig::{eventually, folder};

/// Making three nodes takes this long at most, in a debug build beside other tests.
const MADE: Duration = Duration::from_secs(120);

/// Ports that nobody has at this moment.
fn ports() -> [u16; 3] {
    let taken = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}

fn demo(dir: &Path, ports: [u16; 3]) -> Command {
    let mut command = argosy();
    command.arg("demo").arg("--dir").arg(dir);
    for (option, port) in ["--sftp-port", "--admin-port", "--peer-port"].iter().zip(ports) {
        command.arg(option).arg(port.to_string());
    }
    command
}

fn sftp(dir: &Path, node: u8, port: u16, batch: &str) -> process::Done {
    let mut command = process::command("sftp");
    command
        .args(["-b", "-", "-P", &port.to_string(), "-i"])
        .arg(dir.join("demo-key"));
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.arg(format!("demo@127.0.0.{node}"));
    process::run(command, batch.as_bytes())
}

/// Starts the demo and waits until it has said all that it says.
fn start(dir: &Path, ports: [u16; 3], log: &Path) -> Process {
    let mut running = Process::start("demo", demo(dir, ports), log);
    eventually("the demo is up", MADE, || {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        assert!(running.ended().is_none(), "the demo ended: {said}");
        if said.contains("Ctrl-C stops the demo.") {
            Ok(())
        } else {
            Err(said)
        }
    });
    running
}

#[test]
fn the_demo_serves_on_three_addresses_and_a_second_start_finds_what_the_first_made() {
    let place = folder();
    let dir = place.path().join("demo");
    let ports = ports();
    let bytes = place.path().join("sent");
    std::fs::write(&bytes, b"kept over a restart").unwrap();

    let first = place.path().join("first.log");
    let mut running = start(&dir, ports, &first);
    sftp(&dir, 2, ports[0], &format!("put {} kept\n", bytes.display())).ok();
    let said = std::fs::read_to_string(&first).unwrap();
    for line in ["sftp -P", "account create alice", "account disable alice", "kill -9"] {
        assert!(
            said.contains(line),
            "the demo does not say what to try with `{line}`:\n{said}"
        );
    }
    assert!(running.stop().success());
    let refused = sftp(&dir, 1, ports[0], "ls\n");
    assert!(!refused.status.success(), "a node of the demo has outlived it");

    let second = place.path().join("second.log");
    let mut running = start(&dir, ports, &second);
    assert!(std::fs::read_to_string(&second).unwrap().contains("Found the cluster"));
    let back = place.path().join("back");
    sftp(&dir, 3, ports[0], &format!("get kept {}\n", back.display())).ok();
    assert_eq!(std::fs::read(back).unwrap(), b"kept over a restart");
    assert!(running.stop().success());
}

#[test]
fn the_demo_says_which_port_is_taken_and_makes_nothing() {
    let place = folder();
    let ports = ports();
    let taken = TcpListener::bind(("127.0.0.2", ports[0])).unwrap();
    let dir = place.path().join("demo");
    let done = process::run(demo(&dir, ports), b"").refused();
    let said = done.said();
    assert!(said.contains(&format!("port {} on 127.0.0.2", ports[0])), "{said}");
    assert!(said.contains("--sftp-port"), "{said}");
    assert!(!dir.join("node-1").exists());
    drop(taken);
}
