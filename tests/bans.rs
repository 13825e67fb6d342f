//! Who guesses is kept out: counted over all nodes, banned on all, visible and removable through any.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, eventually, limits};

/// The failures of one address that lead to a ban here.
const FAILURES_MAX: usize = 9;

fn cluster() -> Cluster {
    let cluster = Cluster::start(3);
    settings(
        &cluster,
        json!({"failures_per_address_max": FAILURES_MAX, "ban_seconds": 600}),
    );
    cluster
}

/// Delays would only make these tests slow: the bans are what is looked at.
fn settings(cluster: &Cluster, throttle: Value) {
    let spec = json!({"login_delay_millis": 0, "login_delay_max_millis": 0, "throttle": throttle});
    let path = "/api/v1/settings/cluster?wait=enforced";
    cluster.api(0).put(path, &spec).enforced();
}

/// The names of all bans, as node `at` has them.
fn bans(cluster: &Cluster, at: usize) -> Vec<String> {
    let list = cluster.api(at).get("/api/v1/ban?consistency=local").ok().json();
    let objects = list["objects"].as_array().unwrap();
    objects
        .iter()
        .map(|ban| ban["name"].as_str().unwrap().to_owned())
        .collect()
}

/// One wrong password at node `at`; whether it was looked at, and not turned away before.
fn guess(cluster: &Cluster, login: &Login, at: usize) -> bool {
    let mut login = login.clone().by_password();
    login.server = Login::new(cluster, &login.account, at).server;
    let done = login.python("failed_logins.py", json!({"tries": 1, "names": [login.account.name]}));
    done.status.success()
}

#[test]
fn an_attack_over_three_nodes_is_counted_as_one_and_its_ban_is_everywhere() {
    let cluster = cluster();
    let account = Account::create(&cluster);
    let attacker = Login::new(&cluster, &account, 0);
    let friend = Login::new(&cluster, &account, 1);
    let mut watching: Talk = attacker.talk("idle.py", json!({}));
    watching.expect("started");
    let looked_at = (0..3 * FAILURES_MAX)
        .filter(|at| guess(&cluster, &attacker, at % 3))
        .count();
    assert_eq!(looked_at, FAILURES_MAX, "tries of an attack over three nodes");
    let name = format!("auto-address-{}", attacker.from);
    for at in 0..3 {
        assert_eq!(bans(&cluster, at), std::slice::from_ref(&name), "node {at}");
        let mut good = attacker.clone();
        good.server = Login::new(&cluster, &account, at).server;
        assert!(!good.works(), "a key from the banned address at node {at}");
        assert!(friend.works(), "another address");
    }
    watching.within("ended", limits::ENFORCED);
    let shown = cluster.cli(2, &["get", "ban", &name, "--output", "json"], b"").ok();
    assert!(shown.out.contains("failed logins"), "{}", shown.out);
    cluster
        .api(1)
        .delete(&format!("/api/v1/ban/{name}?wait=enforced"))
        .enforced();
    assert!(attacker.works(), "the ban was removed");
    assert!(guess(&cluster, &attacker, 2), "counting begins anew");
    for (at, node) in cluster.nodes.iter().enumerate() {
        let events = events(node);
        for (event, count) in [("ban-began", 1), ("ban-ended", 1)] {
            let found = events
                .iter()
                .filter(|found| found["event"] == event && found["ban"] == name.as_str());
            assert_eq!(found.count(), count, "node {at}: {event}");
        }
        assert!(
            events.iter().any(|found| found["event"] == "connection-banned"),
            "node {at}"
        );
    }
    cluster.no_panics();
}

/// All that a node's journal holds.
fn events(node: &crate::rig::cluster::Node) -> Vec<Value> {
    let files = std::fs::read_dir(node.data.join("events")).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let lines: Vec<_> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
fn a_ban_by_an_administrator_closes_sessions_everywhere_and_ends_by_itself() {
    let cluster = cluster();
    let account = Account::create(&cluster);
    let logins: Vec<_> = (0..3).map(|at| Login::new(&cluster, &account, at)).collect();
    let mut idle: Vec<_> = logins
        .iter()
        .map(|login| {
            let mut idle = login.talk("idle.py", json!({}));
            idle.expect("started");
            idle
        })
        .collect();
    cluster
        .api(0)
        .put(
            "/api/v1/ban/abuse",
            &json!({"account": account.name, "reason": "abuse"}),
        )
        .ok();
    for idle in &mut idle {
        idle.within("ended", limits::ENFORCED);
    }
    assert!(logins.iter().all(|login| !login.works()));
    for at in 0..3 {
        assert_eq!(gauge(&cluster, at, "account"), 1, "node {at}");
        assert_eq!(gauge(&cluster, at, "network"), 0, "node {at}");
    }
    cluster.api(2).delete("/api/v1/ban/abuse?wait=enforced").enforced();
    assert!(logins.iter().all(|login| login.works()));
    let network = format!("{}/32", logins[1].from);
    let until = cluster_time(Duration::from_secs(3));
    cluster
        .api(1)
        .put(
            "/api/v1/ban/short?wait=enforced",
            &json!({"network": network, "until": until}),
        )
        .enforced();
    assert!((0..3).all(|at| gauge(&cluster, at, "network") == 1));
    assert!(!logins[1].works() && logins[0].works());
    eventually("the ban has ended", Duration::from_secs(20), || {
        logins[1].works().then_some(()).ok_or_else(|| "kept out".to_owned())
    });
    assert!((0..3).all(|at| gauge(&cluster, at, "network") == 0));
    eventually("the ban is gone", limits::START, || {
        let left = bans(&cluster, 0);
        left.is_empty().then_some(()).ok_or_else(|| format!("{left:?}"))
    });
}

/// Bans in force, as a node's metrics have them.
fn gauge(cluster: &Cluster, at: usize, target: &str) -> u64 {
    let text = cluster.api(at).get("/metrics").text();
    let name = format!("argosy_bans{{target=\"{target}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no line `{name}` in:\n{text}"))
        .parse()
        .unwrap()
}

/// A moment from now, as RFC 3339.
fn cluster_time(from_now: Duration) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let millis = i64::try_from((now + from_now).as_millis()).unwrap();
    argosy::clock::UnixMillis(millis).to_rfc3339()
}

#[test]
fn without_a_quorum_each_node_keeps_to_its_share_and_an_allowed_network_is_never_kept_out() {
    let cluster = cluster();
    let account = Account::create(&cluster);
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    eventually("the quorum is lost", limits::START, || {
        let status = cluster.api(0).get("/api/v1/status").json();
        (status["quorum"] == false)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
    let attacker = Login::new(&cluster, &account, 0);
    let mut wrong = attacker.clone().by_password();
    wrong.account.password = "wrong".to_owned();
    for _ in 0..FAILURES_MAX / 3 {
        assert!(!wrong.works());
    }
    assert!(
        !attacker.clone().by_password().works(),
        "the right password after this node's share of guesses"
    );
    assert!(attacker.works(), "a key is no guess");
    assert!(
        Login::new(&cluster, &account, 0).by_password().works(),
        "another address"
    );
}
