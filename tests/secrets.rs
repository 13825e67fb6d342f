//! Secrets that were planted are looked for wherever a node writes or answers.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::{Account, Cluster, Login, among_others, process};

/// What is looked for, and under which name it is reported.
struct Planted {
    secrets: Vec<(String, Vec<u8>)>,
}

impl Planted {
    fn add(&mut self, what: &str, secret: &str) {
        self.secrets.push((what.to_owned(), secret.as_bytes().to_vec()));
    }

    /// The names of the secrets that `bytes` hold.
    fn found(&self, bytes: &[u8]) -> Vec<&str> {
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        self.secrets
            .iter()
            .filter(|(_, secret)| holds(secret))
            .map(|(what, _)| what.as_str())
            .collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Uses every kind of secret, each in every way that could leave a trace.
fn plant(cluster: &Cluster) -> (Planted, Account) {
    let mut planted = Planted { secrets: Vec::new() };
    planted.add("the first administrator's token", &cluster.token);
    let mut account = Account::create(cluster);
    for password in ["planted-PASSWORD-one", "planted-PASSWORD-two"] {
        planted.add("a password", password);
        account.password = password.to_owned();
        account.change(cluster, 1, json!({"password": password}));
        assert!(Login::new(cluster, &account, 0).by_password().works());
    }
    // A wrong password, and a password where the name belongs.
    let wrong = Login::new(cluster, &account, 0).by_password();
    wrong
        .python("failed_logins.py", json!({"tries": 1, "names": [account.name]}))
        .ok();
    planted.add("a wrong password", "wrong 0");
    let by_line = "planted-PASSWORD-by-the-command-line";
    planted.add("a password by the command line", by_line);
    cluster
        .cli(
            1,
            &["account", "password", &account.name, "--stdin"],
            by_line.as_bytes(),
        )
        .ok();
    let refused = json!({"password": "planted-PASSWORD-refused", "nonsense": true});
    planted.add("a password in a refused change", "planted-PASSWORD-refused");
    cluster.api(0).put(&account.path(), &refused).problem(&[400, 422]);
    let pem = private_key(cluster);
    cluster
        .api(0)
        .put("/api/v1/host-key/planted?wait=enforced", &json!({"private": pem}))
        .enforced();
    for line in pem.lines().filter(|line| !line.starts_with("-----")).skip(1) {
        planted.add("a line of a private host key", line);
    }
    cluster
        .api(0)
        .put(
            "/api/v1/administrator/second",
            &json!({"role": "viewer", "password": "planted-PASSWORD-admin"}),
        )
        .ok();
    planted.add("an administrator's password", "planted-PASSWORD-admin");
    let made = cluster
        .api(0)
        .put("/api/v1/api-token/second", &json!({"administrator": "second"}))
        .ok()
        .json();
    planted.add("an API token", made["secrets"][0]["secret"].as_str().unwrap());
    planted.add("a join token", &cluster.join_token(1));
    (planted, account)
}

/// A private key that was made elsewhere.
fn private_key(cluster: &Cluster) -> String {
    let file = cluster.path("host-key");
    let mut command = process::command("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file);
    process::run(command, b"").ok();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn planted_secrets_are_nowhere_on_disk_in_logs_events_or_answers() {
    let _among = among_others();
    let cluster = Cluster::start(2);
    let (planted, account) = plant(&cluster);
    let mut answers = String::new();
    for at in [0, 1] {
        let api = cluster.api(at);
        for kind in [
            "account",
            "administrator",
            "api-token",
            "service",
            "host-key",
            "storage",
            "settings",
            "session",
            "status",
            "node",
        ] {
            answers += &api.get(&format!("/api/v1/{kind}")).ok().text();
        }
        for path in [
            account.path(),
            "/api/v1/host-key/planted".to_owned(),
            "/metrics".to_owned(),
        ] {
            answers += &api.get(&path).ok().text();
        }
        answers += &cluster.cli(at, &["get", "account", "--output", "json"], b"").ok().out;
        answers += &cluster.cli(at, &["status"], b"").ok().out;
    }
    assert_eq!(planted.found(answers.as_bytes()), Vec::<&str>::new(), "in an answer");
    assert!(!answers.contains("$argon2"), "a password's hash is answered");
    // Twice: as it runs, and after a stop, which flushes what was in memory.
    for round in ["while it runs", "after a stop"] {
        for node in &cluster.nodes {
            let key = node.data.join("cluster/node.key");
            for file in files(&node.data).into_iter().filter(|file| *file != key) {
                let bytes = std::fs::read(&file).unwrap();
                assert_eq!(
                    planted.found(&bytes),
                    Vec::<&str>::new(),
                    "{round}, in {}",
                    file.display()
                );
                let text = String::from_utf8_lossy(&bytes);
                assert!(
                    !text.contains("PRIVATE KEY-----"),
                    "{round}, a private key in {}",
                    file.display()
                );
            }
            assert_eq!(
                planted.found(node.said().as_bytes()),
                Vec::<&str>::new(),
                "{round}, in the log"
            );
        }
        if round == "while it runs" {
            for node in &cluster.nodes {
                node.stop();
            }
        }
    }
}

#[test]
fn the_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let _among = among_others();
    let cluster = Cluster::start(1);
    Account::create(&cluster);
    let data = &cluster.nodes[0].data;
    let mode = std::fs::metadata(data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the data folder has mode {mode:o}");
    let mode = std::fs::metadata(data.join("cluster/node.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o177, 0, "the node's key has mode {mode:o}");
}

#[test]
fn what_happens_is_an_event_with_an_id_the_node_the_peer_and_the_outcome() {
    let _among = among_others();
    let cluster = Cluster::start(1);
    let account = Account::create(&cluster);
    let login = Login::new(&cluster, &account, 0);
    login
        .sftp("put /etc/hostname /up\nget /up /dev/null\nmkdir d\nrename up d/moved\nrm d/moved\nrmdir d")
        .ok();
    login.sftp("get /missing /dev/null").refused();
    login
        .clone()
        .by_password()
        .python("failed_logins.py", json!({"tries": 1, "names": [account.name]}))
        .ok();
    let expected = [
        "node-started",
        "login-accepted",
        "login-refused",
        "session-ended",
        "file-uploaded",
        "file-downloaded",
        "folder-made",
        "renamed",
        "file-deleted",
        "folder-removed",
        "catalog-changed",
        "service-opened",
    ];
    let events = crate::rig::eventually("all events are in the journal", crate::rig::limits::LINE, || {
        let events = events(&cluster);
        let missing: Vec<_> = expected
            .iter()
            .filter(|name| !events.iter().any(|event| names(event, name)))
            .collect();
        if missing.is_empty() {
            Ok(events)
        } else {
            Err(format!("missing: {missing:?}"))
        }
    });
    let mut ids: Vec<_> = events.iter().map(|event| event["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "ids are not unique: {:?}", events.first());
    let upload = events.iter().find(|event| names(event, "file-uploaded")).unwrap();
    let told = upload.to_string();
    for part in ["/up", &account.name, &login.from.to_string(), "n1", "sftp"] {
        assert!(told.contains(part), "`{part}` is not in {told}");
    }
}

fn events(cluster: &Cluster) -> Vec<Value> {
    let mut events = Vec::new();
    for file in files(&cluster.nodes[0].data.join("events")) {
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            let text = std::fs::read_to_string(&file).unwrap();
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            events.extend(text[..whole].lines().map(|line| {
                serde_json::from_str::<Value>(line)
                    .unwrap_or_else(|error| panic!("{}: {error}: {line}", file.display()))
            }));
        }
    }
    events
}

/// Whether the event has this name, in whichever field.
fn names(event: &Value, name: &str) -> bool {
    event
        .as_object()
        .is_some_and(|fields| fields.values().any(|value| value == name))
}
