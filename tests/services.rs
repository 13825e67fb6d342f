//! Ports and host keys are changed live: on every node, and without disturbing a running transfer.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, among_others, cluster, eventually, limits, process};

fn opens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

/// The service as it is, without what only reads show.
fn spec(cluster: &Cluster, name: &str) -> Value {
    cluster.api(0).get(&format!("/api/v1/service/{name}")).ok().json()["spec"].clone()
}

/// The host keys that a port shows, as `algorithm base64`.
fn host_keys(address: SocketAddr) -> Vec<String> {
    let mut command = process::command("ssh-keyscan");
    command.args(["-T", "10", "-p", &address.port().to_string(), &address.ip().to_string()]);
    let done = process::run(command, b"");
    let mut keys: Vec<_> = done
        .out
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(_, key)| key.to_owned())
        .collect();
    keys.sort();
    keys
}

/// A download on each node that runs on and on.
fn readers(cluster: &Cluster, account: &Account) -> Vec<Talk> {
    account.plant("long", &noise(5, 64 << 20));
    let readers = (0..cluster.nodes.len()).map(|at| {
        let login = Login::new(cluster, account, at);
        let mut reader = login.talk("slow_get.py", json!({"path": "/long"}));
        reader.expect("bytes");
        reader
    });
    readers.collect()
}

#[track_caller]
fn all_go_on(readers: &mut [Talk], what: &str) {
    for (at, reader) in readers.iter_mut().enumerate() {
        let before: Vec<_> = reader.drain();
        assert!(
            before.iter().all(|report| report.get("ended").is_none()),
            "{what}: node {at}: {before:?}"
        );
        for _ in 0..20 {
            reader.expect("bytes");
        }
    }
}

#[test]
fn a_port_is_changed_on_every_node_while_transfers_run() {
    let _among = among_others();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    let mut readers = readers(&cluster, &account);
    let new_port = cluster::SFTP_PORT + 1;
    cluster
        .cli(
            1,
            &["service", "set", "sftp", "--port", &new_port.to_string(), "--wait"],
            b"",
        )
        .ok();
    for (at, node) in cluster.nodes.iter().enumerate() {
        assert!(opens(node.at(new_port)), "node {at} does not listen on the new port");
        assert!(
            !opens(node.at(cluster::SFTP_PORT)),
            "node {at} still listens on the old port"
        );
        let mut login = Login::new(&cluster, &account, at);
        login.server = node.at(new_port);
        assert!(login.works());
    }
    all_go_on(&mut readers, "a change of the port");
    // A second service next to the first; then it goes, with its sessions.
    let mut second = spec(&cluster, "sftp");
    second["port"] = json!(new_port + 1);
    let path = "/api/v1/service/second?wait=enforced";
    cluster.api(2).put(path, &second).enforced();
    let mut login = Login::new(&cluster, &account, 0);
    login.server = cluster.nodes[0].at(new_port + 1);
    let mut idle = login.talk("idle.py", json!({}));
    idle.expect("started");
    cluster.api(0).delete(path).enforced();
    assert!(!opens(cluster.nodes[0].at(new_port + 1)));
    idle.within("ended", limits::ENFORCED);
    all_go_on(&mut readers, "a removed service");
}

#[test]
fn a_port_that_cannot_be_opened_is_reported_and_the_old_services_live() {
    let _among = among_others();
    let cluster = Cluster::start(2);
    let account = Account::create(&cluster);
    let taken = std::net::TcpListener::bind((cluster.nodes[1].address, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut second = spec(&cluster, "sftp");
    second["port"] = json!(port);
    let answer = cluster
        .api(0)
        .put("/api/v1/service/second?wait=enforced", &second)
        .ok()
        .json();
    assert_eq!(answer["enforced"]["n1"]["state"], "enforced", "{answer}");
    assert_eq!(answer["enforced"]["n2"]["state"], "failed", "{answer}");
    let reason = answer["enforced"]["n2"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&port.to_string()), "{answer}");
    assert!(Login::new(&cluster, &account, 1).works());
    // Once the port is free, the node takes it by itself.
    drop(taken);
    eventually("the port is opened", limits::START, || {
        if opens(cluster.nodes[1].at(port)) {
            Ok(())
        } else {
            Err("closed".to_owned())
        }
    });
    // Two services on one port contradict each other.
    cluster.api(0).put("/api/v1/service/third", &second).problem(&[422]);
}

#[test]
fn a_host_key_is_the_same_on_every_node_and_is_changed_while_transfers_run() {
    let _among = among_others();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    let before = host_keys(cluster.nodes[0].at(cluster::SFTP_PORT));
    assert!(!before.is_empty(), "no host key is shown");
    for node in &cluster.nodes {
        assert_eq!(host_keys(node.at(cluster::SFTP_PORT)), before, "{}", node.name);
    }
    let mut readers = readers(&cluster, &account);
    cluster.cli(2, &["host-key", "create", "fresh", "--wait"], b"").ok();
    let made = cluster.api(0).get("/api/v1/host-key/fresh").ok().json();
    let public = made["spec"]["public"].as_str().unwrap().to_owned();
    let mut service = spec(&cluster, "sftp");
    service["host_keys"] = json!(["fresh"]);
    cluster
        .api(1)
        .put("/api/v1/service/sftp?wait=enforced", &service)
        .enforced();
    for (at, node) in cluster.nodes.iter().enumerate() {
        assert_eq!(
            host_keys(node.at(cluster::SFTP_PORT)),
            std::slice::from_ref(&public),
            "{}",
            node.name
        );
        assert!(Login::new(&cluster, &account, at).works());
    }
    all_go_on(&mut readers, "a changed host key");
    // A key in use can't be removed, the old one can.
    cluster.api(0).delete("/api/v1/host-key/fresh").problem(&[409]);
    // What a partner has pinned stays across restarts.
    cluster.nodes[1].stop();
    cluster.nodes[1].start();
    cluster.wait_ready(1);
    assert_eq!(host_keys(cluster.nodes[1].at(cluster::SFTP_PORT)), [public]);
}

#[test]
fn a_node_may_differ_from_the_others() {
    let _among = among_others();
    let cluster = Cluster::start(2);
    let mut service = spec(&cluster, "sftp");
    let other = cluster::SFTP_PORT + 7;
    service["nodes"] = json!({"n2": {"port": other}});
    cluster
        .api(0)
        .put("/api/v1/service/sftp?wait=enforced", &service)
        .enforced();
    assert!(opens(cluster.nodes[0].at(cluster::SFTP_PORT)));
    assert!(!opens(cluster.nodes[1].at(cluster::SFTP_PORT)));
    assert!(opens(cluster.nodes[1].at(other)));
    service["nodes"] = json!({"n2": {"enabled": false}});
    cluster
        .api(1)
        .put("/api/v1/service/sftp?wait=enforced", &service)
        .enforced();
    assert!(!opens(cluster.nodes[1].at(other)));
    assert!(opens(cluster.nodes[0].at(cluster::SFTP_PORT)));
}
