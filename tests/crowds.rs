//! What comes in before a login: crowds that say nothing or junk, and balancers that say for whom they speak.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::cluster::SFTP_PORT;
use crate::rig::{Account, Cluster, Login, address, alone, eventually, shared};

/// A connection from an address of one's own.
fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    TcpStream::from(socket)
}

/// A second service on every node, like the first but for `fields`.
fn service(cluster: &Cluster, name: &str, port: u16, fields: Value) {
    let mut spec = cluster.api(0).get("/api/v1/service/sftp").ok().json()["spec"].clone();
    spec["port"] = json!(port);
    for (field, value) in fields.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let path = format!("/api/v1/service/{name}?wait=enforced");
    cluster.api(0).put(&path, &spec).enforced();
}

/// A number in a node's metrics; 0 if it is not there.
fn metric(cluster: &Cluster, at: usize, line: &str) -> f64 {
    let text = cluster.api(at).get("/metrics").text();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// The memory of a node's process, in KiB.
fn memory(cluster: &Cluster, at: usize) -> u64 {
    let pid = cluster.nodes[at].process().as_ref().unwrap().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How long a login takes, to an open SFTP channel.
fn login_seconds(login: &Login) -> f64 {
    let report = login.python("login_time.py", json!({})).ok();
    let report: Value = serde_json::from_str(report.out.lines().last().unwrap()).unwrap();
    report["seconds"].as_f64().unwrap()
}

#[test]
fn three_hundred_junk_connections_from_one_address_hold_up_nobody_else() {
    let cluster = shared().cluster();
    let _alone = alone();
    let account = Account::create(cluster);
    let login = Login::new(cluster, &account, 0);
    let (junk, server) = (address::of_client(), login.server);
    let alone_seconds = login_seconds(&login);
    let before = metric(
        cluster,
        0,
        "argosy_listener_refused_total{service=\"sftp\",reason=\"unauthenticated-per-address\"}",
    );
    let mut held = Vec::new();
    for number in 0..300 {
        let mut stream = connect(junk, server);
        let _ = stream.write_all(if number % 2 == 0 {
            b"\x16\x03\x01\x00junk"
        } else {
            b"GET / HTTP/1.1\r\n"
        });
        held.push(stream);
    }
    let seconds = login_seconds(&login);
    // Within a second; a machine that needs as long for a login alone may take twice its own time.
    assert!(
        seconds < (2.0 * alone_seconds).max(1.0),
        "a login took {seconds} s next to junk, {alone_seconds} s without"
    );
    let after = metric(
        cluster,
        0,
        "argosy_listener_refused_total{service=\"sftp\",reason=\"unauthenticated-per-address\"}",
    );
    assert!(after - before >= 200.0, "{before} refused before, {after} after");
}

#[test]
fn five_hundred_stalled_clients_take_bounded_memory_and_leave_no_trace() {
    let cluster = shared().cluster();
    let _alone = alone();
    let account = Account::create(cluster);
    let login = Login::new(cluster, &account, 1);
    assert!(login.works());
    let before = memory(cluster, 1);
    let mut held = Vec::new();
    for _ in 0..25 {
        let from = address::of_client();
        for _ in 0..20 {
            let mut stream = connect(from, login.server);
            let _ = stream.write_all(b"SSH-2.0-stalled\r\n");
            held.push(stream);
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    let grown = memory(cluster, 1).saturating_sub(before);
    assert!(grown < 64 * 1024, "500 stalled clients took {grown} KiB");
    assert!(login.works() || held.len() == 500, "the node answers");
    drop(held);
    eventually("there is room again", Duration::from_secs(10), || {
        login.works().then_some(()).ok_or_else(|| "refused".to_owned())
    });
}

/// Speaks for a client by a header, as a balancer does, and then carries bytes both ways.
fn balancer(header: &'static [u8], server: SocketAddr) -> (SocketAddr, Ipv4Addr) {
    let own = address::of_client();
    let listener = TcpListener::bind((own, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut node = connect(own, server);
            let _ = node.write_all(header);
            let (mut from, mut to) = (client.try_clone().unwrap(), node.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let (mut from, mut to) = (node, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    (address, own)
}

#[test]
fn behind_a_balancer_the_address_of_its_header_counts() {
    let shared = shared();
    let mut account = Account::create(&shared);
    let port = SFTP_PORT + 140;
    let server = shared.nodes[0].at(port);
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xcb\x00\x71\x01\x10\x00\x00\x16";
    let named = [
        (
            balancer(b"PROXY TCP4 203.0.113.7 203.0.113.1 4711 22\r\n", server),
            "203.0.113.7:4711",
        ),
        (balancer(v2, server), "203.0.113.9:4096"),
    ];
    let trusted: Vec<_> = named.iter().map(|((_, own), _)| format!("{own}/32")).collect();
    service(&shared, "balanced", port, json!({"proxy_networks": trusted}));
    account.change(&shared, 0, json!({"sources": ["203.0.113.0/24"]}));
    for ((through, _), peer) in named {
        let mut login = Login::new(&shared, &account, 0);
        login.server = through;
        let mut idle = login.talk("idle.py", json!({}));
        idle.expect("started");
        let peers: Vec<_> = account
            .sessions(&shared, 2)
            .iter()
            .map(|row| row["peer"].clone())
            .collect();
        assert!(peers.contains(&json!(peer)), "{peers:?}");
    }
    // Past the balancer: the account's own networks do not hold the client's address.
    let mut past = Login::new(&shared, &account, 0);
    past.server = server;
    assert!(!past.works(), "a client past the balancer was let in");
    shared
        .api(0)
        .delete("/api/v1/service/balanced?wait=enforced")
        .enforced();
}

#[test]
fn a_header_from_a_stranger_gains_nothing_and_is_counted() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.change(&shared, 0, json!({"sources": ["203.0.113.0/24"]}));
    let server = shared.nodes[2].at(SFTP_PORT);
    let counted = || metric(&shared, 2, "argosy_listener_proxy_errors_total{kind=\"stranger\"}");
    let before = counted();
    let (through, _) = balancer(b"PROXY TCP4 203.0.113.7 203.0.113.1 4711 22\r\n", server);
    let mut login = Login::new(&shared, &account, 2);
    login.server = through;
    assert!(!login.works(), "a stranger's header was believed");
    assert!(counted() > before);
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
        .write_all(b"PROXY TCP4 203.0.113.7 203.0.113.1 4711 22\r\nSSH-2.0-x\r\n")
        .unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(
        said.starts_with(b"SSH-2.0-") && said.len() < 300,
        "{}",
        said.escape_ascii()
    );
}

#[test]
fn a_service_for_some_networks_is_for_them_alone() {
    let shared = shared();
    let account = Account::create(&shared);
    let port = SFTP_PORT + 141;
    let mut login = Login::new(&shared, &account, 0);
    login.server.set_port(port);
    let own = IpAddr::V4(login.from);
    service(&shared, "narrow", port, json!({"sources": [format!("{own}/32")]}));
    assert!(login.works());
    let mut other = Login::new(&shared, &account, 0);
    other.server.set_port(port);
    assert!(!other.works(), "a foreign address was let in");
    shared.api(0).delete("/api/v1/service/narrow?wait=enforced").enforced();
}

#[test]
fn a_service_that_goes_off_lets_transfers_end_and_idle_sessions_go() {
    let shared = shared();
    let account = Account::create(&shared);
    let port = SFTP_PORT + 142;
    service(&shared, "leaving", port, json!({"drain_seconds": 6}));
    account.plant("long", &crate::rig::account::noise(5, 64 << 20));
    let mut login = Login::new(&shared, &account, 1);
    login.server.set_port(port);
    let mut reader = login.talk("slow_get.py", json!({"path": "/long"}));
    reader.expect("bytes");
    let mut idle = login.talk("idle.py", json!({}));
    idle.expect("started");
    service(&shared, "leaving", port, json!({"drain_seconds": 6, "enabled": false}));
    let begun = std::time::Instant::now();
    assert!(TcpStream::connect(login.server).is_err(), "the port is still open");
    idle.within("ended", Duration::from_secs(4));
    reader.drain();
    for _ in 0..5 {
        reader.expect("bytes");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "the machine is too slow for this test"
    );
    reader.within("ended", Duration::from_secs(10));
    assert!(begun.elapsed() > Duration::from_secs(5), "cut before its time");
    shared.api(0).delete("/api/v1/service/leaving?wait=enforced").enforced();
}
