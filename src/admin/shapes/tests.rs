//! Tables over all shapes: what comes in goes out again; what is bad is refused, with the field and a reason.

use serde_json::{Value, json};

use super::*;
use crate::admin::border::{HostKeyAlgorithm, generate_host_key};
use crate::admin::testing::Node;
use crate::ids::Name;

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        name: Name::parse(name).unwrap(),
    }
}

fn build_one(node: &Node, kind: Kind, name: &str, spec: Value) -> Result<Built, Problem> {
    let view = node.cluster.view();
    let border = Border::new(&view, &*node.cluster, UnixMillis(0));
    build(&key(kind, name), spec, "spec", &border)
}

fn public_key() -> String {
    generate_host_key(HostKeyAlgorithm::Ed25519).unwrap().public
}

#[test]
fn what_comes_in_goes_out_and_can_come_in_again() {
    let node = Node::new();
    let key_line = public_key();
    let rows = [
        (Kind::Account, "a", json!({})),
        (
            Kind::Account,
            "b",
            json!({
                "enabled": false, "expires_at": "2027-01-31T12:00:00.000Z",
                "keys": [{ "key": key_line, "comment": "laptop", "expires_at": null }],
                "home": { "storage": "files", "folder": "/b" },
                "mounts": [{ "at": "/in", "storage": "files", "folder": "/", "grants": [
                    { "path": "/in/x", "allow": ["read", "list"], "deny": ["delete"] },
                ] }],
                "sources": ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"], "sessions_max": 4,
                "proofs": "password+key", "principals": ["b@example.org"], "password_must_change": true,
                "groups": ["partners", "staff"], "roles": ["reader"],
                "grants": [{ "glob": "/in/**/*.csv", "allow": ["write"], "deny": [] },
                           { "regex": "/out/[0-9]+", "allow": [], "deny": ["read"] }],
                "restrictions": {
                    "upload_bytes_max": 10, "files_allowed": ["*.csv"], "files_denied": [{ "regex": ".*[.]exe" }],
                    "hours": [{ "days": ["mon", "sun"], "from": "22:00", "to": "06:30", "zone": "Europe/Berlin" }],
                    "session_upload_rate": 1024, "session_download_rate": 4096, "upload_rate": 2048,
                    "download_rate": null,
                },
            }),
        ),
        (
            Kind::Administrator,
            "anna",
            json!({ "role": "operator", "enabled": true }),
        ),
        (
            Kind::Service,
            "sftp",
            json!({ "port": 22, "host_keys": ["main"], "banner": "Hello\n", "address": "10.0.0.1",
                    "nodes": { "n1": { "port": 2222, "address": null, "enabled": false } } }),
        ),
        (
            Kind::Storage,
            "files",
            json!({ "root": "/srv/files", "durability": "relaxed", "keep_interrupted": false, "reserve_bytes": 0 }),
        ),
        (
            Kind::Settings,
            "cluster",
            json!({ "login_delay_millis": 0, "login_delay_max_millis": 0, "login_memory_seconds": 1,
                    "staged_age_max_seconds": 3600, "staleness_max_seconds": 60, "inactive_days_max": 90,
                    "passwords": { "length_min": 12, "entropy_bits_min": 50, "age_days_max": 365, "former_kept": 3 },
                    "throttle": { "failures_per_address_max": 5, "failures_per_account_max": 50, "ban_seconds": 60,
                                  "allow": ["10.0.0.0/8"] } }),
        ),
        (
            Kind::Group,
            "partners",
            json!({ "description": "who\ncomes", "groups": ["all"], "roles": ["reader"],
                    "mounts": [{ "at": "/shared", "storage": "files", "folder": "/s", "grants": [
                        { "glob": "/shared/*", "allow": ["read"], "deny": [] }] }],
                    "grants": [{ "path": "/", "allow": ["list"], "deny": [] }] }),
        ),
        (
            Kind::Role,
            "reader",
            json!({ "description": "", "roles": ["lister"],
                    "grants": [{ "path": "/", "allow": ["read"], "deny": [] }] }),
        ),
        (
            Kind::Authority,
            "ca",
            json!({ "kind": "ssh-user", "keys": [key_line], "revoked_serials": [7, 18446744073709551615_u64],
                    "revoked_ids": ["laptop"], "revoked_keys": ["SHA256:abc"] }),
        ),
        (
            Kind::Ban,
            "b1",
            json!({ "network": "192.0.2.0/24", "reason": "abuse", "until": "2027-01-31T12:00:00.000Z" }),
        ),
        (
            Kind::Ban,
            "b2",
            json!({ "account": "alice", "reason": "", "until": null }),
        ),
    ];
    for (kind, name, spec) in rows {
        let built = build_one(&node, kind, name, spec.clone()).unwrap();
        let shown = show_spec(&built.spec);
        contains(&shown, &spec, kind.word());
        let again = build_one(&node, kind, name, shown.clone()).unwrap();
        assert_eq!(show_spec(&again.spec), shown, "{}", kind.word());
    }
}

fn show_spec(spec: &Spec) -> Value {
    (kinds::row(spec.kind()).show_spec)(spec)
}

/// Whether `shown` says everything that `given` says.
fn contains(shown: &Value, given: &Value, at: &str) {
    match (shown, given) {
        (Value::Object(shown), Value::Object(given)) => {
            for (name, given) in given {
                contains(shown.get(name).unwrap_or(&Value::Null), given, &format!("{at}.{name}"));
            }
        }
        (Value::Array(shown), Value::Array(given)) => {
            assert_eq!(shown.len(), given.len(), "{at}");
            for (shown, given) in shown.iter().zip(given) {
                contains(shown, given, at);
            }
        }
        _ => assert_eq!(shown, given, "{at}"),
    }
}

#[test]
fn what_is_bad_is_refused_with_the_field_and_a_reason() {
    let node = Node::new();
    let check = |kind: Kind, spec: Value, field: &str, word: &str| {
        let Err(problem) = build_one(&node, kind, "cluster", spec.clone()) else {
            panic!("{} {spec} was taken", kind.word());
        };
        assert_eq!(problem.kind.status().as_u16(), 422, "{spec}");
        assert_eq!(problem.fields["field"], field, "{spec}: {}", problem.detail);
        assert!(problem.detail.contains(word), "{spec}: {}", problem.detail);
        assert!(!problem.detail.contains("planted"), "{}", problem.detail);
    };
    let line = public_key();
    let account = |spec: Value, field: &str, word: &str| check(Kind::Account, spec, field, word);
    account(json!([]), "spec", "must be an object, not a list");
    account(json!({ "shell": "/bin/sh" }), "spec.shell", "not a known field");
    account(json!({ "enabled": "yes" }), "spec.enabled", "boolean");
    account(json!({ "expires_at": "tomorrow" }), "spec.expires_at", "not a time");
    account(json!({ "expires_at": 17 }), "spec.expires_at", "expected a string");
    account(
        json!({ "password": "planted" }),
        "spec.password",
        "has 7 characters, at least 8 are needed",
    );
    account(
        json!({ "password": "p".repeat(1025) }),
        "spec.password",
        "from 1 to 1024 bytes",
    );
    account(json!({ "password": "planted\nplanted" }), "spec.password", "line break");
    account(
        json!({ "password": ["planted secret"] }),
        "spec.password",
        "must be a text, not a list",
    );
    account(json!({ "keys": line }), "spec.keys", "must be a list, not a text");
    account(
        json!({ "keys": ["nonsense"] }),
        "spec.keys[0].key",
        "must begin with the key's algorithm",
    );
    account(
        json!({ "keys": ["ssh-ed25519 planted"] }),
        "spec.keys[0].key",
        "could not be read",
    );
    account(
        json!({ "keys": [{ "key": 7 }] }),
        "spec.keys[0].key",
        "expected a string",
    );
    account(json!({ "keys": [{}] }), "spec.keys[0].key", "is missing");
    account(
        json!({ "keys": [{ "key": "../../etc/shadow" }] }),
        "spec.keys[0].key",
        "algorithm",
    );
    account(
        json!({ "keys": [{ "key": line, "x": 1 }] }),
        "spec.keys[0].x",
        "not a known field",
    );
    account(
        json!({ "keys": [{ "key": line, "comment": "a\u{1b}b" }] }),
        "spec.keys[0].comment",
        "control",
    );
    account(json!({ "keys": [line, line] }), "spec.keys[1]", "already");
    account(
        json!({ "keys": vec![line.clone(); 101] }),
        "spec.keys",
        "101 entries, over the limit of 100",
    );
    account(json!({ "home": { "folder": "/a" } }), "spec.home.storage", "is missing");
    account(
        json!({ "home": { "storage": "..", "folder": "/a" } }),
        "spec.home.storage",
        "folders",
    );
    account(json!({ "home": { "storage": "a\nb" } }), "spec.home.storage", "U+000A");
    account(
        json!({ "home": { "storage": "s", "folder": "/../etc" } }),
        "spec.home.folder",
        "holds `.` or `..`",
    );
    account(
        json!({ "home": { "storage": "s", "folder": "a" } }),
        "spec.home.folder",
        "must begin with `/`",
    );
    account(
        json!({ "home": { "storage": "s", "folder": "/a\nb" } }),
        "spec.home.folder",
        "control character",
    );
    account(
        json!({ "home": { "storage": "s", "folder": format!("/{}", "x".repeat(256)) } }),
        "spec.home.folder",
        "255",
    );
    account(
        json!({ "home": { "storage": "s", "at": "/" } }),
        "spec.home.at",
        "not a known field",
    );
    account(
        json!({ "mounts": [{ "at": "/", "storage": "s" }] }),
        "spec.mounts[0].at",
        "the place of `home`",
    );
    account(
        json!({ "mounts": [{ "storage": "s" }] }),
        "spec.mounts[0].at",
        "is missing",
    );
    let twice = json!({ "mounts": [{ "at": "/a", "storage": "s" }, { "at": "/a/", "storage": "t" }] });
    account(twice, "spec.mounts[1].at", "already");
    let grant = |grant: Value| json!({ "mounts": [{ "at": "/a", "storage": "s", "grants": [grant] }] });
    account(
        grant(json!({ "path": "/ab" })),
        "spec.mounts[0].grants[0].path",
        "outside its mount",
    );
    account(
        grant(json!({ "path": "/a", "allow": ["fly"] })),
        "spec.mounts[0].grants[0].allow[0]",
        "no operation",
    );
    account(
        grant(json!({ "may": [] })),
        "spec.mounts[0].grants[0].may",
        "not a known field",
    );
    account(
        json!({ "sources": ["10.0.0.0/33"] }),
        "spec.sources[0]",
        "neither a network",
    );
    account(
        json!({ "sources": ["10.0.0.1/8"] }),
        "spec.sources[0]",
        "10.0.0.0/8 may be meant",
    );
    account(json!({ "sources": [8] }), "spec.sources[0]", "must be a text");
    account(json!({ "sessions_max": 0 }), "spec.sessions_max", "from 1 to");
    account(json!({ "sessions_max": -1 }), "spec.sessions_max", "from 1 to");
    account(json!({ "sessions_max": 1.5 }), "spec.sessions_max", "from 1 to");

    check(Kind::Administrator, json!({}), "spec.role", "is missing");
    check(Kind::Administrator, json!({ "role": "god" }), "spec.role", "viewer");
    check(Kind::ApiToken, json!({}), "spec.administrator", "is missing");
    check(
        Kind::ApiToken,
        json!({ "administrator": "a/b" }),
        "spec.administrator",
        "separates",
    );
    check(
        Kind::ApiToken,
        json!({ "administrator": "a", "secret": "planted" }),
        "spec.secret",
        "not a known field",
    );

    let service = |spec: Value, field: &str, word: &str| check(Kind::Service, spec, field, word);
    service(json!({ "host_keys": ["k"] }), "spec.port", "is missing");
    service(json!({ "port": 0, "host_keys": ["k"] }), "spec.port", "from 1 to 65535");
    service(
        json!({ "port": 65536, "host_keys": ["k"] }),
        "spec.port",
        "from 1 to 65535",
    );
    service(json!({ "port": "22", "host_keys": ["k"] }), "spec.port", "invalid type");
    service(json!({ "port": 22 }), "spec.host_keys", "needs a host key");
    service(
        json!({ "port": 22, "host_keys": ["k"], "kind": "telnet" }),
        "spec.kind",
        "unknown variant",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "banner": "\u{1b}[2J" }),
        "spec.banner",
        "control",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "banner": "x".repeat(4097) }),
        "spec.banner",
        "4096",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "sessions_max": 0 }),
        "spec.sessions_max",
        "from 1 to",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "address": "nowhere" }),
        "spec.address",
        "IP address",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "nodes": { "a/b": {} } }),
        "spec.nodes",
        "separates",
    );
    service(
        json!({ "port": 22, "host_keys": ["k"], "nodes": { "a": { "x": 1 } } }),
        "spec.nodes.a.x",
        "not a known",
    );

    check(
        Kind::HostKey,
        json!({ "algorithm": "dsa" }),
        "spec.algorithm",
        "must be one of `ed25519`",
    );
    check(
        Kind::HostKey,
        json!({ "private": "planted" }),
        "spec.private",
        "not a private key",
    );
    check(Kind::HostKey, json!({ "private": 1 }), "spec.private", "must be a text");

    let storage = |root: &str, word: &str| check(Kind::Storage, json!({ "root": root }), "spec.root", word);
    storage("srv/files", "absolute");
    storage("/srv/../etc", "`..`");
    storage("/", "whole machine");
    storage("/srv\n", "control");
    storage(&format!("/{}", "x".repeat(5000)), "limit");
    check(Kind::Storage, json!({}), "spec.root", "is missing");
    check(
        Kind::Storage,
        json!({ "root": "/a", "durability": "some" }),
        "spec.durability",
        "strict",
    );
    check(
        Kind::Storage,
        json!({ "root": "/a", "reserve_bytes": -1 }),
        "spec.reserve_bytes",
        "invalid value",
    );

    check(
        Kind::Settings,
        json!({ "login_delay_millis": 600_001 }),
        "spec.login_delay_millis",
        "from 0 to",
    );
    let shorter = json!({ "login_delay_millis": 1000, "login_delay_max_millis": 999 });
    check(Kind::Settings, shorter, "spec.login_delay_max_millis", "from 1000 to");
    check(
        Kind::Settings,
        json!({ "staged_age_max_seconds": 1 }),
        "spec.staged_age_max_seconds",
        "from 3600",
    );
}

#[test]
fn settings_have_one_name() {
    let problem = build_one(&Node::new(), Kind::Settings, "other", json!({}))
        .err()
        .unwrap();
    assert!(problem.detail.contains("must be `cluster`"), "{}", problem.detail);
}

#[test]
fn too_many_passwords_in_one_change_are_refused_before_they_cost_anything() {
    let node = Node::new();
    let view = node.cluster.view();
    let border = Border::new(&view, &*node.cluster, UnixMillis(0));
    border.hashes.set(limits::HASHES_MAX);
    let spec = json!({ "password": "long enough" });
    let problem = build(&key(Kind::Account, "a"), spec, "spec", &border).err().unwrap();
    assert_eq!(problem.kind, ProblemKind::TooLarge);
}

#[test]
fn a_key_line_brings_its_comment_and_a_short_form() {
    let line = public_key();
    let spec = json!({ "keys": [format!("{line} alice@laptop")] });
    let built = build_one(&Node::new(), Kind::Account, "a", spec).unwrap();
    let shown = show_spec(&built.spec);
    assert_eq!(shown["keys"][0]["comment"], "alice@laptop");
    assert_eq!(shown["keys"][0]["key"], line.as_str());
    assert!(shown["keys"][0]["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
}

#[test]
fn the_schema_of_each_kind_names_the_fields_that_are_taken_and_shown() {
    let node = Node::new();
    for kind in Kind::ALL {
        let sample = match kind {
            Kind::Administrator => json!({ "role": "owner" }),
            Kind::ApiToken => json!({ "administrator": "anna" }),
            Kind::Service => json!({ "port": 22, "host_keys": ["main"] }),
            Kind::Storage => json!({ "root": "/srv" }),
            Kind::Authority => json!({ "keys": [public_key()] }),
            Kind::Certificate => json!({ "self_signed": { "names": ["files.example.org"] } }),
            Kind::Ban => json!({ "account": "mallory" }),
            _ => json!({}),
        };
        let properties = (kinds::row(kind).properties)();
        let sorted = |names: Vec<String>| {
            let mut names = names;
            names.sort();
            names
        };
        let built = build_one(&node, kind, "cluster", sample.clone()).unwrap();
        let shown: Vec<String> = show_spec(&built.spec).as_object().unwrap().keys().cloned().collect();
        let told = properties
            .iter()
            .filter(|property| property.shown.is_some() && property.name != "network");
        // A ban has one of the two.
        let told: Vec<_> = told.map(|property| property.name.to_owned()).collect();
        assert_eq!(sorted(told), sorted(shown), "shown of {}", kind.word());

        let mut unknown = sample;
        unknown["zzz"] = json!(1);
        let refused = build_one(&node, kind, "cluster", unknown).err().unwrap().detail;
        let known = refused.split_once("known are ").unwrap().1;
        let known: Vec<_> = known
            .split(", ")
            .map(|name| name.trim_matches('`').to_owned())
            .collect();
        let told: Vec<_> = properties.iter().map(|property| property.name.to_owned()).collect();
        assert_eq!(sorted(told), sorted(known), "taken of {}", kind.word());
    }
}
