//! One node with one FTP service and the account `alice`, whose files lie in a folder of the test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::Client;
use crate::auth::{self, Authenticator};
use crate::catalog::{Account, Authority, Durability, Mount, Object, Service, ServiceKind, Storage, View, ViewSource};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::ids::Name;
use crate::listener::tls::{Built, Identity, Ingredients};
use crate::listener::{Listener, Surroundings, TlsSource};
use crate::path::VirtualPath;
use crate::protocols::Node;
use crate::protocols::ftp::{FtpService, Shared};
use crate::session::Registry;
use crate::vfs::Vfs;

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) registry: Arc<Registry>,
    pub(super) listener: Option<Listener>,
    address: std::net::SocketAddr,
    view: Arc<Mutex<Arc<View>>>,
    certificate: CertificateDer<'static>,
    identity: Arc<Identity>,
    config: Arc<Mutex<Arc<rustls::ServerConfig>>>,
    /// No write finds room.
    pub(super) full: Arc<AtomicBool>,
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn object<T>(text: &str, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: name(text),
        spec,
        revision: 1,
        changed_by: "root@test".to_owned(),
        changed_at: UnixMillis(0),
    })
}

fn alice() -> Account {
    Account {
        enabled: true,
        password: Some(auth::hash_password("secret").unwrap()),
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name("disk"),
            folder: VirtualPath::root(),
            grants: None,
        }),
        ..Account::default()
    }
}

impl World {
    /// A plain service.
    pub(super) fn plain() -> Self {
        Self::new(ServiceKind::Ftp, |_| {})
    }

    pub(super) fn new(kind: ServiceKind, change: impl FnOnce(&mut Service)) -> Self {
        Self::on("127.0.0.1:0", kind, change)
    }

    /// The service listens on `address`.
    pub(super) fn on(address: &str, kind: ServiceKind, change: impl FnOnce(&mut Service)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut view = View::default();
        let storage = Storage {
            root: folder.path().as_os_str().as_encoded_bytes().to_vec(),
            durability: Durability::Strict,
            keep_interrupted: true,
            reserve_bytes: 0,
        };
        let mut service = Service::ftp(kind, 21);
        service.ftp.passive_ports = (42_000, 42_999);
        change(&mut service);
        view.storages.insert(name("disk"), object("disk", storage));
        view.accounts.insert(name("alice"), object("alice", alice()));
        view.services.insert(name("ftp"), object("ftp", service));
        let view = Arc::new(Mutex::new(Arc::new(view)));
        let views: ViewSource = {
            let view = view.clone();
            Arc::new(move || view.lock().unwrap().clone())
        };
        let (registry, journal, clock) = (Arc::new(Registry::default()), Journal::default(), Clock::system());
        let full = Arc::new(AtomicBool::new(false));
        let is_full = {
            let full = full.clone();
            move || full.load(Ordering::SeqCst)
        };
        let held = crate::protocols::held::testing::InMemory::new(clock.clone());
        let node = Node {
            name: "node-1".to_owned(),
            views: views.clone(),
            registry: registry.clone(),
            vfs: Vfs::on_a_disk(views.clone(), clock.clone(), journal.clone(), is_full),
            journal: journal.clone(),
            clock: clock.clone(),
            authenticator: Authenticator::new(views, clock).unwrap(),
            secret: Arc::new(|_| Some(zeroize::Zeroizing::new([7; 32]))),
            locks: held.clone(),
            ended: held,
        };
        let (certificate, identity, config) = certificate();
        let config = Arc::new(Mutex::new(config));
        let source: TlsSource = {
            let config = config.clone();
            Arc::new(move || Ok(config.lock().unwrap().clone()))
        };
        let tls = (kind != ServiceKind::Ftp).then_some(source);
        let service = FtpService::new(name("ftp"), node, Shared::default(), tls);
        let listener = Listener::open(
            address.parse().unwrap(),
            name("ftp"),
            service,
            Surroundings::alone(journal),
        )
        .unwrap();
        Self {
            folder,
            registry,
            address: listener.local_addr(),
            listener: Some(listener),
            view,
            certificate,
            identity,
            config,
            full,
        }
    }

    /// Changes the view; its revision rises.
    pub(super) fn change(&self, change: impl FnOnce(&mut View)) {
        let mut current = self.view.lock().unwrap();
        let mut view = View::clone(&current);
        view.revision += 1;
        change(&mut view);
        *current = Arc::new(view);
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.view.lock().unwrap().clone()
    }

    /// TLS as the view has it now, with this certificate of the service.
    pub(super) fn tls_by_view(&self) {
        let view = self.view();
        let service = view.services.get("ftp").unwrap();
        let settings = &service.spec.tls;
        let authorities = settings.authorities.iter();
        let built = Built::new(
            Ingredients {
                protocols: &[],
                service: &service.name,
                settings,
                identities: vec![self.identity.clone()],
                authorities: authorities
                    .map(|name| &view.authorities.get(name).unwrap().spec)
                    .collect(),
                secret: Arc::new(|context| Some(zeroize::Zeroizing::new(crate::x509::sha256(context)))),
                clock: Clock::system(),
            },
            None,
        );
        *self.config.lock().unwrap() = built.unwrap().config;
    }

    /// Changes the service.
    pub(super) fn service(&self, change: impl FnOnce(&mut Service)) {
        self.change(|view| {
            let mut spec = view.services.get("ftp").unwrap().spec.clone();
            change(&mut spec);
            view.services.insert(name("ftp"), object("ftp", spec));
        });
    }

    /// Changes alice's account.
    pub(super) fn account(&self, change: impl FnOnce(&mut Account)) {
        self.change(|view| {
            let mut spec = view.accounts.get("alice").unwrap().spec.clone();
            change(&mut spec);
            view.accounts.insert(name("alice"), object("alice", spec));
        });
    }

    /// Puts an authority.
    pub(super) fn authority(&self, text: &str, spec: Authority) {
        self.change(|view| {
            view.authorities.insert(name(text), object(text, spec));
        });
    }

    /// Changes the storage.
    pub(super) fn storage(&self, change: impl FnOnce(&mut Storage)) {
        self.change(|view| {
            let mut spec = view.storages.get("disk").unwrap().spec.clone();
            change(&mut spec);
            view.storages.insert(name("disk"), object("disk", spec));
        });
    }

    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connected and greeted.
    pub(super) async fn client(&self) -> Client {
        let stream = self.connect().await;
        let host = stream.peer_addr().unwrap().ip();
        let mut client = Client::new(stream, self.connector());
        client.host = host;
        assert_eq!(client.reply().await.0, 220);
        client
    }

    /// Signed in, bytes as they are.
    pub(super) async fn alice(&self) -> Client {
        let mut client = self.client().await;
        client.sign_in().await;
        client
    }

    /// Signed in, with TLS all over.
    pub(super) async fn secure_alice(&self) -> Client {
        let mut client = self.client().await;
        client.secure().await;
        client.sign_in().await;
        assert_eq!(client.code("PBSZ 0").await, 200);
        assert_eq!(client.code("PROT P").await, 200);
        client
    }

    /// Keeps TLS sessions for as long as it lives; trusts the service's certificate.
    pub(super) fn connector(&self) -> TlsConnector {
        self.connector_with(None)
    }

    /// The same for a client that has a certificate, with its key.
    pub(super) fn connector_with(&self, own: Option<(Vec<CertificateDer<'static>>, Vec<u8>)>) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let key = rustls::pki_types::PrivateKeyDer::try_from(key).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }

    pub(super) fn on_disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn put(&self, name: &str, content: &[u8]) {
        std::fs::write(self.on_disk(name), content).unwrap();
    }

    /// What a file holds; `None`: nothing has the name.
    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.on_disk(name)).ok()
    }

    /// The staged files.
    pub(super) fn staged(&self) -> usize {
        let Ok(accounts) = std::fs::read_dir(self.on_disk(".argosy-staging")) else {
            return 0;
        };
        accounts
            .map(|account| std::fs::read_dir(account.unwrap().path()).unwrap().count())
            .sum()
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !so(self) {
            assert!(tokio::time::Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn certificate() -> (CertificateDer<'static>, Arc<Identity>, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let chain = [crate::x509::Certificate::read(&der).unwrap()];
    let identity = Identity::open(&chain, made.signing_key.serialize_pem().as_bytes()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    // As services have them: clients use one ticket for many data connections.
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    (der, Arc::new(identity), Arc::new(config))
}

/// Bytes that repeat nowhere near.
pub(super) fn content(bytes: u32) -> Vec<u8> {
    (0..bytes)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
