//! What the admin API refuses: each bad request has its clear answer and changes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Account, Api, Cluster, among_others};

const KINDS: [&str; 7] = [
    "account",
    "administrator",
    "api-token",
    "service",
    "host-key",
    "storage",
    "settings",
];

/// The whole catalog, as an owner sees it, without the revision of the log.
fn catalog(api: &Api) -> Value {
    KINDS
        .iter()
        .map(|kind| {
            (
                (*kind).to_owned(),
                api.get(&format!("/api/v1/{kind}")).ok().json()["objects"].clone(),
            )
        })
        .collect()
}

/// An administrator with a role, and a token of its own.
fn with_role(cluster: &Cluster, role: &str) -> Api {
    let api = cluster.api(0);
    api.put(&format!("/api/v1/administrator/{role}-1"), &json!({"role": role}))
        .ok();
    let token = format!("/api/v1/api-token/{role}-1");
    let made = api
        .put(&token, &json!({"administrator": format!("{role}-1")}))
        .ok()
        .json();
    let secret = made["secrets"][0]["secret"]
        .as_str()
        .unwrap_or_else(|| panic!("no secret in {made}"));
    api.with_token(Some(secret))
}

struct Row {
    what: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    statuses: &'static [u16],
}

fn row(
    what: &'static str,
    method: &'static str,
    path: &str,
    body: impl Into<Vec<u8>>,
    statuses: &'static [u16],
) -> Row {
    Row {
        what,
        method,
        path: path.to_owned(),
        headers: Vec::new(),
        body: body.into(),
        statuses,
    }
}

impl Row {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// Each row is refused with one of its statuses, as a problem, and the catalog stays as it was.
#[track_caller]
fn check(owner: &Api, asking: &Api, rows: Vec<Row>) {
    let before = catalog(owner);
    for row in rows {
        let headers: Vec<_> = row
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = asking.ask(row.method, &row.path, &headers, &row.body);
        let answer = answer.unwrap_or_else(|error| panic!("{}: no answer: {error}", row.what));
        assert!(
            row.statuses.contains(&answer.status),
            "{}: answered with {}: {}",
            row.what,
            answer.status,
            answer.text()
        );
        let problem = answer.problem(row.statuses).json();
        assert!(
            problem["detail"].as_str().unwrap_or_default().len() > 10,
            "{}: no detail: {problem}",
            row.what
        );
        assert_eq!(catalog(owner), before, "{}: something was changed", row.what);
    }
}

fn path_of(name: &str) -> String {
    let mut path = "/api/v1/account/".to_owned();
    for byte in name.bytes() {
        path += &format!("%{byte:02X}");
    }
    path
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    Account::create(&cluster);
    let api = cluster.api(0);
    let account = "/api/v1/account/new";
    let large = format!("{{\"spec\":{{\"pad\":\"{}\"}}}}", "x".repeat(12 << 20));
    let deep = "[".repeat(100_000);
    check(
        &api,
        &api,
        vec![
            row("a body that is not JSON", "PUT", account, "enabled = true", &[400]),
            row("half a body", "PUT", account, "{\"enabled\":", &[400]),
            row("no body", "PUT", account, "", &[400, 422]),
            row("bytes", "PUT", account, vec![0xff, 0xfe, 0x00], &[400]),
            row("a list", "PUT", account, "[]", &[400, 422]),
            row("brackets without end", "PUT", account, deep, &[400, 422]),
            row(
                "an unknown field",
                "PUT",
                account,
                r#"{"spec":{"enabled":true,"homme":"/x"}}"#,
                &[400, 422],
            ),
            row(
                "a wrong type",
                "PUT",
                account,
                r#"{"spec":{"enabled":"yes"}}"#,
                &[400, 422],
            ),
            row("a body over the limit", "PUT", account, large, &[413]),
            row("an unknown kind", "PUT", "/api/v1/nothing/x", r#"{"spec":{}}"#, &[404]),
            row("no such object", "GET", "/api/v1/account/nobody", "", &[404]),
            row(
                "no such object to delete",
                "DELETE",
                "/api/v1/account/nobody",
                "",
                &[404],
            ),
            row("a method that is not there", "POST", account, r#"{"spec":{}}"#, &[405]),
            row(
                "an unknown option",
                "PUT",
                "/api/v1/account/new?wiat=enforced",
                r#"{"spec":{}}"#,
                &[400],
            ),
            row(
                "an option with a wrong value",
                "PUT",
                "/api/v1/account/new?wait=yes",
                r#"{"spec":{}}"#,
                &[400, 422],
            ),
            row("a request id that is none", "PUT", account, r#"{"spec":{}}"#, &[400]).with("x-request-id", "42"),
            row(
                "an If-Match that is none",
                "PUT",
                account,
                r#"{"spec":{}}"#,
                &[400, 412],
            )
            .with("if-match", "seven"),
            row(
                "a close of what is no session",
                "POST",
                "/api/v1/session/..%2f/close",
                "",
                &[400, 404],
            ),
            row(
                "an apply of nothing known",
                "POST",
                "/api/v1/apply",
                r#"{"objekts":[]}"#,
                &[400, 422],
            ),
        ],
    );
    cluster.no_panics();
}

#[test]
fn a_bad_name_is_refused_with_the_reason() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let api = cluster.api(0);
    let long = "x".repeat(129);
    let names = [
        "..",
        ".",
        "a\nb",
        "a/b",
        "a\\b",
        "nul\0",
        "tab\t",
        " front",
        "back ",
        "-flag",
        "bidi\u{202e}txt",
        "zero\u{200b}",
        &long,
    ];
    let rows = names.map(|name| row("a bad name", "PUT", &path_of(name), r#"{"spec":{}}"#, &[400, 404, 422]));
    check(&api, &api, rows.into());
    // Names that only look dangerous are data.
    for name in ["' OR 1=1 --", "%2e%2e", "<script>", "ü", "a b"] {
        api.put(&path_of(name), &json!({})).ok();
        assert_eq!(api.get(&path_of(name)).ok().json()["name"], name);
    }
}

#[test]
fn a_value_that_cannot_be_right_is_refused() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let api = cluster.api(0);
    let account = Account::create(&cluster);
    let put = |what, spec: Value| {
        row(
            what,
            "PUT",
            "/api/v1/account/new",
            json!({"spec": spec}).to_string(),
            &[400, 422],
        )
    };
    let service = |what, spec: Value| {
        row(
            what,
            "PUT",
            "/api/v1/service/new",
            json!({"spec": spec}).to_string(),
            &[400, 422],
        )
    };
    let files = |folder: &str| json!({"home": {"storage": "files", "folder": folder}});
    check(
        &api,
        &api,
        vec![
            put(
                "a key that is a path",
                json!({"keys": [{"key": "ssh-ed25519 ../../etc/passwd"}]}),
            ),
            put("a key of noise", json!({"keys": [{"key": "AAAA"}]})),
            put(
                "two lines as a key",
                json!({"keys": [{"key": "ssh-ed25519 AAAA\nssh-ed25519 BBBB"}]}),
            ),
            put(
                "a comment with a new line",
                json!({"keys": [{"key": "ssh-ed25519 AAAA", "comment": "a\nb"}]}),
            ),
            put("a network that is none", json!({"sources": ["10.0.0.0/33"]})),
            put("a network with bits behind", json!({"sources": ["10.0.0.1/8"]})),
            put("an empty password", json!({"password": ""})),
            put(
                "a home on no storage",
                json!({"home": {"storage": "nowhere", "folder": "/"}}),
            ),
            put("a home with a NUL", files("/a\u{0}b")),
            put(
                "a mount at the root",
                json!({"mounts": [{"at": "/", "storage": "files", "folder": "/"}]}),
            ),
            put(
                "an unknown operation",
                json!({"home": {"storage": "files", "folder": "/", "grants": [{"path": "/", "allow": ["fly"]}]}}),
            ),
            put(
                "a grant outside its mount",
                json!({"mounts": [{"at": "/m", "storage": "files", "folder": "/", "grants": [{"path": "/n", "allow": ["read"]}]}]}),
            ),
            put("no session at all", json!({"sessions_max": 0})),
            put("minus one session", json!({"sessions_max": -1})),
            service("port 0", json!({"kind": "sftp", "port": 0})),
            service("port 65536", json!({"kind": "sftp", "port": 65_536})),
            service("an unknown protocol", json!({"kind": "telnet", "port": 2323})),
            service(
                "a host key that is not there",
                json!({"kind": "sftp", "port": 2323, "host_keys": ["no"]}),
            ),
            row(
                "a relative root",
                "PUT",
                "/api/v1/storage/new",
                r#"{"spec":{"root":"srv"}}"#,
                &[400, 422],
            ),
            row(
                "a root with ..",
                "PUT",
                "/api/v1/storage/new",
                r#"{"spec":{"root":"/srv/../etc"}}"#,
                &[400, 422],
            ),
            row(
                "a private key that is none",
                "PUT",
                "/api/v1/host-key/new",
                r#"{"spec":{"private":"x"}}"#,
                &[400, 422],
            ),
            row(
                "a role that is none",
                "PUT",
                "/api/v1/administrator/new",
                r#"{"spec":{"role":"god"}}"#,
                &[400, 422],
            ),
            row(
                "a token for nobody",
                "PUT",
                "/api/v1/api-token/new",
                r#"{"spec":{"administrator":"no"}}"#,
                &[400, 422],
            ),
            row("a storage in use", "DELETE", "/api/v1/storage/files", "", &[409]),
        ],
    );
    drop(account);
}

#[test]
fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let api = cluster.api(0);
    let account = Account::create(&cluster);
    let first = api.get(&account.path()).ok();
    let tag = first.header("etag").expect("no ETag").to_owned();
    let changed = json!({"enabled": false});
    let path = account.path();
    check(
        &api,
        &api,
        vec![
            row(
                "a wrong If-Match",
                "PUT",
                &path,
                json!({"spec": changed}).to_string(),
                &[412],
            )
            .with("if-match", "\"1\""),
            row("a wrong If-Match on delete", "DELETE", &path, "", &[412]).with("if-match", "\"1\""),
            row(
                "a create of what exists",
                "PUT",
                &path,
                json!({"spec": changed}).to_string(),
                &[412],
            )
            .with("if-none-match", "*"),
            row(
                "a change of what does not exist",
                "PUT",
                "/api/v1/account/no",
                r#"{"spec":{}}"#,
                &[404, 412],
            )
            .with("if-match", "*"),
        ],
    );
    let answer = api.put_with(&path, &[("if-match", &tag)], &changed).ok();
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
    api.put_with(&path, &[("if-match", &tag)], &changed).problem(&[412]);
    assert_eq!(api.get(&path).json()["spec"]["enabled"], false);
}

#[test]
fn every_route_asks_for_a_token_and_for_its_role() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let owner = cluster.api(0);
    let (viewer, operator) = (with_role(&cluster, "viewer"), with_role(&cluster, "operator"));
    let writes = |kind: &str| {
        row(
            "a write",
            "PUT",
            &format!("/api/v1/{kind}/new"),
            r#"{"spec":{}}"#,
            &[403],
        )
    };
    check(&owner, &viewer, KINDS.map(writes).into());
    check(&owner, &operator, KINDS[1..].iter().map(|kind| writes(kind)).collect());
    let smuggled = json!({"objects": [{"kind": "administrator", "name": "mallory", "spec": {"role": "owner"}}]});
    check(
        &owner,
        &operator,
        vec![
            row(
                "an owner made by an apply",
                "POST",
                "/api/v1/apply",
                smuggled.to_string(),
                &[403],
            ),
            row("a join token", "POST", "/api/v1/join-token", "", &[403]),
            row("a removal of a node", "DELETE", "/api/v1/node/1", "", &[403]),
        ],
    );
    operator.put("/api/v1/account/by-operator", &json!({})).ok();
    assert_eq!(viewer.get("/api/v1/account/by-operator").status, 200);
    let good = cluster.token.clone();
    let mut flipped = good.clone();
    let last = flipped.pop().unwrap();
    flipped.push(if last == 'a' { 'b' } else { 'a' });
    let cases = [
        None,
        Some(""),
        Some("argosy_"),
        Some(flipped.as_str()),
        Some("../../etc/passwd"),
        Some(&good[..20]),
    ];
    for token in cases {
        let asking = owner.with_token(token).with_limit(Duration::from_secs(10));
        let reads = KINDS.map(|kind| row("a read", "GET", &format!("/api/v1/{kind}"), "", &[401, 429]));
        check(&owner, &asking, reads.into_iter().take(2).collect());
        check(
            &owner,
            &asking,
            vec![row(
                "a write",
                "PUT",
                "/api/v1/account/new",
                r#"{"spec":{}}"#,
                &[401, 429],
            )],
        );
    }
    check(
        &owner,
        &owner.with_token(None),
        vec![
            row("a header of another kind", "GET", "/api/v1/account", "", &[401])
                .with("authorization", "AWS4-HMAC-SHA256 Credential=crushadmin/"),
            row("two tokens", "GET", "/api/v1/account", "", &[401])
                .with("authorization", &format!("Bearer {good}"))
                .with("authorization", "Bearer argosy_x"),
            row(
                "a token in the query",
                "GET",
                &format!("/api/v1/account?token={good}"),
                "",
                &[401],
            ),
            row(
                "a path that ends elsewhere",
                "GET",
                "/health/live/..;/api/v1/account",
                "",
                &[401, 404],
            ),
            row(
                "a path with ..",
                "GET",
                "/health/live/../../api/v1/account",
                "",
                &[401, 404],
            ),
        ],
    );
}
