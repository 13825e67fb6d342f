//! Merge patches: what is named is changed, the rest stays; what is read only is refused.

use std::sync::Arc;

use serde_json::json;

use super::*;

async fn patch(node: &Node, path: &str, headers: &[&str], spec: &Value) -> Answer {
    let body = json!({ "spec": spec }).to_string();
    node.ask("PATCH", &format!("/api/v1/{path}"), headers, &body).await
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let node = Node::new();
    node.put("storage/files", json!({ "root": "/srv/files" })).await;
    let alice = json!({ "password": "correct horse", "home": { "storage": "files", "folder": "/alice" },
        "sources": ["10.0.0.0/8"], "sessions_max": 3 });
    node.put("account/alice", alice).await;
    let hash = || node.cluster.view().accounts.get("alice").unwrap().spec.password.clone();
    let before = hash();
    let merge = "content-type: application/merge-patch+json; charset=utf-8";
    let made = patch(
        &node,
        "account/alice",
        &[merge],
        &json!({ "enabled": false, "home": { "folder": "/new" } }),
    )
    .await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(hash(), before, "the password was not kept");
    let read = node.ask("GET", "/api/v1/account/alice", &[], "").await.body["spec"].clone();
    assert_eq!((&read["enabled"], &read["sessions_max"]), (&json!(false), &json!(3)));
    assert_eq!(read["home"], json!({ "storage": "files", "folder": "/new" }));
    assert_eq!(read["sources"], json!(["10.0.0.0/8"]));
    // Null stands for the default, and for no password.
    let reset = json!({ "sessions_max": null, "home": null, "password": null });
    assert_eq!(patch(&node, "account/alice", &[], &reset).await.status, 200);
    let read = node.ask("GET", "/api/v1/account/alice", &[], "").await.body["spec"].clone();
    assert_eq!(
        (&read["sessions_max"], &read["home"], &read["password_set"]),
        (&json!(null), &json!(null), &json!(false))
    );
    // An empty patch is one too.
    let empty = node.ask("PATCH", "/api/v1/account/alice", &[], "{}").await;
    assert_eq!(empty.status, 200, "{}", empty.text);
}

#[tokio::test]
async fn every_kind_takes_a_patch_and_refuses_one_of_what_is_read_only() {
    let node = Node::new();
    node.put("administrator/anna", json!({ "role": "owner" })).await;
    node.put("api-token/t", json!({ "administrator": "anna" })).await;
    node.put("host-key/main", json!({})).await;
    node.put("service/sftp", json!({ "port": 22, "host_keys": ["main"] }))
        .await;
    node.put("storage/files", json!({ "root": "/srv/files" })).await;
    node.put("account/alice", json!({})).await;
    let host_key = node.cluster.view().host_keys.get("main").unwrap().spec.clone();
    for (path, good, read_only) in [
        (
            "administrator/anna",
            json!({ "password": "correct horse" }),
            "password_set",
        ),
        ("api-token/t", json!({ "expires_at": "2028-01-01T00:00:00Z" }), ""),
        ("host-key/main", json!({}), "fingerprint"),
        ("service/sftp", json!({ "nodes": { "n1": { "port": 2222 } } }), ""),
        ("storage/files", json!({ "durability": "relaxed" }), ""),
        ("settings/cluster", json!({ "login_memory_seconds": 60 }), ""),
        ("account/alice", json!({ "enabled": false }), "password_set"),
    ] {
        let made = patch(&node, path, &[], &good).await;
        assert_eq!(made.status, 200, "{path}: {}", made.text);
        let unknown = patch(&node, path, &[], &json!({ "zzz": 1 })).await;
        problem(&unknown, 422, "invalid", "`spec.zzz` is not a known field");
        for name in ["kind", "name", "revision", "changed_by", "changed_at"] {
            let body = json!({ name: "x" }).to_string();
            let refused = node.ask("PATCH", &format!("/api/v1/{path}"), &[], &body).await;
            problem(&refused, 422, "invalid", "is read only");
            assert_eq!(refused.body["field"], name);
        }
        if !read_only.is_empty() {
            let refused = patch(&node, path, &[], &json!({ read_only: true })).await;
            problem(&refused, 422, "invalid", "is read only: it follows from other fields");
        }
    }
    assert_eq!(node.cluster.view().host_keys.get("main").unwrap().spec, host_key);
}

#[tokio::test]
async fn a_patch_is_made_to_the_revision_that_it_names_or_to_whatever_is_there() {
    let node = Node::new();
    node.put("account/alice", json!({})).await;
    let off = json!({ "enabled": false });
    let stale = patch(&node, "account/alice", &["if-match: \"7\""], &off).await;
    problem(&stale, 412, "stale", "revision is 1");
    let absent = patch(&node, "account/nobody", &[], &off).await;
    problem(&absent, 404, "not-found", "does not exist");
    let named = patch(&node, "account/alice", &["if-match: \"1\""], &off).await;
    assert_eq!(named.status, 200, "{}", named.text);
    let fresh = patch(&node, "account/alice", &["if-none-match: *"], &off).await;
    problem(&fresh, 412, "stale", "exists already");
    let text = patch(&node, "account/alice", &["content-type: text/plain"], &off).await;
    problem(&text, 415, "unsupported-media-type", "merge-patch+json");
    for body in ["[]", "null", "{\"spec\": []}", "{\"spec\": null}", "{\"other\": 1}"] {
        let answer = node.ask("PATCH", "/api/v1/account/alice", &[], body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn patches_at_the_same_time_are_tried_again_and_only_what_is_answered_as_refused_is_told_so() {
    let mut node = Node::new();
    let folder = tempfile::tempdir().unwrap();
    let journal = crate::events::Journal::open(folder.path(), "node-1", node.clock.clone()).unwrap();
    Arc::get_mut(&mut node.api).unwrap().journal = journal.clone();
    node.put("account/alice", json!({})).await;
    // Twenty at the same time: each is made to what the one before it left.
    let made = futures_util::future::join_all((1..=20).map(|number| {
        let network = json!({ "sessions_max": number });
        let node = &node;
        async move { patch(node, "account/alice", &[], &network).await.status }
    }));
    let made = made.await;
    assert!(made.iter().all(|status| *status == 200 || *status == 412), "{made:?}");
    journal.stop();
    let told: String = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let refused = made.iter().filter(|status| **status == 412).count();
    assert_eq!(told.matches("\"change-refused\"").count(), refused, "{told}");
    assert_eq!(
        told.matches("\"catalog-changed\"").count(),
        1 + made.len() - refused,
        "{told}"
    );
}

#[tokio::test]
async fn a_repeated_patch_is_made_once_though_others_were_faster() {
    let node = Node::new();
    node.put("account/alice", json!({})).await;
    let header = format!("idempotency-key: {ID}");
    let first = patch(&node, "account/alice", &[&header], &json!({ "sessions_max": 2 })).await;
    assert_eq!(first.body["request"], ID);
    node.put("account/alice", json!({ "sessions_max": 9 })).await;
    let again = patch(&node, "account/alice", &[&header], &json!({ "sessions_max": 2 })).await;
    assert_eq!(again.body, first.body);
    assert_eq!(
        node.cluster.view().accounts.get("alice").unwrap().spec.sessions_max,
        Some(9)
    );
    let other = patch(&node, "account/alice", &[&header], &json!({ "sessions_max": 3 })).await;
    problem(&other, 422, "request-reused", ID);
}
