//! What ends soon is told before it does, and revocation lists come by themselves.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin_events::journal;
use crate::rig::tls::{Certifier, Visitor};
use crate::rig::{Cluster, among_others, eventually, limits, repository, shared};

/// Answers `/ca.crl` with a list, and else that there is nothing, for as long as the tests run.
fn publisher(list: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(asked)) = lines.next() else { continue };
            let header = lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
            assert!(header.count() > 0);
            let (status, body) = match asked.split(' ').nth(1) {
                Some("/ca.crl") => ("200 OK", list.as_str()),
                _ => ("404 Not Found", ""),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn find(cluster: &Cluster, at: usize, number: u64, fields: &[(&str, Value)]) -> Result<(), String> {
    let fits = |event: &Value| fields.iter().all(|(field, value)| event[*field] == *value);
    let found = journal(cluster, at)
        .iter()
        .any(|event| event["number"] == number && fits(event));
    match found {
        true => Ok(()),
        false => Err(format!("no event {number} with {fields:?} on node {at}")),
    }
}

#[test]
fn every_node_tells_that_a_certificate_ends_soon_in_its_journal_and_its_metrics() {
    let shared = shared();
    let cluster = &*shared;
    let spec = json!({"self_signed": {"names": ["soon.example"], "days": 5}});
    cluster.api(0).put("/api/v1/certificate/soon", &spec).ok();
    for at in 0..cluster.nodes.len() {
        let fields = [
            ("what", json!("certificate")),
            ("name", json!("soon")),
            ("days", json!(7)),
        ];
        eventually("the event", limits::START, || find(cluster, at, 57, &fields));
        let text = cluster.api(at).get("/metrics").text();
        let line = "argosy_certificate_not_after_seconds{certificate=\"soon\"} ";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("# HELP argosy_certificate_not_after_seconds "), "{text}");
    }
    let listed = cluster.cli(1, &["certificate", "list"], b"").ok().out;
    let row = listed.lines().find(|line| line.starts_with("soon ")).unwrap();
    assert!(row.contains("soon.example") && row.contains(" UTC  4 "), "{listed}");
    cluster.api(0).delete("/api/v1/certificate/soon").ok();
}

#[test]
fn a_revocation_list_is_fetched_from_where_its_authority_publishes_it() {
    let shared = shared();
    let cluster = &*shared;
    let certifier = Certifier::new("Publishers");
    let revoked = certifier.certify("left", 31);
    let address = publisher(certifier.revoke(7, &[&revoked]));
    let tell = |name: &str, file: &str| {
        let spec = json!({"kind": "tls-client", "certificates": [certifier.pem()],
            "revocation_source": {"url": format!("http://{address}/{file}"), "every_seconds": 60}});
        cluster.api(0).put(&format!("/api/v1/authority/{name}"), &spec).ok();
    };
    tell("publishers", "ca.crl");
    tell("silent", "nothing");
    for at in 0..cluster.nodes.len() {
        eventually("the list", limits::START, || {
            let authority = cluster
                .api(at)
                .get("/api/v1/authority/publishers?consistency=local")
                .ok();
            let authority = authority.json();
            match &authority["spec"]["revocation_facts"][0] {
                facts if facts["revoked"] == 1 => Ok(()),
                facts => Err(format!("it has {facts}")),
            }
        });
    }
    let fields = [("authority", json!("silent"))];
    eventually("the failure", limits::START, || {
        let all = (0..cluster.nodes.len()).map(|at| find(cluster, at, 58, &fields));
        all.fold(Err("no node".to_owned()), Result::or)
    });
    for name in ["publishers", "silent"] {
        cluster.api(0).delete(&format!("/api/v1/authority/{name}")).ok();
    }
}

#[test]
fn a_certificate_is_imported_with_its_secrets_from_standard_input() {
    let shared = shared();
    let cluster = &*shared;
    let fixture = |name: &str| {
        let path = repository().join("src/admin/certificates/fixtures").join(name);
        path.to_str().unwrap().to_owned()
    };
    let (new, old) = (fixture("new.p12"), fixture("old.p12"));
    let import = |file: &str, password: &[u8]| {
        let words = ["certificate", "import", "packed", "--pkcs12", file, "--password-stdin"];
        cluster.cli(0, &words, password)
    };
    let wrong = import(&new, b"wrong\n").refused();
    assert!(wrong.said().contains("the password is wrong"), "{}", wrong.said());
    let legacy = import(&old, b"secret\n").refused();
    assert!(legacy.said().contains("openssl pkcs12 -legacy"), "{}", legacy.said());
    import(&new, b"secret\n").ok();
    let shown = cluster.api(2).get("/api/v1/certificate/packed").ok().json();
    assert_eq!(shown["spec"]["names"], json!(["dns:ftp.example.org"]));
    assert!(!shown.to_string().contains("PRIVATE"), "{shown}");

    // The request goes to standard output, to be sent to an authority as it is.
    let words = ["certificate", "request", "asked", "--name", "ftp.example.org"];
    let asked = cluster.cli(1, &words, b"").ok();
    assert!(
        asked.out.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"),
        "{}",
        asked.out
    );
    for name in ["packed", "asked"] {
        cluster.cli(0, &["certificate", "delete", name], b"").ok();
    }
}

#[test]
fn after_a_member_was_removed_the_keys_of_certificates_are_sealed_anew_and_still_open() {
    let _among = among_others();
    let cluster = Cluster::start(3);
    let spec = json!({"self_signed": {"names": ["ftp.example.org"]}});
    cluster.api(0).put("/api/v1/certificate/main", &spec).ok();
    let revision = || cluster.api(0).get("/api/v1/certificate/main").ok().json()["revision"].clone();
    let before = revision();
    let api = cluster.api(0).with_limit(Duration::from_secs(30));
    api.delete("/api/v1/node/n3").ok();
    eventually("a certificate that is sealed anew", Duration::from_secs(30), || {
        let now = revision();
        (now != before).then_some(()).ok_or(format!("it is at revision {now}"))
    });
    let spec = json!({"kind": "ftps-implicit", "port": 45_990, "tls": {"certificates": ["main"]}});
    let path = "/api/v1/service/after?wait=enforced&timeout=10s";
    cluster.api(0).put(path, &spec).enforced();
    for node in &cluster.nodes[..2] {
        let address = SocketAddr::new(node.address.into(), 45_990);
        Visitor::new().visit(address).unwrap();
    }
}
