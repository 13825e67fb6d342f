//! The admin API keeps what its own OpenAPI document says, whatever is asked of it.
//!
//! schemathesis makes the requests: from a fixed seed, so that a failure can be repeated.

use std::time::Duration;

use serde_json::json;

use crate::rig::cluster::ADMIN_PORT;
use crate::rig::{Account, Cluster, among_others, process, repository, target};

/// How long the run may take.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn the_api_keeps_what_its_document_says() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let _account = Account::create(&cluster);
    let api = cluster.api(0);
    api.put("/api/v1/group/partners", &json!({})).ok();
    let document = api.get("/api/v1/openapi.json").ok();
    assert_eq!(document.json()["openapi"], "3.1.0");
    let node = &cluster.nodes[0];
    let url = format!("https://{}", node.at(ADMIN_PORT));
    let mut command = process::command(target().join("test-venv/bin/st"));
    command
        .arg("--config-file")
        .arg(repository().join("tests/clients/schemathesis.toml"));
    command.args(["run", &format!("{url}/api/v1/openapi.json"), "--url", &url]);
    command.args(["--header", &format!("Authorization: Bearer {}", cluster.token)]);
    command.arg("--tls-verify").arg(node.data.join("cluster/ca.crt"));
    // It leaves notes where it runs.
    command.current_dir(&node.data);
    let done = process::run_for(command, b"", LIMIT);
    assert!(done.status.success(), "{}", done.said());
    assert_eq!(cluster.api(0).get("/api/v1/status").status, 200);
    cluster.no_panics();
}
