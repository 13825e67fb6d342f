use std::sync::Mutex;

use super::*;
use crate::catalog::{Account, AuthorizedKey, Object, PasswordHash, Settings};
use crate::clock::UnixMillis;
use crate::ids::Name;
use russh::keys::PublicKey;

pub(super) const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
pub(super) const NOW: UnixMillis = UnixMillis(1_000_000);

fn sftp() -> Name {
    Name::parse("sftp").unwrap()
}

/// An account that only what a test adds can sign in to.
pub(super) fn account() -> Account {
    Account {
        enabled: true,
        expires_at: None,
        password: None,
        keys: Vec::new(),
        home: None,
        mounts: Vec::new(),
        sources: Vec::new(),
        sessions_max: None,
        ..Account::default()
    }
}

pub(super) struct World {
    pub(super) view: Arc<Mutex<Arc<View>>>,
    pub(super) authenticator: Authenticator,
}

impl World {
    pub(super) fn with(account: Account) -> Self {
        let view = Arc::new(Mutex::new(Arc::new(View::default())));
        let source = view.clone();
        let views: ViewSource = Arc::new(move || source.lock().unwrap().clone());
        let world = Self {
            view,
            authenticator: Authenticator::new(views, Clock::fixed(NOW)).unwrap(),
        };
        world.put(account);
        world.settings(Settings {
            login_delay_millis: 0,
            ..Settings::default()
        });
        world
    }

    /// Without delays, unless a test asks for them: its clock is the real one.
    pub(super) fn settings(&self, settings: Settings) {
        let name = Name::parse("cluster").unwrap();
        let object = Object {
            name: name.clone(),
            spec: settings,
            revision: 1,
            changed_by: "test".to_owned(),
            changed_at: NOW,
        };
        let mut view = View::clone(&self.view.lock().unwrap());
        view.settings.insert(name, Arc::new(object));
        *self.view.lock().unwrap() = Arc::new(view);
    }

    pub(super) fn put(&self, account: Account) {
        let name = Name::parse("alice").unwrap();
        let object = Object {
            name: name.clone(),
            spec: account,
            revision: 1,
            changed_by: "test".to_owned(),
            changed_at: NOW,
        };
        let mut view = View::clone(&self.view.lock().unwrap());
        view.accounts.insert(name, Arc::new(object));
        *self.view.lock().unwrap() = Arc::new(view);
    }

    async fn password(&self, claimed: &str, password: &str) -> Result<Principal, String> {
        self.authenticator
            .password(claimed, Zeroizing::new(password.to_owned()), HERE)
            .await
            .map_err(|refused| refused.reason)
    }
}

pub(super) fn with_password(password: &str) -> Account {
    Account {
        password: Some(hash_password(password).unwrap()),
        ..account()
    }
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_or_an_unknown_account_does_not() {
    let world = World::with(with_password("secret"));
    let principal = world.password("alice", "secret").await.unwrap();
    assert_eq!(principal.account.as_str(), "alice");
    for (claimed, password, word) in [
        ("alice", "Secret", "wrong"),
        ("alice", "", "wrong"),
        ("bob", "secret", "no such"),
        ("' OR 1=1 --", "secret", "no such"),
        ("../alice", "secret", "no such"),
    ] {
        let reason = world.password(claimed, password).await.unwrap_err();
        assert!(reason.contains(word), "{claimed}: {reason}");
    }
}

#[tokio::test]
async fn an_account_that_may_not_sign_in_is_refused_though_the_password_is_right() {
    let account = with_password("secret");
    for (change, word) in [
        (
            Account {
                enabled: false,
                ..account.clone()
            },
            "disabled",
        ),
        (
            Account {
                expires_at: Some(NOW),
                ..account.clone()
            },
            "expired",
        ),
        (
            Account {
                sources: vec!["10.0.0.0/8".parse().unwrap()],
                ..account.clone()
            },
            "192.0.2.1",
        ),
        (
            Account {
                password: None,
                ..account.clone()
            },
            "no password",
        ),
        (
            Account {
                password: Some(PasswordHash("garbage".to_owned())),
                ..account.clone()
            },
            "wrong",
        ),
    ] {
        let world = World::with(change);
        let reason = world.password("alice", "secret").await.unwrap_err();
        assert!(reason.contains(word), "{word}: {reason}");
    }
}

#[tokio::test]
async fn a_remembered_proof_is_worth_nothing_once_the_account_changed() {
    let world = World::with(with_password("secret"));
    world.password("alice", "secret").await.unwrap();
    let same = (world.authenticator.inner.views)()
        .account("alice")
        .unwrap()
        .spec
        .clone();
    world.put(Account {
        enabled: false,
        ..same.clone()
    });
    assert!(world.password("alice", "secret").await.is_err());
    world.put(Account { enabled: true, ..same });
    world.password("alice", "secret").await.unwrap();
    world.put(with_password("other"));
    assert!(world.password("alice", "secret").await.is_err());
}

#[tokio::test]
async fn failed_tries_wait_longer_each_time() {
    let world = World::with(with_password("secret"));
    let settings = Settings {
        login_delay_millis: 5,
        ..Settings::default()
    };
    world.settings(settings);
    for millis in [0, 5, 10, 20] {
        assert_eq!(world.authenticator.delay("alice", HERE), Duration::from_millis(millis));
        let start = Instant::now();
        assert!(world.password("alice", "wrong").await.is_err());
        assert!(start.elapsed() >= Duration::from_millis(millis));
    }
    world.password("alice", "secret").await.unwrap();
    assert_eq!(world.authenticator.delay("alice", [10, 0, 0, 1].into()), Duration::ZERO);
}

#[test]
fn a_key_lets_in_only_while_it_stands_in_the_account_and_is_fresh() {
    let (key, _) = generate_host_key("ssh-ed25519").unwrap();
    let parsed = PublicKey::from_openssh(&key).unwrap();
    let entry = |expires_at| AuthorizedKey {
        key: key.clone(),
        comment: String::new(),
        expires_at,
    };
    let check = |account: Account, word: Option<&str>| {
        let world = World::with(account);
        let result = world.authenticator.key("alice", &parsed, &sftp(), HERE);
        match (result, word) {
            (Ok(principal), None) => assert!(matches!(principal.credential, Credential::Key { .. })),
            (Err(refused), Some(word)) => assert!(refused.reason.contains(word), "{word}: {refused}"),
            (result, word) => panic!("{word:?}: {result:?}"),
        }
        assert!(world.authenticator.key("bob", &parsed, &sftp(), HERE).is_err());
    };
    let with = |keys| Account { keys, ..account() };
    check(with(vec![entry(None)]), None);
    check(with(vec![entry(Some(UnixMillis(NOW.0 + 1)))]), None);
    check(with(vec![entry(Some(NOW)), entry(None)]), None);
    check(with(vec![]), Some("does not let"));
    check(with(vec![entry(Some(NOW))]), Some("expired"));
    check(
        Account {
            enabled: false,
            ..with(vec![entry(None)])
        },
        Some("disabled"),
    );
}

#[test]
fn a_claimed_name_in_the_journal_is_bounded_and_has_no_control_characters() {
    assert_eq!(shown_claim("a\nb\x1b[0m"), "a\\nb\\u{1b}[0m");
    assert_eq!(shown_claim(&"x".repeat(1000)).len(), limits::CLAIM_CHARS_MAX);
}

mod judging {
    use super::*;
    use crate::catalog::Service;
    use crate::ids::SessionId;
    use crate::session::{CloseReason, NewSession, Registry};

    fn verdict(credential: Credential, account: Option<Account>) -> Result<(), String> {
        let registry = Arc::new(Registry::default());
        let name = Name::parse("alice").unwrap();
        let registered = registry
            .register(
                SessionId(1),
                NewSession {
                    principal: Principal {
                        account: name,
                        credential,
                    },
                    service: Name::parse("sftp").unwrap(),
                    protocol: "sftp",
                    peer: (HERE, 1234).into(),
                    started_at: NOW,
                    account_max: None,
                    service_max: 1,
                },
            )
            .unwrap();
        let world = World::with(super::account());
        match account {
            Some(account) => world.put(account),
            None => *world.view.lock().unwrap() = Arc::new(View::default()),
        }
        let mut view = View::clone(&world.view.lock().unwrap());
        let service = Object {
            name: Name::parse("sftp").unwrap(),
            spec: Service::sftp(22, Vec::new()),
            revision: 1,
            changed_by: String::new(),
            changed_at: NOW,
        };
        view.services.insert(service.name.clone(), Arc::new(service));
        judge(&view, registered.session(), "node-1", NOW).map_err(|reason| match reason {
            CloseReason::Revoked(what) => what,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_session_holds_only_while_what_let_it_in_holds() {
        let hash = "hash-1".to_owned();
        let password = Credential::Password {
            hash_digest: password::digest(&hash),
        };
        let key = Credential::Key {
            key: "ssh-ed25519 AAAA".to_owned(),
            fingerprint: String::new(),
        };
        let known = |expires_at| AuthorizedKey {
            key: "ssh-ed25519 AAAA".to_owned(),
            comment: String::new(),
            expires_at,
        };
        let good = Account {
            password: Some(PasswordHash(hash)),
            keys: vec![known(None)],
            ..account()
        };
        let changed = Account {
            password: Some(PasswordHash("hash-2".to_owned())),
            ..good.clone()
        };
        let old_key = Account {
            keys: vec![known(Some(NOW))],
            ..good.clone()
        };
        let far = Account {
            sources: vec!["10.0.0.0/8".parse().unwrap()],
            ..good.clone()
        };
        let near = Account {
            sources: vec!["192.0.2.0/24".parse().unwrap()],
            ..good.clone()
        };
        for (credential, account, word) in [
            (&password, Some(good.clone()), None),
            (&key, Some(good.clone()), None),
            (&password, Some(near), None),
            (&password, None, Some("deleted")),
            (
                &password,
                Some(Account {
                    enabled: false,
                    ..good.clone()
                }),
                Some("disabled"),
            ),
            (
                &password,
                Some(Account {
                    expires_at: Some(NOW),
                    ..good.clone()
                }),
                Some("expired"),
            ),
            (&password, Some(changed), Some("changed")),
            (
                &password,
                Some(Account {
                    password: None,
                    ..good.clone()
                }),
                Some("removed"),
            ),
            (
                &key,
                Some(Account {
                    keys: vec![],
                    ..good.clone()
                }),
                Some("key"),
            ),
            (&key, Some(old_key), Some("key has expired")),
            (&key, Some(far), Some("from")),
        ] {
            match (verdict(credential.clone(), account), word) {
                (Ok(()), None) => {}
                (Err(reason), Some(word)) => assert!(reason.contains(word), "{word}: {reason}"),
                (result, word) => panic!("{word:?}: {result:?}"),
            }
        }
    }
}
