//! An account is disabled while it moves bytes on every node.
//!
//! What is in time is left to the invariant.

use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::Cluster;
use super::files::Files;
use crate::invariants::revoked::Session;

const LEAVER: &str = "leaver";
/// How slow the leaver's clients are, in Kbit/s: an upload outlives the change by far.
const SLOW: &str = "400";
/// How long is looked for the end of its sessions.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Disables an account with an open upload on each node; all nodes are reachable.
///
/// # Errors
/// The account could not be made or disabled, or did not come in.
pub fn disable(cluster: &Cluster, files: &Files) -> Result<Vec<Session>, String> {
    cluster.account(LEAVER)?;
    let big = files.folder().join("big");
    std::fs::write(&big, vec![7; 4 * 1024 * 1024]).map_err(|error| format!("{}: {error}", big.display()))?;
    let mut open = Vec::new();
    for at in 0..cluster.nodes.len() {
        let batch = format!("put {} slow-{at}\n", big.display());
        open.push((at, files.clients().spawn_sftp(at, LEAVER, &batch, &["-l", SLOW])?));
    }
    std::thread::sleep(Duration::from_secs(2));
    for (at, child) in &mut open {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the slow upload at node {} ended early: {status}", *at + 1));
        }
    }
    let spec = json!({"enabled": false, "home": {"storage": "files", "folder": format!("/{LEAVER}")}});
    cluster.put(&format!("/api/v1/account/{LEAVER}"), &spec)?;
    let answered = Instant::now();
    let mut sessions = Vec::new();
    while !open.is_empty() {
        let over = answered.elapsed() > LOOK_MAX;
        open.retain_mut(|(at, child)| {
            let ended = !matches!(child.try_wait(), Ok(None)) || connection_ended(child.id());
            if ended || over {
                drop(child.kill());
                drop(child.wait());
                sessions.push(Session {
                    node: cluster.nodes[*at].name.clone(),
                    moved_until: Some(answered.elapsed()),
                    reachable: true,
                });
            }
            !ended && !over
        });
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(sessions)
}

/// Whether the `ssh` below this `sftp` has ended. `sftp` itself may sleep for seconds to keep its rate.
fn connection_ended(sftp: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{sftp}/task/{sftp}/children")).unwrap_or_default();
    children.split_whitespace().all(|child| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
}
