//! Sessions: who is signed in here, by what, from where; and the registry that lists, limits and closes them.
//!
//! Proving who somebody is, is left to `auth`; deciding that a session must end, to `reconcile`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ipnet::IpNet;
use tokio::sync::watch;

use crate::clock::UnixMillis;
use crate::ids::{Name, SessionId};
use crate::x509::ClientCertificate;

/// Accounts that are remembered as used between two reports.
pub const USED_MAX: usize = 100_000;

/// What let a session in; judged again against each new view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A password; holds SHA-256 of the stored hash that it matched, so that any change of the password shows.
    Password {
        /// SHA-256 of the PHC string.
        hash_digest: [u8; 32],
    },
    /// A certificate of a trusted authority.
    Certificate(Box<CertifiedKey>),
    /// A client certificate (TLS) that lets the account in.
    ClientCertificate(Arc<ClientCertificate>),
    /// What was proven over a connection whose client had shown a certificate that lets nobody in by itself; the
    /// certificate must stay trusted all the same.
    Within(Box<(Credential, Arc<ClientCertificate>)>),
    /// A password and a key or certificate, in the order in which they were proven; both must go on holding.
    Both(Box<(Credential, Credential)>),
    /// A public key, as `algorithm base64`.
    Key {
        /// As in [`crate::catalog::AuthorizedKey::key`].
        key: String,
        /// `SHA256:...`, for people.
        fingerprint: String,
    },
}

impl Credential {
    /// Whether a password is (part of) it.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Password { .. } => true,
            Self::Key { .. } | Self::Certificate(_) | Self::ClientCertificate(_) => false,
            Self::Within(within) => within.0.has_password(),
            Self::Both(both) => both.0.has_password() || both.1.has_password(),
        }
    }

    /// Whether a key or a certificate is (part of) it.
    pub fn has_key(&self) -> bool {
        match self {
            Self::Password { .. } => false,
            Self::Key { .. } | Self::Certificate(_) | Self::ClientCertificate(_) => true,
            Self::Within(within) => within.0.has_key(),
            Self::Both(both) => both.0.has_key() || both.1.has_key(),
        }
    }

    /// For people: `password`, a key's fingerprint, a certificate's id and serial number.
    pub fn shown(&self) -> String {
        match self {
            Self::Password { .. } => "password".to_owned(),
            Self::Key { fingerprint, .. } => fingerprint.clone(),
            Self::Certificate(certified) => format!(
                "certificate \"{}\" (serial {}) for {}",
                certified.key_id.escape_default(),
                certified.serial,
                certified.fingerprint
            ),
            Self::ClientCertificate(certificate) => {
                format!("certificate of {} (serial {})", certificate.subject, certificate.serial)
            }
            Self::Within(within) => within.0.shown(),
            Self::Both(both) => format!("{} and {}", both.0.shown(), both.1.shown()),
        }
    }
}

/// The facts of an OpenSSH user certificate by which its session is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedKey {
    /// The key that signed it, as `algorithm base64`.
    pub authority_key: String,
    /// Its serial number.
    pub serial: u64,
    /// Its id.
    pub key_id: String,
    /// `SHA256:...` of the certified key.
    pub fingerprint: String,
    /// Whom it lets in.
    pub principals: Vec<String>,
    /// Before then it lets nobody in; `None`: it always has.
    pub valid_after: Option<UnixMillis>,
    /// From then on it lets nobody in; `None`: without end.
    pub valid_before: Option<UnixMillis>,
    /// Networks it may be used from; `None`: any.
    pub sources: Option<Vec<IpNet>>,
}

/// A proven identity: what `auth` gives and a session starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account.
    pub account: Name,
    /// The proof.
    pub credential: Credential,
}

impl Principal {
    /// The same principal, come over a connection whose client had shown `certificate`: once that is revoked, its
    /// session ends, whatever else was proven.
    #[must_use]
    pub fn within(self, certificate: &Arc<ClientCertificate>) -> Self {
        let same = |credential: &Credential| matches!(credential, Credential::ClientCertificate(_));
        let has = match &self.credential {
            Credential::Both(both) => same(&both.0) || same(&both.1),
            Credential::Within(_) => true,
            credential => same(credential),
        };
        if has {
            return self;
        }
        Self {
            credential: Credential::Within(Box::new((self.credential, certificate.clone()))),
            ..self
        }
    }
}

/// Why a session was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// What let it in is no longer valid; the text says what.
    Revoked(String),
    /// An administrator closed it.
    Administrator,
    /// The service was removed or switched off.
    ServiceOff,
    /// The node stops.
    Stopping,
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Revoked(what) => write!(f, "revoked: {what}"),
            Self::Administrator => f.write_str("closed by an administrator"),
            Self::ServiceOff => f.write_str("the service was switched off"),
            Self::Stopping => f.write_str("the node is stopping"),
        }
    }
}

/// One signed-in session. Immutable but for its counters and its end.
#[derive(Debug)]
pub struct Session {
    /// Its id, unique over all nodes.
    pub id: SessionId,
    /// Who.
    pub principal: Principal,
    /// The service's name.
    pub service: Name,
    /// What it speaks unless the client says otherwise.
    protocol: &'static str,
    /// What the client has asked for first.
    spoken: OnceLock<&'static str>,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// When it began.
    pub started_at: UnixMillis,
    /// Bytes that the client has sent into files.
    pub bytes_in: AtomicU64,
    /// Bytes of files sent to the client.
    pub bytes_out: AtomicU64,
    closed: watch::Sender<Option<CloseReason>>,
    reason: OnceLock<CloseReason>,
    /// It was found good at least once.
    held: AtomicBool,
}

impl Session {
    /// It was judged and holds: from now on it counts as a use of its account.
    pub fn held(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// Fails once the session was closed; cheap, asked before each operation, read, write and publish.
    pub fn check(&self) -> Result<(), CloseReason> {
        match self.reason.get() {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// Resolves when the session is closed.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.closed.subscribe();
        loop {
            if let Some(reason) = closed.borrow_and_update().clone() {
                return reason;
            }
            if closed.changed().await.is_err() {
                return CloseReason::Stopping;
            }
        }
    }

    /// Closes it; the first reason stays.
    pub fn close(&self, reason: CloseReason) {
        let reason = self.reason.get_or_init(|| reason).clone();
        self.closed.send_replace(Some(reason));
    }

    /// What it speaks: `sftp`, `scp`, `exec` (hash commands), `ftp`, `ftps`.
    pub fn protocol(&self) -> &'static str {
        self.spoken.get().copied().unwrap_or(self.protocol)
    }

    /// What the client asks for on a connection that carries several protocols; the first word stays.
    pub fn speaks(&self, protocol: &'static str) {
        let _ = self.spoken.set(protocol);
    }

    /// Bytes that came into files, and bytes of files that went out.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.bytes_in.load(Ordering::Relaxed),
            self.bytes_out.load(Ordering::Relaxed),
        )
    }

    /// The account's name.
    pub fn account(&self) -> &Name {
        &self.principal.account
    }
}

/// What a new session is made of.
#[derive(Debug)]
pub struct NewSession {
    /// Who.
    pub principal: Principal,
    /// The service's name.
    pub service: Name,
    /// What it speaks unless the client says otherwise.
    pub protocol: &'static str,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// Now.
    pub started_at: UnixMillis,
    /// The most sessions of the account on this node.
    pub account_max: Option<u32>,
    /// The most sessions of the service on this node.
    pub service_max: u32,
}

/// Why a session was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// The account's limit on this node.
    Account,
    /// The service's limit on this node.
    Service,
}

impl std::fmt::Display for LimitReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match self {
            Self::Account => "account",
            Self::Service => "service",
        };
        write!(f, "too many sessions of this {whose} on this node; try again later")
    }
}

/// All live sessions of this node.
#[derive(Debug, Default)]
pub struct Registry {
    live: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    begun: AtomicU64,
    /// Accounts of sessions that ended since [`Registry::take_used`]; at most [`USED_MAX`].
    used: Mutex<BTreeSet<Name>>,
}

/// Holds a session in its registry; dropping it takes the session out.
#[derive(Debug)]
pub struct Registered {
    session: Arc<Session>,
    registry: Arc<Registry>,
}

impl Registered {
    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.session.id);
        if self.session.held.load(Ordering::Relaxed) {
            self.registry.note_used([self.session.account().clone()]);
        }
    }
}

impl Registry {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session with the id `id` (128 random bits), within the limits. The caller judges it again against
    /// the latest view *after* this call, so that no revocation falls between.
    pub fn register(self: &Arc<Self>, id: SessionId, new: NewSession) -> Result<Registered, LimitReached> {
        let mut live = self.lock();
        let of_account = live
            .values()
            .filter(|session| session.principal.account == new.principal.account)
            .count();
        if new.account_max.is_some_and(|max| of_account >= max as usize) {
            return Err(LimitReached::Account);
        }
        let of_service = live.values().filter(|session| session.service == new.service).count();
        if of_service >= new.service_max as usize {
            return Err(LimitReached::Service);
        }
        let session = Arc::new(Session {
            id,
            principal: new.principal,
            service: new.service,
            protocol: new.protocol,
            spoken: OnceLock::new(),
            peer: new.peer,
            started_at: new.started_at,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            closed: watch::Sender::new(None),
            reason: OnceLock::new(),
            held: AtomicBool::new(false),
        });
        live.insert(id, session.clone());
        #[cfg(feature = "planted")]
        leak();
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Registered {
            session,
            registry: self.clone(),
        })
    }

    /// The accounts that were used since the last call, with those whose sessions are live. Who asks and cannot use
    /// the answer gives it back by [`note_used`](Self::note_used).
    pub fn take_used(&self) -> BTreeSet<Name> {
        let mut used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let live = self.lock();
        let good = live.values().filter(|session| session.held.load(Ordering::Relaxed));
        used.extend(good.map(|session| session.account().clone()));
        used
    }

    /// Remembers accounts as used, at most [`USED_MAX`]; further ones are forgotten until they are used again.
    pub fn note_used(&self, accounts: impl IntoIterator<Item = Name>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            if used.len() < USED_MAX {
                used.insert(account);
            }
        }
    }

    /// All live sessions, by id.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// How many are live.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Closes one; whether it was here.
    pub fn close(&self, id: SessionId, reason: CloseReason) -> bool {
        let session = self.lock().get(&id).cloned();
        session.map(|session| session.close(reason)).is_some()
    }
}

/// Leaves behind what a session took.
#[cfg(feature = "planted")]
fn leak() {
    use crate::planted::{Bug, is};
    if is(Bug::LeakHandles) {
        (0..4).for_each(|_| std::mem::forget(std::fs::File::open("/dev/null")));
    }
    // So much that few sessions show it, and so often that the machine bears it.
    static TIMES: AtomicU64 = AtomicU64::new(0);
    if is(Bug::LeakMemory) && TIMES.fetch_add(1, Ordering::Relaxed) < 12 {
        std::mem::forget(vec![1_u8; 48 * 1024 * 1024]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn new(account: &str, account_max: Option<u32>, service_max: u32) -> NewSession {
        NewSession {
            principal: Principal {
                account: Name::parse(account).unwrap(),
                credential: Credential::Password { hash_digest: [0; 32] },
            },
            service: Name::parse("sftp").unwrap(),
            protocol: "sftp",
            peer: "127.0.0.1:5".parse().unwrap(),
            started_at: UnixMillis(0),
            account_max,
            service_max,
        }
    }

    #[test]
    fn limits_hold_and_a_dropped_session_frees_its_place() {
        let registry = Arc::new(Registry::default());
        let first = registry.register(SessionId(1), new("alice", Some(1), 2)).unwrap();
        assert_eq!(
            registry.register(SessionId(2), new("alice", Some(1), 2)).err(),
            Some(LimitReached::Account)
        );
        let _other = registry.register(SessionId(3), new("bob", Some(1), 2)).unwrap();
        assert_eq!(
            registry.register(SessionId(4), new("carol", None, 2)).err(),
            Some(LimitReached::Service)
        );
        drop(first);
        assert!(registry.register(SessionId(5), new("alice", Some(1), 2)).is_ok());
        assert_eq!(registry.count(), 1);
    }

    #[test]
    fn only_a_session_that_held_counts_as_a_use_of_its_account() {
        let registry = Arc::new(Registry::default());
        let begin = |id: u128, account: &str| registry.register(SessionId(id), new(account, None, 9)).unwrap();
        let (ended, refused, live) = (begin(1, "alice"), begin(2, "bob"), begin(3, "carol"));
        ended.session().held();
        live.session().held();
        drop((ended, refused));
        let names = |used: BTreeSet<Name>| used.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        let used = registry.take_used();
        assert_eq!(names(used.clone()), ["alice", "carol"]);
        assert_eq!(names(registry.take_used()), ["carol"]);
        registry.note_used(used);
        assert_eq!(names(registry.take_used()), ["alice", "carol"]);
    }

    #[tokio::test]
    async fn a_closed_session_says_so_with_its_first_reason() {
        let registry = Arc::new(Registry::default());
        let held = registry.register(SessionId(1), new("alice", None, 2)).unwrap();
        assert_eq!(held.session().check(), Ok(()));
        assert!(registry.close(SessionId(1), CloseReason::Administrator));
        assert!(!registry.close(SessionId(9), CloseReason::Administrator));
        held.session().close(CloseReason::Stopping);
        assert_eq!(held.session().closed().await, CloseReason::Administrator);
        assert_eq!(held.session().check(), Err(CloseReason::Administrator));
    }
}
