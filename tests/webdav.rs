//! WebDAV over HTTP with the clients that people have: litmus, cadaver, rclone, davfs2, curl.

use serde_json::json;

use crate::rig::{Account, Cluster, Service, process, shared};

/// Runs litmus, all of its suites, and demands that every test passes.
#[track_caller]
fn litmus(account: &Account, url: &str) {
    let folder = crate::rig::folder();
    for suite in ["basic", "copymove", "props", "locks", "http"] {
        let mut command = process::command("litmus");
        command
            .current_dir(folder.path())
            .env("TESTS", suite)
            .args([url, &account.name, &account.password]);
        let done = process::run(command, b"");
        let summary = done
            .out
            .lines()
            .find(|line| line.starts_with("<- summary"))
            .unwrap_or_default();
        assert!(
            summary.contains(" 0 failed") && !done.out.contains("WARNING"),
            "{suite}: {}\n{}",
            done.out,
            std::fs::read_to_string(folder.path().join("debug.log")).unwrap_or_default()
        );
    }
}

fn url(cluster: &Cluster, service: &Service<'_>, at: usize) -> String {
    format!("http://{}:{}/dav/", cluster.nodes[at].address, service.port)
}

#[test]
fn litmus_passes_on_one_node() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    litmus(&account, &url(&shared, &service, 0));
}
