//! What administrators do outside the catalog stands in the journal, with who, from where, and what became of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Login, among_others, eventually, limits};

/// All events in the journal of node `at`.
pub fn journal(cluster: &Cluster, at: usize) -> Vec<Value> {
    let folder = cluster.nodes[at].data.join("events");
    let mut events = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        events.extend(
            text[..whole]
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    events
}

#[track_caller]
fn check(events: &[Value], number: u64, name: &str, outcome: &str, fields: &Value) {
    let found = events.iter().find(|event| {
        let fits = |(key, value): (&String, &Value)| event[key] == *value;
        event["number"] == number && event["outcome"] == outcome && fields.as_object().unwrap().iter().all(fits)
    });
    let found = found.unwrap_or_else(|| panic!("no event {number} {outcome} with {fields}: {events:#?}"));
    assert_eq!(found["event"], name);
    assert!(
        found["actor"].as_str().is_some_and(|actor| !actor.is_empty()),
        "{found}"
    );
    let from = found["from"].as_str().unwrap();
    let peer = from.parse::<std::net::SocketAddr>().is_ok();
    assert!(peer || from == "local socket", "{found}");
    assert_eq!(found["reason"].is_string(), outcome == "failed", "{found}");
}

#[test]
fn what_is_done_outside_the_catalog_is_written_down() {
    let _among = among_others();
    let cluster = Cluster::start(2);
    let api = cluster.api(0);

    let account = Account::create(&cluster);
    account.plant("long", &noise(5, 64 << 20));
    let login = Login::new(&cluster, &account, 1);
    let mut reader = login.talk("slow_get.py", json!({"path": "/long"}));
    reader.expect("bytes");
    let session = eventually("a session on the second node", limits::START, || {
        let list = api.get("/api/v1/session").ok().json();
        list["sessions"][0]["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or(list.to_string())
    });
    api.ask("POST", &format!("/api/v1/session/{session}/close"), &[], b"")
        .unwrap()
        .ok();
    let nobody = "0".repeat(32);
    let missing = api
        .ask("POST", &format!("/api/v1/session/{nobody}/close"), &[], b"")
        .unwrap();
    missing.problem(&[404]);

    let token = api
        .post("/api/v1/join-token", &json!({"valid_seconds": 77}))
        .ok()
        .json();
    api.ask("POST", "/api/v1/node/n2/lead", &[], b"").unwrap().ok();
    cluster.wait_voters(2);
    api.ask("POST", "/api/v1/node/n9/lead", &[], b"")
        .unwrap()
        .problem(&[404]);
    api.delete("/api/v1/node/n9").problem(&[404]);
    api.with_limit(Duration::from_secs(30)).delete("/api/v1/node/n2").ok();

    let events = journal(&cluster, 0);
    check(&events, 42, "join-token-issued", "done", &json!({"valid_seconds": 77}));
    check(&events, 43, "node-removed", "failed", &json!({"target": "n9"}));
    check(&events, 43, "node-removed", "done", &json!({"target": "n2"}));
    check(&events, 44, "leadership-moved", "failed", &json!({"target": "n9"}));
    check(&events, 44, "leadership-moved", "done", &json!({"target": "n2"}));
    check(
        &events,
        45,
        "session-close-asked",
        "failed",
        &json!({"session": nobody, "target": null}),
    );
    check(
        &events,
        45,
        "session-close-asked",
        "done",
        &json!({"session": session, "target": "n2"}),
    );
    let text = format!("{events:?}");
    assert!(
        !text.contains(token["token"].as_str().unwrap()),
        "a join token stands in the journal"
    );
}
