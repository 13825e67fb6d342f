//! The network between simulated nodes: latency, loss, cut links; messages are the same bytes as on real sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;

use super::ledger::Ledger;
use super::scoped::{Scope, Scoped};
use crate::raft::{CallError, Core, CoreError, Peer, PeerTransport, Rpc, SnapshotData};

/// A seeded generator (splitmix64), apart from the runtime's own.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5eed_5eed_5eed_5eed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }
}

pub type SimCore = Core<Scoped, Ledger>;

/// The network. Clones are the same network.
#[derive(Clone)]
pub struct Net(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    up: BTreeMap<u64, (SimCore, Scope)>,
    cut: BTreeSet<u64>,
    loss_percent: u64,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            up: BTreeMap::new(),
            cut: BTreeSet::new(),
            loss_percent: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn node_is_up(&self, id: u64, core: SimCore, scope: Scope) {
        self.lock().up.insert(id, (core, scope));
    }

    pub fn node_is_down(&self, id: u64) -> Option<(SimCore, Scope)> {
        self.lock().up.remove(&id)
    }

    /// The running core of a node.
    pub fn core(&self, id: u64) -> Option<SimCore> {
        self.lock().up.get(&id).map(|(core, _)| core.clone())
    }

    /// Cuts a node off from the others.
    pub fn cut_off(&self, id: u64) {
        self.lock().cut.insert(id);
    }

    pub fn lose_percent(&self, percent: u64) {
        self.lock().loss_percent = percent;
    }

    /// All links work.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.loss_percent = 0;
    }

    pub fn link(&self, from: u64) -> Link {
        Link {
            net: self.clone(),
            from,
        }
    }

    /// How long one message takes, or `None` where it is lost.
    fn travel(&self, from: u64, to: u64) -> Option<Duration> {
        let mut state = self.lock();
        let latency = Duration::from_micros(100 + state.dice.below(3_000));
        let lost = state.dice.below(100) < state.loss_percent;
        (!lost && !state.cut.contains(&from) && !state.cut.contains(&to)).then_some(latency)
    }
}

/// One node's way to the others.
#[derive(Clone)]
pub struct Link {
    net: Net,
    from: u64,
}

impl Link {
    /// One way: the time that it takes, or for ever where the message is lost.
    async fn hop(&self, from: u64, to: u64) {
        match self.net.travel(from, to) {
            Some(latency) => Scoped::sleep(latency).await,
            None => std::future::pending().await,
        }
    }

    /// There, work in the other node's scope, and back.
    async fn ask<F, W>(&self, peer: &Peer, timeout: Duration, work: W) -> Result<Bytes, CallError>
    where
        W: FnOnce(SimCore) -> F + Send,
        F: Future<Output = Result<Bytes, CoreError>> + Send + 'static,
    {
        let to = peer.id.0;
        let asking = async {
            self.hop(self.from, to).await;
            let up = self.net.lock().up.get(&to).cloned();
            let Some((core, scope)) = up else {
                return Err(CallError::Unreachable("it is down".to_owned()));
            };
            let (done, answer) = tokio::sync::oneshot::channel();
            let working = work(core);
            drop(scope.spawn(async move { drop(done.send(working.await)) }));
            let answer = answer
                .await
                .map_err(|_| CallError::Broken("it was killed".to_owned()))?;
            self.hop(to, self.from).await;
            answer.map_err(|error| CallError::Broken(error.to_string()))
        };
        let asked = Scoped::timeout(timeout, asking).await;
        asked.unwrap_or_else(|_| Err(CallError::Broken("no answer in time".to_owned())))
    }
}

impl PeerTransport for Link {
    async fn call(&self, peer: &Peer, rpc: Rpc, body: Bytes, timeout: Duration) -> Result<Bytes, CallError> {
        self.ask(peer, timeout, |core| async move { core.handle(rpc, body).await })
            .await
    }

    async fn send_snapshot(
        &self,
        peer: &Peer,
        head: Bytes,
        data: SnapshotData,
        _timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let receive = |core: SimCore| async move {
            let unavailable = |error: std::io::Error| CoreError::Unavailable {
                reason: error.to_string(),
            };
            let mut sink = core.begin_snapshot()?;
            let mut offset = 0;
            while offset < data.len() {
                let chunk = data.chunk(offset, 1_000).map_err(unavailable)?;
                sink.write(&chunk).map_err(unavailable)?;
                offset += chunk.len() as u64;
            }
            core.receive_snapshot(head, sink.finish().map_err(unavailable)?).await
        };
        self.ask(peer, Duration::from_secs(2), receive).await
    }
}
