//! Pages and filters.

use serde_json::json;

use super::*;

async fn names(node: &Node, query: &str) -> Vec<String> {
    let answer = node.ask("GET", &format!("/api/v1/{query}"), &[], "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let objects = answer.body["objects"].as_array().unwrap();
    objects
        .iter()
        .map(|object| object["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_is_read_in_pages_and_shows_what_a_filter_takes() {
    let node = Node::new();
    node.put("storage/files", json!({ "root": "/srv/files" })).await;
    for name in ["alice", "alex", "bob"] {
        let home = (name != "bob").then(|| json!({ "storage": "files" }));
        node.put(
            &format!("account/{name}"),
            json!({ "enabled": name != "alex", "home": home }),
        )
        .await;
    }
    assert_eq!(names(&node, "account").await, ["alex", "alice", "bob"]);
    assert_eq!(names(&node, "account?name=al*").await, ["alex", "alice"]);
    assert_eq!(names(&node, "account?name=al*&enabled=true").await, ["alice"]);
    assert_eq!(names(&node, "account?enabled=false").await, ["alex"]);
    assert_eq!(names(&node, "account?storage=files&limit=1").await, ["alex"]);
    assert_eq!(
        names(&node, "account?storage=files&limit=1&after=alex").await,
        ["alice"]
    );
    assert_eq!(names(&node, "account?name=%3Flice").await, ["alice"]);
    assert_eq!(names(&node, "account?storage=other").await, [""; 0]);
    let first = node.ask("GET", "/api/v1/account?name=a*&limit=2", &[], "").await;
    // Whether the rest has one is not looked at before it is asked for.
    assert_eq!(first.body["next"], "alice");
    let last = node
        .ask("GET", "/api/v1/account?name=a*&limit=2&after=alice", &[], "")
        .await;
    assert_eq!((&last.body["objects"], &last.body["next"]), (&json!([]), &json!(null)));
    for (query, word) in [
        ("account?enabled=1", "true or false"),
        ("account?root=/", "unknown field `root`"),
        ("administrator?role=god", "viewer, operator, owner"),
        ("account?name=", "`name` must have"),
        ("account?limit=1&limit=2", "twice"),
    ] {
        let answer = node.ask("GET", &format!("/api/v1/{query}"), &[], "").await;
        problem(&answer, 400, "malformed", word);
    }
}
