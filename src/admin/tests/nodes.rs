//! Sessions, members, waits, health.

use argosy_cluster::NodeId;
use serde_json::json;

use super::*;
use crate::admin::peers::EnforcementReport;
use crate::clock::UnixMillis;
use crate::ids::{Name, SessionId};
use crate::session::{Credential, NewSession, Principal, Registered};

fn session(node: &Node, id: u128) -> Registered {
    let new = NewSession {
        principal: Principal {
            account: Name::parse("alice").unwrap(),
            credential: Credential::Password { hash_digest: [0; 32] },
        },
        service: Name::parse("sftp").unwrap(),
        protocol: "sftp",
        peer: "192.0.2.7:40000".parse().unwrap(),
        started_at: UnixMillis(0),
        account_max: None,
        service_max: 10,
    };
    node.registry.register(SessionId(id), new).unwrap()
}

#[tokio::test]
async fn sessions_of_all_nodes_are_listed_and_closed_and_silent_nodes_are_named() {
    let node = Node::new();
    let first = session(&node, 1);
    let list = node.ask("GET", "/api/v1/session", &[], "").await;
    assert_eq!(list.body["sessions"][0]["node"], "node-1");
    assert_eq!(list.body["sessions"][0]["credential"], "password");
    assert_eq!(list.body["unreachable"][0]["node"], "node-2");
    let other = node.ask("GET", "/api/v1/session?account=bob", &[], "").await;
    assert_eq!(other.body["sessions"], json!([]));
    let close = async |id: u128| {
        node.ask("POST", &format!("/api/v1/session/{id:032x}/close"), &[], "")
            .await
    };
    let silent = close(2).await;
    problem(&silent, 503, "node-operation-failed", "not every node answers");
    assert_eq!(silent.body["unreachable"][0]["node"], "node-2");
    assert_eq!(close(1).await.body["node"], "node-1");
    assert!(first.session().check().is_err());
    {
        let mut peers = node.cluster.peers.lock().unwrap();
        let here = peers[&NodeId(1)].clone();
        peers.insert(NodeId(2), here);
    }
    problem(&close(2).await, 404, "not-found", "no node has a session");
    let malformed = node.ask("POST", "/api/v1/session/x/close", &[], "").await;
    problem(&malformed, 400, "malformed", "32 hexadecimal digits");
}

#[tokio::test]
async fn a_wait_tells_of_each_member_what_it_has_enforced() {
    let node = Node::new();
    let wait = async || {
        let path = "/api/v1/account/alice?wait=enforced&timeout=1s";
        let answer = node.ask("PUT", path, &[], &spec(&json!({}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["enforced"].clone()
    };
    let enforced = wait().await;
    assert_eq!(enforced["node-1"], json!({ "state": "enforced" }));
    assert_eq!(
        enforced["node-2"],
        json!({ "state": "unreachable", "reason": "connection refused" })
    );
    *node.enforced.lock().unwrap() = EnforcementReport::default();
    let pending = wait().await;
    assert_eq!(pending["node-1"]["state"], "pending");
    *node.enforced.lock().unwrap() = EnforcementReport {
        revision: 100,
        failures: vec!["service `sftp`: port 22 is in use".to_owned()],
    };
    let failed = wait().await;
    assert_eq!(failed["node-1"]["state"], "failed");
    assert_eq!(failed["node-1"]["reason"], "service `sftp`: port 22 is in use");
    *node.enforced.lock().unwrap() = EnforcementReport::default();
    let report = node.enforced.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        report.lock().unwrap().revision = 100;
    });
    assert_eq!(wait().await["node-1"]["state"], "enforced");
}

#[tokio::test]
async fn nodes_are_listed_removed_and_what_was_sealed_is_sealed_anew() {
    let node = Node::new();
    node.put("host-key/main", json!({})).await;
    let sealed = || {
        node.cluster
            .view()
            .host_keys
            .get("main")
            .unwrap()
            .spec
            .sealed_private
            .clone()
    };
    assert_eq!(sealed()[..4], [0, 0, 0, 1]);
    let list = node.ask("GET", "/api/v1/node", &[], "").await;
    assert_eq!(list.body["nodes"][1]["name"], "node-2");
    assert_eq!(list.body["nodes"][1]["fingerprint"], "ab".repeat(32));
    for unknown in ["9", "node-9", "99999999999999999999"] {
        let refused = node.ask("DELETE", &format!("/api/v1/node/{unknown}"), &[], "").await;
        problem(
            &refused,
            404,
            "not-found",
            "known are 1 (node-1), 2 (node-2), 7 (node-7)",
        );
        let refused = node.ask("POST", &format!("/api/v1/node/{unknown}/lead"), &[], "").await;
        problem(&refused, 404, "not-found", "known are");
    }
    let removed = node.ask("DELETE", "/api/v1/node/node-2", &[], "").await;
    assert_eq!(removed.body["resealed"], json!({ "main": "resealed" }));
    assert_eq!(sealed()[..4], [0, 0, 0, 2]);
    let lead = node.ask("POST", "/api/v1/node/1/lead", &[], "").await;
    problem(&lead, 503, "node-operation-failed", "not up to date");
    let token = node
        .ask("POST", "/api/v1/join-token", &[], "{\"valid_seconds\": 60}")
        .await;
    assert_eq!(token.body["token"], "argosy-join-60");
    assert_eq!(
        node.ask("POST", "/api/v1/join-token", &[], "").await.body["valid_seconds"],
        3600
    );
    let long = node
        .ask("POST", "/api/v1/join-token", &[], "{\"valid_seconds\": 0}")
        .await;
    problem(&long, 422, "invalid", "from 1 to");
}

#[tokio::test]
async fn health_and_metrics_answer_without_a_token() {
    let node = Node::new();
    let get = async |path: &str| remote(&node, "GET", path, &[]).await;
    assert_eq!(get("/health/live").await.status, 200);
    assert_eq!(get("/health/ready").await.body["ready"], true);
    assert_eq!(get("/health/cluster").await.body["quorum"], true);
    let metrics = get("/metrics").await;
    assert_eq!(metrics.text, "argosy_up 1\n");
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    node.ready.lock().unwrap().reasons.push("it is draining".to_owned());
    let ready = get("/health/ready").await;
    assert_eq!(
        (ready.status, &ready.body["reasons"][0]),
        (503, &json!("it is draining"))
    );
}

#[tokio::test]
async fn a_removal_goes_on_where_it_stopped_but_not_through_the_node_itself() {
    let node = Node::new();
    node.put("host-key/main", json!({})).await;
    for own in ["1", "node-1"] {
        let refused = node.ask("DELETE", &format!("/api/v1/node/{own}"), &[], "").await;
        problem(&refused, 422, "invalid", "ask another member");
    }
    // What the cluster still knows by name, though it is no member.
    let half = node.ask("DELETE", "/api/v1/node/node-7", &[], "").await;
    assert_eq!(half.body["resealed"], json!({ "main": "resealed" }), "{}", half.text);
    node.cluster.deposed.store(true, Ordering::SeqCst);
    let blind = node.ask("DELETE", "/api/v1/node/2", &[], "").await;
    let told = blind.body["resealed"]["main"].as_str().unwrap();
    assert!(told.starts_with("failed: it cannot be confirmed"), "{told}");
}
