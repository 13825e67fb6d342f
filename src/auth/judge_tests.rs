use std::sync::Arc;

use super::*;
use crate::auth::tests::{HERE, NOW};
use crate::catalog::{Ban, BanTarget, Group, Hours, Settings};
use crate::ids::{Name, SessionId};
use crate::session::{NewSession, Principal, Registry};

const DAY: i64 = MILLIS_OF_DAY;

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

/// Changes a view with `alice`, who has a key, and a service `sftp`; then judges her session, begun and judged at
/// `now`. `word`: it may not go on, for a reason with this word.
#[track_caller]
fn check(now: UnixMillis, change: impl FnOnce(&mut View), word: Option<&str>) {
    let key = "ssh-ed25519 AAAA";
    let mut view = View::default();
    let account = Account {
        keys: vec![crate::catalog::AuthorizedKey {
            key: key.to_owned(),
            comment: String::new(),
            expires_at: None,
        }],
        ..Account::default()
    };
    view.accounts.insert(name("alice"), object("alice", account));
    view.services
        .insert(name("sftp"), object("sftp", Service::sftp(22, Vec::new())));
    change(&mut view);
    let new = NewSession {
        principal: Principal {
            account: name("alice"),
            credential: Credential::Key {
                key: key.to_owned(),
                fingerprint: String::new(),
            },
        },
        service: name("sftp"),
        protocol: "sftp",
        peer: (HERE, 1234).into(),
        started_at: now,
        account_max: None,
        service_max: 1,
    };
    let registered = Arc::new(Registry::default()).register(SessionId(1), new).unwrap();
    let alone = judge(&view, registered.session(), "node-1", now);
    let bans = Bans::of(&view);
    assert_eq!(judge_among(&bans, &view, registered.session(), "node-1", now), alone);
    match (alone, word) {
        (Ok(()), None) => {}
        (Err(reason), Some(word)) => assert!(reason.to_string().contains(word), "{word}: {reason}"),
        (result, word) => panic!("{word:?}: {result:?}"),
    }
}

fn account(view: &mut View, change: impl FnOnce(&mut Account)) {
    let mut object = Object::clone(&view.accounts.get(&name("alice")).unwrap());
    change(&mut object.spec);
    view.accounts.insert(name("alice"), Arc::new(object));
}

fn service(view: &mut View, change: impl FnOnce(&mut Service)) {
    let mut object = Object::clone(view.services.get(&name("sftp")).unwrap());
    change(&mut object.spec);
    view.services.insert(name("sftp"), Arc::new(object));
}

/// Hours that do not hold on the first of January 1970, a Thursday, at midnight.
fn wrong_hours() -> Vec<Hours> {
    vec![Hours {
        days: 0x7f,
        from_minute: 60,
        to_minute: 120,
        zone: "UTC".to_owned(),
    }]
}

#[test]
fn a_service_takes_whom_it_names_from_where_and_when_it_says() {
    check(NOW, |_| {}, None);
    check(
        NOW,
        |view| service(view, |sftp| sftp.accounts = vec![name("alice")]),
        None,
    );
    check(
        NOW,
        |view| service(view, |sftp| sftp.accounts = vec![name("bob")]),
        Some("not for this account"),
    );
    check(
        NOW,
        |view| service(view, |sftp| sftp.groups = vec![name("g")]),
        Some("not for this account"),
    );
    let in_group = |view: &mut View| {
        let inner = Group {
            groups: vec![name("g")],
            ..Group::default()
        };
        view.groups.insert(name("g"), object("g", Group::default()));
        view.groups.insert(name("inner"), object("inner", inner));
        account(view, |alice| alice.groups = vec![name("inner")]);
        service(view, |sftp| {
            sftp.accounts = vec![name("bob")];
            sftp.groups = vec![name("g")];
        });
    };
    check(NOW, in_group, None);
    let network = |text: &str| vec![text.parse().unwrap()];
    check(
        NOW,
        |view| service(view, |sftp| sftp.sources = network("192.0.2.0/24")),
        None,
    );
    check(
        NOW,
        |view| service(view, |sftp| sftp.sources = network("10.0.0.0/8")),
        Some("from 192.0.2.1"),
    );
    check(
        NOW,
        |view| service(view, |sftp| sftp.restrictions.hours = wrong_hours()),
        Some("hours"),
    );
    check(
        NOW,
        |view| account(view, |alice| alice.restrictions.hours = wrong_hours()),
        Some("hours"),
    );
    check(
        UnixMillis(DAY + 90 * 60_000),
        |view| account(view, |alice| alice.restrictions.hours = wrong_hours()),
        None,
    );
}

#[test]
fn a_ban_of_the_account_or_its_network_holds_until_its_end() {
    let ban = |target: BanTarget, until: Option<i64>| {
        move |view: &mut View| {
            let spec = Ban {
                target,
                reason: String::new(),
                until: until.map(UnixMillis),
                automatic: false,
            };
            view.bans.insert(name("b"), object("b", spec));
        }
    };
    let network = |text: &str| BanTarget::Network(text.parse().unwrap());
    check(NOW, ban(BanTarget::Account(name("alice")), None), Some("banned by `b`"));
    check(NOW, ban(BanTarget::Account(name("alice")), Some(NOW.0)), None);
    check(NOW, ban(BanTarget::Account(name("bob")), None), None);
    check(
        NOW,
        ban(network("192.0.2.1/32"), Some(NOW.0 + 1)),
        Some("banned by `b`"),
    );
    check(NOW, ban(network("192.0.3.0/24"), None), None);
}

#[test]
fn an_account_that_nobody_has_used_or_changed_for_long_lets_nobody_in() {
    let idle = |seen: Option<u32>, days_max: Option<u32>| {
        move |view: &mut View| {
            if let Some(day) = seen {
                view.seen.insert(name("alice"), day);
            }
            let settings = Settings {
                inactive_days_max: days_max,
                ..Settings::default()
            };
            view.settings.insert(name("cluster"), object("cluster", settings));
        }
    };
    // The account was changed on day 0.
    let day = |day: i64| UnixMillis(day * DAY + 7);
    check(day(30), idle(None, Some(30)), None);
    check(day(31), idle(None, Some(30)), Some("nobody has used"));
    check(day(31), idle(Some(1), Some(30)), None);
    check(day(32), idle(Some(1), Some(30)), Some("nobody has used"));
    check(day(10_000), idle(None, None), None);
}

#[test]
fn a_service_that_is_off_is_told_only_where_nothing_else_stands_against_the_session() {
    check(
        NOW,
        |view| service(view, |sftp| sftp.enabled = false),
        Some("switched off"),
    );
    let both = |view: &mut View| {
        service(view, |sftp| sftp.enabled = false);
        account(view, |alice| alice.enabled = false);
    };
    check(NOW, both, Some("disabled"));
}
