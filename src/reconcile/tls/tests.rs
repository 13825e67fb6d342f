use std::sync::Mutex;

use rcgen::{CertificateParams, KeyPair, SerialNumber};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::*;
use crate::catalog::CertificateKey;
use crate::catalog::{Authority, AuthorityKind, ClientCertificates, Issued, Object};
use crate::clock::UnixMillis;
use crate::x509;
use crate::x509::testing::{anchor, issued, issuer, revoking};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object<T>(text: &str, revision: u64, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: name(text),
        spec,
        revision,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    })
}

/// What is sealed here is what it is.
fn certificate(names: &[&str]) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Certificate {
        issued: Some(Issued {
            chain: vec![x509::Certificate::read(made.der()).unwrap()],
            key: CertificateKey {
                public: Vec::new(),
                sealed_private: key.serialize_pem().into_bytes(),
            },
        }),
        requested: None,
        created_at: UnixMillis(0),
    }
}

fn der(certificate: &Certificate) -> Vec<u8> {
    certificate.issued.as_ref().unwrap().chain[0].der().to_vec()
}

fn handshakes() -> Handshakes {
    let unseal: Unseal = Arc::new(|_, sealed| Box::pin(async move { Ok(Zeroizing::new(sealed)) }));
    let secret: SharedSecret = Arc::new(|context| Some(Zeroizing::new(x509::sha256(context))));
    Handshakes::new(unseal, secret, Clock::system())
}

fn view(tls: TlsSettings, certificates: &[(&str, u64, &Certificate)]) -> View {
    let mut view = View::default();
    let mut service = Service::ftp(ServiceKind::FtpsImplicit, 990);
    service.tls = tls;
    view.services.insert(name("ftps"), object("ftps", 1, service));
    for (text, revision, certificate) in certificates {
        let object = object(text, *revision, (*certificate).clone());
        view.certificates.insert(name(text), object);
    }
    view
}

fn settings(certificates: &[&str]) -> TlsSettings {
    TlsSettings {
        certificates: certificates.iter().map(|text| name(text)).collect(),
        ..TlsSettings::default()
    }
}

/// Connects a client with a service's configuration; gives the certificate that was shown, and whether it resumed.
async fn visit(client: &Arc<ClientConfig>, asked: &str, source: &TlsSource) -> Result<(Vec<u8>, bool), String> {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let acceptor = tokio_rustls::TlsAcceptor::from(source()?);
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(there).await?;
        stream.write_all(b"!").await?;
        stream.shutdown().await
    });
    let connector = tokio_rustls::TlsConnector::from(client.clone());
    let name = ServerName::try_from(asked.to_owned()).unwrap();
    let told = |error: std::io::Error| error.to_string();
    let mut stream = connector.connect(name, here).await.map_err(told)?;
    let mut byte = [0];
    stream.read_exact(&mut byte).await.map_err(told)?;
    let connection = stream.get_ref().1;
    let shown = connection.peer_certificates().unwrap()[0].to_vec();
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    // To its end: tickets come behind the handshake.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    serving.await.unwrap().map_err(told)?;
    Ok((shown, resumed))
}

fn client(trusted: &[Vec<u8>], own: Option<(&CertificateDer<'static>, &KeyPair)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for der in trusted {
        roots.add(der.clone().into()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
            builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
        }
    })
}

#[tokio::test]
async fn the_next_handshake_shows_the_newest_certificate_and_what_did_not_change_is_not_built_again() {
    let (first, second, other) = (
        certificate(&["a.example"]),
        certificate(&["a.example"]),
        certificate(&["b.example"]),
    );
    let client = client(&[der(&first), der(&second), der(&other)], None);
    let mut node = handshakes();
    let source = node.source(&name("ftps"));
    assert!(source().unwrap_err().contains("no certificate"));
    let tls = settings(&["a", "b"]);
    let before = view(tls.clone(), &[("a", 1, &first), ("b", 1, &other)]);
    assert_eq!(node.pass(&before).await, BTreeMap::new());
    let config = source().unwrap();
    node.pass(&before).await;
    assert!(Arc::ptr_eq(&config, &source().unwrap()), "built again for nothing");
    assert_eq!(
        visit(&client, "a.example", &source).await.unwrap(),
        (der(&first), false)
    );
    assert_eq!(visit(&client, "b.example", &source).await.unwrap().0, der(&other));

    let after = view(tls, &[("a", 2, &second), ("b", 1, &other)]);
    assert_eq!(node.pass(&after).await, BTreeMap::new());
    let shown = visit(&client_like(&client), "a.example", &source).await.unwrap();
    assert_eq!(shown, (der(&second), false));

    let none = view(settings(&[]), &[]);
    assert!(node.pass(&none).await["service/ftps"].contains("certificate"));
    assert!(source().is_err(), "what is not named any more is still shown");
}

/// The same trust without what was learnt.
fn client_like(client: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut fresh = ClientConfig::clone(client);
    fresh.resumption = rustls::client::Resumption::in_memory_sessions(8);
    Arc::new(fresh)
}

#[tokio::test]
async fn a_session_resumes_on_another_node_until_anything_of_the_trust_changes() {
    let issuer = issuer("Partners");
    let shown = certificate(&["a.example"]);
    let own = issued(&issuer, "alice", |params| {
        params.serial_number = Some(SerialNumber::from(7));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let own_der = own.certificate.der().to_vec().into();
    let client = client(&[der(&shown)], Some((&own_der, &own.key)));
    let tls = TlsSettings {
        client_certificates: ClientCertificates::Required,
        authorities: vec![name("partners")],
        ..settings(&["a"])
    };
    let trusting = |revision: u64, lists: Vec<x509::RevocationList>| {
        let mut view = view(tls.clone(), &[("a", 1, &shown)]);
        let mut authority = Authority::ssh_user(Vec::new());
        authority.kind = AuthorityKind::TlsClient;
        authority.certificates = vec![anchor(&issuer)];
        authority.revocation_lists = lists;
        view.authorities
            .insert(name("partners"), object("partners", revision, authority));
        view
    };
    let list = |number: u64, revoked: &[u64]| revoking(&issuer, number, revoked);
    let nodes = Mutex::new([handshakes(), handshakes()]);
    let sources = nodes.lock().unwrap().each_ref().map(|node| node.source(&name("ftps")));
    let pass = async |view: View| {
        for at in 0..2 {
            let mut node = std::mem::replace(&mut nodes.lock().unwrap()[at], handshakes());
            assert_eq!(node.pass(&view).await, BTreeMap::new());
            nodes.lock().unwrap()[at] = node;
        }
    };
    pass(trusting(1, vec![list(1, &[])])).await;
    assert!(!visit(&client, "a.example", &sources[0]).await.unwrap().1);
    for source in &sources {
        assert!(
            visit(&client, "a.example", source).await.unwrap().1,
            "it did not resume"
        );
    }
    // Another list that revokes nothing of his: he has to show his certificate again, once.
    pass(trusting(2, vec![list(2, &[8])])).await;
    assert!(
        !visit(&client, "a.example", &sources[1]).await.unwrap().1,
        "resumed from a former trust"
    );
    assert!(visit(&client, "a.example", &sources[0]).await.unwrap().1);
    pass(trusting(3, vec![list(3, &[7, 8])])).await;
    for source in &sources {
        let refused = visit(&client, "a.example", source).await;
        assert!(refused.is_err(), "a revoked certificate lets in: {refused:?}");
    }
}
