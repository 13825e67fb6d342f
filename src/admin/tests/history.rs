//! The history, differences, going back, plans and exports.

use serde_json::json;

use super::*;

async fn get(node: &Node, path: &str) -> Value {
    let answer = node.ask("GET", &format!("/api/v1/{path}"), &[], "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.body
}

async fn post(node: &Node, path: &str, body: &Value) -> Answer {
    node.ask("POST", &format!("/api/v1/{path}"), &[], &body.to_string())
        .await
}

/// Revisions 1 to 5: a storage, an account, its change, another account, and the removal of the first.
async fn with_past() -> Node {
    let node = Node::new();
    node.put("storage/files", json!({ "root": "/srv/files" })).await;
    node.put(
        "account/alice",
        json!({ "password": "correct horse", "sessions_max": 2 }),
    )
    .await;
    node.put(
        "account/alice",
        json!({ "password": "another horse", "sessions_max": 9, "enabled": false }),
    )
    .await;
    node.put("account/bob", json!({ "home": { "storage": "files" } })).await;
    node.ask("DELETE", "/api/v1/account/alice", &[], "").await;
    node
}

#[tokio::test]
async fn every_change_is_told_with_who_when_from_where_before_and_after() {
    let node = with_past().await;
    let all = get(&node, "history").await;
    let told: Vec<_> = all["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["revision"])
        .collect();
    assert_eq!(told, [5, 4, 3, 2, 1]);
    let first = &all["entries"][0];
    assert_eq!(
        (&first["action"], &first["actor"], &first["from"]),
        (&json!("delete"), &json!("root@node-1"), &Value::Null)
    );
    let page = get(&node, "history?limit=2").await;
    assert_eq!(page["next"], "4-0");
    let page = get(&node, "history?limit=9&after=4-0").await;
    assert_eq!(
        (page["entries"].as_array().unwrap().len(), &page["next"]),
        (3, &Value::Null)
    );
    assert_eq!(get(&node, "history?kind=storage").await["entries"][0]["name"], "files");
    assert_eq!(
        get(&node, "history?name=al*").await["entries"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(get(&node, "history?actor=nobody").await["entries"], json!([]));

    let third = get(&node, "history/3").await;
    let object = &third["objects"][0];
    assert_eq!(
        (
            &object["before"]["spec"]["sessions_max"],
            &object["after"]["spec"]["sessions_max"]
        ),
        (&json!(2), &json!(9))
    );
    assert_eq!(object["secrets_changed"], json!(["password"]));
    assert!(!third.to_string().contains("argon2"));
    let diff = get(&node, "history/diff?kind=account&name=alice&from=2&to=3").await;
    let fields: Vec<_> = diff["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["field"])
        .collect();
    assert!(
        fields.contains(&&json!("spec.sessions_max")) && fields.contains(&&json!("spec.enabled")),
        "{diff}"
    );
    assert_eq!(
        get(&node, "history/diff?kind=account&name=alice&from=3").await["action"],
        "delete"
    );
    for (path, status, word) in [
        ("history/9", 404, "not-found"),
        ("history/x", 400, "malformed"),
        ("history?after=x", 400, "malformed"),
        ("history/diff?kind=account&name=nobody&from=1", 404, "not-found"),
        ("history/diff?kind=account&name=alice", 400, "malformed"),
    ] {
        problem(
            &node.ask("GET", &format!("/api/v1/{path}"), &[], "").await,
            status,
            word,
            "",
        );
    }
}

#[tokio::test]
async fn a_rollback_brings_back_what_was_but_no_credential_unless_told() {
    let node = with_past().await;
    let before = node.cluster.view().revision;
    let dry = post(&node, "rollback?dry_run=true", &json!({ "revision": 3 })).await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_eq!(
        dry.body["plan"]["counts"],
        json!({ "create": 1, "update": 0, "delete": 1, "unchanged": 0 })
    );
    assert_eq!(node.cluster.view().revision, before, "a dry run changed something");

    let only = json!({ "revision": 2, "objects": [{ "kind": "account", "name": "alice" }] });
    let back = post(&node, "rollback", &only).await;
    assert_eq!(back.status, 200, "{}", back.text);
    let alice = node.cluster.view().accounts.get("alice").unwrap().spec.clone();
    assert_eq!(
        (alice.sessions_max, alice.enabled, alice.password),
        (Some(2), false, None)
    );
    assert!(
        back.body["left_as_they_are"].to_string().contains("password"),
        "{}",
        back.text
    );
    assert!(
        node.cluster.view().accounts.get("bob").is_some(),
        "what was not named was touched"
    );

    let whole = json!({ "revision": 2, "with_credentials": true });
    assert_eq!(post(&node, "rollback", &whole).await.status, 200);
    let view = node.cluster.view();
    let alice = view.accounts.get("alice").unwrap().spec.clone();
    assert!(alice.enabled && alice.password.is_some());
    assert!(view.accounts.get("bob").is_none());
    let again = post(&node, "rollback", &whole).await;
    assert_eq!(
        (again.status, &again.body["revision"]),
        (200, &json!(view.revision)),
        "{}",
        again.text
    );

    let early = post(&node, "rollback", &json!({ "revision": 0 })).await;
    problem(&early, 410, "gone", "the oldest that is kept is 1");
    assert_eq!(early.body["oldest"], 1);
    problem(
        &post(&node, "rollback", &json!({ "revision": 99 })).await,
        404,
        "not-found",
        "not made yet",
    );
    problem(
        &post(&node, "rollback", &json!({})).await,
        422,
        "invalid",
        "`revision` is missing",
    );
}

#[tokio::test]
async fn a_dry_run_tells_what_an_apply_would_do_or_why_it_would_be_refused() {
    let node = with_past().await;
    let bob = |spec: Value| json!({ "objects": [{ "kind": "account", "name": "bob", "spec": spec }] });
    let home = json!({ "storage": "files" });
    let same = post(&node, "apply?dry_run=true", &bob(json!({ "home": home }))).await;
    assert_eq!(same.body["plan"]["counts"]["unchanged"], 1, "{}", same.text);
    let other = post(
        &node,
        "apply?dry_run=true",
        &bob(json!({ "home": home, "sessions_max": 1, "password": "correct horse" })),
    )
    .await;
    let change = &other.body["plan"]["changes"][0];
    assert_eq!(
        (&change["action"], &change["secrets_changed"]),
        (&json!("update"), &json!(["password"]))
    );
    assert!(change["fields"].to_string().contains("spec.sessions_max"), "{change}");
    let dangling = post(
        &node,
        "apply?dry_run=true",
        &bob(json!({ "home": { "storage": "none" } })),
    )
    .await;
    problem(&dangling, 422, "dangling", "storage `none`");
    assert_eq!(dangling.body["plan"]["counts"]["update"], 1);
    assert_eq!(node.cluster.view().revision, 5);
}

#[tokio::test]
async fn an_export_applied_elsewhere_gives_the_same_catalog() {
    let node = with_past().await;
    node.put("host-key/main", json!({})).await;
    node.put("service/sftp", json!({ "port": 22, "host_keys": ["main"] }))
        .await;
    node.put("group/partners", json!({ "roles": [] })).await;
    node.put(
        "account/carol",
        json!({ "password": "correct horse", "groups": ["partners"] }),
    )
    .await;
    let token = administrator(&node, "anna", "owner").await;

    let plain = get(&node, "export").await;
    assert!(
        !plain.to_string().contains("argon2") && !plain.to_string().contains("PRIVATE"),
        "{plain}"
    );
    let left = plain["left_out"].to_string();
    assert!(
        left.contains("carol") && left.contains("main") && left.contains("anna"),
        "{left}"
    );

    let whole = get(&node, "export?with_credentials=true").await;
    let other = Node::new();
    let applied = post(&other, "apply", &whole).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let (here, there) = (node.cluster.view(), other.cluster.view());
    let hash = |view: &crate::catalog::View| view.accounts.get("carol").unwrap().spec.password.clone();
    assert_eq!(hash(&here), hash(&there));
    let public = |view: &crate::catalog::View| view.host_keys.get("main").unwrap().spec.public.clone();
    assert_eq!(public(&here), public(&there));
    assert_eq!(
        get(&other, "export?with_credentials=true").await["objects"],
        whole["objects"]
    );
    let header = format!("Bearer {token}");
    assert_eq!(remote(&other, "GET", "/api/v1/status", &[&header]).await.status, 200);
    // Page by page it is the same.
    let (mut after, mut paged) = (String::new(), Vec::new());
    loop {
        let page = get(&node, &format!("export?with_credentials=true&limit=2{after}")).await;
        paged.extend(page["objects"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(json!(paged), whole["objects"]);
    // Only an owner may.
    let viewer = administrator(&node, "vera", "viewer").await;
    let header = format!("Bearer {viewer}");
    let refused = remote(&node, "GET", "/api/v1/export?with_credentials=true", &[&header]).await;
    problem(&refused, 403, "forbidden", "owner");
    assert_eq!(remote(&node, "GET", "/api/v1/export", &[&header]).await.status, 200);
}

#[tokio::test]
async fn a_password_hash_is_taken_over_from_owners_only_and_at_a_bounded_cost() {
    let node = Node::new();
    let hash = crate::auth::hash_password("correct horse").unwrap().0;
    let token = administrator(&node, "otto", "operator").await;
    let body = spec(&json!({ "password_hash": hash }));
    let request = http::Request::put("/api/v1/account/a").header("authorization", format!("Bearer {token}"));
    let origin = Origin::Remote("192.0.2.9:50000".parse().unwrap());
    let refused = node.send(request.body(body.clone()).unwrap(), Some(origin)).await;
    problem(&refused, 403, "forbidden", "only an owner");
    let put = async |body: &str| node.ask("PUT", "/api/v1/account/a", &[], body).await;
    assert_eq!(put(&body).await.status, 200);
    let costly = hash.replace("m=19456", "m=99999999");
    for bad in ["x", "", "$argon2id$v=19$m=8,t=1,p=1$", &costly] {
        let answer = put(&spec(&json!({ "password_hash": bad }))).await;
        problem(&answer, 422, "invalid", "password_hash");
        assert!(
            bad.is_empty() || bad == "x" || !answer.text.contains(bad),
            "{}",
            answer.text
        );
    }
    let both = put(&spec(&json!({ "password_hash": hash, "password": "correct horse" }))).await;
    problem(&both, 422, "invalid", "one of the two");
}
