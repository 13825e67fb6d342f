//! The network between simulated nodes: latency, loss, reordering, cut links; messages are the same bytes as on real
//! sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use futures_util::{FutureExt, StreamExt};
use openraft::AsyncRuntime;
use tokio::sync::oneshot;

use super::dice::Dice;
use super::member::Member;
use super::scoped::{Scope, Scoped};
use crate::limits::{APPEND_MAX, APPENDS_UNDER_WAY_MAX};
use crate::raft::{Appends, CallError, CoreError, Peer, PeerTransport, Replies, Rpc, SnapshotData};
use crate::transport::limits::KEEP_ALIVE_MAX;

/// How long the sending of a snapshot may take.
const SNAPSHOT_MAX: Duration = Duration::from_secs(2);

/// The network. Clones are the same network.
#[derive(Clone)]
pub struct Net(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    up: BTreeMap<u64, (Arc<dyn Member>, Scope)>,
    cut: BTreeSet<u64>,
    cut_ways: BTreeSet<(u64, u64)>,
    places: BTreeMap<u64, u64>,
    far: Duration,
    jitter: Duration,
    loss_percent: u64,
    late_percent: u64,
}

/// The shortest way between two nodes.
const NEAR: Duration = Duration::from_micros(100);
/// How much longer it may take on a quiet network.
const JITTER: Duration = Duration::from_millis(3);
/// How much longer a late message takes.
const LATE: Duration = Duration::from_millis(120);

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            up: BTreeMap::new(),
            cut: BTreeSet::new(),
            cut_ways: BTreeSet::new(),
            places: BTreeMap::new(),
            far: Duration::ZERO,
            jitter: JITTER,
            loss_percent: 0,
            late_percent: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn node_is_up(&self, id: u64, member: Arc<dyn Member>, scope: Scope) {
        self.lock().up.insert(id, (member, scope));
    }

    pub(super) fn node_is_down(&self, id: u64) -> Option<Scope> {
        self.lock().up.remove(&id).map(|(_, scope)| scope)
    }

    /// The running node of this id, and its tasks.
    pub(super) fn up(&self, id: u64) -> Option<(Arc<dyn Member>, Scope)> {
        self.lock().up.get(&id).cloned()
    }

    /// The running node of this id.
    pub(crate) fn member(&self, id: u64) -> Option<Arc<dyn Member>> {
        self.up(id).map(|(member, _)| member)
    }

    /// Who runs.
    pub fn running(&self) -> Vec<u64> {
        self.lock().up.keys().copied().collect()
    }

    /// Cuts a node off from the others, both ways.
    pub fn cut_off(&self, id: u64) {
        self.lock().cut.insert(id);
    }

    /// Nothing comes from one to the other; the way back stays.
    pub fn cut_way(&self, from: u64, to: u64) {
        self.lock().cut_ways.insert((from, to));
    }

    /// So many of a hundred messages are lost.
    pub fn lose_percent(&self, percent: u64) {
        self.lock().loss_percent = percent;
    }

    /// So many of a hundred messages come late, after later ones.
    pub fn late_percent(&self, percent: u64) {
        self.lock().late_percent = percent;
    }

    /// Every message takes up to this much longer.
    pub fn set_jitter(&self, jitter: Duration) {
        self.lock().jitter = jitter;
    }

    /// Puts a node in a datacenter.
    pub fn place(&self, id: u64, datacenter: u64) {
        self.lock().places.insert(id, datacenter);
    }

    /// One way between two datacenters takes so much longer.
    pub fn set_far(&self, far: Duration) {
        self.lock().far = far;
    }

    /// All links work and are quick; datacenters stay where they are.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.cut_ways.clear();
        state.loss_percent = 0;
        state.late_percent = 0;
        state.jitter = JITTER;
    }

    pub(super) fn link(&self, from: u64) -> Link {
        Link {
            net: self.clone(),
            from,
        }
    }

    /// How long one message takes, or `None` where it is lost.
    fn travel(&self, from: u64, to: u64) -> Option<Duration> {
        let mut state = self.lock();
        let state = &mut *state;
        let jitter = u64::try_from(state.jitter.as_micros()).unwrap_or(u64::MAX);
        let mut latency = NEAR + Duration::from_micros(state.dice.below(jitter));
        if state.places.get(&from) != state.places.get(&to) {
            latency += state.far;
        }
        let lost = state.dice.below(100) < state.loss_percent;
        if state.late_percent > 0 && state.dice.below(100) < state.late_percent {
            latency += LATE;
        }
        let cut = state.cut.contains(&from) || state.cut.contains(&to) || state.cut_ways.contains(&(from, to));
        (!lost && !cut).then_some(latency)
    }
}

/// One node's way to the others.
#[derive(Clone)]
pub(super) struct Link {
    net: Net,
    from: u64,
}

impl Link {
    /// One way. A connection on which a message is lost is given up after a while, as one without a sign of life is.
    async fn hop(&self, from: u64, to: u64) -> Result<(), CallError> {
        match self.net.travel(from, to) {
            Some(latency) => {
                Scoped::sleep(latency).await;
                Ok(())
            }
            None => {
                Scoped::sleep(KEEP_ALIVE_MAX).await;
                Err(CallError::Broken("the connection gives no sign of life".to_owned()))
            }
        }
    }

    /// There, work in the other node's scope, and back with what it said.
    pub(super) async fn ask<T, W>(&self, to: u64, timeout: Duration, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<dyn Member>) -> BoxFuture<'static, T> + Send,
    {
        let asking = async {
            self.hop(self.from, to).await?;
            let Some((member, scope)) = self.net.up(to) else {
                return Err(CallError::Unreachable("it is down".to_owned()));
            };
            let (done, answer) = oneshot::channel();
            let working = work(member);
            drop(scope.spawn(async move { drop(done.send(working.await)) }));
            let answer = answer
                .await
                .map_err(|_| CallError::Broken("it was killed".to_owned()))?;
            self.hop(to, self.from).await?;
            Ok(answer)
        };
        let asked = Scoped::timeout(timeout, asking).await;
        asked.unwrap_or_else(|_| Err(CallError::Broken("no answer in time".to_owned())))
    }
}

/// Where an append stands in its conversation: `before` comes when the one before it has begun to be handled.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    begun: oneshot::Sender<()>,
}

impl Link {
    /// One append of a conversation: however long each is on its way, they are handled in order, and none after one
    /// that did not arrive.
    async fn append(self, to: u64, append: Bytes, turn: Turn) -> Result<Bytes, CallError> {
        let work = |member: Arc<dyn Member>| {
            let handled = async move {
                if let Some(before) = turn.before {
                    let reason = "the append before it did not arrive".to_owned();
                    before.await.map_err(|_| CoreError::Message { reason })?;
                }
                let mut handling = member.handle(Rpc::Append, append);
                let first = futures_util::poll!(&mut handling);
                // Nobody waits where it was the last one.
                let _ = turn.begun.send(());
                match first {
                    Poll::Ready(reply) => reply,
                    Poll::Pending => handling.await,
                }
            };
            handled.boxed()
        };
        self.ask(to, APPEND_MAX, work).await.and_then(broken)
    }
}

fn broken<T>(answer: Result<T, CoreError>) -> Result<T, CallError> {
    answer.map_err(|error| CallError::Broken(error.to_string()))
}

impl PeerTransport for Link {
    async fn call(&self, peer: &Peer, rpc: Rpc, body: Bytes, timeout: Duration) -> Result<Bytes, CallError> {
        let asked = self.ask(peer.id.0, timeout, |member| member.handle(rpc, body)).await;
        asked.and_then(broken)
    }

    fn appends(&self, peer: &Peer, appends: Appends, _timeout: Duration) -> Replies {
        let (link, to) = (self.clone(), peer.id.0);
        let mut last = None;
        let asked = appends.map(move |append| {
            let (begun, begins) = oneshot::channel();
            let before = last.replace(begins);
            link.clone().append(to, append, Turn { before, begun })
        });
        let until_error = |replies: Option<Replies>| async move {
            let mut replies = replies?;
            let reply = replies.next().await?;
            let goes_on = reply.is_ok();
            Some((reply, goes_on.then_some(replies)))
        };
        let replies = asked.buffered(APPENDS_UNDER_WAY_MAX).boxed();
        unfold(Some(replies), until_error).boxed()
    }

    async fn send_snapshot(
        &self,
        peer: &Peer,
        head: Bytes,
        data: SnapshotData,
        _timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let asked = self
            .ask(peer.id.0, SNAPSHOT_MAX, |member| member.receive(head, data))
            .await;
        asked.and_then(broken)
    }
}
