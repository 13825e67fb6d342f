//! One simulated run: a safety phase with faults, then a liveness phase without. One seed derives all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argosy_cluster::sim::{self, Dice, Setup, World, now, sleep};

use super::clients::Client;
use super::faults::{self, Fault};
use super::limits::*;
use super::machine::{Picture, Registers};
use crate::invariants::{
    Broken, acknowledged, applied_once, back_again, goes_on, linearizable, never_called_failed, no_needless_election,
    one_leader, same_state, woken_leader,
};
use crate::oracle::{History, Outcome, Settled, Slots};

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Derives every choice.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u64,
    /// How many clients.
    pub clients: u64,
    /// The pause between two operations of a client, at most.
    pub pause: Duration,
    /// How long the faults go on, and how long one way between datacenters takes.
    pub faults_last: Duration,
    /// One way between two datacenters; each node is in one of its own.
    pub far: Duration,
    /// Which faults may come.
    pub faults: Vec<Fault>,
    /// The last node is a release older, until the middle of the run.
    pub older: bool,
    /// Prints each fault as it begins.
    pub trace: bool,
}

impl Plan {
    /// A simulated minute, as the seed has it.
    pub fn minute(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xa5a5);
        Self {
            seed,
            nodes: if dice.below(4) == 0 { 5 } else { 3 },
            clients: 4,
            pause: Duration::from_millis(60 + dice.below(60)),
            faults_last: Duration::from_secs(50),
            far: Duration::from_millis(if dice.below(5) == 0 { 40 } else { 0 }),
            faults: Fault::ALL.to_vec(),
            older: dice.below(4) == 0,
            trace: false,
        }
    }
}

/// A named run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// A minute of faults, as the seed has it.
    Minute,
    /// An hour without faults: three nodes in three datacenters, 40 ms apart each way.
    FarHour,
    /// The same with five nodes.
    FarHourFive,
    /// Half a minute without faults and 40 ms each way: heartbeats were given up at 75 ms, so that a leader without load
    /// took itself as cut off.
    FarLeaderKeepsItsQuorum,
    /// A minute in which storages stand still, and nothing else.
    StalledStorage,
}

impl Scenario {
    /// What this seed makes of it.
    pub fn plan(self, seed: u64) -> Plan {
        let quiet = |nodes, seconds| Plan {
            nodes,
            clients: 2,
            pause: Duration::from_millis(1_500),
            faults_last: Duration::from_secs(seconds),
            far: Duration::from_millis(40),
            faults: Vec::new(),
            older: false,
            ..Plan::minute(seed)
        };
        match self {
            Self::Minute => Plan::minute(seed),
            Self::FarHour => quiet(3, 3_600),
            Self::FarHourFive => quiet(5, 3_600),
            Self::FarLeaderKeepsItsQuorum => quiet(3, 30),
            Self::StalledStorage => Plan {
                faults: vec![Fault::StalledStorage],
                ..Plan::minute(seed)
            },
        }
    }
}

/// What a run showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many operations ended.
    pub operations: u64,
    /// How many writes were acknowledged.
    pub acknowledged: u64,
    /// How many have an unknown outcome.
    pub unknown: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many terms had a leader.
    pub terms: u64,
    /// How many nodes wrote a snapshot.
    pub snapshots: u64,
    /// The longest time without an acknowledged write, by fault.
    pub gaps: BTreeMap<Fault, Duration>,
    /// How long each node took to serve again after the last fault, at most.
    pub back_after: Duration,
    /// The simulated time.
    pub lasted: Duration,
}

#[derive(Default)]
struct Watched {
    leaders: one_leader::Leaders,
    states: same_state::States,
    terms: woken_leader::Terms,
    snapshots: BTreeMap<u64, u64>,
    broken: Vec<Broken>,
}

struct Run {
    plan: Plan,
    world: World,
    dice: Dice,
    history: History,
    watched: Arc<Mutex<Watched>>,
    next_id: u64,
    gaps: BTreeMap<Fault, Duration>,
    broken: Vec<Broken>,
    trace: bool,
}

/// Runs a plan to its end.
///
/// # Errors
/// Every invariant that was broken; a run that could not go on names itself `run`.
pub fn run(plan: &Plan) -> Result<Report, Vec<Broken>> {
    let plan = plan.clone();
    match sim::run(plan.seed, async move { Ok(Run::new(plan).go().await) }) {
        Ok(done) => done,
        Err(stopped) => Err(vec![Broken::new("run", stopped)]),
    }
}

impl Run {
    fn new(plan: Plan) -> Self {
        let setup = Setup {
            heartbeat: HEARTBEAT,
            snapshot_every: SNAPSHOT_EVERY,
            keep_behind_snapshot: KEEP_BEHIND,
            compare_every: COMPARE_EVERY,
            sync_takes: SYNC_TAKES,
            disks_lie: false,
        };
        Self {
            world: World::new(plan.seed, setup),
            dice: Dice::new(plan.seed.wrapping_mul(31)),
            history: History::default(),
            watched: Arc::default(),
            next_id: plan.nodes,
            gaps: BTreeMap::new(),
            broken: Vec::new(),
            trace: plan.trace,
            plan,
        }
    }

    async fn go(mut self) -> Result<Report, Vec<Broken>> {
        if let Err(stopped) = self.phases().await {
            self.broken.push(Broken::new("run", stopped));
        }
        let operations = self.history.with_open();
        self.broken.extend(linearizable::check(&operations));
        self.broken.extend(woken_leader::check(&operations));
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        self.broken.append(&mut watched.broken);
        if !self.broken.is_empty() {
            if self.trace {
                let shown: BTreeSet<u64> = self
                    .broken
                    .iter()
                    .flat_map(|broken| broken.operations.clone())
                    .collect();
                let shown = operations.iter().filter(|one| shown.contains(&one.number));
                shown.for_each(|operation| println!("{operation}"));
            }
            return Err(self.broken);
        }
        let count = |of: fn(&Outcome) -> bool| operations.iter().filter(|one| of(&one.outcome)).count() as u64;
        Ok(Report {
            operations: operations.len() as u64,
            acknowledged: count(|outcome| matches!(outcome, Outcome::Written { .. })),
            unknown: count(|outcome| matches!(outcome, Outcome::Unknown(_))),
            refused: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            terms: watched.leaders.terms(),
            snapshots: watched.snapshots.len() as u64,
            gaps: self.gaps,
            back_after: Duration::ZERO,
            lasted: now(),
        })
    }

    async fn phases(&mut self) -> Result<(), String> {
        self.form().await?;
        let slots = Slots::new(OPERATIONS_PER_KEY);
        self.clients_come(0, self.plan.pause, &slots);
        sim::spawn(watch(self.world.clone(), self.watched.clone()));
        let until = now() + self.plan.faults_last;
        let quiet_term = self.plan.faults.is_empty().then(|| self.newest_term());
        let mut upgrade_at = self.plan.older.then(|| now() + self.plan.faults_last / 2);
        while now() < until {
            if upgrade_at.take_if(|at| now() >= *at).is_some() {
                self.upgrade().await?;
            }
            self.one_fault().await?;
        }
        if let Some(term) = quiet_term {
            let broken = no_needless_election::check("a run without faults", term, self.newest_term());
            self.broken.extend(broken);
        }
        if self.plan.pause > LIVELY_PAUSE {
            // Few clients would say too late that a node serves, since they ask another one.
            self.clients_come(self.plan.clients, LIVELY_PAUSE, &slots);
        }
        self.liveness().await?;
        self.settle().await
    }

    /// As many clients as the plan has, numbered from `first`.
    fn clients_come(&self, first: u64, pause: Duration, slots: &Slots) {
        for process in first..first + self.plan.clients {
            let client = Client {
                world: self.world.clone(),
                history: self.history.clone(),
                slots: slots.clone(),
                dice: Dice::new(self.plan.seed ^ ((process + 1) << 40)),
                process,
                pause,
            };
            sim::spawn(client.work());
        }
    }

    /// The first node founds the cluster, the others join it.
    async fn form(&self) -> Result<(), String> {
        for id in 1..=self.plan.nodes {
            self.world.net.place(id, id);
            match self.plan.older && id == self.plan.nodes {
                true => self.world.add_node::<Registers<1>>(id),
                false => self.world.add_node::<Registers<2>>(id),
            }
            self.world.start(id).await?;
        }
        self.world
            .found(1)
            .await
            .map_err(|error| format!("founding: {error}"))?;
        for id in 2..=self.plan.nodes {
            faults::finish_joining(&self.world, id).await;
        }
        self.world.net.set_far(self.plan.far);
        if !self.plan.older {
            let raised = self.world.raise_feature_level(1, 2).await;
            raised.map_err(|error| format!("raising the feature level: {error}"))?;
        }
        Ok(())
    }

    /// The last older node gets the newer release; then the feature level goes up.
    async fn upgrade(&mut self) -> Result<(), String> {
        let older = self.plan.nodes;
        if self.world.ids().contains(&older) {
            self.world.crash(older, false);
            self.world.install::<Registers<2>>(older);
            sleep(Duration::from_millis(200)).await;
            self.world.start(older).await?;
        }
        for _ in 0..50 {
            if let Some(leader) = self.world.leaders().last()
                && self.world.raise_feature_level(*leader, 2).await.is_ok()
            {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err("the feature level could not be raised".to_owned())
    }

    fn newest_term(&self) -> u64 {
        let ids = self.world.ids().into_iter();
        ids.filter_map(|id| self.world.sight(id))
            .map(|sight| sight.term)
            .max()
            .unwrap_or(0)
    }

    /// One fault, some time, and its end.
    async fn one_fault(&mut self) -> Result<(), String> {
        let Some(fault) = self.dice.pick(&self.plan.faults).copied() else {
            sleep(Duration::from_secs(1)).await;
            let leader = self.world.leader().and_then(|id| self.world.sight(id));
            if leader.is_none_or(|sight| !sight.quorum) && self.broken.len() < 5 {
                let what = format!("no leader with a quorum at {:?} without any fault", now());
                self.broken.push(Broken::new("no-needless-election", what));
            }
            return Ok(());
        };
        let (term, before) = (self.newest_term(), now());
        let quiet = fault.spares_the_leader() && self.world.leaders().len() == 1;
        if self.trace {
            println!("{:8.3} s: {} (term {term})", now().as_secs_f64(), fault.name());
        }
        faults::begin(fault, &self.world, &mut self.dice, &mut self.next_id).await;
        sleep(Duration::from_millis(100 + self.dice.below(2_500))).await;
        if quiet {
            let broken = no_needless_election::check(&fault.name(), term, self.newest_term());
            self.broken.extend(broken);
            self.broken
                .extend(no_needless_election::check_gap(&fault.name(), self.gap_since(before)));
        }
        faults::heal(&self.world).await?;
        sleep(Duration::from_millis(500 + self.dice.below(1_500))).await;
        let gap = self.gap_since(before);
        let longest = self.gaps.entry(fault).or_default();
        *longest = gap.max(*longest);
        Ok(())
    }

    /// The longest time without an acknowledged write since then.
    fn gap_since(&self, from: Duration) -> Duration {
        let operations = self.history.operations();
        let written = operations.iter().rev().take_while(|one| one.completed >= from);
        let mut at: Vec<Duration> = written
            .filter(|one| matches!(one.outcome, Outcome::Written { .. }))
            .map(|one| one.completed)
            .collect();
        at.extend([from, now()]);
        at.sort_unstable();
        at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// Faults are off: every node takes a write and a read, soon.
    async fn liveness(&mut self) -> Result<(), String> {
        faults::heal(&self.world).await?;
        let ended = now();
        let mut took: BTreeMap<u64, Duration> = BTreeMap::new();
        let nodes = self.world.ids();
        while took.len() < nodes.len() && now() < ended + back_again::WITHIN * 3 {
            sleep(Duration::from_millis(20)).await;
            for operation in self.history.operations().iter().rev().take(20) {
                let served = matches!(operation.outcome, Outcome::Written { .. } | Outcome::Read(_));
                let node = nodes.iter().find(|id| operation.node == format!("node {id}"));
                if let Some(node) = node.filter(|_| served && operation.invoked >= ended) {
                    took.entry(*node).or_insert(operation.completed - ended);
                }
            }
        }
        let took: Vec<_> = nodes
            .iter()
            .map(|id| (format!("node {id} serves"), took.get(id).copied()))
            .collect();
        self.broken.extend(back_again::check(&took));
        Ok(())
    }

    /// All nodes come to the same state, which holds what was acknowledged.
    async fn settle(&mut self) -> Result<(), String> {
        let leader = self.world.leaders().last().copied();
        let members = leader.and_then(|id| self.world.sight(id)).map(|sight| sight.members);
        let members = members.ok_or("there is no leader in the end")?;
        let operations = self.history.operations();
        let upto = operations.iter().filter_map(|one| match one.outcome {
            Outcome::Written { revision } => Some(revision),
            _ => None,
        });
        let upto = upto.max().unwrap_or(0);
        let until = now() + SETTLE_MAX;
        let behind = |world: &World, id: u64| world.sight(id).is_none_or(|sight| sight.applied < upto || sight.aside);
        while members.iter().any(|id| behind(&self.world, *id)) {
            if now() > until {
                return Err(format!("not all nodes have applied revision {upto} in time"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        let settled: Vec<Settled> = members.iter().filter_map(|id| settled(&self.world, *id)).collect();
        // A write that ended while the nodes were read is judged by none of them.
        self.broken.extend(acknowledged::check(&operations, &settled));
        self.broken.extend(applied_once::check(&settled));
        self.broken.extend(never_called_failed::check(&operations, &settled));
        Ok(())
    }
}

fn settled(world: &World, id: u64) -> Option<Settled> {
    let view = world.local_view::<Picture>(id)?;
    Some(Settled {
        node: format!("node {id}"),
        writes: view.writes.iter().copied().collect(),
    })
}

/// The oracle's eye on the nodes.
async fn watch(world: World, watched: Arc<Mutex<Watched>>) {
    loop {
        let begun = watched.lock();
        begun.unwrap_or_else(PoisonError::into_inner).leaders.begin_round();
        for id in world.ids() {
            let Some(sight) = world.sight(id) else { continue };
            let node = format!("node {id}");
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            let watched = &mut *watched;
            if sight.leads {
                watched.broken.extend(watched.leaders.seen(sight.term, id));
            }
            let hash = u128::from_be_bytes(sight.state_hash);
            watched.broken.extend(watched.states.seen(&node, sight.applied, hash));
            let term = watched.terms.seen(&node, sight.applied, sight.applied_term);
            watched.broken.extend(term);
            watched.broken.extend(goes_on::check(&node, sight.fatal.as_deref()));
            watched.broken.truncate(20);
            if sight.snapshot > 0 {
                watched.snapshots.insert(id, sight.snapshot);
            }
        }
        sleep(WATCH_EVERY).await;
    }
}
