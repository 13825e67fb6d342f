use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::admin::testing::Node;

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        kind: Kind::Account,
        name: Name::parse(name).unwrap(),
    }
}

#[test]
fn a_password_of_an_account_keeps_the_rules_and_a_refusal_names_all_that_it_breaks() {
    let node = Node::new();
    let build_in = |view: &View, spec: Value| {
        let border = Border::new(view, &*node.cluster, UnixMillis(5));
        build(&key("alice"), spec, "spec", &border).map(|built| built.spec)
    };
    let object = |name: &str, spec: Spec| {
        let mut view = View::default();
        match spec {
            Spec::Account(spec) => {
                view.accounts
                    .insert(Name::parse(name).unwrap(), Arc::new(object_of(name, spec)));
            }
            Spec::Settings(spec) => {
                view.settings
                    .insert(Name::parse(name).unwrap(), Arc::new(object_of(name, spec)));
            }
            other => panic!("{other:?}"),
        }
        view
    };
    let settings = json!({"passwords": {"length_min": 12, "entropy_bits_min": 40, "former_kept": 1}});
    let name = Name::parse("cluster").unwrap();
    let settings = settings::build(&name, &mut Fields::of(settings, "spec").unwrap()).unwrap();
    let mut view = object("cluster", settings);
    let refused = build_in(&view, json!({"password": "password1"})).unwrap_err();
    for word in ["9 characters", "at least 12", "bits of entropy", "at least 40"] {
        assert!(refused.detail.contains(word), "{word}: {}", refused.detail);
    }
    assert!(!refused.detail.contains("password1"), "{}", refused.detail);

    let mut set = |password: &str, must_change: bool| -> Result<Account, Problem> {
        let built = build_in(
            &view,
            json!({"password": password, "password_must_change": must_change}),
        )?;
        let Spec::Account(account) = built else { panic!() };
        view.accounts = object("alice", Spec::Account(account.clone())).accounts;
        Ok(account)
    };
    let first = set("a first long phrase", true).unwrap();
    assert_eq!(first.password_state.changed_at, Some(UnixMillis(5)));
    assert!(first.password_state.must_change && first.password_state.former.is_empty());
    // The same document again changes nothing.
    assert_eq!(set("a first long phrase", true).unwrap(), first);
    let second = set("the second, longer phrase", false).unwrap();
    assert_eq!(second.password_state.former, vec![first.password.clone().unwrap()]);
    let again = set("a first long phrase", false).unwrap_err();
    assert!(again.detail.contains("one of the last 1"), "{}", again.detail);
    let third = set("and yet another phrase", false).unwrap();
    assert_eq!(third.password_state.former, vec![second.password.unwrap()]);
    set("a first long phrase", false).unwrap();
}

fn object_of<T>(name: &str, spec: T) -> Object<T> {
    Object {
        name: Name::parse(name).unwrap(),
        spec,
        revision: 1,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    }
}
