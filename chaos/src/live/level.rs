//! What nodes and the storage use: memory, handles, disk. Measured where no load runs.
//!
//! How much is too much is left to the invariant.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use super::cluster::Cluster;
use super::limits::{LEFT_OVER_MAX, WATCH_EVERY};
use crate::invariants::back_at_level::{Staged, Used};

/// Where the storage keeps uploads that are not finished.
const STAGING: &str = ".argosy-staging";
/// Ends of names of files that are not finished.
const UNFINISHED: [&str; 4] = ["part", "tmp", "new", "partial"];

/// What each node uses now. What is being finished just now is waited for.
pub fn used(cluster: &Cluster) -> Vec<Used> {
    let until = Instant::now() + LEFT_OVER_MAX;
    loop {
        let used: Vec<Used> = cluster
            .nodes
            .iter()
            .map(|node| used_by(node.pid().unwrap_or(0), &node.data))
            .collect();
        if used.iter().all(|used| used.unfinished.is_empty()) || Instant::now() > until {
            return used;
        }
        std::thread::sleep(WATCH_EVERY);
    }
}

fn used_by(pid: u32, data: &Path) -> Used {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let mut used = Used {
        memory_bytes: kib.unwrap_or(0) * 1024,
        handles: handles as u64,
        ..Used::default()
    };
    count(data, data, &mut used);
    used
}

fn count(root: &Path, folder: &Path, used: &mut Used) {
    // A folder that goes away meanwhile holds nothing.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            count(root, &path, used);
            continue;
        }
        let within = path.strip_prefix(root).unwrap_or(&path);
        let bytes = metadata.blocks() * 512;
        match is_log(within) {
            true => used.log_bytes += bytes,
            false => used.other_bytes += bytes,
        }
        if is_unfinished(within) {
            used.unfinished.push(within.display().to_string());
        }
    }
}

fn is_log(within: &Path) -> bool {
    within.starts_with("cluster/log") || within.starts_with("cluster/reserve")
}

fn is_unfinished(within: &Path) -> bool {
    let end = within.extension().and_then(|end| end.to_str());
    end.is_some_and(|end| UNFINISHED.contains(&end))
}

/// What the storage keeps besides finished files. So many uploads `failed`.
pub fn staged(cluster: &Cluster, failed: u64) -> Staged {
    let status = cluster.status(0).unwrap_or_default();
    let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
    let members: Vec<u64> = nodes.iter().filter_map(|node| node["id"].as_u64()).collect();
    let mut staged = Staged {
        failed,
        ..Staged::default()
    };
    let folder = cluster.folder.join("files").join(STAGING);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        match opened_by(&name.to_string_lossy()) {
            Some(node) if members.contains(&node) => staged.open += 1,
            _ => staged.kept += 1,
        }
    }
    staged
}

/// The node that holds this staged upload open, by its name; `None` for one that is kept.
fn opened_by(name: &str) -> Option<u64> {
    let mut parts = name.split('-');
    let node = parts.nth(2)?;
    let state = parts.nth(1)?;
    (state == "a").then(|| u64::from_str_radix(node, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is_for() {
        for (name, log, unfinished) in [
            ("cluster/log/r-000.wal", true, false),
            ("cluster/reserve", true, false),
            ("cluster/snapshots/1-20.part", false, true),
            ("events/1.jsonl", false, false),
        ] {
            assert_eq!(
                (is_log(Path::new(name)), is_unfinished(Path::new(name))),
                (log, unfinished),
                "{name}"
            );
        }
    }

    #[test]
    fn a_staged_upload_names_who_holds_it() {
        let of = |state: &str| {
            format!(
                "{}-00000001-000000000000000b-{}-{state}-some-name",
                "0".repeat(32),
                "1".repeat(16)
            )
        };
        assert_eq!(opened_by(&of("a")), Some(11));
        assert_eq!(opened_by(&of("k")), None);
    }
}
