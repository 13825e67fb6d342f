//! Sessions between requests: who shows the same proof from the same address goes on with the session that the first
//! request began, until nothing was asked in it for a while or it was closed.
//!
//! Proofs are judged by `sign_in`; revocation closes the session itself, and is seen here at the next request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use tokio::time::Instant;

use super::limits::KEPT_IDLE;
use crate::clock::UnixMillis;
use crate::ids::SessionId;
use crate::protocols::Node;
use crate::session::{Registered, Session};

/// A session that is recorded as ended when its last request is done and nobody keeps it.
pub struct Live {
    registered: Registered,
    node: Node,
    /// The web session that it belongs to, and when that ends.
    web: Option<(u128, UnixMillis)>,
}

impl Live {
    pub(super) fn new(registered: Registered, node: Node) -> Self {
        Self {
            registered,
            node,
            web: None,
        }
    }

    /// The same, of the web session `id`, which lasts until `until`.
    pub(super) fn of_web(mut self, id: u128, until: UnixMillis) -> Self {
        self.web = Some((id, until));
        self
    }

    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        self.registered.session()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let reason = match self.session().check() {
            Err(reason) => reason.to_string(),
            Ok(()) => "nothing was asked any more".to_owned(),
        };
        self.node.ended(&self.registered, reason);
    }
}

/// What a proof and an address come to; nobody learns the proof from it.
pub type Mark = [u8; 32];

struct Entry {
    live: Arc<Live>,
    used_at: Instant,
}

/// The sessions of one service that requests go on with. As many as the service may have: each is registered.
pub struct Kept {
    key: hmac::Key,
    all: Mutex<HashMap<Mark, Entry>>,
    /// Proofs that are being judged.
    judged: Mutex<HashMap<Mark, Arc<tokio::sync::Mutex<()>>>>,
}

/// Whoever holds it is the one who has this proof judged; others who show the same wait for it.
pub struct Turn<'a> {
    kept: &'a Kept,
    mark: Mark,
    /// `None` only at the very end.
    held: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut judged = self.kept.judged.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // One is the table's own.
        if judged.get(&self.mark).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            judged.remove(&self.mark);
        }
    }
}

impl Kept {
    /// With none; `None`: the random generator failed.
    pub fn new() -> Option<Self> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        Some(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            all: Mutex::default(),
            judged: Mutex::default(),
        })
    }

    /// The mark of what was shown, from where.
    pub fn mark(&self, peer: SocketAddr, shown: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(peer.ip().to_string().as_bytes());
        for part in shown {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut mark = Mark::default();
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Mark, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session to go on with; `None`: there is none, or it was closed.
    pub fn find(&self, mark: &Mark) -> Option<Arc<Live>> {
        let mut all = self.lock();
        let entry = all.get_mut(mark)?;
        if entry.live.session().check().is_err() {
            let closed = all.remove(mark);
            drop(all);
            drop(closed);
            return None;
        }
        entry.used_at = Instant::now();
        Some(entry.live.clone())
    }

    /// Waits until nobody else has the same proof judged: a client that opens many connections at once makes one proof
    /// do for all.
    pub async fn turn(&self, mark: &Mark) -> Turn<'_> {
        let turn = {
            let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
            judged.entry(*mark).or_default().clone()
        };
        Turn {
            kept: self,
            mark: *mark,
            held: Some(turn.lock_owned().await),
        }
    }

    /// Keeps a session; where another request of the same proof was faster, that one's is given instead.
    pub fn keep(&self, mark: Mark, live: Live) -> Arc<Live> {
        if let Some(faster) = self.find(&mark) {
            return faster;
        }
        let live = Arc::new(live);
        let entry = Entry {
            live: live.clone(),
            used_at: Instant::now(),
        };
        let former = self.lock().insert(mark, entry);
        drop(former);
        live
    }

    /// Closes those of web sessions that have ended: `ended` says of which.
    pub fn close_ended(&self, now: UnixMillis, ended: impl Fn(u128) -> bool) {
        for entry in self.lock().values() {
            let over = entry.live.web.is_some_and(|(id, until)| now >= until || ended(id));
            if over {
                entry.live.session().close(super::web_session::signed_out());
            }
        }
    }

    /// The web session that the session `id` belongs to, and when it ends.
    pub fn web_of(&self, id: SessionId) -> Option<(u128, UnixMillis)> {
        let all = self.lock();
        let mut entries = all.values();
        entries.find(|entry| entry.live.session().id == id)?.live.web
    }

    /// Forgets those in which nothing was asked for [`KEPT_IDLE`], and those that were closed. Requests that run keep
    /// theirs until they are done.
    pub fn sweep(&self, now: Instant) {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        // What is left of those who went away while they waited.
        judged.retain(|_, turn| Arc::strong_count(turn) > 1);
        drop(judged);
        let mut ended = Vec::new();
        self.lock().retain(|_, entry| {
            let busy = Arc::strong_count(&entry.live) > 1;
            if busy {
                entry.used_at = now;
            }
            let stays = entry.live.session().check().is_ok() && entry.used_at + KEPT_IDLE > now;
            if !stays {
                ended.push(entry.live.clone());
            }
            stays
        });
        // Their ends are written down outside of the lock.
        drop(ended);
    }
}
