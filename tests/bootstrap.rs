//! How a cluster begins and grows: init, join tokens, join, removal, restart.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::rig::process::Done;
use crate::rig::{Account, Cluster, Login, among_others, eventually, limits};

/// A refusal must say something that helps, and leave no node behind.
#[track_caller]
fn join_refused(cluster: &Cluster, token: &str, what: &str) -> Done {
    let node = cluster.next_node();
    let done = cluster.run_join(&node, token).refused();
    assert!(
        done.err.trim().len() > 20,
        "{what}: the refusal says only `{}`",
        done.err
    );
    assert!(!done.said().contains("panicked"), "{what}: {}", done.said());
    assert!(
        token.len() < 20 || !done.said().contains(token),
        "{what}: the refusal repeats the token"
    );
    let _ = std::fs::remove_dir_all(&node.data);
    done
}

fn members(cluster: &Cluster) -> usize {
    cluster.api(0).get("/api/v1/node").ok().json()["nodes"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn a_first_node_serves_and_its_token_is_an_owners() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let api = cluster.api(0);
    assert_eq!(api.get("/api/v1/status").ok().json()["role"], "leader");
    assert_eq!(api.with_token(None).get("/health/live").status, 200);
    assert_eq!(api.with_token(None).get("/health/cluster").status, 200);
    let account = Account::create(&cluster);
    assert!(Login::new(&cluster, &account, 0).works());
    let key = std::fs::metadata(cluster.nodes[0].data.join("cluster/node.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn init_refuses_a_folder_that_already_holds_a_node() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let account = Account::create(&cluster);
    let node = &cluster.nodes[0];
    let mut command = crate::rig::cluster::argosy();
    command.arg("init");
    node.flags(&mut command);
    let done = crate::rig::process::run(command, b"").refused();
    assert!(!done.out.contains("token: "), "{}", done.out);
    assert!(Login::new(&cluster, &account, 0).works());
}

#[test]
fn a_join_token_that_is_forged_cut_or_foreign_is_refused_and_admits_nobody() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let other = Cluster::start(1);
    let good = cluster.join_token(0);
    let foreign = other.join_token(0);
    // The last characters are the secret's: change them, keep the rest.
    let mut flipped = good.clone();
    let at = flipped.len() - 4;
    let swapped = if &flipped[at..=at] == "A" { "B" } else { "A" };
    flipped.replace_range(at..=at, swapped);
    for (what, token) in [
        ("nothing", String::new()),
        ("a word", "token".to_owned()),
        ("a path", "/etc/passwd".to_owned()),
        ("half a token", good[..good.len() / 2].to_owned()),
        ("a token and more", format!("{good}0")),
        ("a changed secret", flipped),
        ("very long", "a".repeat(1_000_000)),
    ] {
        join_refused(&cluster, &token, what);
    }
    // A token of another cluster leads there; it must not be taken by this one.
    let node = cluster.next_node();
    let before = members(&other);
    let done = cluster.run_join(&node, &foreign);
    assert_eq!(members(&cluster), 1, "a foreign token admitted a node: {}", done.said());
    assert!(members(&other) <= before + 1);
    assert_eq!(members(&cluster), 1);
    cluster.no_panics();
}

#[test]
fn a_join_token_works_once_and_only_in_its_time() {
    let _among = among_others();
    let mut cluster = Cluster::start(1);
    let token = cluster.join_token(0);
    let node = cluster.next_node();
    cluster.run_join(&node, &token).ok();
    node.start();
    cluster.nodes.push(node);
    cluster.wait_ready(1);
    cluster.wait_voters(2);
    join_refused(&cluster, &token, "a used token");
    assert_eq!(members(&cluster), 2);
    let brief = cluster.api(0).post("/api/v1/join-token", &json!({"valid_seconds": 1}));
    if brief.status == 200 {
        let json = brief.json();
        let old = json["token"].as_str().unwrap().to_owned();
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        join_refused(&cluster, &old, "an old token");
        assert_eq!(members(&cluster), 2);
    } else {
        panic!(
            "a token with a time of its own cannot be made: {} {}",
            brief.status,
            brief.text()
        );
    }
}

#[test]
fn a_joined_node_serves_what_was_there_before_and_both_restart() {
    let _among = among_others();
    let mut cluster = Cluster::start(1);
    let account = Account::create(&cluster);
    account.plant("before.txt", b"before");
    cluster.join();
    assert!(Login::new(&cluster, &account, 1).works());
    for at in [0, 1] {
        cluster.nodes[at].stop();
    }
    for at in [0, 1] {
        cluster.nodes[at].start();
    }
    for at in [0, 1] {
        cluster.wait_ready(at);
    }
    eventually("a leader after a restart", limits::START, || {
        let answer = cluster.api(1).ask("GET", &account.path(), &[], b"")?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    });
    for at in [0, 1] {
        Login::new(&cluster, &account, at).sftp("get before.txt /dev/null").ok();
    }
}

#[test]
fn a_removed_node_is_no_longer_heard_and_its_place_can_be_taken() {
    let _among = among_others();
    let mut cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    cluster.nodes[2].kill();
    cluster.cli(0, &["node", "remove", "n3"], b"").ok();
    eventually("two members", limits::START, || match members(&cluster) {
        2 => Ok(()),
        count => Err(format!("{count} members")),
    });
    // It comes back with all it had: certificate, log, data key.
    cluster.nodes[2].start();
    let mut changed = account.clone();
    changed.spec["sessions_max"] = json!(7);
    changed.tell(&cluster, 1);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(members(&cluster), 2, "a removed node came back by itself");
    let seen = cluster.api(2).with_limit(std::time::Duration::from_secs(3));
    if let Ok(answer) = seen.ask("GET", &format!("{}?consistency=local", account.path()), &[], b"") {
        assert_ne!(
            answer.json()["spec"]["sessions_max"],
            7,
            "a removed node was told of a change"
        );
    }
    cluster.nodes[2].kill();
    // The same join command, in a new folder, takes its place.
    let old = cluster.nodes.pop().unwrap();
    std::fs::remove_dir_all(&old.data).unwrap();
    cluster.join();
    assert!(Login::new(&cluster, &account, 2).works());
    cluster.no_panics();
}
