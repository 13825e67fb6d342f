#![allow(clippy::unwrap_used)]

use super::*;
use crate::catalog::*;
use crate::path::VirtualPath;

#[path = "apply_held_tests.rs"]
mod held;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn key(kind: Kind, text: &str) -> ObjectKey {
    ObjectKey { kind, name: name(text) }
}

fn account(storage: &str) -> Spec {
    Spec::Account(Account {
        enabled: true,
        expires_at: None,
        password: None,
        keys: Vec::new(),
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name(storage),
            folder: VirtualPath::root(),
            grants: None,
        }),
        mounts: Vec::new(),
        sources: Vec::new(),
        sessions_max: None,
        ..Account::default()
    })
}

fn storage() -> Spec {
    Spec::Storage(Storage {
        root: b"/srv".to_vec(),
        durability: Durability::Strict,
        keep_interrupted: true,
        reserve_bytes: 0,
    })
}

fn owner() -> Spec {
    Spec::Administrator(Administrator {
        enabled: true,
        role: Role::Owner,
        password: None,
    })
}

/// A catalog with the changes it was given, one revision each, and what the last one did.
struct Case {
    catalog: Catalog,
    revision: u64,
    rows: BTreeMap<Vec<u8>, Arc<[u8]>>,
}

impl Case {
    fn new() -> Self {
        let mut case = Self {
            catalog: Catalog::default(),
            revision: 0,
            rows: BTreeMap::new(),
        };
        assert_eq!(case.root(put("root", owner())), Outcome::Applied);
        assert_eq!(case.root(put("files", storage())), Outcome::Applied);
        case
    }

    fn root(&mut self, transaction: Transaction) -> Outcome {
        self.change(
            Actor::Root {
                node: "node-1".to_owned(),
            },
            transaction,
        )
    }

    fn change(&mut self, actor: Actor, transaction: Transaction) -> Outcome {
        self.revision += 1;
        let context = ApplyContext {
            revision: self.revision,
            feature_level: 1,
        };
        let applied = self.catalog.apply(
            context,
            &Command {
                from: None,
                actor,
                at: UnixMillis(100),
                transaction,
            },
        );
        for Change { key, value } in applied.changes {
            assert_eq!(applied.outcome, Outcome::Applied, "a refused change wrote a row");
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        applied.outcome
    }
}

fn put(text: &str, spec: Spec) -> Transaction {
    Transaction {
        puts: vec![(name(text), spec)],
        ..Transaction::default()
    }
}

fn delete(kind: Kind, text: &str) -> Transaction {
    Transaction {
        deletes: vec![key(kind, text)],
        ..Transaction::default()
    }
}

#[test]
fn a_stale_expectation_changes_nothing_and_names_the_current_revision() {
    let mut case = Case::new();
    case.root(put("alice", account("files")));
    let revision = case.catalog.view.account("alice").unwrap().revision;
    let table = [
        (Expected::Absent, false),
        (Expected::Present, true),
        (Expected::Revision(revision + 2), true),
        (Expected::Revision(1), false),
    ];
    for (expected, applies) in table {
        let mut change = put("alice", account("files"));
        change.expected.push((key(Kind::Account, "alice"), expected));
        let before = case.catalog.view.clone();
        let outcome = case.root(change);
        assert_eq!(outcome == Outcome::Applied, applies, "{expected:?}: {outcome:?}");
        if !applies {
            assert_eq!(case.catalog.view, before);
        }
    }
}

#[test]
fn a_reference_to_nothing_is_refused_and_a_used_object_stays() {
    let mut case = Case::new();
    assert!(matches!(
        case.root(put("bob", account("none"))),
        Outcome::Refused(Refusal::Dangling { .. })
    ));
    assert_eq!(case.root(put("alice", account("files"))), Outcome::Applied);
    assert!(matches!(
        case.root(delete(Kind::Storage, "files")),
        Outcome::Refused(Refusal::InUse { .. })
    ));
    let mut both = delete(Kind::Storage, "files");
    both.deletes.push(key(Kind::Account, "alice"));
    assert_eq!(case.root(both), Outcome::Applied);
    assert!(matches!(
        case.root(put("sftp", Spec::Service(Service::sftp(22, vec![name("main")])))),
        Outcome::Refused(Refusal::Dangling { .. })
    ));
}

#[test]
fn a_transaction_is_made_whole_or_not_at_all() {
    let mut case = Case::new();
    let before = case.catalog.view.clone();
    let mut change = put("alice", account("files"));
    change.puts.push((name("bob"), account("none")));
    assert!(matches!(case.root(change), Outcome::Refused(Refusal::Dangling { .. })));
    assert_eq!(case.catalog.view, before);
}

#[test]
fn two_services_on_one_port_are_refused() {
    let mut case = Case::new();
    assert_eq!(
        case.root(put("a", Spec::Service(Service::sftp(22, Vec::new())))),
        Outcome::Applied
    );
    let outcome = case.root(put("b", Spec::Service(Service::sftp(22, Vec::new()))));
    assert!(matches!(outcome, Outcome::Refused(Refusal::Invalid { reason }) if reason.contains("port 22")));
}

#[test]
fn the_last_owner_stays() {
    let mut case = Case::new();
    assert!(matches!(
        case.root(delete(Kind::Administrator, "root")),
        Outcome::Refused(Refusal::Invalid { .. })
    ));
    case.root(put("second", owner()));
    assert_eq!(case.root(delete(Kind::Administrator, "root")), Outcome::Applied);
}

#[test]
fn a_change_needs_the_role_and_a_credential_that_is_still_valid() {
    let mut case = Case::new();
    let operator = Administrator {
        enabled: true,
        role: Role::Operator,
        password: None,
    };
    case.root(put("olga", Spec::Administrator(operator.clone())));
    let token = |end| {
        Spec::ApiToken(ApiToken {
            administrator: name("olga"),
            secret_hash: [0; 32],
            expires_at: end,
        })
    };
    case.root(put("t", token(None)));
    let olga = || Actor::Administrator {
        name: name("olga"),
        token: name("t"),
        secret_hash: [0; 32],
    };

    assert_eq!(case.change(olga(), put("alice", account("files"))), Outcome::Applied);
    assert_eq!(case.catalog.view.account("alice").unwrap().changed_by, "olga");
    let refused = |outcome| matches!(outcome, Outcome::Refused(Refusal::Forbidden { .. }));
    assert!(refused(case.change(olga(), put("other", storage()))));
    assert!(refused(case.change(olga(), put("olga", owner()))));

    case.root(put("t", token(Some(UnixMillis(100)))));
    assert!(
        refused(case.change(olga(), put("alice", account("files")))),
        "an expired token"
    );
    let Spec::ApiToken(kept) = token(None) else {
        unreachable!()
    };
    let rotated = ApiToken {
        secret_hash: [1; 32],
        ..kept
    };
    case.root(put("t", Spec::ApiToken(rotated)));
    assert!(
        refused(case.change(olga(), put("alice", account("files")))),
        "a rotated token"
    );
    case.root(put("t", token(Some(UnixMillis(101)))));
    assert_eq!(case.change(olga(), put("alice", account("files"))), Outcome::Applied);
    case.root(put(
        "olga",
        Spec::Administrator(Administrator {
            enabled: false,
            ..operator
        }),
    ));
    assert!(
        refused(case.change(olga(), put("alice", account("files")))),
        "a disabled administrator"
    );
    case.root(delete(Kind::ApiToken, "t"));
    assert!(
        refused(case.change(olga(), put("alice", account("files")))),
        "a deleted token"
    );
}

#[test]
fn the_rows_rebuild_the_same_catalog() {
    let mut case = Case::new();
    case.root(put("alice", account("files")));
    case.root(put("bob", account("files")));
    case.root(delete(Kind::Account, "bob"));
    let mut rows = case.rows.iter().map(|(key, value)| (&key[..], value));
    let rebuilt = Catalog::restore(&mut rows).unwrap();
    assert_eq!(rebuilt.view, case.catalog.view);
}

#[test]
fn an_object_named_twice_in_one_change_is_refused() {
    let mut case = Case::new();
    let mut change = put("alice", account("files"));
    change.deletes.push(key(Kind::Account, "alice"));
    assert!(matches!(case.root(change), Outcome::Refused(Refusal::Invalid { .. })));
}

fn group(groups: &[&str]) -> Spec {
    Spec::Group(Group {
        groups: groups.iter().map(|text| name(text)).collect(),
        ..Group::default()
    })
}

#[test]
fn a_circle_of_groups_or_roles_is_refused_however_far_round() {
    let mut case = Case::new();
    for (made, of) in [("a", vec![]), ("b", vec!["a"]), ("c", vec!["b"])] {
        assert_eq!(case.root(put(made, group(&of))), Outcome::Applied);
    }
    for (made, of) in [("a", "c"), ("a", "a")] {
        let Outcome::Refused(Refusal::Invalid { reason }) = case.root(put(made, group(&[of]))) else {
            panic!("{made} in {of} was taken");
        };
        assert!(reason.contains("inherit from itself"), "{reason}");
    }
    let role = |roles: &[&str]| {
        Spec::Role(AccessRole {
            roles: roles.iter().map(|text| name(text)).collect(),
            ..AccessRole::default()
        })
    };
    let both = Transaction {
        puts: vec![(name("x"), role(&["y"])), (name("y"), role(&["x"]))],
        ..Transaction::default()
    };
    assert!(matches!(case.root(both), Outcome::Refused(Refusal::Invalid { .. })));
}

#[test]
fn a_group_or_role_is_not_changed_so_that_a_member_would_inherit_from_too_many() {
    use crate::catalog::limits::INHERITED_MAX;
    let role = |roles: &[&str]| {
        Spec::Role(AccessRole {
            roles: roles.iter().map(|text| name(text)).collect(),
            ..AccessRole::default()
        })
    };
    let with = |groups: Vec<Name>, roles: Vec<Name>| {
        Spec::Account(Account {
            groups,
            roles,
            ..Account::default()
        })
    };
    let names: Vec<String> = (0..INHERITED_MAX).map(|number| format!("n{number}")).collect();
    let named: Vec<Name> = names.iter().map(|text| name(text)).collect();
    let mut case = Case::new();
    let all = |spec: &dyn Fn() -> Spec| Transaction {
        puts: named.iter().map(|name| (name.clone(), spec())).collect(),
        ..Transaction::default()
    };
    assert_eq!(case.root(all(&|| group(&[]))), Outcome::Applied);
    assert_eq!(case.root(all(&|| role(&[]))), Outcome::Applied);
    // Both are in as many as may be; one more group, or one more role of a group, is too much.
    assert_eq!(case.root(put("bob", with(named.clone(), vec![]))), Outcome::Applied);
    assert_eq!(case.root(put("dora", with(vec![], named.clone()))), Outcome::Applied);
    assert_eq!(case.root(put("more", group(&[]))), Outcome::Applied);
    assert_eq!(case.root(put("more", role(&[]))), Outcome::Applied);
    for (change, who) in [
        (put("n7", group(&["more"])), "bob"),
        (put("n7", role(&["more"])), "dora"),
    ] {
        let Outcome::Refused(Refusal::Invalid { reason }) = case.root(change) else {
            panic!("{who} was brought above the limit");
        };
        assert!(
            reason.contains(&format!("`{who}`")) && reason.contains("200"),
            "{reason}"
        );
    }
    // With one membership less it is taken.
    let mut less = put("n7", group(&["more"]));
    less.puts.push((name("bob"), with(named[1..].to_vec(), vec![])));
    assert_eq!(case.root(less), Outcome::Applied);
}

#[test]
fn a_group_in_use_is_not_deleted_and_a_missing_one_not_named() {
    let mut case = Case::new();
    let member = |of: &str| {
        Spec::Account(Account {
            groups: vec![name(of)],
            ..Account::default()
        })
    };
    assert!(matches!(
        case.root(put("alice", member("partners"))),
        Outcome::Refused(Refusal::Dangling { .. })
    ));
    case.root(put("partners", group(&[])));
    assert_eq!(case.root(put("alice", member("partners"))), Outcome::Applied);
    let delete = Transaction {
        deletes: vec![key(Kind::Group, "partners")],
        ..Transaction::default()
    };
    let refusal = Refusal::InUse {
        key: key(Kind::Group, "partners"),
        by: key(Kind::Account, "alice"),
    };
    assert_eq!(case.root(delete), Outcome::Refused(refusal));
}

#[test]
fn every_change_leaves_a_history_row_and_the_oldest_goes_when_there_are_too_many() {
    let mut case = Case::new();
    case.root(put("alice", account("files")));
    let at = case.revision;
    let record = stored::decode_record(&case.rows[&history::row_key(at, 0)]).unwrap();
    assert_eq!((record.revision, record.actor.as_str()), (at, "root@node-1"));
    assert_eq!((record.before, record.key), (None, key(Kind::Account, "alice")));
    assert_eq!(record.after.unwrap().spec, account("files"));
    for _ in 0..limits::HISTORY_REVISIONS_MAX {
        case.root(put("bob", account("files")));
    }
    let rows = case.rows.keys().filter(|key| history::parse_row_key(key).is_some());
    assert_eq!(rows.count(), limits::HISTORY_REVISIONS_MAX);
    assert!(!case.rows.contains_key(&history::row_key(at, 0)));
    let mut rows = case.rows.iter().map(|(key, value)| (&key[..], value));
    let again = Catalog::restore(&mut rows).unwrap();
    assert_eq!(
        (&again.view, &again.history),
        (&case.catalog.view, &case.catalog.history)
    );
}

#[test]
fn an_account_changes_its_own_password_and_nothing_else() {
    let mut case = Case::new();
    case.root(put("alice", account("files")));
    case.root(put("bob", account("files")));
    let Spec::Account(plain) = account("files") else {
        unreachable!();
    };
    let with_password = Spec::Account(Account {
        password: Some(PasswordHash("$argon2id$new".to_owned())),
        ..plain.clone()
    });
    let disabled = Spec::Account(Account {
        enabled: false,
        ..plain
    });
    let delete = Transaction {
        deletes: vec![key(Kind::Account, "alice")],
        ..Transaction::default()
    };
    for (who, transaction, allowed) in [
        ("alice", put("alice", with_password.clone()), true),
        ("bob", put("alice", with_password.clone()), false),
        ("alice", put("alice", disabled), false),
        ("alice", delete, false),
        ("carol", put("carol", with_password), false),
    ] {
        let outcome = case.change(Actor::Account { name: name(who) }, transaction.clone());
        assert_eq!(
            outcome == Outcome::Applied,
            allowed,
            "{who}: {transaction:?}: {outcome:?}"
        );
    }
}

#[test]
fn days_of_use_are_kept_only_forward_and_go_with_the_account() {
    let mut case = Case::new();
    case.root(put("alice", account("files")));
    let seen = |day| Transaction {
        seen: vec![(name("alice"), day), (name("nobody"), day)],
        ..Transaction::default()
    };
    for day in [20_000, 19_999, 20_001] {
        assert_eq!(case.root(seen(day)), Outcome::Applied);
    }
    assert_eq!(case.catalog.view.seen.get("alice"), Some(&20_001));
    assert_eq!(case.catalog.view.seen.len(), 1);
    let delete = Transaction {
        deletes: vec![key(Kind::Account, "alice")],
        ..Transaction::default()
    };
    case.root(delete);
    assert!(case.catalog.view.seen.is_empty());
    assert!(!case.rows.contains_key(&stored::seen_key(&name("alice"))));
}
