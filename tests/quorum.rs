//! Without a quorum the rest serves what it knows and refuses changes at once; what returns enforces what it missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Login, alone, eventually, limits};

/// More changes than a node keeps in its log for one that is away.
const CHANGES_BEYOND_THE_LOG: usize = 11_000;

#[test]
fn the_last_of_three_nodes_serves_stays_ready_and_refuses_changes_at_once() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    account.plant("long", &noise(7, 32 << 20));
    let last = (cluster.leader(0) + 1) % 3;
    let mut reader = Login::new(&cluster, &account, last).talk("slow_get.py", json!({"path": "/long"}));
    reader.expect("bytes");
    for at in (0..3).filter(|at| *at != last) {
        cluster.nodes[at].kill();
    }
    let api = cluster.api(last);
    std::thread::sleep(Duration::from_secs(1));
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let begun = Instant::now();
        let problem = api.put("/api/v1/account/late", &json!({})).problem(&[503]).json();
        slowest = slowest.max(begun.elapsed());
        assert!(problem["detail"].as_str().unwrap_or_default().len() > 20, "{problem}");
    }
    assert!(slowest < Duration::from_millis(1_500), "a refusal took {slowest:?}");
    assert_eq!(api.get("/health/ready").status, 200);
    assert_eq!(api.get("/health/live").status, 200);
    assert_eq!(api.get("/health/cluster").status, 503);
    assert_eq!(api.get("/api/v1/status").ok().json()["quorum"], false);
    api.get("/api/v1/session").ok();
    let refused = api.get(&account.path()).problem(&[503]);
    assert!(refused.text().contains("consistency=local"), "{}", refused.text());
    api.get(&format!("{}?consistency=local", account.path())).ok();
    // Logins by every means, downloads and uploads go on.
    let login = Login::new(&cluster, &account, last);
    assert!(login.works());
    assert!(login.clone().by_password().works());
    let (file, back) = (cluster.path("up"), cluster.path("down"));
    std::fs::write(&file, noise(8, 3_000_000)).unwrap();
    login
        .sftp(&format!("put {} /up\nget /up {}", file.display(), back.display()))
        .ok();
    assert_eq!(std::fs::read(&back).unwrap(), noise(8, 3_000_000));
    reader.expect("bytes");
    assert!(reader.drain().iter().all(|report| report.get("ended").is_none()));
    // It starts alone, too, and serves from what it has.
    cluster.nodes[last].kill();
    cluster.nodes[last].start();
    let begun = Instant::now();
    cluster.wait_ready(last);
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "ready only after {:?}",
        begun.elapsed()
    );
    assert!(Login::new(&cluster, &account, last).works());
    // With the others back, changes are taken again.
    for at in (0..3).filter(|at| *at != last) {
        cluster.nodes[at].start();
    }
    eventually("changes are taken again", limits::START, || {
        let answer = cluster.api(last).try_put("/api/v1/account/late", &[], &json!({}))?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    });
    cluster.no_panics();
}

/// Makes so many changes, from several clients.
fn many_changes(cluster: &Cluster, nodes: &[usize], count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..8_usize {
            let (next, at) = (&next, nodes[writer % nodes.len()]);
            scope.spawn(move || {
                let api = cluster.api(at);
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let spec = json!({"sessions_max": 1 + next.load(Ordering::Relaxed)});
                    api.put(&format!("/api/v1/account/filler-{writer}"), &spec).ok();
                }
            });
        }
    });
}

#[test]
fn a_node_that_missed_a_revocation_enforces_it_when_it_returns() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let away = (cluster.leader(0) + 1) % 3;
    let others: Vec<_> = (0..3).filter(|at| *at != away).collect();
    for changes in [0, CHANGES_BEYOND_THE_LOG] {
        let mut account = Account::create(&cluster);
        let staying = Account::create(&cluster);
        let mut session = Login::new(&cluster, &account, away).talk("idle.py", json!({}));
        let mut stays = Login::new(&cluster, &staying, away).talk("idle.py", json!({}));
        session.expect("started");
        stays.expect("started");
        cluster.nodes[away].freeze();
        account.commit(&cluster, others[0], json!({"enabled": false}));
        many_changes(&cluster, &others, changes);
        cluster.nodes[away].thaw();
        session.within("ended", Duration::from_secs(30));
        assert!(!Login::new(&cluster, &account, away).works(), "after {changes} changes");
        stays.say("list /");
        assert!(
            stays.expect("did")["error"].is_null(),
            "a session that nothing concerns was disturbed"
        );
        assert!(Login::new(&cluster, &staying, away).works());
        let path = format!("{}?wait=enforced&timeout=20s", staying.path());
        cluster
            .api(others[0])
            .put(&path, &json!({"home": staying.spec["home"]}))
            .enforced();
    }
    cluster.no_panics();
}

#[test]
fn a_node_that_was_down_for_many_changes_starts_from_a_snapshot_with_the_same_state() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let away = (cluster.leader(0) + 1) % 3;
    let others: Vec<_> = (0..3).filter(|at| *at != away).collect();
    cluster.nodes[away].kill();
    many_changes(&cluster, &others, CHANGES_BEYOND_THE_LOG);
    let made = Account::new(&cluster);
    cluster.api(others[0]).put(&made.path(), &made.spec).ok();
    cluster.nodes[away].start();
    cluster.wait_ready(away);
    eventually("the same state on all nodes", Duration::from_secs(60), || {
        let states: Vec<_> = (0..3)
            .map(|at| {
                let status = cluster.api(at).ask("GET", "/api/v1/status", &[], b"")?.json();
                Ok((status["applied"].clone(), status["state_hash"].clone()))
            })
            .collect::<Result<_, String>>()?;
        let same = states.iter().all(|state| *state == states[0] && state.1.is_string());
        if same { Ok(()) } else { Err(format!("{states:?}")) }
    });
    assert!(Login::new(&cluster, &made, away).works());
    cluster.no_panics();
}

#[test]
fn a_node_that_was_frozen_while_leading_does_not_take_changes_as_leader() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let old = cluster.leader(0);
    let other = (old + 1) % 3;
    cluster.nodes[old].freeze();
    eventually("another leader takes changes", Duration::from_secs(10), || {
        let api = cluster.api(other).with_limit(Duration::from_secs(2));
        let answer = api.try_put("/api/v1/account/contested", &[], &json!({"sessions_max": 2}))?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    });
    cluster.nodes[old].thaw();
    // It may not answer from before: the first linearizable read after it wakes shows the change.
    let seen = eventually("the old leader answers", Duration::from_secs(10), || {
        let api = cluster.api(old).with_limit(Duration::from_secs(3));
        let answer = api.ask("GET", "/api/v1/account/contested", &[], b"")?;
        match answer.status {
            503 => Err(answer.text()),
            _ => Ok(answer),
        }
    });
    assert_eq!(seen.status, 200, "a stale read: {}", seen.text());
    assert_eq!(seen.json()["spec"]["sessions_max"], 2);
}
