//! The golden access matrix (`tests/matrix/access.json`), run over SFTP, SCP, FTP, FTPS, HTTP and HTTPS with real
//! processes; and the folder that is shared by two groups, changed while its members are signed in.
//!
//! The unit test of `access` holds the same table against the decision itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::rig::account::{key, public};
use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, Service, limits, shared};

const MATRIX: &str = include_str!("matrix/access.json");

/// What must lie at a path before an operation is tried there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    File,
    Folder,
    Nothing,
}

/// Every operation with what it needs to find.
const OPERATIONS: [(&str, Before); 11] = [
    ("read", Before::File),
    ("list", Before::Folder),
    ("write", Before::Nothing),
    ("overwrite", Before::File),
    ("append", Before::File),
    ("rename", Before::File),
    ("delete", Before::File),
    ("make-folder", Before::Nothing),
    ("remove-folder", Before::Folder),
    ("set-attributes", Before::File),
    ("links", Before::Nothing),
];

/// The protocols, each with what it can ask for; nothing named: all.
const OVER: [(&str, &[&str]); 2] = [
    ("sftp", &[]),
    ("scp", &["read", "list", "write", "overwrite", "make-folder"]),
];

/// An account that is described here rather than by the rig.
fn known(cluster: &Cluster, name: &str, spec: &Value) -> Account {
    let mut spec = spec.clone();
    spec["keys"] = json!([{"key": public(key(0))}]);
    let password = format!("the password of {name}");
    spec["password"] = json!(password);
    let account = Account {
        name: name.to_owned(),
        password,
        key: key(0).to_owned(),
        spec,
        home: cluster.path("files").join("matrix").join(name),
    };
    account.tell(cluster, 0);
    account
}

fn tell(cluster: &Cluster, kind: &str, name: &str, spec: &Value) {
    let path = format!("/api/v1/{kind}/{name}?wait=enforced&timeout=10s");
    cluster.api(0).put(&path, spec).enforced();
}

/// Where each mount of an account leads, longest place first: its own before its groups'.
fn mounts(objects: &BTreeMap<(String, String), Value>, spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |mount: &Value, at: &str| {
        let folder = mount["folder"].as_str().unwrap().to_owned();
        if !found.iter().any(|(known, _)| known == at) {
            found.push((at.to_owned(), folder));
        }
    };
    if spec["home"].is_object() {
        add(&spec["home"], "/");
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut open = vec![spec.clone()];
    while !open.is_empty() {
        let now = open.remove(0);
        for mount in list(&now["mounts"]) {
            add(&mount, mount["at"].as_str().unwrap());
        }
        for group in list(&now["groups"]) {
            open.push(objects[&("group".to_owned(), group.as_str().unwrap().to_owned())].clone());
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(at.len()));
    found
}

fn on_disk(root: &Path, mounts: &[(String, String)], path: &str) -> PathBuf {
    let holds = |at: &str| at == "/" || path == at || path.starts_with(&format!("{at}/"));
    let (at, folder) = mounts.iter().find(|(at, _)| holds(at)).unwrap();
    let below = path[at.len()..].trim_start_matches('/');
    root.join(folder.trim_start_matches('/')).join(below)
}

fn prepare(at: &Path, before: Before) {
    let _ = std::fs::remove_dir_all(at);
    let _ = std::fs::remove_file(at);
    let _ = std::fs::remove_file(format!("{}-moved", at.display()));
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    match before {
        Before::File => std::fs::write(at, b"before").unwrap(),
        Before::Folder => std::fs::create_dir(at).unwrap(),
        Before::Nothing => {}
    }
}

/// The matrix makes and removes the same files whatever the protocol: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn sftp_and_scp_keep_the_access_matrix() {
    let shared = shared();
    for (over, known) in OVER {
        let asked = |(name, _): &(&str, _)| known.is_empty() || known.contains(name);
        let operations: Vec<_> = OPERATIONS.into_iter().filter(asked).collect();
        keeps_the_matrix(&shared, &operations, |account, at| {
            Login::new(&shared, account, at).talk("matrix.py", json!({"over": over}))
        });
    }
}

#[test]
fn ftp_and_ftps_keep_the_access_matrix() {
    let shared = shared();
    let operations: Vec<_> = OPERATIONS.into_iter().filter(|(name, _)| *name != "links").collect();
    for kind in ["ftp", "ftps"] {
        let service = Service::create_with_tls(&shared, kind, &json!({}));
        keeps_the_matrix(&shared, &operations, |account, at| {
            let login = service.login(account, at).by_password();
            login.talk("ftp_matrix.py", json!({"over": kind}))
        });
    }
}

/// The faces of HTTP, and what they have no word for.
const HTTP_LACKS: [&str; 2] = ["append", "links"];

#[test]
fn the_file_api_and_webdav_keep_the_access_matrix() {
    let shared = shared();
    for kind in ["http", "https"] {
        for face in ["api", "dav"] {
            keeps_the_matrix_by_http(&shared, kind, face);
        }
    }
}

fn keeps_the_matrix_by_http(shared: &Cluster, kind: &str, face: &str) {
    let operations: Vec<_> = OPERATIONS
        .into_iter()
        .filter(|(name, _)| !HTTP_LACKS.contains(name))
        .collect();
    let service = Service::create_with_tls(shared, kind, &json!({}));
    keeps_the_matrix(shared, &operations, |account, at| {
        let login = service.login(account, at).by_password();
        login.talk("http_matrix.py", json!({"over": kind, "face": face}))
    });
}

fn keeps_the_matrix(shared: &Cluster, operations: &[(&str, Before)], begin: impl Fn(&Account, usize) -> Talk) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let matrix: Value = serde_json::from_str(MATRIX).unwrap();
    let mut objects = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for row in matrix["objects"].as_array().unwrap() {
        let (kind, name) = (row["kind"].as_str().unwrap(), row["name"].as_str().unwrap());
        objects.insert((kind.to_owned(), name.to_owned()), row["spec"].clone());
        match kind {
            "account" => {
                accounts.insert(name.to_owned(), known(shared, name, &row["spec"]));
            }
            _ => tell(shared, kind, name, &row["spec"]),
        }
    }
    let root = shared.path("files");
    let mut clients: BTreeMap<&str, Talk> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (number, row) in matrix["rows"].as_array().unwrap().iter().enumerate() {
        let (account, path) = (row["account"].as_str().unwrap(), row["path"].as_str().unwrap());
        let client = clients.entry(account).or_insert_with(|| {
            let mut client = begin(&accounts[account], number % 3);
            client.expect("started");
            client
        });
        let at = on_disk(&root, &mounts(&objects, &accounts[account].spec), path);
        for (operation, before) in operations {
            prepare(&at, *before);
            client.say(&format!("{operation} {path}"));
            let denied = client.expect("did")["denied"].clone();
            let allowed = row["allow"].as_array().unwrap().contains(&json!(operation));
            if denied != json!(!allowed) {
                wrong.push(format!("{account}: {operation} {path}: denied: {denied}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    shared.no_panics();
}

/// The textbook's example: one folder, one group that reads, one that may do everything.
#[test]
fn a_folder_shared_by_two_groups_follows_every_change_of_them_while_members_are_signed_in() {
    let shared = shared();
    let mount = |grants: Value| json!({"mounts": [{"at": "/shared", "storage": "files", "folder": "/textbook", "grants": grants}]});
    tell(
        &shared,
        "group",
        "tb-readers",
        &mount(json!([{"allow": ["read", "list"]}])),
    );
    tell(&shared, "group", "tb-writers", &mount(json!([{"allow": ["all"]}])));
    let spec = |groups: Value| json!({"groups": groups});
    let reader = known(&shared, "tb-reader", &spec(json!(["tb-readers"])));
    let writer = known(&shared, "tb-writer", &spec(json!(["tb-writers"])));
    let mut both = known(&shared, "tb-both", &spec(json!(["tb-readers", "tb-writers"])));
    let folder = shared.path("files").join("textbook");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("plan"), b"the plan").unwrap();

    let begin = |account: &Account, at: usize| {
        let mut client = Login::new(&shared, account, at).talk("idle.py", json!({}));
        client.expect("started");
        client
    };
    let mut clients = [begin(&reader, 0), begin(&writer, 1), begin(&both, 2)];
    let mut check = |line: &str, expected: [bool; 3]| {
        for (client, expected) in clients.iter_mut().zip(expected) {
            client.say(line);
            let did = client.expect("did");
            assert_eq!(did["error"].is_null(), expected, "{did}");
        }
    };
    check("list /shared", [true, true, true]);
    check("get /shared/plan", [true, true, true]);
    check("put /shared/new", [false, true, true]);
    check("list /", [true, true, true]);
    check("put /new", [false, false, false]);

    // The group learns a denial: it holds for the member of both at once, in the session that runs.
    let mut stricter = mount(json!([{"allow": ["read", "list"]}]));
    stricter["grants"] = json!([{"glob": "/shared/*.locked", "deny": ["write", "overwrite"]}]);
    tell(&shared, "group", "tb-readers", &stricter);
    check("put /shared/a.locked", [false, true, false]);
    check("put /shared/a.open", [false, true, true]);

    // A role does the same from the side; an account's own allowance wins over its groups' denial.
    tell(
        &shared,
        "role",
        "tb-blind",
        &json!({"grants": [{"path": "/shared", "deny": ["read"]}]}),
    );
    stricter["roles"] = json!(["tb-blind"]);
    tell(&shared, "group", "tb-readers", &stricter);
    check("get /shared/plan", [false, true, false]);
    both.change(
        &shared,
        1,
        json!({"grants": [{"path": "/shared/plan", "allow": ["read"]}]}),
    );
    check("get /shared/plan", [false, true, true]);

    // Out of the group, out of the folder, without a new login.
    both.change(&shared, 2, json!({"groups": [], "grants": []}));
    check("get /shared/plan", [false, true, false]);
    shared.api(0).delete("/api/v1/group/tb-readers").problem(&[409]);
}

#[test]
fn an_upload_under_way_is_not_published_once_its_group_may_not_write() {
    let shared = shared();
    let group =
        |grants: Value| json!({"mounts": [{"at": "/box", "storage": "files", "folder": "/taken", "grants": grants}]});
    tell(&shared, "group", "taken", &group(json!([{"allow": ["all"]}])));
    let member = known(&shared, "taken-member", &json!({"groups": ["taken"]}));
    let mut client = Login::new(&shared, &member, 0).talk("slow_put.py", json!({"path": "/box/file"}));
    client.expect("started");
    tell(&shared, "group", "taken", &group(json!([{"allow": ["read", "list"]}])));
    let ended = client.within("ended", limits::CLIENT);
    assert!(!ended["ended"].is_null(), "{ended}");
    assert!(!shared.path("files").join("taken/file").exists(), "it was published");
}
