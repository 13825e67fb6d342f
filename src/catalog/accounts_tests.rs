#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use argosy_cluster::{ApplyContext, Change, StateMachine};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::catalog::command::{Actor, Command, Outcome, Refusal, Transaction};
use crate::catalog::view::{Kind, ObjectKey, View};
use crate::catalog::*;
use crate::clock::UnixMillis;
use crate::path::VirtualPath;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object(name: Name, spec: Account, revision: u64) -> Object<Account> {
    Object {
        name,
        spec,
        revision,
        changed_by: "root@node-1".to_owned(),
        changed_at: UnixMillis(5),
    }
}

/// Few, so that the same one is met again and again; one is inside others, one is as long as a name may be.
fn names() -> impl Strategy<Value = Name> {
    let longest = "n".repeat(crate::ids::NAME_BYTES_MAX);
    let texts = ["a", "aa", "files", "partners", "ü", &longest].map(name);
    prop::sample::select(texts.to_vec())
}

fn mounts(storages: impl Strategy<Value = Name>) -> impl Strategy<Value = Mount> {
    let path = prop::sample::select(vec!["/", "/files", "/a/partners"]);
    (path.clone(), storages, path).prop_map(|(at, storage, folder)| Mount {
        at: VirtualPath::parse(at.as_bytes()).unwrap(),
        storage,
        folder: VirtualPath::parse(folder.as_bytes()).unwrap(),
        grants: None,
    })
}

fn accounts() -> impl Strategy<Value = Account> {
    let text = "[a-z]{0,200}";
    let key = (text, text, option::of(any::<i64>())).prop_map(|(key, comment, end)| AuthorizedKey {
        key,
        comment,
        expires_at: end.map(UnixMillis),
    });
    let rule = prop_oneof![
        text.prop_map(CertificateRule::Subject),
        any::<[u8; 32]>().prop_map(CertificateRule::Fingerprint),
    ];
    let proofs = prop::sample::select(vec![Proofs::Any, Proofs::Password, Proofs::Key, Proofs::PasswordAndKey]);
    let proven = (
        option::of(text),
        vec(key, 0..3),
        vec(rule, 0..3),
        vec(text, 0..3),
        proofs,
    );
    let inherited = (vec(names(), 0..3), vec(names(), 0..3));
    let seen = (option::of(mounts(names())), vec(mounts(names()), 0..2));
    let rest = (any::<bool>(), option::of(any::<i64>()), option::of(1_u32..9));
    (proven, inherited, seen, rest).prop_map(
        |((password, keys, certificates, principals, proofs), (groups, roles), (home, mounts), rest)| Account {
            enabled: rest.0,
            expires_at: rest.1.map(UnixMillis),
            sessions_max: rest.2,
            password_state: PasswordState {
                former: password.iter().cloned().map(PasswordHash).collect(),
                ..PasswordState::default()
            },
            password: password.map(PasswordHash),
            keys,
            certificates,
            principals,
            proofs,
            groups,
            roles,
            home,
            mounts,
            ..Account::default()
        },
    )
}

/// One step: an account is put or deleted, or something that accounts refer to.
#[derive(Debug, Clone)]
enum Step {
    Put(Name, Box<Account>),
    PutOther(Kind, Name),
    Delete(Kind, Name),
}

fn steps() -> impl Strategy<Value = Step> {
    let other = prop::sample::select(vec![Kind::Storage, Kind::Group, Kind::Role]);
    let any = prop::sample::select(vec![Kind::Account, Kind::Storage, Kind::Group, Kind::Role]);
    prop_oneof![
        4 => (names(), accounts()).prop_map(|(name, account)| Step::Put(name, Box::new(account))),
        3 => (other, names()).prop_map(|(kind, name)| Step::PutOther(kind, name)),
        2 => (any, names()).prop_map(|(kind, name)| Step::Delete(kind, name)),
    ]
}

/// What the packed accounts are held against: plain objects in plain maps.
#[derive(Default)]
struct Plain {
    accounts: BTreeMap<Name, Object<Account>>,
    others: BTreeSet<ObjectKey>,
}

impl Plain {
    /// What an account refers to.
    fn references(account: &Account) -> BTreeSet<ObjectKey> {
        let key = |kind: Kind| {
            move |name: &Name| ObjectKey {
                kind,
                name: name.clone(),
            }
        };
        let mounts = account.home.iter().chain(&account.mounts);
        let storages = mounts.map(|mount| key(Kind::Storage)(&mount.storage));
        let groups = account.groups.iter().map(key(Kind::Group));
        storages
            .chain(groups)
            .chain(account.roles.iter().map(key(Kind::Role)))
            .collect()
    }

    fn step(&mut self, step: &Step, revision: u64) -> Result<(), &'static str> {
        match step {
            Step::Put(name, account) => {
                if !Self::references(account).is_subset(&self.others) {
                    return Err("dangling");
                }
                let object = object(name.clone(), Account::clone(account), revision);
                self.accounts.insert(name.clone(), object);
            }
            Step::PutOther(kind, name) => drop(self.others.insert(ObjectKey {
                kind: *kind,
                name: name.clone(),
            })),
            Step::Delete(Kind::Account, name) => drop(self.accounts.remove(name)),
            Step::Delete(kind, name) => {
                let key = ObjectKey {
                    kind: *kind,
                    name: name.clone(),
                };
                let mut refer = self.accounts.values().map(|account| Self::references(&account.spec));
                if self.others.contains(&key) && refer.any(|references| references.contains(&key)) {
                    return Err("in use");
                }
                self.others.remove(&key);
            }
        }
        Ok(())
    }
}

fn transaction(step: &Step) -> Transaction {
    let put = |name: &Name, spec| Transaction {
        puts: vec![(name.clone(), spec)],
        ..Transaction::default()
    };
    match step {
        Step::Put(name, account) => put(name, Spec::Account(Account::clone(account))),
        Step::PutOther(Kind::Group, name) => put(name, Spec::Group(Group::default())),
        Step::PutOther(Kind::Role, name) => put(name, Spec::Role(AccessRole::default())),
        Step::PutOther(_, name) => put(
            name,
            Spec::Storage(Storage {
                root: b"/srv".to_vec(),
                durability: Durability::Strict,
                keep_interrupted: true,
                reserve_bytes: 0,
            }),
        ),
        Step::Delete(kind, name) => Transaction {
            deletes: vec![ObjectKey {
                kind: *kind,
                name: name.clone(),
            }],
            ..Transaction::default()
        },
    }
}

/// Holds all ways to read packed accounts against plain ones.
fn same(view: &View, plain: &Plain) {
    let packed = &view.accounts;
    assert_eq!(
        (packed.len(), packed.is_empty()),
        (plain.accounts.len(), plain.accounts.is_empty())
    );
    let all: Vec<_> = packed.iter().map(|object| Object::clone(&object)).collect();
    assert_eq!(all, plain.accounts.values().cloned().collect::<Vec<_>>());
    let paged: Vec<_> = packed.behind(None, |_| true).filter_map(|(_, object)| object).collect();
    assert_eq!(
        paged.iter().map(|object| Object::clone(object)).collect::<Vec<_>>(),
        all
    );
    for (name, object) in &plain.accounts {
        // Twice: unpacked, and from those that are known.
        for _ in 0..2 {
            assert_eq!(*packed.get(name).unwrap(), *object);
        }
        assert_eq!(packed.revision_of(name), Some(object.revision));
        assert_eq!(packed.of_any_kind(name), Some(object.clone().with(Spec::Account)));
        let behind: Vec<_> = packed.behind(Some(name), |_| false).map(|(name, _)| name).collect();
        let after = plain.accounts.keys().filter(|other| *other > name);
        assert_eq!(behind, after.map(Name::as_str).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packed_accounts_are_those_that_were_put_and_their_references_hold(steps in vec(steps(), 1..60)) {
        let (mut catalog, mut plain) = (Catalog::default(), Plain::default());
        let mut rows: BTreeMap<Vec<u8>, Arc<[u8]>> = BTreeMap::new();
        for (step, revision) in steps.iter().zip(1..) {
            let before = catalog.view(revision - 1);
            let command = Command {
                actor: Actor::Root { node: "node-1".to_owned() },
                from: None,
                at: UnixMillis(5),
                transaction: transaction(step),
            };
            let applied = catalog.apply(ApplyContext { revision, feature_level: 1 }, &command);
            let found = match applied.outcome {
                Outcome::Applied => Ok(()),
                Outcome::Refused(Refusal::Dangling { .. }) => Err("dangling"),
                Outcome::Refused(Refusal::InUse { .. }) => Err("in use"),
                Outcome::Refused(other) => panic!("{other:?}"),
            };
            prop_assert_eq!(found, plain.step(step, revision), "{:?}", step);
            let view = catalog.view(revision);
            same(&view, &plain);
            let changed = before.accounts.changed(&view.accounts);
            let expected = match step {
                Step::Put(name, _) if found.is_ok() => vec![(name.clone(), Some(revision))],
                Step::Delete(Kind::Account, name) if before.accounts.contains_key(name) => vec![(name.clone(), None)],
                _ => Vec::new(),
            };
            prop_assert_eq!(changed, expected);
            for Change { key, value } in applied.changes {
                match value {
                    Some(value) => rows.insert(key, value),
                    None => rows.remove(&key),
                };
            }
        }
        let again = Catalog::restore(&mut rows.iter().map(|(key, value)| (&key[..], value))).unwrap();
        prop_assert_eq!(again.view(0), catalog.view(0));
        same(&again.view(0), &plain);
    }

    #[test]
    fn rows_say_who_may_be_named_and_who_inherits_the_same(one in accounts(), other in accounts(), asked in names()) {
        let mut packed = Accounts::default();
        for (text, spec) in [("one", &one), ("other", &other)] {
            packed.insert(name(text), Arc::new(object(name(text), spec.clone(), 1)));
        }
        let naming: Vec<_> = packed.naming(&asked).map(|account| account.name.clone()).collect();
        for (text, spec) in [("one", &one), ("other", &other)] {
            let refers = Plain::references(spec).iter().any(|key| key.name == asked);
            prop_assert!(!refers || naming.contains(&name(text)), "{text} names {asked}");
        }
        let memberships = |account: &Account| (account.groups.clone(), account.roles.clone());
        let none = memberships(&Account::default());
        let mut expected: Vec<_> = vec![memberships(&one), memberships(&other)];
        expected.dedup();
        expected.retain(|memberships| *memberships != none);
        let found: Vec<_> = packed.one_of_each_membership().map(|account| memberships(&account.spec)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn an_account_that_was_replaced_is_seen_as_it_is_and_in_an_older_view_as_it_was() {
    let with = |max| Account {
        sessions_max: Some(max),
        ..Account::default()
    };
    let mut accounts = Accounts::default();
    accounts.insert(name("alice"), Arc::new(object(name("alice"), with(1), 1)));
    let before = accounts.clone();
    let seen = |accounts: &Accounts| accounts.get("alice").unwrap().spec.sessions_max;
    assert_eq!(seen(&accounts), Some(1));
    accounts.insert(name("alice"), Arc::new(object(name("alice"), with(2), 2)));
    for _ in 0..2 {
        assert_eq!((seen(&accounts), seen(&before)), (Some(2), Some(1)));
    }
    accounts.remove("alice");
    assert_eq!((accounts.get("alice"), seen(&before)), (None, Some(1)));
}

#[test]
fn accounts_in_use_stay_unpacked_and_their_number_is_bounded() {
    let mut accounts = Accounts::default();
    for number in 0..ACCOUNTS_UNPACKED_MAX + 1_000 {
        let name = name(&format!("partner-{number}"));
        accounts.insert(name.clone(), Arc::new(object(name, Account::default(), 1)));
    }
    let first = accounts.get("partner-0").unwrap();
    assert!(Arc::ptr_eq(&first, &accounts.get("partner-0").unwrap()));
    for account in accounts.iter() {
        accounts.get(&account.name).unwrap();
    }
    let places = accounts.unpacked.places.get().unwrap();
    let known = places.iter().filter(|place| place.load().is_some()).count();
    assert_eq!(places.len(), ACCOUNTS_UNPACKED_MAX);
    assert!(known > ACCOUNTS_UNPACKED_MAX / 2, "{known}");
}
