use std::collections::BTreeSet;
use std::ops::Deref;

use serde_json::Value;

use super::*;
use crate::admin::shapes::{self, Border};
use crate::admin::testing::Node;
use crate::catalog::limits::INHERITED_MAX;
use crate::catalog::{Kind, ObjectKey, Operations, Reach, Restrictions, Service, Spec};
use crate::clock::UnixMillis;
use crate::ids::Name;

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object<T>(text: &str, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: name(text),
        spec,
        revision: 1,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    })
}

/// A view of these objects, each `kind`, `name` and `spec` as the admin API takes them.
fn view(objects: &Value) -> Arc<View> {
    let node = Node::new();
    let mut view = View::default();
    for row in objects.as_array().unwrap() {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        let key = ObjectKey {
            kind: Kind::from_word(&text("kind")).unwrap(),
            name: name(&text("name")),
        };
        let empty = View::default();
        let border = Border::new(&empty, &*node.cluster, UnixMillis(0));
        let built = shapes::build(&key, row["spec"].clone(), "spec", &border).unwrap();
        match built.spec {
            Spec::Account(spec) => {
                view.accounts.insert(key.name, object(&text("name"), spec));
            }
            Spec::Group(spec) => {
                view.groups.insert(key.name, object(&text("name"), spec));
            }
            Spec::Role(spec) => {
                view.roles.insert(key.name, object(&text("name"), spec));
            }
            Spec::Service(spec) => {
                view.services.insert(key.name, object(&text("name"), spec));
            }
            other => panic!("{other:?}"),
        }
    }
    Arc::new(view)
}

fn access(view: &Arc<View>, account: &str) -> Access {
    Access::of(view.clone(), view.account(account).unwrap())
}

/// The golden table that every protocol's test runs, held against the decision itself.
#[test]
fn the_access_matrix_holds() {
    let matrix: Value = serde_json::from_str(include_str!("../../tests/matrix/access.json")).unwrap();
    let view = view(&matrix["objects"]);
    for row in matrix["rows"].as_array().unwrap() {
        let (account, at) = (row["account"].as_str().unwrap(), row["path"].as_str().unwrap());
        let expected: BTreeSet<&str> = row["allow"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(Value::as_str)
            .collect();
        let access = access(&view, account);
        let allowed = Operation::ALL
            .into_iter()
            .filter(|operation| access.decide(*operation, &path(at)) == Decision::Allow);
        let allowed: BTreeSet<&str> = allowed.map(Operation::word).collect();
        assert_eq!(allowed, expected, "{account} at {at}");
    }
}

#[test]
fn a_mount_in_a_mount_silence_and_the_longest_place_are_as_documented() {
    use Decision::{Allow, Deny, NoMount};
    use Operation::{Delete, List, MakeFolder, Overwrite, Read, Write};
    let view = view(&serde_json::json!([{"kind": "account", "name": "alice", "spec": {
        "home": {"storage": "files"},
        "mounts": [
            {"at": "/shared", "storage": "files", "folder": "/s", "grants": [
                {"allow": ["read", "list"]},
                {"path": "/shared/in", "allow": ["write", "delete"], "deny": ["read"]}]},
            {"at": "/closed", "storage": "files", "folder": "/c"},
            {"at": "/shared/deep", "storage": "files", "folder": "/d", "grants": []},
        ]}},
        {"kind": "account", "name": "homeless", "spec": {
            "mounts": [{"at": "/shared", "storage": "files", "folder": "/s", "grants": [{"allow": ["read"]}]}]}}]));
    let alice = access(&view, "alice");
    for (operation, at, decision) in [
        (Read, "/", Allow),
        (Delete, "/any/where", Allow),
        (Read, "/shared", Allow),
        (Write, "/shared/a", Deny),
        (Write, "/shared/in/a", Allow),
        (List, "/shared/in", Allow),
        (Read, "/shared/in/a", Deny),
        (Overwrite, "/shared/in/a", Deny),
        (Write, "/shared/inside", Deny),
        (Write, "/sharedx", Allow),
        (Read, "/closed/a", Deny),
        (Read, "/shared/deep/a", Deny),
        (MakeFolder, "/shared", Deny),
    ] {
        assert_eq!(alice.decide(operation, &path(at)), decision, "{operation:?} at {at}");
    }
    let homeless = access(&view, "homeless");
    assert_eq!(homeless.decide(List, &path("/")), NoMount);
    assert_eq!(homeless.decide(Read, &path("/shared/x")), Allow);
}

#[test]
fn who_would_inherit_from_too_many_may_do_nothing() {
    let mut view = View::default();
    let mut next = |count: usize| {
        let names: Vec<Name> = (0..count).map(|number| name(&format!("g{number}"))).collect();
        for name in &names {
            view.groups
                .insert(name.clone(), object(name.as_str(), Group::default()));
        }
        let mut account = view_account();
        account.groups = names;
        view.accounts.insert(name("alice"), object("alice", account));
        Arc::new(view.clone())
    };
    let most = access(&next(INHERITED_MAX), "alice");
    assert_eq!(most.decide(Operation::Read, &path("/a")), Decision::Allow);
    let over = access(&next(INHERITED_MAX + 1), "alice");
    assert_eq!(over.decide(Operation::Read, &path("/a")), Decision::Deny);
}

fn view_account() -> Account {
    Account {
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name("files"),
            folder: VirtualPath::root(),
            grants: None,
        }),
        ..Account::default()
    }
}

/// A circle cannot be committed; should one be there all the same, the decision ends.
#[test]
fn a_circle_of_groups_ends() {
    let mut view = View::default();
    for (group, of) in [("a", "b"), ("b", "a")] {
        let spec = Group {
            groups: vec![name(of)],
            ..Group::default()
        };
        view.groups.insert(name(group), object(group, spec));
    }
    let mut account = view_account();
    account.groups = vec![name("a")];
    view.accounts.insert(name("alice"), object("alice", account));
    let access = access(&Arc::new(view), "alice");
    assert_eq!(access.decide(Operation::Read, &path("/a")), Decision::Allow);
}

#[test]
fn a_folder_moves_only_where_what_is_denied_below_it_stays_denied() {
    let check = |account: Value, from: &str, to: &str, moves: bool| {
        let view = view(&serde_json::json!([
            {"kind": "group", "name": "no-exe", "spec": {"grants": [{"glob": "/**/*.exe", "deny": ["read"]}]}},
            {"kind": "group", "name": "no-secret", "spec": {"grants": [{"path": "/in/a/secret", "deny": ["read"]}]}},
            {"kind": "role", "name": "no-log", "spec": {"grants": [{"regex": "/logs/[0-9]+/.*", "deny": ["delete"]}]}},
            {"kind": "account", "name": "alice", "spec": account}]));
        let found = may_move_folder(&access(&view, "alice"), &path(from), &path(to));
        assert_eq!(found, moves, "{from} to {to}");
    };
    let home = serde_json::json!({"storage": "files"});
    let with = |field: &str, value: Value| serde_json::json!({"home": home, field: value});
    check(serde_json::json!({"home": home}), "/in/a", "/out/a", true);
    // A denial below a path, of whoever's tier.
    let secret = with("groups", serde_json::json!(["no-secret"]));
    check(secret.clone(), "/in/a", "/out/a", false);
    check(secret.clone(), "/in", "/out", false);
    check(secret.clone(), "/in/b", "/out/b", true);
    check(secret.clone(), "/in/a/secret/deep", "/in/a/secret/other", true);
    check(secret, "/out", "/in/a", false);
    // A pattern that cannot match there is no matter; one that matches alike is none either.
    let log = with("roles", serde_json::json!(["no-log"]));
    check(log.clone(), "/in/a", "/out/a", true);
    check(log.clone(), "/logs/1", "/out/1", false);
    check(log.clone(), "/logs", "/out", false);
    check(log, "/logs/1/a", "/logs/2/a", true);
    check(with("groups", serde_json::json!(["no-exe"])), "/in/a", "/out/b", true);
    // What the account itself may do at the target would win over its groups' denial.
    let stronger = serde_json::json!({"home": home, "groups": ["no-exe"],
        "grants": [{"path": "/free", "allow": ["read"]}]});
    check(stronger.clone(), "/in/a", "/free/a", false);
    check(stronger, "/in/a", "/out/a", true);
    // A mount's pattern ends with the mount.
    let mounts = serde_json::json!({"home": home, "mounts": [{"at": "/box", "storage": "files", "folder": "/b",
        "grants": [{"allow": ["all"]}, {"glob": "/**/*.exe", "deny": ["read"]}]}]});
    check(mounts.clone(), "/box/a", "/box/b", true);
    check(mounts.clone(), "/box/a", "/out/a", false);
    check(mounts, "/in/a", "/in/b", true);
}

#[test]
fn limits_of_the_account_and_of_the_service_both_hold() {
    let limits = |max: u64, allowed: &[&str], denied: &[&str]| {
        let spec = serde_json::json!([{"kind": "account", "name": "x", "spec": {"restrictions": {
            "upload_bytes_max": max, "files_allowed": allowed, "files_denied": denied}}}]);
        view(&spec).account("x").unwrap().spec.restrictions.deref().clone()
    };
    let check = |account: &Restrictions, service: &Restrictions, at: &str, taken: bool| {
        let mut view = View::default();
        let spec = Account {
            restrictions: account.clone().into(),
            ..view_account()
        };
        view.accounts.insert(name("alice"), object("alice", spec));
        let mut spec = Service::sftp(22, Vec::new());
        spec.restrictions = service.clone();
        view.services.insert(name("sftp"), object("sftp", spec));
        let access = access(&Arc::new(view), "alice");
        assert_eq!(access.may_carry(&name("sftp"), &path(at)).is_ok(), taken, "{at}");
        let max = [account.upload_bytes_max, service.upload_bytes_max]
            .into_iter()
            .flatten()
            .min();
        assert_eq!(access.upload_bytes_max(&name("sftp")), max);
    };
    let (none, csv, no_exe) = (
        Restrictions::default(),
        limits(10, &["*.csv"], &[]),
        limits(20, &[], &["*.exe"]),
    );
    check(&none, &none, "/a.exe", true);
    check(&csv, &none, "/in/a.CSV", true);
    check(&csv, &none, "/in.csv/a.txt", false);
    check(&none, &no_exe, "/a.txt", true);
    check(&none, &no_exe, "/SETUP.Exe", false);
    check(&csv, &no_exe, "/a.csv", true);
    check(&csv, &no_exe, "/a.exe", false);
    check(&no_exe, &csv, "/", true);
}

#[test]
fn grants_of_no_operation_say_nothing() {
    let mut account = view_account();
    account.grants = vec![Grant {
        reach: Reach::Below(VirtualPath::root()),
        allow: Operations::NONE,
        deny: Operations::NONE,
    }];
    let mut view = View::default();
    view.accounts.insert(name("alice"), object("alice", account));
    let access = access(&Arc::new(view), "alice");
    assert_eq!(access.decide(Operation::Write, &path("/a")), Decision::Allow);
}

/// Not a benchmark: a wall against a decision that has become slow by orders of magnitude.
#[test]
fn a_decision_stays_cheap() {
    let matrix: Value = serde_json::from_str(include_str!("../../tests/matrix/access.json")).unwrap();
    let view = view(&matrix["objects"]);
    let account = view.account("mx-both-audited").unwrap();
    let at = path("/shared/deep/a");
    let begun = std::time::Instant::now();
    for _ in 0..10_000 {
        assert_eq!(decide(&view, &account, Operation::Read, &at), Decision::Allow);
    }
    let each = begun.elapsed() / 10_000;
    eprintln!("a decision with three groups takes {each:?}");
    assert!(each < std::time::Duration::from_millis(1), "{each:?}");
}
