use std::sync::{Mutex, Weak};
use std::time::Duration;

use super::*;
use crate::auth::hash_password;
use crate::auth::tests::{HERE, NOW, World, account, with_password};
use crate::catalog::{AuthorizedKey, PasswordRules, PasswordState, Proofs, Settings, View};
use crate::clock::UnixMillis;

const DAY: i64 = 24 * 3600 * 1000;

/// Puts what is asked for into the world's view, as a cluster would, or refuses.
struct Catalog {
    view: Weak<Mutex<Arc<View>>>,
    refuses: bool,
    asked: Mutex<Vec<PasswordChange>>,
}

impl ChangeOwnPassword for Catalog {
    fn change(&self, change: PasswordChange) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(change.clone());
            if self.refuses {
                return Err("there is no leader".to_owned());
            }
            let shared = self.view.upgrade().unwrap();
            let mut view = View::clone(&shared.lock().unwrap());
            let mut object = Object::clone(&view.accounts.get(&change.account).unwrap());
            object.spec = change.spec;
            object.revision += 1;
            view.accounts.insert(change.account, Arc::new(object));
            *shared.lock().unwrap() = Arc::new(view);
            Ok(())
        })
    }
}

fn world(account: Account, refuses: bool) -> (World, Arc<Catalog>) {
    let world = World::with(account);
    let catalog = Arc::new(Catalog {
        view: Arc::downgrade(&world.view),
        refuses,
        asked: Mutex::default(),
    });
    world.authenticator.change_passwords_through(catalog.clone());
    (world, catalog)
}

fn must_change(password: &str) -> Account {
    Account {
        password_state: PasswordState {
            must_change: true,
            ..PasswordState::default()
        },
        ..with_password(password)
    }
}

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

impl World {
    async fn prove(&self, password: &str) -> Result<Proven, Refused> {
        self.authenticator.prove_password("alice", text(password), HERE).await
    }

    async fn change(&self, old: &str, new: &str) -> Result<Principal, NotChanged> {
        self.change_with(None, old, new).await
    }

    async fn change_with(&self, before: Option<&Principal>, old: &str, new: &str) -> Result<Principal, NotChanged> {
        let service = Name::parse("sftp").unwrap();
        let also = Beside {
            before,
            service: &service,
            from: HERE,
        };
        let changed = self.authenticator.change_password("alice", text(old), text(new), also);
        changed.await
    }

    fn rules(&self, passwords: PasswordRules) {
        self.settings(Settings {
            login_delay_millis: 0,
            passwords,
            ..Settings::default()
        });
    }
}

#[tokio::test]
async fn a_password_that_must_be_changed_lets_in_only_after_it_was() {
    let (world, catalog) = world(must_change("first secret"), false);
    assert!(matches!(
        world.prove("first secret").await,
        Ok(Proven::MustChange { .. })
    ));
    assert!(world.prove("wrong").await.is_err());
    let plain = world.authenticator.password("alice", text("first secret"), HERE).await;
    assert!(plain.unwrap_err().reason.contains("must be changed"));

    let principal = world.change("first secret", "second secret").await.unwrap();
    assert_eq!(world.prove("second secret").await, Ok(Proven::SignedIn(principal)));
    assert!(world.prove("first secret").await.is_err());
    let asked = catalog.asked.lock().unwrap();
    let [change] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((change.revision, change.from), (1, HERE));
    assert_eq!(change.spec.password_state.changed_at, Some(NOW));
    assert!(!change.spec.password_state.must_change);
}

#[tokio::test]
async fn a_password_that_is_too_old_must_be_changed() {
    let check = |changed_at: Option<i64>, days_max: Option<u32>, must: bool| async move {
        let state = PasswordState {
            changed_at: changed_at.map(|days| UnixMillis(NOW.0 - days * DAY)),
            ..PasswordState::default()
        };
        let account = Account {
            password_state: state,
            ..with_password("a secret")
        };
        let (world, _) = world(account, false);
        world.rules(PasswordRules {
            age_days_max: days_max,
            ..PasswordRules::default()
        });
        let proven = world.prove("a secret").await.unwrap();
        let found = matches!(proven, Proven::MustChange { .. });
        assert_eq!(found, must, "{changed_at:?} days old, at most {days_max:?}");
    };
    check(Some(9), Some(10), false).await;
    check(Some(10), Some(10), true).await;
    check(Some(10_000), None, false).await;
    check(None, Some(1), false).await;
}

#[tokio::test]
async fn a_new_password_keeps_every_rule_and_is_none_of_the_former() {
    let former = |password: &str| hash_password(password).unwrap();
    let account = Account {
        password_state: PasswordState {
            former: vec![former("one before"), former("two before")],
            ..PasswordState::default()
        },
        ..with_password("the present one")
    };
    let (world, catalog) = world(account, false);
    world.rules(PasswordRules {
        length_min: 10,
        entropy_bits_min: 30,
        former_kept: 1,
        ..PasswordRules::default()
    });
    for (new, words) in [
        ("short", &["characters", "bits"][..]),
        ("aaaaaaaaaaaaaaaa", &["bits"]),
        ("the present one", &["present one"]),
        ("one before", &["one of the last 1"]),
        ("a line\nbreak in the middle", &["line break"]),
        (&"long and longer ".repeat(100), &["1024 bytes"]),
    ] {
        match world.change("the present one", new).await {
            Err(NotChanged::Rules(complaints)) => {
                assert_eq!(complaints.len(), words.len(), "{new}: {complaints:?}");
                for (complaint, word) in complaints.iter().zip(words) {
                    assert!(complaint.contains(word), "{new}: {complaints:?}");
                }
            }
            other => panic!("{new}: {other:?}"),
        }
    }
    assert!(catalog.asked.lock().unwrap().is_empty());
    // The rules keep one: the one before that may come again.
    world.change("the present one", "two before").await.unwrap();
    let asked = catalog.asked.lock().unwrap();
    assert_eq!(asked[0].spec.password_state.former.len(), 1);
}

#[tokio::test]
async fn where_a_key_must_be_proven_too_the_password_alone_changes_nothing() {
    let (public, _) = crate::auth::generate_host_key("ssh-ed25519").unwrap();
    let (stranger, _) = crate::auth::generate_host_key("ssh-ed25519").unwrap();
    let key = |line: &str| AuthorizedKey {
        key: line.to_owned(),
        comment: String::new(),
        expires_at: None,
    };
    let account = Account {
        proofs: Proofs::PasswordAndKey,
        keys: vec![key(&public)],
        ..must_change("first secret")
    };
    let (world, catalog) = world(account.clone(), false);
    let service = Name::parse("sftp").unwrap();
    let parsed = public.parse().unwrap();
    let proven = world.authenticator.key("alice", &parsed, &service, HERE).unwrap();
    let refused = |changed: Result<Principal, NotChanged>, word: &str| match changed {
        Err(NotChanged::Refused(refused)) => assert!(refused.reason.contains(word), "{refused}"),
        other => panic!("{other:?}"),
    };
    refused(world.change("first secret", "second secret").await, "key be proven");
    // The password is no second proof next to itself.
    let Ok(Proven::MustChange { principal, .. }) = world.prove("first secret").await else {
        panic!("it must be changed");
    };
    let twice = world
        .change_with(Some(&principal), "first secret", "second secret")
        .await;
    refused(twice, "proven before");
    // A key that was taken away after it was proven is none.
    world.put(Account {
        keys: vec![key(&stranger)],
        ..account.clone()
    });
    let late = world.change_with(Some(&proven), "first secret", "second secret").await;
    refused(late, "key");
    assert!(catalog.asked.lock().unwrap().is_empty());
    world.put(account);
    let changed = world.change_with(Some(&proven), "first secret", "second secret").await;
    assert_eq!(changed.unwrap().account.as_str(), "alice");
}

#[tokio::test]
async fn a_wrong_proof_and_a_cluster_that_does_not_answer_change_nothing() {
    let (world, catalog) = world(with_password("a secret"), true);
    assert!(matches!(
        world.change("wrong", "another secret").await,
        Err(NotChanged::Refused(_))
    ));
    assert!(catalog.asked.lock().unwrap().is_empty());
    assert!(matches!(
        world.change("a secret", "another secret").await,
        Err(NotChanged::Unavailable(_))
    ));
    assert!(world.prove("a secret").await.is_ok());
    let without_port = World::with(with_password("a secret"));
    assert!(matches!(
        without_port.change("a secret", "another secret").await,
        Err(NotChanged::Unavailable(_))
    ));
}

#[tokio::test]
async fn a_node_without_a_confirmed_leader_lets_nobody_in_once_it_is_stale() {
    let age = Arc::new(Mutex::new(Duration::ZERO));
    let world = World::with(with_password("a secret"));
    let source = age.clone();
    world
        .authenticator
        .refuse_when_older(Arc::new(move || *source.lock().unwrap()));
    let limit = |seconds: Option<u32>| {
        world.settings(Settings {
            login_delay_millis: 0,
            staleness_max_seconds: seconds,
            ..Settings::default()
        });
    };
    *age.lock().unwrap() = Duration::from_secs(61);
    assert!(world.prove("a secret").await.is_ok(), "no limit is set");
    limit(Some(60));
    assert!(
        world
            .prove("a secret")
            .await
            .unwrap_err()
            .reason
            .contains("confirmed leader")
    );
    assert!(world.authenticator.fresh().is_err());
    *age.lock().unwrap() = Duration::from_secs(60);
    assert!(world.prove("a secret").await.is_ok());
    let _ = account();
}
