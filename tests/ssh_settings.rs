//! How a service speaks SSH, changed live: algorithms, host keys and certificates, rekeying, the banner.

use std::process::Command;

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::service::{host_key, keygen};
use crate::rig::{Account, Cluster, Login, Service, process, shared, target};

/// An audit of a service, as JSON, by the pinned release.
fn audit(login: &Login) -> Value {
    let mut command = process::command(target().join("test-venv/bin/ssh-audit"));
    command.args(["--json", "--skip-rate-test", "-p"]);
    command
        .arg(login.server.port().to_string())
        .arg(login.server.ip().to_string());
    serde_json::from_str(&process::run(command, b"").out).unwrap()
}

fn names(audit: &Value, list: &str) -> Vec<String> {
    let list = audit[list].as_array().unwrap().iter();
    list.map(|entry| entry["algorithm"].as_str().unwrap().to_owned())
        .collect()
}

/// What an audit complains of, with these words before its output's level.
fn complaints(audit: Command, login: &Login, levels: &[&str]) -> Vec<String> {
    let mut command = audit;
    command
        .arg("-p")
        .arg(login.server.port().to_string())
        .arg(login.server.ip().to_string());
    let said = process::run(command, b"").out;
    assert!(said.contains("(kex)"), "no audit: {said}");
    let bad = said
        .lines()
        .filter(|line| levels.iter().any(|level| line.contains(level)));
    bad.map(str::to_owned).collect()
}

fn pinned() -> Command {
    let mut command = process::command(target().join("test-venv/bin/ssh-audit"));
    command.args(["-n", "--skip-rate-test"]);
    command
}

fn debians() -> Command {
    let mut command = process::command("/usr/bin/ssh-audit");
    command.arg("-n");
    command
}

/// Host keys of every kind, made once.
fn host_keys(cluster: &Cluster) -> Vec<&'static str> {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        host_key(cluster, "of-rsa", "rsa-3072");
        host_key(cluster, "of-nist", "ecdsa-nistp256");
    });
    let first = cluster.api(0).get("/api/v1/service/sftp").ok().json();
    assert!(first["spec"]["host_keys"][0].is_string());
    vec!["of-rsa", "of-nist"]
}

/// The names of host keys: the cluster's own first, then the others.
fn all_host_keys(cluster: &Cluster) -> Value {
    let first = cluster.api(0).get("/api/v1/service/sftp").ok().json();
    let mut all = first["spec"]["host_keys"].as_array().unwrap().clone();
    all.extend(host_keys(cluster).into_iter().map(Value::from));
    Value::from(all)
}

#[test]
fn the_policy_modern_is_clean_in_an_audit_and_lets_modern_clients_in() {
    let shared = shared();
    let account = Account::create(&shared);
    let fields = json!({"ssh": {"policy": "modern"}, "host_keys": all_host_keys(&shared)});
    let service = Service::create(&shared, &fields);
    for at in 0..shared.nodes.len() {
        let login = service.login(&account, at);
        let found = complaints(pinned(), &login, &["[fail]", "[warn]"]);
        assert!(found.is_empty(), "{found:#?}");
        assert!(login.works(), "paramiko");
        login.python("idle_asyncssh.py", json!({"once": true})).ok();
    }
    let found = names(&audit(&service.login(&account, 0)), "kex");
    assert_eq!(
        found
            .iter()
            .filter(|name| !name.starts_with("kex-strict") && !name.starts_with("ext-info"))
            .count(),
        1
    );
}

#[test]
fn no_policy_fails_an_audit_of_debian_and_standard_only_warns_of_what_is_not_post_quantum() {
    let shared = shared();
    let account = Account::create(&shared);
    let mut service = Service::create(&shared, &json!({"ssh": {"policy": "standard"}}));
    let login = service.login(&account, 0);
    assert_eq!(complaints(debians(), &login, &["[fail]"]), [""; 0]);
    assert_eq!(complaints(pinned(), &login, &["[fail]"]), [""; 0]);
    let classic = "does not provide protection against post-quantum attacks";
    let mut warnings = complaints(pinned(), &login, &["[warn]"]);
    warnings.retain(|line| !line.contains(classic));
    assert_eq!(warnings, [""; 0]);
    for policy in ["modern", "standard"] {
        service.change(&json!({"ssh": {"policy": policy}}));
        assert_eq!(complaints(debians(), &service.login(&account, 1), &["[fail]"]), [""; 0]);
    }
}

/// Whether OpenSSH comes in with these options.
fn comes_in(login: &Login, options: &[&str]) -> bool {
    let command = login.sftp_with(options, None);
    process::run(command, b"pwd\n").status.success()
}

#[test]
fn each_policy_takes_the_clients_that_it_is_for_and_no_others() {
    let shared = shared();
    let account = Account::create(&shared);
    let mut service = Service::create(&shared, &json!({"host_keys": all_host_keys(&shared)}));
    let x25519 = "KexAlgorithms=curve25519-sha256";
    let nist = "KexAlgorithms=ecdh-sha2-nistp384";
    let field = "KexAlgorithms=diffie-hellman-group16-sha512";
    let plain = ["Ciphers=aes256-ctr", "MACs=hmac-sha2-256"];
    let etm = ["Ciphers=aes128-ctr", "MACs=hmac-sha2-512-etm@openssh.com"];
    for (policy, options, expected) in [
        ("modern", &[x25519][..], false),
        ("modern", &etm[..], false),
        ("standard", &[x25519], true),
        ("standard", &etm, true),
        ("standard", &plain, false),
        ("standard", &[nist], false),
        ("standard", &["HostKeyAlgorithms=ecdsa-sha2-nistp256"], true),
        ("compatible", &[nist], true),
        ("compatible", &[field], true),
        ("compatible", &plain, true),
        ("compatible", &["HostKeyAlgorithms=ssh-rsa"], false),
        ("compatible", &["Ciphers=aes256-cbc"], false),
        ("fips-names", &[nist], true),
        ("fips-names", &[x25519], false),
        ("fips-names", &["HostKeyAlgorithms=ssh-ed25519"], false),
        ("fips-names", &["HostKeyAlgorithms=rsa-sha2-256"], true),
        ("fips-names", &["Ciphers=chacha20-poly1305@openssh.com"], false),
    ] {
        service.change(&json!({"ssh": {"policy": policy}}));
        let mut account = account.clone();
        if policy == "fips-names" {
            account = Account::create(&shared);
            account.key = shared.path(&format!("{}-p256", account.name));
            keygen(&["-t", "ecdsa", "-N", "", "-f", account.key.to_str().unwrap()]);
            account.change(&shared, 0, json!({"keys": [crate::rig::account::public(&account.key)]}));
        }
        let found = comes_in(&service.login(&account, 0), options);
        assert_eq!(found, expected, "{policy}: {options:?}");
    }
}

#[test]
fn algorithms_are_changed_on_every_node_while_sessions_run() {
    let shared = shared();
    let account = Account::create(&shared);
    account.plant("long", &noise(5, 64 << 20));
    let mut service = Service::create(&shared, &json!({}));
    let mut readers: Vec<_> = (0..shared.nodes.len())
        .map(|at| {
            let mut reader = service
                .login(&account, at)
                .talk("slow_get.py", json!({"path": "/long"}));
            reader.expect("bytes");
            reader
        })
        .collect();
    let only =
        json!({"ssh": {"ciphers": ["aes256-gcm@openssh.com"], "key_exchanges": ["curve25519-sha256@libssh.org"]}});
    service.change(&only);
    for at in 0..shared.nodes.len() {
        let found = audit(&service.login(&account, at));
        assert_eq!(names(&found, "enc"), ["aes256-gcm@openssh.com"], "node {at}");
        assert!(names(&found, "kex").contains(&"curve25519-sha256@libssh.org".to_owned()));
        assert!(!names(&found, "kex").contains(&"mlkem768x25519-sha256".to_owned()));
        assert!(service.login(&account, at).works());
    }
    for (at, reader) in readers.iter_mut().enumerate() {
        let reports = reader.drain();
        assert!(reports.iter().all(|report| report.get("ended").is_none()), "node {at}");
        for _ in 0..20 {
            reader.expect("bytes");
        }
    }
    for (fields, word) in [
        (json!({"key_exchanges": ["none"]}), "mlkem768x25519-sha256"),
        (json!({"ciphers": ["3des-cbc"]}), "too weak"),
        (json!({"policy": "fips-names"}), "leaves nothing"),
        (json!({"macs": ["hmac-sha2-256", "hmac-sha2-256"]}), "twice"),
    ] {
        let said = service.refused(&json!({"ssh": fields}));
        assert!(said.contains(word), "{fields}: {said}");
    }
    assert!(service.login(&account, 0).works(), "a refused change changes nothing");
}

#[test]
fn a_host_certificate_spares_clients_the_question_for_the_key() {
    let shared = shared();
    let account = Account::create(&shared);
    let public = host_key(&shared, "certified", "ed25519");
    let service = Service::create(&shared, &json!({"host_keys": ["certified"]}));
    let file = |name: &str| shared.path(&format!("host-certificate-{name}"));
    let (authority, key) = (file("ca"), file("key.pub"));
    keygen(&["-t", "ed25519", "-N", "", "-f", authority.to_str().unwrap()]);
    std::fs::write(&key, format!("{public}\n")).unwrap();
    let login = service.login(&account, 2);
    let sign = |kind: &[&str], name: &str| {
        let signer = ["-s", authority.to_str().unwrap(), "-I", "nodes", "-n", name];
        keygen(&[&signer, kind, &["-V", "-1d:+1d", key.to_str().unwrap()]].concat());
        std::fs::read_to_string(file("key-cert.pub")).unwrap()
    };
    let path = "/api/v1/host-key/certified?wait=enforced&timeout=10s";
    let put = |certificate: &str| {
        let spec = json!({"algorithm": "ed25519", "certificate": certificate});
        shared.api(1).put(path, &spec)
    };
    let known = file("known");
    let authority_line = crate::rig::account::public(&authority);
    std::fs::write(&known, format!("@cert-authority * {authority_line}\n")).unwrap();
    let known = format!("UserKnownHostsFile={}", known.display());
    let strictly = || process::run(login.sftp_with(&["StrictHostKeyChecking=yes", &known], None), b"pwd\n");
    strictly().refused();
    for (certificate, word) in [
        (sign(&[], &account.name), "user's certificate"),
        ("ssh-ed25519 AAAA".to_owned(), "no OpenSSH certificate"),
    ] {
        let said = put(&certificate).problem(&[400, 422]).json().to_string();
        assert!(said.contains(word), "{said}");
    }
    put(&sign(&["-h"], &login.server.ip().to_string())).enforced();
    strictly().ok();
    let shown = shared.api(0).get("/api/v1/host-key/certified").ok().json();
    assert_eq!(shown["spec"]["public"], public.as_str(), "the key stayed");
    put(&sign(&["-h"], "elsewhere.example.org")).enforced();
    strictly().refused();
}

/// The `algorithm base64` that a client sees when it asks for one algorithm.
fn shown(login: &Login, algorithm: &str) -> Option<String> {
    let mut command = process::command("ssh-keyscan");
    command.args(["-T", "10", "-t", algorithm, "-p", &login.server.port().to_string()]);
    command.arg(login.server.ip().to_string());
    let out = process::run(command, b"").out;
    let line = out.lines().find(|line| !line.starts_with('#'))?;
    line.split_once(' ').map(|(_, key)| key.to_owned())
}

#[test]
fn host_keys_of_several_kinds_stand_side_by_side_while_clients_move_from_one_to_the_other() {
    let shared = shared();
    let account = Account::create(&shared);
    let (old, new) = (
        host_key(&shared, "overlap-old", "ecdsa-nistp384"),
        host_key(&shared, "overlap-new", "ed25519"),
    );
    let mut service = Service::create(&shared, &json!({"host_keys": ["overlap-old"]}));
    let login = service.login(&account, 1);
    assert_eq!(shown(&login, "ecdsa").as_ref(), Some(&old));
    assert_eq!(shown(&login, "ed25519"), None);
    service.change(&json!({"host_keys": ["overlap-new", "overlap-old"]}));
    assert_eq!(
        (shown(&login, "ecdsa"), shown(&login, "ed25519")),
        (Some(old), Some(new))
    );
    service.change(&json!({"host_keys": ["overlap-new"]}));
    assert_eq!(shown(&login, "ecdsa"), None);
    assert!(login.works());
}

/// How often keys were agreed while OpenSSH ran these commands.
fn agreements(login: &Login, commands: &str, option: &str) -> usize {
    let command = login.sftp_with(&["LogLevel=DEBUG1", option], None);
    let done = process::run(command, commands.as_bytes()).ok();
    done.err.matches("SSH2_MSG_KEXINIT received").count()
}

#[test]
fn keys_are_agreed_anew_when_the_service_or_the_client_says_so_and_no_byte_is_lost() {
    let shared = shared();
    let account = Account::create(&shared);
    let content = noise(9, 24 << 20);
    let (up, down) = (account.plant_outside(&shared, "up", &content), shared.path("rekeyed"));
    let commands = format!("put {} /rekeyed\nget /rekeyed {}\n", up.display(), down.display());
    let mut service = Service::create(&shared, &json!({"ssh": {"rekey_bytes": 1 << 20}}));
    let by_service = agreements(&service.login(&account, 0), &commands, "RekeyLimit=default");
    assert!(by_service > 20, "{by_service}");
    assert!(std::fs::read(&down).unwrap() == content);
    service.change(&json!({"ssh": {}}));
    let once = agreements(&service.login(&account, 1), &commands, "RekeyLimit=default");
    assert_eq!(once, 1);
    service.change(&json!({"ssh": {"rekey_seconds": 10}}));
    let by_time = agreements(&service.login(&account, 0), "!sleep 12\npwd\n", "RekeyLimit=default");
    assert_eq!(by_time, 2);
    service.change(&json!({"ssh": {}}));
    let by_client = agreements(&service.login(&account, 2), &commands, "RekeyLimit=1M");
    assert!(by_client > 20, "{by_client}");
    assert!(std::fs::read(&down).unwrap() == content);
}

#[test]
fn a_banner_is_shown_from_the_next_connection_on() {
    let shared = shared();
    let account = Account::create(&shared);
    let mut service = Service::create(&shared, &json!({}));
    for text in ["", "Welcome aboard.\nAll is recorded.", "Aboard again."] {
        service.change(&json!({"banner": text}));
        let login = service.login(&account, 0);
        let done = process::run(login.sftp_with(&["LogLevel=INFO"], None), b"pwd\n").ok();
        for line in text.lines() {
            assert!(done.err.contains(line), "{line}: {}", done.err);
        }
        assert!(!text.is_empty() || !done.err.contains("board"), "{}", done.err);
    }
}
