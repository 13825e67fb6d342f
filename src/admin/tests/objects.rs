//! Objects: made, read, changed, deleted; preconditions, repeated requests, no quorum.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn an_object_is_made_read_listed_changed_and_deleted() {
    let node = Node::new();
    let made = node.put("storage/files", json!({ "root": "/srv/files" })).await;
    assert_eq!(made.body["revision"], 1);
    assert_eq!(made.headers["etag"], "\"1\"");
    assert_eq!(made.headers["x-request-id"].len(), 32);
    node.put("account/alice", json!({ "home": { "storage": "files" } }))
        .await;
    node.put("account/bob", json!({})).await;

    let alice = node.ask("GET", "/api/v1/account/alice", &[], "").await;
    assert_eq!(alice.status, 200);
    assert_eq!(alice.headers["etag"], "\"2\"");
    assert_eq!(alice.headers["x-content-type-options"], "nosniff");
    assert_eq!(alice.headers["cache-control"], "no-store");
    assert_eq!(alice.body["changed_by"], "root@node-1");
    assert_eq!(alice.body["changed_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!(alice.body["spec"]["home"]["folder"], "/");

    let first = node.ask("GET", "/api/v1/account?limit=1", &[], "").await;
    assert_eq!(first.body["objects"][0]["name"], "alice");
    assert_eq!(first.body["next"], "alice");
    let second = node.ask("GET", "/api/v1/account?limit=1&after=alice", &[], "").await;
    assert_eq!(second.body["objects"][0]["name"], "bob");
    assert_eq!(second.body["next"], Value::Null);

    let refused = node.ask("DELETE", "/api/v1/storage/files", &[], "").await;
    problem(&refused, 409, "in-use", "account `alice`");
    assert_eq!(node.ask("DELETE", "/api/v1/account/alice", &[], "").await.status, 200);
    assert_eq!(node.ask("DELETE", "/api/v1/storage/files", &[], "").await.status, 200);
    let gone = node.ask("GET", "/api/v1/account/alice", &[], "").await;
    problem(&gone, 404, "not-found", "account `alice` does not exist");
    let gone = node.ask("DELETE", "/api/v1/account/alice", &[], "").await;
    problem(&gone, 404, "not-found", "does not exist");
}

#[tokio::test]
async fn what_was_read_can_be_written_back_whole() {
    let node = Node::new();
    node.put("account/alice", json!({ "password": "correct horse" })).await;
    node.put("host-key/main", json!({})).await;
    for path in [
        "/api/v1/account/alice",
        "/api/v1/host-key/main",
        "/api/v1/settings/cluster",
    ] {
        let read = node.ask("GET", path, &[], "").await;
        let written = node.ask("PUT", path, &[], &read.text).await;
        assert_eq!(written.status, 200, "{}", written.text);
        let again = node.ask("GET", path, &[], "").await;
        assert_eq!(again.body["spec"], read.body["spec"]);
    }
    let alice = node.ask("GET", "/api/v1/account/alice", &[], "").await;
    assert_eq!(alice.body["spec"]["password_set"], true);
}

#[tokio::test]
async fn a_stale_precondition_changes_nothing() {
    let node = Node::new();
    node.put("account/alice", json!({})).await;
    let put = async |header: &str, expected: u16| {
        let body = spec(&json!({ "enabled": false }));
        let answer = node.ask("PUT", "/api/v1/account/alice", &[header], &body).await;
        assert_eq!(answer.status, expected, "{header}: {}", answer.text);
        answer
    };
    problem(
        &put("if-none-match: *", 412).await,
        412,
        "stale",
        "exists already, at revision 1",
    );
    let stale = put("if-match: \"7\"", 412).await;
    problem(&stale, 412, "stale", "its revision is 1");
    assert_eq!(stale.body["revision"], 1);
    assert_eq!(stale.body["request"].as_str().unwrap().len(), 32);
    put("if-match: W/\"1\"", 412).await;
    put("if-match: \"1\"", 200).await;
    put("if-match: \"1\"", 412).await;
    put("if-match: *", 200).await;
    let nobody = node
        .ask("PUT", "/api/v1/account/nobody", &["if-match: *"], &spec(&json!({})))
        .await;
    problem(&nobody, 404, "not-found", "does not exist");
    let stale = node
        .ask("DELETE", "/api/v1/account/alice", &["if-match: \"1\""], "")
        .await;
    assert_eq!(stale.status, 412);
    let read = node.ask("GET", "/api/v1/account/alice", &[], "").await;
    let etag = format!("if-none-match: {}", read.headers["etag"].to_str().unwrap());
    let unchanged = node.ask("GET", "/api/v1/account/alice", &[&etag], "").await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_with_the_reason() {
    let node = Node::new();
    let put = async |path: &str, body: &str| node.ask("PUT", path, &[], body).await;
    let alice = "/api/v1/account/alice";
    problem(
        &put(alice, "{\"spec\": planted").await,
        400,
        "malformed",
        "line 1, column 10",
    );
    problem(&put(alice, "").await, 400, "malformed", "not JSON");
    problem(&put(alice, "[]").await, 422, "invalid", "must be an object");
    problem(&put(alice, "{}").await, 422, "invalid", "`spec` is missing");
    let body = json!({ "spec": {}, "extra": 1 }).to_string();
    problem(&put(alice, &body).await, 422, "invalid", "`extra` is not a known field");
    let body = json!({ "name": "bob", "spec": {} }).to_string();
    problem(&put(alice, &body).await, 422, "invalid", "not the one in the path");
    let empty = spec(&json!({}));
    problem(&put("/api/v1/account/a%0Ab", &empty).await, 400, "malformed", "U+000A");
    problem(
        &put("/api/v1/account/%2E%2E", &empty).await,
        400,
        "malformed",
        "name folders",
    );
    problem(
        &put("/api/v1/account/a%2Fb", &empty).await,
        400,
        "malformed",
        "separates",
    );
    problem(&put("/api/v1/account/%FF", &empty).await, 400, "malformed", "UTF-8");
    problem(&put("/api/v1/account/-rf", &empty).await, 400, "malformed", "flag");
    let long = format!("/api/v1/account/{}", "x".repeat(129));
    problem(&put(&long, &empty).await, 400, "malformed", "limit");
    problem(
        &put("/api/v1/account/a?wat=1", &empty).await,
        400,
        "malformed",
        "unknown field `wat`",
    );
    problem(
        &put("/api/v1/account/a?wait=committed", &empty).await,
        400,
        "malformed",
        "enforced",
    );
    let big = " ".repeat(limits::BODY_BYTES_MAX + 1);
    problem(&put(alice, &big).await, 413, "too-large", "over the limit");
    let id = node.ask("PUT", alice, &["idempotency-key: 1"], &empty).await;
    problem(&id, 400, "malformed", "32 hexadecimal");
    let get = async |path: &str| node.ask("GET", path, &[], "").await;
    problem(
        &get("/api/v1/account?limit=0").await,
        400,
        "malformed",
        "from 1 to 5000",
    );
    problem(
        &get("/api/v1/account?consistency=some").await,
        400,
        "malformed",
        "linearizable",
    );
    problem(
        &get("/api/v1/account/a?limit=5").await,
        400,
        "malformed",
        "unknown field `limit`",
    );
    problem(
        &get("/api/v1/robot").await,
        404,
        "not-found",
        "nothing at /api/v1/robot",
    );
    problem(&get("/api/v1/account/..;/settings").await, 404, "not-found", "nothing");
    let post = node.ask("POST", alice, &[], "").await;
    problem(&post, 405, "method-not-allowed", "POST");
    assert_eq!(node.cluster.view().revision, 0, "something was proposed");
}

#[tokio::test]
async fn the_same_request_is_made_once_though_time_and_salts_differ() {
    let node = Node::new();
    let header = format!("idempotency-key: {ID}");
    let put = async |body: Value| node.ask("PUT", "/api/v1/account/a", &[&header], &spec(&body)).await;
    let first = put(json!({ "password": "correct horse" })).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let hash = || node.cluster.view().accounts.get("a").unwrap().spec.password.clone();
    let before = hash();
    node.clock.set(crate::clock::UnixMillis(1_900_000_000_000));
    assert_eq!(put(json!({ "password": "correct horse" })).await.body, first.body);
    assert_eq!(hash(), before);
    problem(
        &put(json!({ "password": "another horse" })).await,
        422,
        "request-reused",
        ID,
    );
    // A new token's secret was shown with the first answer, and only there.
    let owner = json!({ "role": "owner" });
    node.put("administrator/anna", owner).await;
    let header = format!("idempotency-key: {}", "a".repeat(32));
    let body = spec(&json!({ "administrator": "anna" }));
    let put = async || {
        node.ask("PUT", "/api/v1/api-token/t", &[&header, "if-none-match: *"], &body)
            .await
    };
    assert!(put().await.body["secrets"][0]["secret"].is_string());
    let again = put().await;
    assert_eq!(again.status, 200, "{}", again.text);
}

#[tokio::test]
async fn the_same_request_is_made_once_and_an_id_is_not_reused() {
    let node = Node::new();
    let header = format!("idempotency-key: {ID}");
    let put = async |body: Value| node.ask("PUT", "/api/v1/storage/s", &[&header], &spec(&body)).await;
    let first = put(json!({ "root": "/srv/a" })).await;
    assert_eq!(first.body["request"], ID);
    assert_eq!(first.headers["x-request-id"], ID);
    let again = put(json!({ "root": "/srv/a" })).await;
    assert_eq!(again.body, first.body);
    problem(&put(json!({ "root": "/srv/b" })).await, 422, "request-reused", ID);
}

#[tokio::test]
async fn without_a_quorum_changes_are_refused_at_once_and_local_reads_answer() {
    let node = Node::new();
    node.put("account/alice", json!({})).await;
    node.cluster.quorum.store(false, Ordering::SeqCst);
    let put = node.ask("PUT", "/api/v1/account/alice", &[], &spec(&json!({}))).await;
    problem(&put, 503, "unavailable", "nothing was changed");
    assert_eq!(put.headers["retry-after"], "1");
    let delete = node.ask("DELETE", "/api/v1/account/alice", &[], "").await;
    problem(&delete, 503, "unavailable", "no quorum");
    let read = node.ask("GET", "/api/v1/account/alice", &[], "").await;
    problem(&read, 503, "not-confirmed", "consistency=local");
    let local = node
        .ask("GET", "/api/v1/account/alice?consistency=local", &[], "")
        .await;
    assert_eq!(local.status, 200);
    let newer = "/api/v1/account/alice?consistency=local&min_revision=9";
    problem(
        &node.ask("GET", newer, &[], "").await,
        503,
        "not-confirmed",
        "revision 1",
    );
    assert_eq!(node.ask("GET", "/api/v1/status", &[], "").await.body["quorum"], false);
    assert_eq!(node.ask("GET", "/health/ready", &[], "").await.status, 200);
    assert_eq!(node.ask("GET", "/health/cluster", &[], "").await.status, 503);
}

#[tokio::test]
async fn an_unknown_outcome_is_answered_as_unknown_with_the_id_to_ask_again() {
    let node = Node::new();
    node.cluster.forgetful.store(true, Ordering::SeqCst);
    let header = format!("x-request-id: {ID}");
    let put = node
        .ask("PUT", "/api/v1/account/alice", &[&header], &spec(&json!({})))
        .await;
    problem(&put, 504, "outcome-unknown", "not known whether");
    assert_eq!(put.body["outcome"], "unknown");
    assert_eq!(put.body["request"], ID);
    node.cluster.forgetful.store(false, Ordering::SeqCst);
    let again = node
        .ask("PUT", "/api/v1/account/alice", &[&header], &spec(&json!({})))
        .await;
    assert_eq!((again.status, &again.body["revision"]), (200, &json!(1)));
}

#[tokio::test]
async fn several_changes_are_made_together_or_not_at_all() {
    let node = Node::new();
    let apply = async |body: Value| node.ask("POST", "/api/v1/apply", &[], &body.to_string()).await;
    let storage = json!({ "kind": "storage", "name": "files", "spec": { "root": "/srv/files" } });
    let account = json!({ "kind": "account", "name": "alice", "spec": { "home": { "storage": "files" } } });
    let dangling = apply(json!({ "objects": [account] })).await;
    problem(&dangling, 422, "dangling", "storage `files`");
    let absent = json!([{ "kind": "account", "name": "alice", "absent": true }]);
    let made = apply(json!({ "objects": [account, storage], "expected": absent })).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let stale = apply(json!({ "objects": [account], "expected": absent })).await;
    problem(&stale, 412, "stale", "exists already");
    let twice = apply(json!({ "objects": [account, account] })).await;
    problem(&twice, 422, "invalid", "stands twice");
    problem(&apply(json!({})).await, 422, "invalid", "nothing to do");
    let robot = apply(json!({ "objects": [{ "kind": "robot", "name": "r", "spec": {} }] })).await;
    problem(&robot, 422, "invalid", "`objects[0].kind` is no kind");
    let bad = apply(json!({ "objects": [account, { "kind": "account", "name": "b", "spec": { "x": 1 } }] })).await;
    problem(&bad, 422, "invalid", "`objects[1].spec.x` is not a known field");
    let both = json!([{ "kind": "account", "name": "alice", "absent": true, "revision": 2 }]);
    problem(
        &apply(json!({ "objects": [account], "expected": both })).await,
        422,
        "invalid",
        "one of",
    );
    let deletes = json!([{ "kind": "storage", "name": "files" }, { "kind": "account", "name": "alice" }]);
    assert_eq!(apply(json!({ "deletes": deletes })).await.status, 200);
    assert!(node.cluster.view().storages.is_empty());
}
