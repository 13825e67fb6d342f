use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::certificate::Builder;

use super::*;
use crate::auth::judge::judge;
use crate::catalog::{Object, Service};
use crate::ids::SessionId;
use crate::session::{CloseReason, Credential, NewSession, Principal, Registry};

const HERE: &str = "192.0.2.1";
const NOW: u64 = 2_000_000_000;

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

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

fn line(key: &PrivateKey) -> String {
    keys::admit(key.public_key(), false).unwrap()
}

/// A certificate for `alice`, serial 7, id `laptop`, valid round NOW, changed by `change`.
fn certificate(authority: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
    let user = new_key();
    let mut builder = Builder::new_with_random_nonce(
        &mut safe_rng(),
        user.public_key().key_data().clone(),
        NOW - 60,
        NOW + 60,
    )
    .unwrap();
    builder.serial(7).unwrap();
    builder.key_id("laptop").unwrap();
    change(&mut builder);
    builder.sign(authority).unwrap()
}

fn for_alice(builder: &mut Builder) {
    builder.valid_principal("alice").unwrap();
}

/// A view with the account `alice`, the service `sftp` and the authority `staff`.
fn view(account: Account, authority: Authority) -> View {
    let mut view = View::default();
    view.accounts.insert(name("alice"), object("alice", account));
    view.authorities.insert(name("staff"), object("staff", authority));
    let mut service = Service::sftp(22, Vec::new());
    service.user_authorities = vec![name("staff")];
    view.services.insert(name("sftp"), object("sftp", service));
    view
}

fn trusting(key: &PrivateKey) -> Authority {
    Authority::ssh_user(vec![line(key)])
}

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds as i64 * 1000)
}

/// Whether a session that began with the certificate goes on in `view` at `now`.
fn judged(view: &View, certified: &CertifiedKey, now: u64) -> Result<(), String> {
    let registry = Arc::new(Registry::default());
    let new = NewSession {
        principal: Principal {
            account: name("alice"),
            credential: Credential::Certificate(Box::new(certified.clone())),
        },
        service: name("sftp"),
        protocol: "sftp",
        peer: (HERE.parse::<IpAddr>().unwrap(), 1).into(),
        started_at: UnixMillis(0),
        account_max: None,
        service_max: 1,
    };
    let registered = registry.register(SessionId(1), new).unwrap();
    judge(view, registered.session(), "node-1", at(now)).map_err(|reason| match reason {
        CloseReason::Revoked(what) => what,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_certificate_that_nobody_may_use_is_refused_with_the_reason() {
    let authority = new_key();
    type Change = fn(&mut Builder);
    let table: [(Change, Option<&str>); 8] = [
        (for_alice, None),
        (
            |builder| {
                builder.all_principals_valid().unwrap();
            },
            Some("principal"),
        ),
        (
            |builder| {
                for_alice(builder);
                builder.cert_type(CertType::Host).unwrap();
            },
            Some("host's"),
        ),
        (
            |builder| {
                for_alice(builder);
                builder.critical_option("force-command", "/bin/true").unwrap();
            },
            Some("forces a command"),
        ),
        (
            |builder| {
                for_alice(builder);
                builder.critical_option("verify-required", "").unwrap();
            },
            Some("verify-required"),
        ),
        (
            |builder| {
                for_alice(builder);
                builder.critical_option("source-address", "here").unwrap();
            },
            Some("source-address"),
        ),
        (
            |builder| {
                for_alice(builder);
                builder.extension("permit-pty", "").unwrap();
            },
            None,
        ),
        (
            |builder| {
                for number in 0..=CERTIFICATE_PRINCIPALS_MAX {
                    builder.valid_principal(format!("p{number}")).unwrap();
                }
            },
            Some("too big"),
        ),
    ];
    for (change, word) in table {
        match (read(&certificate(&authority, change)), word) {
            (Ok(_), None) => {}
            (Err(reason), Some(word)) => assert!(reason.contains(word), "{word}: {reason}"),
            (result, word) => panic!("{word:?}: {result:?}"),
        }
    }
}

#[test]
fn a_session_by_certificate_ends_with_what_it_stands_on() {
    let authority = new_key();
    let certified = read(&certificate(&authority, |builder| {
        for_alice(builder);
        builder
            .critical_option("source-address", "192.0.2.0/24,2001:db8::1")
            .unwrap();
    }))
    .unwrap();
    let account = Account::default();
    let other = |principals: &[&str]| Account {
        principals: principals.iter().map(|text| (*text).to_owned()).collect(),
        ..Account::default()
    };
    let trusted = trusting(&authority);
    let revoking = |change: fn(&mut Authority, &CertifiedKey)| {
        let mut authority = trusted.clone();
        change(&mut authority, &certified);
        authority
    };
    let stranger = trusting(&new_key());
    for (account, authority, now, word) in [
        (&account, trusted.clone(), NOW, None),
        (&other(&["root", "alice"]), trusted.clone(), NOW, None),
        (&other(&["root"]), trusted.clone(), NOW, Some("other principals")),
        (&account, trusted.clone(), NOW - 61, Some("not valid yet")),
        (&account, trusted.clone(), NOW + 60, Some("has expired")),
        (&account, stranger, NOW, Some("does not trust")),
        (
            &account,
            revoking(|authority, _| authority.revoked_serials.push(7)),
            NOW,
            Some("serial"),
        ),
        (
            &account,
            revoking(|authority, _| authority.revoked_ids.push("laptop".to_owned())),
            NOW,
            Some("id"),
        ),
        (
            &account,
            revoking(|authority, it| authority.revoked_keys.push(it.fingerprint.clone())),
            NOW,
            Some("key"),
        ),
    ] {
        match (judged(&view(account.clone(), authority), &certified, now), word) {
            (Ok(()), None) => {}
            (Err(reason), Some(word)) => assert!(reason.contains(word), "{word}: {reason}"),
            (result, word) => panic!("{word:?}: {result:?}"),
        }
    }
    let mut untrusting = view(account, trusted);
    untrusting
        .services
        .insert(name("sftp"), object("sftp", Service::sftp(22, Vec::new())));
    assert!(
        judged(&untrusting, &certified, NOW)
            .unwrap_err()
            .contains("does not trust")
    );
}

#[test]
fn a_certificate_holds_only_from_its_networks() {
    let authority = new_key();
    let certified = read(&certificate(&authority, |builder| {
        for_alice(builder);
        builder
            .critical_option("source-address", "10.0.0.0/8, 192.0.2.9")
            .unwrap();
    }))
    .unwrap();
    let view = view(Account::default(), trusting(&authority));
    for (from, allowed) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("192.0.2.9", true),
        ("192.0.2.1", false),
        ("::1", false),
    ] {
        let account = (&name("alice"), &Account::default());
        let held = holds(
            &view,
            &name("sftp"),
            account,
            &certified,
            (from.parse().unwrap(), at(NOW)),
        );
        assert_eq!(held.is_ok(), allowed, "{from}: {held:?}");
    }
}

#[test]
fn another_authoritys_name_on_a_certificate_does_not_help() {
    let (real, forger) = (new_key(), new_key());
    let genuine = certificate(&real, for_alice).to_bytes().unwrap();
    let forged = certificate(&forger, for_alice).to_bytes().unwrap();
    // The real authority's key, the forger's signature: both blocks have the same length.
    let signature = 4 + 4 + 11 + 4 + 64;
    let key = signature + 4 + 4 + 11 + 4 + 32;
    let mut mixed = forged.clone();
    let (from, to) = (genuine.len() - key, genuine.len() - signature);
    mixed[forged.len() - key..forged.len() - signature].copy_from_slice(&genuine[from..to]);
    let mixed = Certificate::from_bytes(&mixed).unwrap();
    assert_eq!(mixed.signature_key(), real.public_key().key_data());
    assert!(read(&mixed).unwrap_err().contains("not signed"));
}

#[test]
fn a_certificate_by_a_weak_authority_is_refused() {
    let pair = russh::keys::ssh_key::private::RsaKeypair::random(&mut safe_rng(), 1024).unwrap();
    let weak = certificate(&PrivateKey::from(pair), for_alice);
    assert!(read(&weak).unwrap_err().contains("1024"));
}
