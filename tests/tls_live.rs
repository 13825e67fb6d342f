//! Certificates, authorities and revocation lists change while transfers run: the next handshake on every node sees it,
//! and nothing that runs does.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::tls::{ASKED_FOR, Certifier, Visitor};
use crate::rig::{Account, Cluster, Login, Service, alone, process, shared};

/// Asks node `at` for a new certificate, waits until every node enforces it, and gives its fingerprint.
fn renew(cluster: &Cluster, at: usize, name: &str) -> String {
    let path = format!("/api/v1/certificate/{name}");
    let spec = json!({"self_signed": {"names": [ASKED_FOR], "days": 30}});
    cluster
        .api(at)
        .put(&format!("{path}?wait=enforced&timeout=10s"), &spec)
        .enforced();
    let shown = cluster.api(at).get(&path).ok().json();
    let text = shown["spec"]["fingerprint"].as_str().unwrap().to_owned();
    text.trim_start_matches("SHA256:").replace(':', "").to_lowercase()
}

fn implicit<'a>(cluster: &'a Cluster, tls: &Value) -> Service<'a> {
    Service::create_as(
        cluster,
        "ftps-implicit",
        &json!({"tls": tls, "ftp": {"passive_ports": "44000-44999"}}),
    )
}

fn addresses(cluster: &Cluster, service: &Service<'_>) -> Vec<SocketAddr> {
    cluster
        .nodes
        .iter()
        .map(|node| SocketAddr::new(node.address.into(), service.port))
        .collect()
}

#[test]
fn a_hundred_new_certificates_disturb_no_transfer_and_the_next_handshake_on_every_node_shows_the_newest() {
    const CHANGES: usize = 100;
    let cluster = shared().cluster();
    let _alone = alone();
    let account = Account::create(cluster);
    renew(cluster, 0, "hundred");
    let service = implicit(cluster, &json!({"certificates": ["hundred"]}));
    let nodes = addresses(cluster, &service);
    account.plant("long", &noise(76, 128 << 20));
    let mut reader = Login::new(cluster, &account, 2).talk("slow_get.py", json!({"path": "/long"}));
    reader.expect("bytes");

    let mut curl = process::command("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--user"])
        .arg(format!("{}:{}", account.name, account.password))
        .args(["-T", "-", &format!("ftps://{}/up", nodes[1])]);
    curl.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    let mut upload = process::spawn(curl).unwrap();
    let mut into = upload.stdin.take().unwrap();
    let (block, over) = (noise(77, 1 << 20), AtomicBool::new(false));
    let blocks = std::thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            let mut blocks = 0_usize;
            while !over.load(Ordering::Relaxed) {
                into.write_all(&block).unwrap();
                blocks += 1;
                // It lasts as long as the changes do, and does not fill the disk.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            drop(into);
            blocks
        });
        for turn in 0..CHANGES {
            let newest = renew(cluster, turn % 3, "hundred");
            for address in &nodes {
                let visit = Visitor::new().visit(*address).unwrap();
                assert_eq!(visit.fingerprint, newest, "change {turn} at {address}");
            }
        }
        over.store(true, Ordering::Relaxed);
        feeding.join().unwrap()
    });
    assert!(upload.wait().unwrap().success(), "the upload was disturbed");
    let arrived = std::fs::read(account.home.join("up")).unwrap();
    assert_eq!(arrived.len(), blocks * block.len());
    assert!(
        arrived.chunks(block.len()).all(|one| one == block),
        "other bytes arrived"
    );
    reader.expect("bytes");
    let ended: Vec<_> = reader
        .drain()
        .into_iter()
        .filter(|line| line.get("ended").is_some())
        .collect();
    assert!(ended.is_empty(), "the download was disturbed: {ended:?}");
}

#[test]
fn a_certificate_that_one_node_was_told_is_revoked_lets_nobody_in_anywhere_nor_resumes() {
    let shared = shared();
    let cluster = &*shared;
    renew(cluster, 0, "revoking");
    let certifier = Certifier::new("Partners");
    let (good, bad) = (certifier.certify("good", 11), certifier.certify("bad", 12));
    let path = "/api/v1/authority/partners-revoking?wait=enforced&timeout=10s";
    let authority =
        |lists: Value| json!({"kind": "tls-client", "certificates": [certifier.pem()], "revocation_lists": lists});
    cluster.api(0).put(path, &authority(json!([]))).enforced();
    let tls = json!({"certificates": ["revoking"], "client_certificates": "required",
        "authorities": ["partners-revoking"]});
    let service = implicit(cluster, &tls);
    let nodes = addresses(cluster, &service);

    assert!(Visitor::new().visit(nodes[0]).is_err(), "let in without a certificate");
    let stranger = Certifier::new("Strangers").certify("good", 11);
    assert!(
        Visitor::certified(&stranger).visit(nodes[0]).is_err(),
        "let in by a stranger's word"
    );
    let (well, ill) = (Visitor::certified(&good), Visitor::certified(&bad));
    for visitor in [&well, &ill] {
        assert!(!visitor.visit(nodes[0]).unwrap().resumed);
        for address in &nodes {
            assert!(visitor.visit(*address).unwrap().resumed, "not resumed at {address}");
        }
    }
    let lists = json!([certifier.revoke(1, &[&bad])]);
    cluster.api(0).put(path, &authority(lists)).enforced();
    for address in &nodes {
        let visit = well.visit(*address).unwrap();
        assert!(visit.greeting.starts_with("220"), "{visit:?}");
        let (again, anew) = (ill.visit(*address), Visitor::certified(&bad).visit(*address));
        assert!(again.is_err() && anew.is_err(), "{again:?} and {anew:?} at {address}");
    }
    drop(service);
    cluster.api(0).delete("/api/v1/authority/partners-revoking").ok();
}

#[test]
fn client_certificates_can_be_asked_for_live_and_let_an_account_in_without_a_password() {
    let shared = shared();
    let cluster = &*shared;
    renew(cluster, 0, "asking");
    let certifier = Certifier::new("Partners");
    let certified = certifier.certify("partner", 21);
    let spec = json!({"kind": "tls-client", "certificates": [certifier.pem()], "revocation_lists": []});
    let path = "/api/v1/authority/partners-asking?wait=enforced&timeout=10s";
    cluster.api(1).put(path, &spec).enforced();
    let mut service = implicit(cluster, &json!({"certificates": ["asking"]}));
    let nodes = addresses(cluster, &service);
    let mut account = Account::new(cluster);
    account.spec["certificates"] = json!([{"fingerprint": certified.fingerprint()}]);
    account.tell(cluster, 0);
    account.plant("file", b"for the partner");

    let folder = crate::rig::folder();
    let (certificate, key) = (folder.path().join("c.der"), folder.path().join("k.pem"));
    std::fs::write(&certificate, &certified.certificate).unwrap();
    std::fs::write(&key, certified.key.serialize_pem()).unwrap();
    let fetch = |address: SocketAddr, with: bool| {
        let mut curl = process::command("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--max-time", "30"]);
        if with {
            curl.args(["--cert-type", "DER", "--cert"]).arg(&certificate);
            curl.args(["--key-type", "PEM", "--key"]).arg(&key);
        }
        curl.args([
            "--user",
            &format!("{}:", account.name),
            &format!("ftps://{address}/file"),
        ]);
        process::run(curl, b"")
    };
    for address in &nodes {
        fetch(*address, true).refused();
    }
    let asked = json!({"tls": {"certificates": ["asking"], "client_certificates": "optional",
        "authorities": ["partners-asking"]}});
    service.change(&asked);
    for address in &nodes {
        assert_eq!(fetch(*address, true).ok().out, "for the partner");
        fetch(*address, false).refused();
    }
    let lists = json!({"kind": "tls-client", "certificates": [certifier.pem()],
        "revocation_lists": [certifier.revoke(1, &[&certified])]});
    cluster.api(2).put(path, &lists).enforced();
    for address in &nodes {
        fetch(*address, true).refused();
    }
    drop(service);
    cluster.api(0).delete("/api/v1/authority/partners-asking").ok();
}
