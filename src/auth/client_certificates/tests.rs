//! Whom a client certificate lets in, and what takes it away: tables over rules, authorities, lists and moments.

use rcgen::{CertificateParams, SanType, SerialNumber, date_time_ymd};

use super::*;
use crate::auth::hash_password;
use crate::catalog::{CertificateRule, Object, Proofs, ServiceKind, ViewSource};
use crate::clock::Clock;
use crate::x509::testing::{Issuer, Made, anchor, issued, issuer, issuer_below, revoking};
use crate::x509::{RevocationList, name};

const HERE: &str = "192.0.2.1";

fn named(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object<T>(text: &str, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: named(text),
        spec,
        revision: 1,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    })
}

fn at(moment: &str) -> UnixMillis {
    UnixMillis::from_rfc3339(moment).unwrap()
}

/// In the middle of what `issued` makes.
fn now() -> UnixMillis {
    at("2030-01-01T00:00:00Z")
}

/// A view whose service `ftps` asks for certificates of the authority `partners`.
fn view(mode: ClientCertificates, authority: Authority) -> View {
    let mut view = View::default();
    let mut service = Service::ftp(ServiceKind::Ftps, 21);
    service.tls.client_certificates = mode;
    service.tls.authorities = vec![named("partners"), named("gone")];
    view.services.insert(named("ftps"), object("ftps", service));
    view.authorities
        .insert(named("partners"), object("partners", authority));
    view
}

fn trusting(issuer: &Issuer, lists: Vec<RevocationList>) -> Authority {
    Authority::tls_client(vec![anchor(issuer)], lists)
}

/// What a handshake with these certificates gives where `issuer` is trusted.
fn shown(issuer: &Issuer, chain: &[Certificate]) -> ClientCertificate {
    let (name, anchor) = (named("partners"), anchor(issuer));
    ClientCertificate::find(chain, std::iter::once((&name, &anchor))).unwrap()
}

fn of_alice(issuer: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
    shown(issuer, &[issued(issuer, "alice", change).certificate])
}

#[track_caller]
fn check(found: Result<(), String>, expected: Option<&str>, what: &str) {
    match (found, expected) {
        (Ok(()), None) => {}
        (Err(reason), Some(word)) => assert!(reason.contains(word), "{what}: {reason}"),
        (found, _) => panic!("{what}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn an_account_takes_the_certificates_that_it_names_and_no_others() {
    let issuer = issuer("Partners");
    let certificate = of_alice(&issuer, |params| {
        let text = |text: &str| text.try_into().unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName(text("*.Example.org")),
            SanType::DnsName(text("a.example.net\0.evil.example")),
            SanType::Rfc822Name(text("Alice@Example.org")),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
        ];
    });
    let subject = |text: &str| CertificateRule::Subject(name::canonical(text).unwrap());
    let alternative = |text: &str| CertificateRule::AlternativeName(name::canonical_alternative(text).unwrap());
    let mut other = certificate.fingerprint;
    other[31] ^= 1;
    for (rule, takes) in [
        (subject("CN=alice"), true),
        (subject("cn = alice"), true),
        (subject("CN=Alice"), false),
        (subject("CN=alic"), false),
        (subject("CN=alice,O=Example"), false),
        (subject("CN=*"), false),
        (subject(r"CN=alice\00"), false),
        (alternative("email:Alice@EXAMPLE.org"), true),
        (alternative("email:alice@example.org"), false),
        (alternative("dns:*.example.ORG"), true),
        // A wildcard is a name like any other: it stands for nobody else, and nobody else for it.
        (alternative("dns:files.example.org"), false),
        (alternative("dns:a.example.net"), false),
        (alternative("dns:*"), false),
        (alternative("ip:192.0.2.7"), true),
        (alternative("ip:192.0.2.8"), false),
        (alternative("uri:urn:alice"), false),
        (alternative("upn:Alice@example.org"), false),
        (CertificateRule::Fingerprint(certificate.fingerprint), true),
        (CertificateRule::Fingerprint(other), false),
    ] {
        let what = format!("{rule:?}");
        let account = Account {
            // One of several is enough.
            certificates: vec![CertificateRule::Subject("CN=nobody".to_owned()), rule],
            ..Account::default()
        };
        let expected = (!takes).then_some("does not let this account in");
        check(lets_in(&account, &certificate), expected, &what);
    }
    let nobody = Account::default();
    check(lets_in(&nobody, &certificate), Some("does not let"), "no rule");
    // A name that is cut by a NUL elsewhere is whole here.
    let eve = shown(&issuer, &[issued(&issuer, "alice\0.evil.example", |_| {}).certificate]);
    let account = Account {
        certificates: vec![subject("CN=alice")],
        ..Account::default()
    };
    check(lets_in(&account, &eve), Some("does not let"), "a NUL in the subject");
}

#[test]
fn a_certificate_is_trusted_while_its_service_its_authority_and_its_days_say_so() {
    use ClientCertificates::{Off, Optional, Required};
    let (top, other) = (issuer("Top"), issuer("Top"));
    let middle = issuer_below(&top, "Middle");
    let alice = issued(&middle, "alice", |params| {
        params.serial_number = Some(SerialNumber::from(7));
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2035, 1, 1);
    });
    let alice = shown(&top, &[alice.certificate, anchor(&middle)]);
    let with = |lists: Vec<RevocationList>| trusting(&top, lists);
    let ssh = || Authority::ssh_user(Vec::new());
    let service = named("ftps");
    for (what, mode, authority, moment, expected) in [
        ("all is well", Required, with(vec![]), now(), None),
        ("it is asked for", Optional, with(vec![]), now(), None),
        (
            "nobody is asked",
            Off,
            with(vec![]),
            now(),
            Some("takes no client certificates"),
        ),
        (
            "another of the same name",
            Required,
            trusting(&other, vec![]),
            now(),
            Some("does not trust"),
        ),
        ("an authority for SSH", Required, ssh(), now(), Some("does not trust")),
        (
            "others are revoked",
            Required,
            with(vec![revoking(&middle, 1, &[8])]),
            now(),
            None,
        ),
        (
            "it is revoked",
            Required,
            with(vec![revoking(&middle, 1, &[8, 7])]),
            now(),
            Some("is revoked"),
        ),
        // The authority between has the serial number 1.
        (
            "what signed it is revoked",
            Required,
            with(vec![revoking(&top, 1, &[1])]),
            now(),
            Some("is revoked"),
        ),
        (
            "its number of another",
            Required,
            with(vec![revoking(&top, 1, &[7])]),
            now(),
            None,
        ),
        (
            "in a second list",
            Required,
            with(vec![revoking(&top, 1, &[]), revoking(&middle, 1, &[7])]),
            now(),
            Some("is revoked"),
        ),
        (
            "an unreadable list",
            Required,
            with(vec![RevocationList::kept(b"x")]),
            now(),
            Some("is revoked"),
        ),
        (
            "too early",
            Required,
            with(vec![]),
            at("2024-12-31T23:59:59Z"),
            Some("not valid yet"),
        ),
        (
            "the first second",
            Required,
            with(vec![]),
            at("2025-01-01T00:00:00Z"),
            None,
        ),
        (
            "the last second",
            Required,
            with(vec![]),
            at("2035-01-01T00:00:00.999Z"),
            None,
        ),
        (
            "too late",
            Required,
            with(vec![]),
            at("2035-01-01T00:00:01Z"),
            Some("has expired"),
        ),
    ] {
        let view = view(mode, authority);
        check(trusted(&view, &service, &alice, moment), expected, what);
        // Who only showed it is not concerned once nobody is asked any more.
        let expected = expected.filter(|_| mode != Off);
        check(still_shown(&view, &service, &alice, moment), expected, what);
    }
    let mut gone = view(Required, with(vec![]));
    gone.authorities.clear();
    check(
        trusted(&gone, &service, &alice, now()),
        Some("does not trust"),
        "no authority",
    );
    gone.services.clear();
    check(trusted(&gone, &service, &alice, now()), None, "the service is gone");
}

/// Whom this certificate, shown to `ftps`, lets in as `claimed`.
fn asked(view: View, made: &Made, claimed: &str) -> Result<String, String> {
    let view = Arc::new(view);
    let views: ViewSource = Arc::new(move || view.clone());
    let authenticator = Authenticator::new(views, Clock::fixed(now())).unwrap();
    let der = made.certificate.der().to_vec().into();
    let certificate = authenticator
        .shown_certificate(&[der], &named("ftps"))
        .map_err(|refused| refused.reason)?
        .ok_or("nothing was shown")?;
    let principal = authenticator
        .client_certificate(claimed, &certificate, &named("ftps"), HERE.parse().unwrap())
        .map_err(|refused| refused.reason)?;
    assert_eq!(principal.credential, Credential::ClientCertificate(certificate));
    Ok(principal.account.to_string())
}

#[test]
fn a_shown_certificate_lets_in_the_claimed_account_alone() {
    let (ours, theirs) = (issuer("Partners"), issuer("Partners"));
    let (alice, foreign) = (issued(&ours, "alice", |_| {}), issued(&theirs, "alice", |_| {}));
    let expired = issued(&ours, "alice", |params| params.not_after = date_time_ymd(2021, 1, 1));
    let account = |change: fn(&mut Account)| {
        let mut account = Account {
            enabled: true,
            password: Some(hash_password("secret").unwrap()),
            certificates: vec![CertificateRule::Subject("CN=alice".to_owned())],
            ..Account::default()
        };
        change(&mut account);
        account
    };
    type Change = fn(&mut Account);
    let as_it_is: Change = |_| {};
    type Row<'a> = (&'a str, &'a Made, &'a str, Change, Result<&'a str, &'a str>);
    let rows: [Row<'_>; 9] = [
        ("good", &alice, "alice", as_it_is, Ok("alice")),
        ("nobody", &alice, "bob", as_it_is, Err("no such account")),
        ("a path", &alice, "../alice", as_it_is, Err("no such account")),
        ("foreign", &foreign, "alice", as_it_is, Err("leads to no authority")),
        ("expired", &expired, "alice", as_it_is, Err("has expired")),
        (
            "disabled",
            &alice,
            "alice",
            |account| account.enabled = false,
            Err("is disabled"),
        ),
        (
            "by password alone",
            &alice,
            "alice",
            |account| account.proofs = Proofs::Password,
            Err("signs in by password"),
        ),
        (
            "the half of it",
            &alice,
            "alice",
            |account| account.proofs = Proofs::PasswordAndKey,
            Ok("alice"),
        ),
        (
            "not named",
            &alice,
            "alice",
            |account| account.certificates.clear(),
            Err("does not let this account in"),
        ),
    ];
    for (what, made, claimed, change, expected) in rows {
        let mut view = view(ClientCertificates::Optional, trusting(&ours, Vec::new()));
        view.accounts.insert(named("alice"), object("alice", account(change)));
        match (asked(view, made, claimed), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{what}"),
            (Err(reason), Err(word)) => assert!(reason.contains(word), "{what}: {reason}"),
            (found, _) => panic!("{what}: {found:?}, expected {expected:?}"),
        }
    }
}
