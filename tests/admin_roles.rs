//! Who may use which route of the admin API: every route that a node documents, tried as nobody and in every role.
//!
//! The table here is written by hand and stands apart from the one that the node enforces.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rig::{Api, Cluster, among_others};

/// Roles from the least to the most.
const ROLES: [&str; 4] = ["nobody", "viewer", "operator", "owner"];

/// Who may change objects of a kind; every viewer may read them.
const KINDS: [(&str, &str); 12] = [
    ("account", "operator"),
    ("group", "operator"),
    ("ban", "operator"),
    ("role", "owner"),
    ("authority", "owner"),
    ("administrator", "owner"),
    ("api-token", "owner"),
    ("service", "owner"),
    ("host-key", "owner"),
    ("certificate", "owner"),
    ("storage", "owner"),
    ("settings", "owner"),
];

/// All other routes, each with the least role that may use it.
const OTHERS: [(&str, &str, &str); 19] = [
    ("GET", "/health/live", "nobody"),
    ("GET", "/health/ready", "nobody"),
    ("GET", "/health/cluster", "nobody"),
    ("GET", "/metrics", "nobody"),
    ("GET", "/api/v1/openapi.json", "viewer"),
    ("GET", "/api/v1/status", "viewer"),
    ("GET", "/api/v1/watch", "viewer"),
    ("GET", "/api/v1/session", "viewer"),
    ("POST", "/api/v1/session/{id}/close", "operator"),
    ("POST", "/api/v1/apply", "operator"),
    ("POST", "/api/v1/rollback", "operator"),
    ("GET", "/api/v1/export", "viewer"),
    ("GET", "/api/v1/history", "viewer"),
    ("GET", "/api/v1/history/diff", "viewer"),
    ("GET", "/api/v1/history/{revision}", "viewer"),
    ("GET", "/api/v1/node", "viewer"),
    ("DELETE", "/api/v1/node/{id}", "owner"),
    ("POST", "/api/v1/node/{id}/lead", "owner"),
    ("POST", "/api/v1/join-token", "owner"),
];

fn golden() -> Vec<(String, String, &'static str)> {
    let mut rows: Vec<_> = OTHERS
        .into_iter()
        .map(|(method, path, role)| (method.to_owned(), path.to_owned(), role))
        .collect();
    for (kind, writer) in KINDS {
        let list = format!("/api/v1/{kind}");
        let one = format!("{list}/{{name}}");
        rows.push(("GET".to_owned(), list, "viewer"));
        rows.push(("GET".to_owned(), one.clone(), "viewer"));
        for method in ["PUT", "PATCH", "DELETE"] {
            rows.push((method.to_owned(), one.clone(), writer));
        }
    }
    rows
}

/// An administrator of this role, with a token of its own.
fn with_role(api: &Api, role: &str) -> Api {
    let name = format!("a-{role}");
    api.put(&format!("/api/v1/administrator/{name}"), &json!({"role": role}))
        .ok();
    let made = api
        .put(&format!("/api/v1/api-token/{name}"), &json!({"administrator": name}))
        .ok()
        .json();
    api.with_token(Some(made["secrets"][0]["secret"].as_str().unwrap()))
}

#[test]
fn every_route_answers_each_role_as_the_table_says() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let owner = cluster.api(0);
    let document: Value = owner.get("/api/v1/openapi.json").ok().json();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (method.to_ascii_uppercase(), path.clone()))
        })
        .collect();
    let told: BTreeSet<_> = golden().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(
        documented, told,
        "a route is missing from the table of this test, or from the node"
    );

    let callers = ROLES.map(|role| match role {
        "nobody" => owner.with_token(None),
        role => with_role(&owner, role),
    });
    for (method, path, least) in golden() {
        // Nobody and nothing has these names, so that what is allowed does no harm.
        let asked = path
            .replace("{name}", "nobody")
            .replace("{id}", &"0".repeat(32))
            .replace("{revision}", "1");
        // A watch would not end.
        let asked = if path.ends_with("/watch") {
            format!("{asked}?kinds=robot")
        } else {
            asked
        };
        for (role, api) in ROLES.into_iter().zip(&callers) {
            let answer = api.ask(&method, &asked, &[], b"").unwrap();
            let rank = |role: &str| ROLES.iter().position(|known| *known == role).unwrap();
            let told = format!("{role}: {method} {asked}: {} {}", answer.status, answer.text());
            match (rank(role) >= rank(least), role) {
                (true, _) => assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{told}"),
                (false, "nobody") => assert_eq!(answer.status, 401, "{told}"),
                (false, _) => assert_eq!(answer.status, 403, "{told}"),
            }
        }
    }
}
