//! The history on real nodes: kept on disk, told by every node, gone back in, and exported to another cluster.

use serde_json::{Value, json};

use crate::rig::{Account, Api, Cluster, Login, among_others};

fn objects(api: &Api) -> Value {
    api.get("/api/v1/export?with_credentials=true").ok().json()["objects"].clone()
}

#[test]
fn the_past_is_told_by_every_node_and_can_be_gone_back_to() {
    let _among = among_others();
    let cluster = Cluster::start(2);
    let (one, two) = (cluster.api(0), cluster.api(1));
    let first = one
        .put("/api/v1/account/past", &json!({"sessions_max": 1}))
        .ok()
        .revision();
    one.put("/api/v1/account/past", &json!({"sessions_max": 2, "enabled": false}))
        .ok();
    two.delete("/api/v1/account/past").ok();
    let told = two.get("/api/v1/history?kind=account&name=past").ok().json();
    let actions: Vec<_> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert_eq!(actions, ["delete", "update", "create"]);
    let from = told["entries"][0]["from"].as_str().unwrap();
    assert!(from.parse::<std::net::IpAddr>().is_ok(), "{told}");
    cluster.nodes[1].stop();
    cluster.nodes[1].start();
    cluster.wait_ready(1);
    let again = two.get("/api/v1/history?kind=account&name=past").ok().json();
    assert_eq!(again, told, "a restart lost history");
    let asked = json!({"revision": first, "objects": [{"kind": "account", "name": "past"}]});
    let plan = two.post("/api/v1/rollback?dry_run=true", &asked).ok().json();
    assert_eq!(plan["plan"]["counts"]["create"], 1, "{plan}");
    two.post("/api/v1/rollback?wait=enforced", &asked).enforced();
    let back = one.get("/api/v1/account/past").ok().json();
    assert_eq!(
        (&back["spec"]["sessions_max"], &back["spec"]["enabled"]),
        (&json!(1), &json!(false))
    );
    one.post("/api/v1/rollback", &json!({"revision": 0})).problem(&[410]);
    cluster.no_panics();
}

#[test]
fn an_export_applied_to_an_empty_cluster_gives_the_same_catalog() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let account = Account::create(&cluster);
    let api = cluster.api(0);
    api.put("/api/v1/group/partners", &json!({"description": "Partners"}))
        .ok();
    let export = api.get("/api/v1/export?with_credentials=true").ok().json();
    let plain = api.get("/api/v1/export").ok().text();
    assert!(!plain.contains("argon2") && !plain.contains("PRIVATE"), "{plain}");

    let mut other = Cluster::empty();
    other.init();
    let there = other.api(0);
    let plan = there.post("/api/v1/apply?dry_run=true", &export).ok().json();
    assert!(plan["plan"]["counts"]["create"].as_u64().unwrap() > 0, "{plan}");
    there.post("/api/v1/apply?wait=enforced", &export).enforced();
    // The same names stand in both: what `init` makes was replaced.
    let there = there.with_token(Some(&cluster.token));
    assert_eq!(objects(&there), objects(&api));
    // The password that was set in the one lets in at the other.
    assert!(Login::new(&other, &account, 0).by_password().works());
    other.no_panics();
}
