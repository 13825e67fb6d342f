//! The history as an administrator uses it: who changed what, what differs, going back, and a catalog carried to
//! another cluster; by real processes.

use serde_json::Value;

use crate::rig::process::{self, Done};
use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, shared};

#[track_caller]
fn run(cluster: &Cluster, words: &[&str]) -> Done {
    cluster.cli(0, words, b"")
}

/// The answer as JSON.
#[track_caller]
fn json(cluster: &Cluster, words: &[&str]) -> Value {
    let done = run(cluster, &[words, &["--output", "json"]].concat()).ok();
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("`{}`: {error}\n{}", done.line, done.out))
}

/// The revision that a change has made.
#[track_caller]
fn revision(cluster: &Cluster, words: &[&str]) -> String {
    json(cluster, words)["revision"].to_string()
}

#[test]
fn a_change_is_found_in_the_history_and_taken_back_without_its_password() {
    let shared = shared();
    let account = Account::create(&shared);
    let name = account.name.as_str();
    let before = revision(&shared, &["account", "set", name, "--source", "127.0.0.0/8"]);
    let changed = revision(
        &shared,
        &[
            "account",
            "set",
            name,
            "--source",
            "192.0.2.0/24",
            "--sessions-max",
            "3",
        ],
    );
    let secret = format!("secret of {name}");
    shared
        .cli(
            1,
            &["account", "password", name, "--stdin"],
            format!("{secret}\n").as_bytes(),
        )
        .ok();
    run(&shared, &["account", "disable", name, "--wait"]).ok();

    let entries = json(&shared, &["history", "--kind", "account", "--name", name]);
    let actions: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["update", "update", "update", "update", "create"]);
    let table = run(&shared, &["history", "--name", name, "--limit", "2"]).ok().out;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("root@n1"), "{table}");
    let one = run(&shared, &["history", &changed]).ok().out;
    assert!(one.contains("+ 192.0.2.0/24") && one.contains("sessions_max"), "{one}");
    let diff = run(&shared, &["diff", "account", name, &before]).ok().out;
    assert!(
        diff.contains("enabled") && diff.contains("yes -> no") && diff.contains("password"),
        "{diff}"
    );
    assert!(!diff.contains(&secret) && !diff.contains("argon2"), "{diff}");
    let between = run(&shared, &["diff", "account", name, &before, &changed]).ok().out;
    assert!(!between.contains("enabled"), "{between}");

    let object = format!("account/{name}");
    let plan = run(&shared, &["rollback", &before, "--object", &object, "--dry-run"])
        .ok()
        .out;
    assert!(plan.contains("- 192.0.2.0/24") && !plan.contains("yes -> no"), "{plan}");
    assert_eq!(json(&shared, &["account", "show", name])["spec"]["sessions_max"], 3);
    let unasked = run(&shared, &["rollback", &before, "--object", &object]).refused();
    assert_eq!(unasked.status.code(), Some(2), "{}", unasked.err);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    let on_terminal = |answer: &str, told: &str| {
        let node = shared.nodes[0].data.display().to_string();
        let argosy = env!("CARGO_BIN_EXE_argosy");
        let command = [argosy, "rollback", &before, "--object", &object, "--data", &node];
        let steps = serde_json::json!([["- 192.0.2.0/24", null], ["Do this? [y/N] ", answer], [told, null]]);
        let arguments = serde_json::json!({"command": command, "steps": steps}).to_string();
        process::run(crate::rig::client::python("terminal.py", &arguments), b"").ok();
    };
    on_terminal("n", "nothing was changed");
    on_terminal("", "nothing was changed");
    assert_eq!(json(&shared, &["account", "show", name])["spec"]["sessions_max"], 3);
    on_terminal("y", "keeps enabled");
    run(&shared, &["rollback", &changed, "--object", &object, "--yes", "--wait"]).ok();
    assert_eq!(json(&shared, &["account", "show", name])["spec"]["sessions_max"], 3);
    let done = run(&shared, &["rollback", &before, "--object", &object, "--yes", "--wait"]).ok();
    assert!(done.out.contains("keeps enabled"), "{}", done.out);
    let shown = json(&shared, &["account", "show", name]);
    assert_eq!(shown["spec"]["sessions_max"], Value::Null);
    assert_eq!(shown["spec"]["enabled"], false);
    run(
        &shared,
        &[
            "rollback",
            &before,
            "--object",
            &object,
            "--with-credentials",
            "--yes",
            "--wait",
        ],
    )
    .ok();
    assert!(Login::new(&shared, &account, 2).by_password().works());

    let gone = run(&shared, &["history", "99999999"]).refused();
    assert!(gone.err.contains("not made yet"), "{}", gone.err);
    run(&shared, &["rollback", &before, "--object", "robot/x"]).refused();
}

#[test]
fn a_dry_run_says_what_an_apply_would_do_and_an_apply_of_the_same_then_changes_nothing_more() {
    let shared = shared();
    let account = Account::create(&shared);
    let name = account.name.as_str();
    let file = shared.path(&format!("{name}-export.yaml"));
    let path = file.display().to_string();
    run(&shared, &["export", "--file", &path]).ok();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains(name) && !text.contains("argon2") && !text.contains("PRIVATE KEY"),
        "{text}"
    );
    let small = shared.path(&format!("{name}-change.yaml"));
    let change = format!(
        "objects:\n- {{kind: group, name: {name}-group, spec: {{description: new}}}}\n\
         - {{kind: account, name: {name}, spec: {{groups: [{name}-group], home: {{storage: files, folder: /{name}}}}}}}\n"
    );
    std::fs::write(&small, change).unwrap();
    let small = small.display().to_string();
    let plan = run(&shared, &["apply", "-f", &small, "--dry-run"]).ok().out;
    assert!(plan.contains(&format!("group `{name}-group` is made")), "{plan}");
    assert!(plan.contains(&format!("+ {name}-group")), "{plan}");
    run(&shared, &["group", "show", &format!("{name}-group")]).refused();
    run(&shared, &["apply", "-f", &small, "--wait"]).ok();
    let again = run(&shared, &["apply", "-f", &small, "--dry-run"]).ok().out;
    assert_eq!(again, "Nothing differs.\n");
    let bad = small.replace("-change", "-bad");
    std::fs::write(&bad, "kind: account\nname: x\nspec: {groups: [nobody-of-this-name]}\n").unwrap();
    run(&shared, &["apply", "-f", &bad, "--dry-run"]).refused();
}

#[test]
fn a_list_shows_what_is_asked_for_and_the_api_is_described() {
    let shared = shared();
    let account = Account::create(&shared);
    let name = account.name.as_str();
    run(&shared, &["account", "disable", name]).ok();
    let names = |words: &[&str]| {
        let listed = json(&shared, words);
        let names = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|object| object["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&["account", "list", "--name", name]), [name]);
    assert!(names(&["account", "list", "--where", "enabled=false", "--local"]).contains(&name.to_owned()));
    assert!(names(&["account", "list", "--name", name, "--where", "enabled=true"]).is_empty());
    let wrong = run(&shared, &["account", "list", "--where", "colour=red"]).refused();
    assert!(wrong.err.contains("enabled"), "{}", wrong.err);
    assert_eq!(
        json(&shared, &["openapi"])["openapi"]
            .as_str()
            .unwrap()
            .split('.')
            .next(),
        Some("3")
    );
}

#[test]
fn a_watch_tells_changes_from_a_revision_on() {
    let shared = shared();
    let account = Account::create(&shared);
    let name = account.name.as_str();
    let from = revision(&shared, &["account", "set", name, "--sessions-max", "7"]);
    run(&shared, &["account", "disable", name]).ok();
    run(&shared, &["account", "delete", name]).ok();
    let mut command = crate::rig::cluster::argosy();
    command.args(["watch", "--kind", "account", "--output", "json", "--from", &from]);
    command.arg("--data").arg(&shared.nodes[1].data);
    let mut watch = Talk::start(command);
    let line = loop {
        let line = watch.expect("event");
        if line["event"] == "delete" && line["name"] == name {
            break line;
        }
    };
    assert_eq!(line["kind"], "account");
}

#[test]
fn a_watch_whose_server_dies_goes_on_at_the_next_and_misses_and_repeats_nothing() {
    let cluster = Cluster::start(3);
    let url = |at: usize| format!("https://{}", cluster.nodes[at].at(crate::rig::cluster::ADMIN_PORT));
    let mut command = crate::rig::cluster::argosy();
    command.args(["watch", "--kind", "account", "--output", "json"]);
    command.args(["--server", &url(2), "--server", &url(0), "--server", &url(1)]);
    command.arg("--ca").arg(cluster.nodes[0].data.join("cluster/ca.crt"));
    command.env("ARGOSY_TOKEN", &cluster.token);
    // From the first revision on, so that no change is made before the watch begins.
    command.args(["--from", &revision(&cluster, &["account", "create", "before"])]);
    let mut watch = Talk::start(command);
    let mut told = Vec::new();
    let mut expect = |watch: &mut Talk, name: &str| {
        let line = watch.expect("event");
        assert_eq!(line["name"], name, "{line}");
        told.push(line["revision"].as_u64().unwrap());
    };
    run(&cluster, &["account", "create", "one"]).ok();
    expect(&mut watch, "one");
    cluster.nodes[2].kill();
    for name in ["two", "three"] {
        let create = ["account", "create", name];
        crate::rig::eventually("a change is made", crate::rig::limits::START, || {
            let done = run(&cluster, &create);
            let made = done.status.success() || done.err.contains("exists");
            made.then_some(()).ok_or(done.err)
        });
    }
    expect(&mut watch, "two");
    expect(&mut watch, "three");
    // A node that is stopped says so, and the watch goes on as well.
    cluster.nodes[2].start();
    cluster.wait_ready(2);
    cluster.nodes[0].stop();
    let api = cluster.api(2);
    crate::rig::eventually("a change is made", crate::rig::limits::START, || {
        let answer = api.put("/api/v1/account/four", &serde_json::json!({}));
        (answer.status < 300).then_some(()).ok_or_else(|| answer.text())
    });
    expect(&mut watch, "four");
    assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
}
