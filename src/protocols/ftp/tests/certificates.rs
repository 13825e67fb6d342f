//! Signing in by client certificates, and their end.

use rcgen::{SerialNumber, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;

use super::client::Client;
use super::world::World;
use crate::auth;
use crate::catalog::{Account, Authority, CertificateRule, ClientCertificates, Proofs, ServiceKind, TlsVersion};
use crate::clock::Clock;
use crate::ids::Name;
use crate::session::CloseReason;
use crate::x509::testing::{Issuer, anchor, revoking};
use crate::x509::{RevocationList, testing};

fn issuer() -> Issuer {
    testing::issuer("Partners")
}

/// A certificate of `who`, which ends in `until`, with its key.
fn issued(issuer: &Issuer, who: &str, serial: u64, until: i32) -> (Vec<CertificateDer<'static>>, Vec<u8>) {
    let made = testing::issued(issuer, who, |params| {
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = date_time_ymd(until, 1, 1);
    });
    (vec![made.certificate.der().to_vec().into()], made.key.serialize_der())
}

/// A world whose service asks for certificates of `issuer`.
fn asking(issuer: &Issuer, mode: ClientCertificates, version: TlsVersion) -> World {
    let world = World::new(ServiceKind::Ftps, |service| {
        service.tls.client_certificates = mode;
        service.tls.version_max = version;
        service.tls.authorities = vec![Name::parse("partners").unwrap()];
    });
    world.account(|account| account.certificates = vec![CertificateRule::Subject("CN=alice".to_owned())]);
    trust(&world, issuer, Vec::new());
    world
}

fn trust(world: &World, issuer: &Issuer, lists: Vec<RevocationList>) {
    world.authority("partners", Authority::tls_client(vec![anchor(issuer)], lists));
    world.tls_by_view();
}

async fn secured(world: &World, connector: &TlsConnector) -> Client {
    let mut client = world.client().await;
    client.connector = connector.clone();
    client.secure().await;
    client
}

/// Whether a session can be had up to the first reply after TLS.
async fn comes_in(world: &World, connector: &TlsConnector) -> bool {
    let mut client = world.client().await;
    assert_eq!(client.code("AUTH TLS").await, 234);
    let host = ServerName::try_from("localhost").unwrap();
    let Ok(tls) = connector.connect(host, client.take()).await else {
        return false;
    };
    // In TLS 1.3 a client learns of its refusal with the first byte that it reads.
    let mut client = Client::new(tls, connector.clone());
    matches!(client.try_code("NOOP").await, Some(200 | 530))
}

fn judged(world: &World) -> Vec<Result<(), CloseReason>> {
    let (view, now) = (world.view(), Clock::system().now());
    let sessions = world.registry.list();
    sessions
        .iter()
        .map(|session| auth::judge(&view, session, "node-1", now))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_signs_in_alone_where_the_account_names_it() {
    let issuer = issuer();
    let world = asking(&issuer, ClientCertificates::Optional, TlsVersion::V13);
    let alice = world.connector_with(Some(issued(&issuer, "alice", 7, 2090)));
    let mut client = secured(&world, &alice).await;
    assert_eq!(client.code("USER alice").await, 232);
    assert_eq!(client.code("TYPE I").await, 200);
    assert_eq!(client.code("PBSZ 0").await, 200);
    assert_eq!(client.code("PROT P").await, 200);
    assert_eq!(client.upload("STOR f", b"content").await, 226);
    assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    // Another user is not let in by it, nor is anybody without.
    assert_eq!(client.code("REIN").await, 220);
    assert_eq!(client.code("USER nobody").await, 331);
    let mut without = secured(&world, &world.connector()).await;
    without.sign_in().await;
    // A certificate that the account does not name: the password is asked for.
    let bob = world.connector_with(Some(issued(&issuer, "bob", 8, 2090)));
    secured(&world, &bob).await.sign_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_and_password_are_both_asked_for_where_the_account_says_so() {
    let issuer = issuer();
    let world = asking(&issuer, ClientCertificates::Optional, TlsVersion::V13);
    world.account(|account| account.proofs = Proofs::PasswordAndKey);
    let alice = world.connector_with(Some(issued(&issuer, "alice", 7, 2090)));
    let mut client = secured(&world, &alice).await;
    assert_eq!(client.code("USER alice").await, 331);
    assert_eq!(client.code("PASS wrong").await, 530);
    client.sign_in().await;
    let bob = world.connector_with(Some(issued(&issuer, "bob", 8, 2090)));
    for connector in [world.connector(), bob] {
        let mut client = secured(&world, &connector).await;
        assert_eq!(client.code("USER alice").await, 331);
        assert_eq!(client.code("PASS secret").await, 530);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_without_a_good_certificate_where_one_is_required() {
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let (ours, theirs) = (issuer(), issuer());
        let world = asking(&ours, ClientCertificates::Required, version);
        let good = world.connector_with(Some(issued(&ours, "alice", 7, 2090)));
        assert!(comes_in(&world, &good).await, "{version:?}");
        for (what, own) in [
            ("none", None),
            ("a foreign one", Some(issued(&theirs, "alice", 7, 2090))),
            ("an expired one", Some(issued(&ours, "alice", 9, 2021))),
        ] {
            assert!(
                !comes_in(&world, &world.connector_with(own)).await,
                "{what} {version:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_ends_its_session_and_does_not_come_in_by_resuming() {
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let issuer = issuer();
        let world = asking(&issuer, ClientCertificates::Required, version);
        let alice = world.connector_with(Some(issued(&issuer, "alice", 7, 2090)));
        let bob = world.connector_with(Some(issued(&issuer, "bob", 8, 2090)));
        let mut by_certificate = secured(&world, &alice).await;
        assert_eq!(by_certificate.code("USER alice").await, 232);
        let mut by_password = secured(&world, &bob).await;
        by_password.sign_in().await;
        assert_eq!(judged(&world), [Ok(()), Ok(())]);

        trust(&world, &issuer, vec![revoking(&issuer, 1, &[99])]);
        assert_eq!(judged(&world), [Ok(()), Ok(())], "others are revoked");
        assert!(comes_in(&world, &alice).await);

        trust(&world, &issuer, vec![revoking(&issuer, 2, &[7, 8])]);
        for judgement in judged(&world) {
            let Err(CloseReason::Revoked(why)) = judgement else {
                panic!("the session goes on")
            };
            assert!(why.contains("revoked"), "{why}");
        }
        assert!(!comes_in(&world, &alice).await, "{version:?}");
        assert!(!comes_in(&world, &bob).await, "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_asks_for_certificates_no_more_ends_only_what_came_by_them() {
    let issuer = issuer();
    let world = asking(&issuer, ClientCertificates::Optional, TlsVersion::V13);
    let bob = world.connector_with(Some(issued(&issuer, "bob", 8, 2090)));
    let mut by_password = secured(&world, &bob).await;
    by_password.sign_in().await;
    world.service(|service| service.tls.client_certificates = ClientCertificates::Off);
    assert_eq!(judged(&world), [Ok(())]);
    let account = |account: &mut Account| account.certificates.clear();
    world.account(account);
    assert_eq!(judged(&world), [Ok(())]);

    let world = asking(&issuer, ClientCertificates::Optional, TlsVersion::V13);
    let alice = world.connector_with(Some(issued(&issuer, "alice", 7, 2090)));
    let mut by_certificate = secured(&world, &alice).await;
    assert_eq!(by_certificate.code("USER alice").await, 232);
    assert_eq!(judged(&world), [Ok(())]);
    world.account(account);
    assert!(matches!(judged(&world)[..], [Err(CloseReason::Revoked(_))]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_connection_shows_the_certificate_of_its_control_connection() {
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let issuer = issuer();
        let world = asking(&issuer, ClientCertificates::Optional, version);
        world.put("f", b"content");
        let own = issued(&issuer, "alice", 7, 2090);
        let mut client = secured(&world, &world.connector_with(Some(own.clone()))).await;
        assert_eq!(client.code("USER alice").await, 232);
        assert_eq!(client.code("PBSZ 0").await, 200);
        assert_eq!(client.code("PROT P").await, 200);
        let other = Some(issued(&issuer, "bob", 8, 2090));
        for connector in [world.connector_with(other), world.connector()] {
            client.connector = connector;
            let stream = client.passive().await;
            assert_eq!(client.code("RETR f").await, 150);
            let mut stream = client.wrapped(stream).await;
            assert_eq!(client.reply().await.0, 522, "{version:?}");
            let mut got = Vec::new();
            let _ = stream.read_to_end(&mut got).await;
            assert_eq!(got, b"", "nothing for another");
        }
        // A new handshake with the same certificate is as good as the session resumed, also after a change of trust.
        trust(&world, &issuer, vec![revoking(&issuer, 1, &[99])]);
        client.connector = world.connector_with(Some(own));
        assert_eq!(
            client.download("RETR f").await,
            (226, b"content".to_vec()),
            "{version:?}"
        );
    }
}
