use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::catalog::{Account, Object, PasswordHash, Service};
use crate::clock::{Clock, UnixMillis};
use crate::events::Journal;
use crate::ids::{Name, SessionId};
use crate::reconcile::host_keys::HostKeys;
use crate::reconcile::ports::{Material, OpenPort, Opener, Ports};
use crate::reconcile::sessions::Sessions;
use crate::session::{CloseReason, Credential, NewSession, Principal, Registry};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

struct NoPorts;

impl Opener for NoPorts {
    fn open(
        &self,
        _service: Name,
        _kind: crate::catalog::ServiceKind,
        _address: SocketAddr,
        _material: Material,
    ) -> BoxFuture<'_, Result<Box<dyn OpenPort>, String>> {
        Box::pin(async { Err("no port is opened in this test".to_owned()) })
    }
}

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

fn view(revision: u64, enabled: bool) -> View {
    let mut view = View {
        revision,
        ..View::default()
    };
    let account = Account {
        enabled,
        expires_at: None,
        password: Some(PasswordHash("hash".to_owned())),
        keys: Vec::new(),
        home: None,
        mounts: Vec::new(),
        sources: Vec::new(),
        sessions_max: None,
        ..Account::default()
    };
    view.accounts.insert(name("alice"), object("alice", account));
    view.services
        .insert(name("sftp"), object("sftp", Service::sftp(22, vec![name("main")])));
    let key = crate::catalog::HostKey {
        algorithm: "ssh-ed25519".to_owned(),
        public: String::new(),
        sealed_private: Vec::new(),
        certificate: None,
        created_at: UnixMillis(0),
    };
    view.host_keys.insert(name("main"), object("main", key));
    view
}

/// A host key whose data key nobody has yet must not hold up the end of a session.
#[tokio::test]
async fn a_session_is_closed_at_once_while_a_host_key_cannot_be_opened() {
    let latest = Arc::new(Mutex::new(Arc::new(view(1, true))));
    let source: ViewSource = {
        let latest = latest.clone();
        Arc::new(move || latest.lock().unwrap().clone())
    };
    let registry = Arc::new(Registry::default());
    let digest = crate::auth::password::digest("hash");
    let new = NewSession {
        principal: Principal {
            account: name("alice"),
            credential: Credential::Password { hash_digest: digest },
        },
        service: name("sftp"),
        protocol: "sftp",
        peer: "127.0.0.1:1".parse().unwrap(),
        started_at: UnixMillis(0),
        account_max: None,
        service_max: 9,
    };
    let held = registry.register(SessionId(1), new).unwrap();
    let (revisions, revision) = watch::channel(1);
    let (enforced, enforced_now) = watch::channel(Enforced::default());
    let (stop, stopped) = watch::channel(false);
    let node = "node-1".to_owned();
    let reconciler = Reconciler {
        view: source,
        revisions: revision,
        sessions: Sessions {
            registry,
            clock: Clock::system(),
            node: node.clone(),
        },
        host_keys: HostKeys::new(Arc::new(|_, _| Box::pin(std::future::pending()))),
        handshakes: tls::Handshakes::new(
            Arc::new(|_, _| Box::pin(std::future::pending())),
            Arc::new(|_| None),
            Clock::system(),
        ),
        ports: Ports::new(
            Arc::new(NoPorts),
            Journal::default(),
            node,
            "127.0.0.1".parse().unwrap(),
        ),
        bans: super::bans::Bans::new(Journal::default(), Clock::system()),
        expiries: super::expiry::Expiries::new(Journal::default(), Clock::system()),
        enforced,
    };
    let running = tokio::spawn(reconciler.run(stopped));

    *latest.lock().unwrap() = Arc::new(view(2, false));
    revisions.send_replace(2);
    let closed = tokio::time::timeout(limits::UNSEAL_WAIT / 2, held.session().closed()).await;
    assert!(matches!(closed, Ok(CloseReason::Revoked(_))), "{closed:?}");
    assert!(
        enforced_now.borrow().revision < 2,
        "the keys of revision 2 were not tried yet"
    );
    let mut enforced_now = enforced_now;
    let tried = tokio::time::timeout(PATIENCE, enforced_now.wait_for(|now| now.revision == 2)).await;
    assert!(tried.unwrap().unwrap().failures.contains_key("host-key/main"));

    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
}
