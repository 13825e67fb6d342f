//! A disk that fails under the Raft log: the node stops with a clear message, and forgets nothing that it answered.

use std::time::Duration;

use crate::rig::process::{self, Process};
use crate::rig::{Account, Cluster, Login, among_others, eventually, limits};

/// strace takes hold of a process within this time.
const ATTACHED: Duration = Duration::from_secs(10);

#[test]
fn a_failed_fsync_of_the_log_stops_the_node_and_what_was_answered_is_there_afterwards() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let (account, answered) = (Account::create(&cluster), Account::create(&cluster));
    let node = &cluster.nodes[0];
    let pid = node.process().as_ref().unwrap().pid();

    let mut strace = process::command("strace");
    strace.args([
        "-f",
        "-qq",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO",
        "-p",
        &pid.to_string(),
    ]);
    let _failing = Process::start("strace", strace, &cluster.path("strace.log"));
    let status = format!("/proc/{pid}/status");
    eventually("strace holds the node", ATTACHED, || {
        let text = std::fs::read_to_string(&status).map_err(|error| error.to_string())?;
        let held = text
            .lines()
            .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"));
        if held { Ok(()) } else { Err(text) }
    });

    let done = cluster.cli(0, &["account", "disable", &account.name], b"").refused();
    assert!(!done.said().contains("panicked"), "{}", done.said());
    let ended = node.process().as_mut().unwrap().wait(limits::STOP);
    assert!(!ended.success(), "a node whose log failed ended as if all was well");
    let said = node.said();
    for words in [
        "cannot fsync the Raft log",
        "cluster/log",
        "What was not yet on disk was not acknowledged",
    ] {
        assert!(said.contains(words), "the node did not say `{words}`:\n{}", node.tail());
    }

    node.start();
    cluster.wait_ready(0);
    // Whether the change that broke off was made is not known; what was answered before it is there.
    cluster.cli(0, &["account", "show", &account.name], b"").ok();
    assert!(
        Login::new(&cluster, &answered, 0).works(),
        "an account that was answered is gone"
    );
}
