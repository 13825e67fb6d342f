//! The command line as an administrator uses it: on the machine, and from elsewhere with a token.

use serde_json::{Value, json};

use crate::rig::cluster::{ADMIN_PORT, argosy};
use crate::rig::process::{self, Done};
use crate::rig::{Account, Cluster, Login, account, shared};

/// A client elsewhere: `--server`, `--ca`, and the token in the environment.
fn remote(cluster: &Cluster, at: usize, words: &[&str], input: &[u8]) -> Done {
    let node = &cluster.nodes[at];
    let mut command = argosy();
    command.args(words);
    command.arg("--server").arg(format!("https://{}", node.at(ADMIN_PORT)));
    command.arg("--ca").arg(node.data.join("cluster/ca.crt"));
    command.env("ARGOSY_TOKEN", &cluster.token);
    process::run(command, input)
}

/// Runs on the machine of node `at` or from elsewhere, by turns.
fn by_turns(cluster: &Cluster, at: usize, words: &[&str], input: &[u8]) -> Done {
    if at == 1 {
        remote(cluster, at, words, input)
    } else {
        cluster.cli(at, words, input)
    }
}

#[test]
fn an_account_lives_its_whole_life_by_the_command_line() {
    let shared = shared();
    let mut account = Account::new(&shared);
    let name = account.name.clone();
    let folder = format!("/{name}");
    let run = |at: usize, words: &[&str], input: &str| by_turns(&shared, at, words, input.as_bytes());
    let create = [
        "account",
        "create",
        &name,
        "--home-storage",
        "files",
        "--home-folder",
        &folder,
        "--password-stdin",
        "--wait",
    ];
    run(0, &create, &format!("{}\n", account.password)).ok();
    assert!(Login::new(&shared, &account, 2).by_password().works());
    assert!(!Login::new(&shared, &account, 2).works());
    let file = account::key(0).with_extension("pub").display().to_string();
    run(1, &["account", "key", "add", &name, "--file", &file, "--wait"], "").ok();
    assert!(Login::new(&shared, &account, 0).works());
    run(2, &["account", "disable", &name, "--wait"], "").ok();
    assert!(!Login::new(&shared, &account, 0).works());
    run(0, &["account", "enable", &name, "--wait"], "").ok();
    assert!(Login::new(&shared, &account, 1).works());
    run(
        1,
        &["account", "password", &name, "--stdin", "--wait"],
        "changed by stdin\n",
    )
    .ok();
    assert!(!Login::new(&shared, &account, 0).by_password().works());
    account.password = "changed by stdin".to_owned();
    assert!(Login::new(&shared, &account, 0).by_password().works());
    let shown: Value =
        serde_json::from_str(&run(1, &["get", "account", &name, "--output", "json"], "").ok().out).unwrap();
    let fingerprint = shown.pointer("/spec/keys/0/fingerprint").and_then(Value::as_str);
    let fingerprint = fingerprint
        .unwrap_or_else(|| panic!("no fingerprint in {shown}"))
        .to_owned();
    run(0, &["account", "key", "remove", &name, &fingerprint, "--wait"], "").ok();
    assert!(!Login::new(&shared, &account, 2).works());
    run(
        2,
        &[
            "account",
            "grant",
            "add",
            &name,
            "--path",
            "/",
            "--allow",
            "read,list",
            "--wait",
        ],
        "",
    )
    .ok();
    Login::new(&shared, &account, 1).by_password().works();
    run(1, &["account", "delete", &name, "--wait"], "").ok();
    assert!(!Login::new(&shared, &account, 1).by_password().works());
    run(1, &["get", "account", &name], "").refused();
}

#[test]
fn a_file_of_objects_is_applied_as_a_whole() {
    let shared = shared();
    let account = Account::new(&shared);
    let file = shared.path(&format!("{}.yaml", account.name));
    let text = format!(
        "objects:\n- kind: account\n  name: {0}\n  spec:\n    password: {1:?}\n    home: {{storage: files, folder: /{0}}}\n",
        account.name, account.password
    );
    std::fs::write(&file, &text).unwrap();
    let path = file.display().to_string();
    by_turns(&shared, 1, &["apply", "-f", &path, "--wait"], b"").ok();
    assert!(Login::new(&shared, &account, 2).by_password().works());
    by_turns(
        &shared,
        0,
        &["apply", "-f", "-"],
        text.replace("home", "hoome").as_bytes(),
    )
    .refused();
    by_turns(&shared, 0, &["apply", "-f", "/nonexistent"], b"").refused();
}

#[test]
fn status_nodes_and_sessions_are_shown_on_every_node() {
    let shared = shared();
    let account = Account::create(&shared);
    let mut idle = Login::new(&shared, &account, 2).talk("idle.py", serde_json::json!({}));
    idle.expect("started");
    for at in [0, 1, 2] {
        for words in [&["status"][..], &["node", "list"]] {
            let out = by_turns(&shared, at, words, b"").ok().out;
            for name in ["n1", "n2", "n3"] {
                assert!(
                    out.contains(name),
                    "{words:?} at node {at} does not show {name}:\n{out}"
                );
            }
        }
        let out = by_turns(&shared, at, &["session", "list"], b"").ok().out;
        assert!(out.contains(&account.name), "{out}");
        let json: Value =
            serde_json::from_str(&by_turns(&shared, at, &["status", "--output", "json"], b"").ok().out).unwrap();
        assert!(json.is_object(), "{json}");
    }
    let session = account.sessions(&shared, 0).remove(0);
    by_turns(&shared, 1, &["session", "close", session["id"].as_str().unwrap()], b"").ok();
    idle.within("ended", crate::rig::limits::LINE);
    crate::rig::eventually("the session is gone", crate::rig::limits::LINE, || {
        let done = by_turns(&shared, 0, &["session", "close", session["id"].as_str().unwrap()], b"");
        if done.status.success() { Err(done.out) } else { Ok(()) }
    });
}

#[test]
fn what_is_wrong_is_said_on_stderr_with_a_failing_exit_code() {
    let shared = shared();
    let mut wrong_token = argosy();
    let node = &shared.nodes[0];
    wrong_token
        .args(["get", "account", "--server"])
        .arg(format!("https://{}", node.at(ADMIN_PORT)));
    wrong_token
        .arg("--ca")
        .arg(node.data.join("cluster/ca.crt"))
        .env("ARGOSY_TOKEN", "argosy_wrong");
    let mut other_ca = argosy();
    other_ca
        .args(["get", "account", "--server"])
        .arg(format!("https://{}", node.at(ADMIN_PORT)));
    other_ca
        .arg("--ca")
        .arg(crate::rig::repository().join("Cargo.toml"))
        .env("ARGOSY_TOKEN", &shared.token);
    let nobody = |words: &[&str]| shared.cli(0, words, b"");
    for done in [
        process::run(wrong_token, b""),
        process::run(other_ca, b""),
        nobody(&["account", "disable", "nobody-of-this-name"]),
        nobody(&["account", "create", "two\nlines"]),
        nobody(&["account", "create", ".."]),
        nobody(&["account", "key", "add", "nobody", "--file", "/etc/shadow-of-nothing"]),
        nobody(&["service", "set", "sftp", "--port", "0"]),
        nobody(&["service", "set", "sftp", "--port", "70000"]),
        nobody(&["get", "nothing"]),
        nobody(&["no-such-command"]),
        nobody(&["node", "remove", "n9"]),
    ] {
        let done = done.refused();
        assert!(done.err.trim().len() > 10, "`{}` says only `{}`", done.line, done.err);
        assert!(!done.said().contains("panicked"), "{}", done.said());
        assert!(
            done.out.is_empty(),
            "`{}` writes its error to stdout: {}",
            done.line,
            done.out
        );
    }
}

#[test]
fn curl_with_the_clusters_authority_is_client_enough() {
    let shared = shared();
    for node in &shared.nodes {
        let mut command = process::command("curl");
        command
            .args(["-sS", "--fail", "--max-time", "20", "--cacert"])
            .arg(node.data.join("cluster/ca.crt"));
        command.arg("-H").arg(format!("Authorization: Bearer {}", shared.token));
        command.arg(format!("https://{}/api/v1/status", node.at(ADMIN_PORT)));
        let json: Value = serde_json::from_str(&process::run(command, b"").ok().out).unwrap();
        assert_eq!(json["node"]["name"], node.name.as_str());
        let mut metrics = process::command("curl");
        metrics
            .args(["-sS", "--fail", "--max-time", "20", "--cacert"])
            .arg(node.data.join("cluster/ca.crt"));
        metrics.arg(format!("https://{}/metrics", node.at(ADMIN_PORT)));
        let text = process::run(metrics, b"").ok().out;
        for name in [
            "argosy_raft_term",
            "argosy_sessions",
            "# HELP argosy_",
            "# TYPE argosy_",
        ] {
            assert!(text.contains(name), "`{name}` is not among the metrics:\n{text}");
        }
    }
}

#[test]
fn an_apply_in_parts_makes_many_objects_and_keeps_what_came_before_a_refusal() {
    let shared = shared();
    let object =
        |number: usize, fields: Value| json!({"kind": "account", "name": format!("part-{number}"), "spec": fields});
    let written = |name: &str, objects: Vec<Value>| {
        let path = shared.path(name);
        std::fs::write(&path, json!({ "objects": objects }).to_string()).unwrap();
        path.display().to_string()
    };
    let apply = |file: &str, more: &[&str]| shared.cli(1, &[&["apply", "-f", file][..], more].concat(), b"");
    let revision = || {
        shared.api(0).get("/api/v1/storage").ok().json()["revision"]
            .as_u64()
            .unwrap()
    };
    let all = written(
        "parts.json",
        (0..1_201).map(|number| object(number, json!({}))).collect(),
    );
    let begun = revision();
    let done = apply(&all, &["--in-parts", "--wait"]).ok();
    for sentence in ["500 objects are applied", "201 objects are applied"] {
        assert!(done.said().contains(sentence), "{}", done.said());
    }
    assert!(revision() >= begun + 3, "three changes");
    for number in [0, 499, 500, 1_200] {
        shared.api(2).get(&format!("/api/v1/account/part-{number}")).ok();
    }
    // The third part is refused: what came before it stays made, and the reason is said.
    let mut objects: Vec<Value> = (0..1_201)
        .map(|number| object(number, json!({"sessions_max": 7})))
        .collect();
    objects[1_100] = object(1_100, json!({"groups": ["no-such-group"]}));
    let some = written("refused.json", objects);
    let refused = apply(&some, &["--in-parts"]).refused();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.err);
    assert!(refused.err.contains("no-such-group"), "{}", refused.err);
    let sessions_max = |number: usize| {
        let shown = shared.api(0).get(&format!("/api/v1/account/part-{number}")).ok().json();
        shown["spec"]["sessions_max"].clone()
    };
    assert_eq!((sessions_max(0), sessions_max(999)), (json!(7), json!(7)));
    assert_eq!((sessions_max(1_000), sessions_max(1_200)), (Value::Null, Value::Null));
    // What holds for one change alone is refused before anything is sent.
    let expected = shared.path("expected.json");
    let document = json!({
        "objects": (0..501).map(|number| object(number, json!({}))).collect::<Vec<_>>(),
        "expected": [{"kind": "account", "name": "part-0", "revision": 1}],
    });
    std::fs::write(&expected, document.to_string()).unwrap();
    let refused = apply(&expected.display().to_string(), &["--in-parts"]).refused();
    assert!(refused.err.contains("--in-parts"), "{}", refused.err);
    assert_eq!(sessions_max(0), json!(7));
    let deletes: Vec<_> = (0..1_201)
        .map(|number| json!({"kind": "account", "name": format!("part-{number}")}))
        .collect();
    let path = shared.path("deletes.json");
    std::fs::write(&path, json!({ "deletes": deletes }).to_string()).unwrap();
    apply(&path.display().to_string(), &["--in-parts"]).ok();
    shared
        .api(2)
        .get("/api/v1/account/part-1200?min_revision=1")
        .problem(&[404]);
}
