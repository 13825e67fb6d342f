//! The API as a whole, over the real catalog: objects, preconditions, who may what, sessions, nodes, waits.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use argosy_cluster::NodeId;
use serde_json::{Value, json};

use super::caller::Origin;
use super::peers::EnforcementReport;
use super::port::ClusterPort;
use super::testing::{Answer, Node};
use crate::catalog::Kind;
use crate::clock::UnixMillis;
use crate::ids::{Name, SessionId};
use crate::session::{Credential, NewSession, Principal, Registered};

const ID: &str = "00112233445566778899aabbccddeeff";

fn spec(spec: &Value) -> String {
    json!({ "spec": spec }).to_string()
}

#[track_caller]
fn problem(answer: &Answer, status: u16, word: &str, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(
        answer.body["type"],
        format!("urn:argosy:problem:{word}"),
        "{}",
        answer.text
    );
    assert!(
        answer.body["detail"].as_str().unwrap().contains(part),
        "{}",
        answer.text
    );
}

/// An administrator with a token, besides an owner who is always there; gives the token.
async fn administrator(node: &Node, name: &str, role: &str) -> String {
    node.put("administrator/first", json!({ "role": "owner" })).await;
    node.put(&format!("administrator/{name}"), json!({ "role": role }))
        .await;
    let answer = node
        .put(&format!("api-token/{name}"), json!({ "administrator": name }))
        .await;
    answer.body["secrets"][0]["secret"].as_str().unwrap().to_owned()
}

/// Asks from an address that nobody asked from before, so that no failure before it counts.
async fn remote(node: &Node, method: &str, path: &str, authorization: &[&str]) -> Answer {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x0a00_0000);
    let address = std::net::Ipv4Addr::from(NEXT.fetch_add(1, Ordering::SeqCst));
    remote_from(node, SocketAddr::from((address, 50000)), method, path, authorization).await
}

async fn remote_from(node: &Node, peer: SocketAddr, method: &str, path: &str, authorization: &[&str]) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    node.send(request.body(String::new()).unwrap(), Some(Origin::Remote(peer)))
        .await
}

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
    let big = " ".repeat(super::limits::BODY_BYTES_MAX + 1);
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
        "only for lists",
    );
    problem(
        &get("/api/v1/robot").await,
        404,
        "not-found",
        "nothing at /api/v1/robot",
    );
    problem(&get("/api/v1/account/..;/settings").await, 404, "not-found", "nothing");
    let patch = node.ask("PATCH", alice, &[], "").await;
    problem(&patch, 405, "method-not-allowed", "PATCH");
    assert_eq!(node.cluster.view().revision, 0, "something was proposed");
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
async fn every_route_is_refused_without_and_with_a_foreign_credential() {
    let node = Node::new();
    let token = administrator(&node, "anna", "owner").await;
    let expired = json!({ "administrator": "anna", "expires_at": "2027-01-15T07:59:59Z" });
    let expired = node.put("api-token/expired", expired).await;
    let expired = expired.body["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let good = format!("Bearer {token}");
    let mixes: Vec<Vec<String>> = vec![
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec!["Bearer ".to_owned()],
        vec![format!("Basic {token}")],
        vec![token.clone()],
        vec![format!("Bearer {token}x")],
        vec![format!("Bearer {}", &token[..token.len() - 1])],
        vec![format!("Bearer  {token}")],
        vec![format!("Bearer {expired}")],
        vec![good.clone(), good.clone()],
        vec!["AWS4-HMAC-SHA256 x".to_owned()],
    ];
    let reference = remote(&node, "GET", "/api/v1/status", &[]).await;
    problem(&reference, 401, "unauthorized", "valid API token");
    for route in super::routes::all() {
        let open = route.path.starts_with("/health/") || route.path == "/metrics";
        let path = route.path.replace("{name}", "anna").replace("{id}", ID);
        for mix in mixes.iter().filter(|_| !open) {
            let mix: Vec<_> = mix.iter().map(String::as_str).collect();
            let answer = remote(&node, route.method, &path, &mix).await;
            assert_eq!(answer.status, 401, "{} {path} {mix:?}", route.method);
            assert_eq!(answer.body, reference.body, "{} {path} {mix:?}", route.method);
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"argosy\"");
        }
    }
    for path in ["/", "/api/v1", "/api/v1/nothing", "/api/v1/account/..;/x", "/health"] {
        assert_eq!(remote(&node, "GET", path, &[]).await.status, 401, "{path}");
    }
    assert_eq!(remote(&node, "GET", "/api/v1/status", &[&good]).await.status, 200);
    // A request that did not come through a known door is nobody's.
    let request = http::Request::get("/api/v1/status").header("authorization", &good);
    assert_eq!(node.send(request.body(String::new()).unwrap(), None).await.status, 401);
    // On the local socket a token that is sent counts, instead of root.
    let answer = node
        .ask("GET", "/api/v1/status", &["authorization: Bearer argosy_x"], "")
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_role_may_what_the_table_says_and_no_more() {
    use crate::admin::roles::{self, Needs};
    use crate::catalog::Role;
    let node = Node::new();
    for role in [Role::Viewer, Role::Operator, Role::Owner] {
        let token = administrator(&node, role.word(), role.word()).await;
        let header = format!("Bearer {token}");
        for (method, path, needs) in roles::TABLE {
            // A name that is nobody's, so that what is allowed fails later, or does no harm.
            let path = path.replace("{name}", "nobody").replace("{id}", ID);
            let answer = remote(&node, method, &path, &[&header]).await;
            let refused = matches!(needs, Needs::Role(needed) if *needed > role);
            assert_eq!(
                answer.status == 403,
                refused,
                "{role:?} {method} {path}: {}",
                answer.text
            );
            assert_ne!(answer.status, 401, "{role:?} {method} {path}");
            assert_eq!(
                roles::needs("HEAD", &path).is_some(),
                roles::needs("GET", &path).is_some()
            );
        }
    }
}

#[tokio::test]
async fn an_operator_cannot_smuggle_an_owners_object_into_an_apply() {
    let node = Node::new();
    let token = administrator(&node, "otto", "operator").await;
    let body = json!({ "objects": [
        { "kind": "account", "name": "alice", "spec": {} },
        { "kind": "administrator", "name": "otto", "spec": { "role": "owner" } },
    ] });
    let request = http::Request::post("/api/v1/apply").header("authorization", format!("Bearer {token}"));
    let origin = Origin::Remote("192.0.2.9:50000".parse().unwrap());
    let answer = node.send(request.body(body.to_string()).unwrap(), Some(origin)).await;
    problem(&answer, 403, "forbidden", "owner");
    assert!(node.cluster.view().accounts.is_empty());
}

#[tokio::test]
async fn a_disabled_administrator_and_a_deleted_token_are_refused() {
    let node = Node::new();
    let token = format!("Bearer {}", administrator(&node, "anna", "owner").await);
    let status = async || remote(&node, "GET", "/api/v1/status", &[&token]).await.status;
    assert_eq!(status().await, 200);
    node.put("administrator/anna", json!({ "role": "owner", "enabled": false }))
        .await;
    assert_eq!(status().await, 401);
    node.put("administrator/anna", json!({ "role": "owner" })).await;
    assert_eq!(status().await, 200);
    assert_eq!(node.ask("DELETE", "/api/v1/api-token/anna", &[], "").await.status, 200);
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn secrets_are_found_in_no_answer() {
    let node = Node::new();
    let password = "planted password";
    node.put("account/alice", json!({ "password": password })).await;
    node.put("administrator/anna", json!({ "role": "owner", "password": password }))
        .await;
    let made = node.put("api-token/t", json!({ "administrator": "anna" })).await;
    let secret = made.body["secrets"][0]["secret"].as_str().unwrap().to_owned();
    node.put("host-key/main", json!({ "algorithm": "ed25519" })).await;
    let view = node.cluster.view();
    let hash = view.accounts.get("alice").unwrap().spec.password.clone().unwrap().0;
    for kind in Kind::ALL {
        let list = node.ask("GET", &format!("/api/v1/{}", kind.word()), &[], "").await;
        for planted in [
            password,
            secret.as_str(),
            hash.as_str(),
            "PRIVATE KEY",
            "sealed",
            "secret",
            "argon2",
        ] {
            assert!(!list.text.contains(planted), "{planted}: {}", list.text);
        }
    }
    // Not even in what refuses a request that holds one.
    let body = json!({ "spec": { "password": password, "passwort": password } }).to_string();
    let refused = node.ask("PUT", "/api/v1/account/alice", &[], &body).await;
    assert!(!refused.text.contains("planted"), "{}", refused.text);
}

#[tokio::test]
async fn a_token_keeps_its_secret_until_it_is_rotated_and_a_repeated_request_shows_none() {
    let node = Node::new();
    administrator(&node, "anna", "owner").await;
    let hash = || node.cluster.view().api_tokens.get("anna").unwrap().spec.secret_hash;
    let before = hash();
    let kept = node.put("api-token/anna", json!({ "administrator": "anna" })).await;
    assert_eq!(kept.body["secrets"], Value::Null);
    assert_eq!(hash(), before);
    let rotated = node
        .put("api-token/anna", json!({ "administrator": "anna", "rotate": true }))
        .await;
    assert!(
        rotated.body["secrets"][0]["secret"]
            .as_str()
            .unwrap()
            .starts_with("argosy_")
    );
    assert_ne!(hash(), before);
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
    let mut peers = node.cluster.peers.lock().unwrap();
    let here = peers[&NodeId(1)].clone();
    peers.insert(NodeId(2), here);
    drop(peers);
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
    let unknown = node.ask("DELETE", "/api/v1/node/9", &[], "").await;
    problem(&unknown, 404, "not-found", "members are 1 (node-1), 2 (node-2)");
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
async fn failed_tokens_are_answered_later_and_later_but_valid_ones_at_once() {
    let node = Node::new();
    let token = format!("Bearer {}", administrator(&node, "anna", "owner").await);
    let peer: SocketAddr = "192.0.2.9:50000".parse().unwrap();
    let get = async |token: &str| remote_from(&node, peer, "GET", "/api/v1/node", &[token]).await.status;
    let begun = std::time::Instant::now();
    for _ in 0..super::limits::FAILURES_FREE + 2 {
        assert_eq!(get("Bearer argosy_guess").await, 401);
    }
    let earned = super::limits::FAILURE_DELAY * 3;
    assert!(begun.elapsed() >= earned, "{:?}", begun.elapsed());
    // The next failure would earn four times the first delay.
    let begun = std::time::Instant::now();
    assert_eq!(get(&token).await, 200);
    assert!(
        begun.elapsed() < super::limits::FAILURE_DELAY * 4,
        "{:?}",
        begun.elapsed()
    );
}
