//! Who may what; secrets.

use serde_json::{Value, json};

use super::*;
use crate::admin::{roles, routes};
use crate::catalog::Kind;

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
    for route in routes::all() {
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
    use crate::admin::roles::Needs;
    use crate::catalog::Role;
    let node = Node::new();
    for role in [Role::Viewer, Role::Operator, Role::Owner] {
        let token = administrator(&node, role.word(), role.word()).await;
        let header = format!("Bearer {token}");
        for (method, path, needs) in roles::TABLE {
            // A name that is nobody's, so that what is allowed fails later, or does no harm.
            let path = path.replace("{name}", "nobody").replace("{id}", ID);
            // A watch that is taken would not end.
            let path = path.replace("/watch", "/watch?kinds=robot");
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
async fn failed_tokens_are_answered_later_and_later_but_valid_ones_at_once() {
    let node = Node::new();
    let token = format!("Bearer {}", administrator(&node, "anna", "owner").await);
    let peer: SocketAddr = "192.0.2.9:50000".parse().unwrap();
    let get = async |token: &str| remote_from(&node, peer, "GET", "/api/v1/node", &[token]).await.status;
    let begun = std::time::Instant::now();
    for _ in 0..limits::FAILURES_FREE + 2 {
        assert_eq!(get("Bearer argosy_guess").await, 401);
    }
    let earned = limits::FAILURE_DELAY * 3;
    assert!(begun.elapsed() >= earned, "{:?}", begun.elapsed());
    // The next failure would earn four times the first delay.
    let begun = std::time::Instant::now();
    assert_eq!(get(&token).await, 200);
    assert!(begun.elapsed() < limits::FAILURE_DELAY * 4, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_done_outside_the_catalog_is_judged_by_a_confirmed_state() {
    let node = Node::new();
    let token = administrator(&node, "anna", "owner").await;
    let row = node.cluster.view().api_tokens.get("anna").unwrap().spec.clone();
    let actor = |secret_hash| crate::catalog::Actor::Administrator {
        name: row.administrator.clone(),
        token: crate::ids::Name::parse("anna").unwrap(),
        secret_hash,
    };
    let caller = |secret_hash| crate::admin::caller::Caller {
        actor: actor(secret_hash),
        role: crate::catalog::Role::Owner,
        origin: Origin::Remote("192.0.2.9:50000".parse().unwrap()),
    };
    let owner = crate::catalog::Role::Owner;
    assert!(caller(row.secret_hash).confirm(&node.api, owner).await.is_ok());
    let rotated = caller([9; 32]).confirm(&node.api, owner).await.unwrap_err();
    assert!(rotated.detail.contains("was replaced"), "{}", rotated.detail);
    // Made an operator after the guard let the request in.
    node.put("administrator/anna", json!({ "role": "operator" })).await;
    assert!(caller(row.secret_hash).confirm(&node.api, owner).await.is_err());
    node.put("administrator/anna", json!({ "role": "owner" })).await;

    node.cluster.quorum.store(false, Ordering::SeqCst);
    let header = format!("Bearer {token}");
    for (method, path) in [
        ("POST", "/api/v1/join-token".to_owned()),
        ("DELETE", "/api/v1/node/2".to_owned()),
        ("POST", "/api/v1/node/1/lead".to_owned()),
        ("POST", format!("/api/v1/session/{ID}/close")),
    ] {
        let answer = remote(&node, method, &path, &[&header]).await;
        problem(&answer, 503, "not-confirmed", "nothing was done");
    }
}
