//! Three simulated nodes that keep a ledger, their clients, their faults and their oracle. One seed derives a whole run.
//!
//! A run has two phases: faults, in which nothing acknowledged may be lost; then no faults, in which writes must
//! go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;
use openraft_rt::Instant as _;

use super::dice::Dice;
use super::ledger::{HISTORY_KEPT, Ledger, history_key, history_value};
use super::net::Net;
use super::scoped::Scoped;
use super::world::{Setup, World, record};
use crate::envelope::{Answer, AppCommand, Envelope};
use crate::raft::{Core, CoreError, MACHINE_ROWS, Role};
use crate::{NodeId, RequestId, StateMachine};

pub const NODES: [u64; 3] = [1, 2, 3];
const CLIENTS: u64 = 2;
const HEARTBEAT: Duration = Duration::from_millis(50);
const COMPARE_EVERY: Duration = Duration::from_millis(200);
const TRY_MAX: Duration = Duration::from_millis(600);

/// What a run is made of.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    /// How many faults, one after the other.
    pub faults: u64,
    /// The disks say "synced" before it is so: the planted bug.
    pub disks_lie: bool,
    /// How long a sync takes.
    pub sync_takes: Duration,
}

/// What a run showed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub acknowledged: u64,
    pub retried: u64,
    pub terms: u64,
    pub snapshots: u64,
    pub state_hash: [u8; 16],
}

/// What the oracle has seen.
#[derive(Default)]
struct Seen {
    acknowledged: BTreeMap<u64, (u64, u64)>,
    retried: u64,
    leaders: BTreeMap<u64, u64>,
    hashes: BTreeMap<u64, [u8; 16]>,
    snapshots: u64,
    wrong: Vec<String>,
}

/// Three nodes that keep a ledger.
pub struct Trial {
    world: World,
    dice: Dice,
    seen: Arc<Mutex<Seen>>,
}

impl std::ops::Deref for Trial {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

/// Runs one plan; an error says which promise was broken.
pub fn run(plan: Plan) -> Result<Report, String> {
    super::run(plan.seed, Trial::run(plan))
}

impl Trial {
    pub fn new(plan: Plan) -> Self {
        let setup = Setup {
            heartbeat: HEARTBEAT,
            snapshot_every: 30,
            keep_behind_snapshot: 5,
            compare_every: COMPARE_EVERY,
            sync_takes: plan.sync_takes,
            disks_lie: plan.disks_lie,
        };
        let world = World::new(plan.seed, setup);
        NODES.into_iter().for_each(|id| world.add_node::<Ledger>(id));
        Self {
            world,
            dice: Dice::new(plan.seed.wrapping_mul(31)),
            seen: Arc::default(),
        }
    }

    async fn run(plan: Plan) -> Result<Report, String> {
        let mut world = Self::new(plan);
        world.form().await?;
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let (net, seen, dice) = (
                world.net.clone(),
                world.seen.clone(),
                Dice::new(plan.seed ^ (client << 32)),
            );
            clients.push(Scoped::spawn(write_for_ever(client, net, seen, dice)));
        }
        let watching = Scoped::spawn(watch(world.net.clone(), world.seen.clone()));
        for _ in 0..plan.faults {
            world.fault().await?;
        }
        world.recover_all().await?;
        let report = world.check().await;
        drop((clients, watching));
        report
    }

    /// Node 1 founds the cluster, the others join it.
    pub async fn form(&self) -> Result<(), String> {
        for id in NODES {
            self.start(id).await?;
        }
        let first = self.core(1)?;
        first.found(record(1), 1, 1).await.map_err(|error| error.to_string())?;
        for id in [2, 3] {
            first
                .add_learner(NodeId(id), record(id))
                .await
                .map_err(|error| error.to_string())?;
            first.promote(NodeId(id)).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub fn core(&self, id: u64) -> Result<SimCore, String> {
        core_of(&self.net, id).ok_or_else(|| format!("node {id} is down"))
    }

    /// Kills a node and gives it an empty disk.
    pub fn replace_disk(&self, id: u64) {
        self.add_node::<Ledger>(id);
    }

    /// One fault, some time, and its end.
    async fn fault(&mut self) -> Result<(), String> {
        let any = NODES[self.dice.below(3) as usize];
        let leader = self.leader().unwrap_or(any);
        match self.dice.below(7) {
            0 => self.crash(leader, true),
            1 => self.crash(any, false),
            2 => self.net.cut_off(leader),
            3 => self.net.cut_off(any),
            4 => {
                let percent = 5 + self.dice.below(25);
                self.net.lose_percent(percent);
            }
            5 => {
                let heir = NODES[self.dice.below(3) as usize];
                // A hand-over may be refused; only what follows from it matters.
                drop(self.core(leader)?.transfer_leadership(Some(NodeId(heir))).await);
            }
            _ => NODES.into_iter().for_each(|id| self.crash(id, true)),
        }
        Scoped::sleep(Duration::from_millis(100 + self.dice.below(1_500))).await;
        self.recover_all().await?;
        Scoped::sleep(Duration::from_millis(self.dice.below(1_000))).await;
        Ok(())
    }

    async fn recover_all(&self) -> Result<(), String> {
        self.net.heal();
        for id in NODES {
            if !self.is_up(id) {
                self.start(id).await?;
            }
        }
        Ok(())
    }

    /// Faults are off: writes go on, and all nodes come to the same ledger, which holds what was acknowledged.
    async fn check(&self) -> Result<Report, String> {
        let before = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .acknowledged
            .len();
        let until = <Scoped as AsyncRuntime>::Instant::now() + Duration::from_secs(10);
        while self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .acknowledged
            .len()
            < before + 20
        {
            if <Scoped as AsyncRuntime>::Instant::now() > until {
                return Err("writes did not go on within 10 s after the last fault".to_owned());
            }
            Scoped::sleep(Duration::from_millis(20)).await;
        }
        let acknowledged = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .acknowledged
            .clone();
        let applied_to = acknowledged.values().map(|(revision, _)| *revision).max().unwrap_or(0);
        for id in NODES {
            let core = self.core(id)?;
            if !core.wait_applied(applied_to, Duration::from_secs(10)).await {
                return Err(format!("node {id} did not catch up to {applied_to} within 10 s"));
            }
            check_ledger(id, &core, &acknowledged)?;
            check_history(id, &core)?;
        }
        let last = self.core(1)?.metrics();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = seen.wrong.first() {
            return Err(wrong.clone());
        }
        Ok(Report {
            acknowledged: acknowledged.len() as u64,
            retried: seen.retried,
            terms: seen.leaders.len() as u64,
            snapshots: seen.snapshots,
            state_hash: last.state_hash,
        })
    }
}

/// The values that are kept on disk are those of the last operations, whatever way this node came by its state.
pub fn check_history(id: u64, core: &SimCore) -> Result<(), String> {
    let (rows, store) = (core.rows(), core.applied_store());
    let ledger = core.view();
    let places = (ledger.len() as u64).saturating_sub(HISTORY_KEPT)..ledger.len() as u64;
    for (place, operation) in places.clone().zip(ledger.iter().skip(places.start as usize)) {
        let key = [&[MACHINE_ROWS], history_key(place).as_slice()].concat();
        let value = store.value(&key).map_err(|error| error.to_string())?;
        let expected = history_value(*operation);
        if value.as_deref() != Some(&*expected) || rows.get(key.as_slice()).is_none_or(|stub| stub.len() != 16) {
            return Err(format!("node {id}: the row on disk for place {place} holds {value:?}"));
        }
    }
    let gone = [&[MACHINE_ROWS], history_key(places.start.wrapping_sub(1)).as_slice()].concat();
    match store.value(&gone) {
        Ok(None) => Ok(()),
        other => Err(format!("node {id}: a row that was removed is still there: {other:?}")),
    }
}

/// Every acknowledged operation stands in the ledger once, at the place that its client was told.
fn check_ledger(id: u64, core: &SimCore, acknowledged: &BTreeMap<u64, (u64, u64)>) -> Result<(), String> {
    let ledger = core.view();
    let mut once = BTreeSet::new();
    for operation in ledger.iter() {
        if !once.insert(*operation) {
            return Err(format!("node {id}: operation {operation} was applied twice"));
        }
    }
    for (operation, (_, place)) in acknowledged {
        let found = ledger.get(*place as usize);
        if found != Some(operation) {
            return Err(format!(
                "node {id}: operation {operation} was acknowledged at place {place}, where {found:?} stands"
            ));
        }
    }
    Ok(())
}

pub type SimCore = Core<Scoped, Ledger>;

/// The running core of a node.
pub fn core_of(net: &Net, id: u64) -> Option<SimCore> {
    net.member(id)?.as_any().downcast_ref().cloned()
}

/// One write, asked once.
pub async fn write_once(core: &SimCore, operation: u64) -> Result<Answer, CoreError> {
    let request = RequestId(u128::from(operation).to_be_bytes());
    let command = AppCommand::new(request, Bytes::from(Ledger::encode_command(&operation)));
    core.propose(Envelope::App(command).encode()).await
}

/// A client: one write after the other, to whoever leads; what is not known is asked again with the same request id.
async fn write_for_ever(client: u64, net: Net, seen: Arc<Mutex<Seen>>, mut dice: Dice) {
    let mut target = 1 + dice.below(3);
    for number in 0_u64.. {
        let operation = (client << 32) | number;
        let request = RequestId(((u128::from(client) << 64) | u128::from(number)).to_be_bytes());
        let command = AppCommand::new(request, Bytes::from(Ledger::encode_command(&operation)));
        let envelope = Envelope::App(command).encode();
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(core) = core_of(&net, target) else {
                Scoped::sleep(Duration::from_millis(20)).await;
                target = 1 + dice.below(3);
                continue;
            };
            match Scoped::timeout(TRY_MAX, core.propose(envelope.clone())).await {
                Ok(Ok(Answer::App { revision, outcome })) => {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    let place = Ledger::decode_outcome(&outcome.0).unwrap_or(u64::MAX);
                    seen.acknowledged.insert(operation, (revision, place));
                    seen.retried += u64::from(tries > 1);
                    break;
                }
                Ok(Ok(other)) => {
                    let wrong = format!("operation {operation} was answered {other:?}");
                    seen.lock().unwrap_or_else(PoisonError::into_inner).wrong.push(wrong);
                    return;
                }
                Ok(Err(CoreError::NotLeader { leader: Some(leader) })) => target = leader.0,
                Ok(Err(_)) | Err(_) => target = 1 + dice.below(3),
            }
            Scoped::sleep(Duration::from_millis(5 + dice.below(20))).await;
        }
        Scoped::sleep(Duration::from_millis(10 + dice.below(60))).await;
    }
}

/// The oracle's eye: one leader per term, one state hash per index.
async fn watch(net: Net, seen: Arc<Mutex<Seen>>) {
    loop {
        for id in NODES {
            let Some(core) = core_of(&net, id) else { continue };
            let metrics = core.metrics();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = &mut *seen;
            if metrics.role == Role::Leader {
                let leader = *seen.leaders.entry(metrics.term).or_insert(id);
                if leader != id {
                    seen.wrong
                        .push(format!("nodes {leader} and {id} both lead term {}", metrics.term));
                }
            }
            let hash = *seen.hashes.entry(metrics.applied).or_insert(metrics.state_hash);
            if hash != metrics.state_hash {
                seen.wrong.push(format!(
                    "node {id} has another state than others at index {}",
                    metrics.applied
                ));
            }
            seen.snapshots = seen.snapshots.max(metrics.snapshot);
            if let Some(reason) = core.fatal().reason() {
                seen.wrong.push(format!("node {id} wants to stop: {reason}"));
            }
        }
        Scoped::sleep(Duration::from_millis(5)).await;
    }
}
