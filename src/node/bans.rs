//! Bans of the whole cluster: carries failed logins to the leader, makes the bans that its sum asks for, and removes
//! those that have ended.
//!
//! Counting and deciding is left to `auth`; keeping out, to the listener and the reconciler.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argosy_cluster::{Cluster, NodeId, PeerService, RequestId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::limits;
use crate::admin::peers::{self, Peers};
use crate::auth::bans::Bans;
use crate::auth::throttle::{FailureReport, Leader, Ledger, Standing, Totals};
use crate::catalog::{
    Actor, Ban, BanTarget, Catalog, Command, Expected, Kind, ObjectKey, Outcome, Refusal, Spec, Transaction, View,
};
use crate::clock::{Clock, UnixMillis};
use crate::ids::Name;

/// The route by which a node tells the leader of a failed login.
const LOGIN_FAILED: &str = "login-failed";

/// This node's side of the shared count: it asks the leader, and answers when it leads.
pub struct Desk {
    cluster: OnceLock<Cluster<Catalog>>,
    ledger: Ledger,
    clock: Clock,
    node: String,
}

impl Desk {
    /// Nobody is asked before [`open`](Self::open).
    pub fn new(clock: Clock, node: String) -> Arc<Self> {
        Arc::new(Self {
            cluster: OnceLock::new(),
            ledger: Ledger::default(),
            clock,
            node,
        })
    }

    /// From now on there is a cluster.
    pub fn open(&self, cluster: Cluster<Catalog>) {
        let _ = self.cluster.set(cluster);
    }

    fn cluster(&self) -> Result<&Cluster<Catalog>, String> {
        self.cluster.get().ok_or_else(|| "the node is starting".to_owned())
    }

    /// The leader's answer to a report of the node `from`.
    async fn count(&self, from: NodeId, report: &FailureReport) -> Result<Totals, String> {
        let cluster = self.cluster()?;
        let status = cluster.status();
        if status.role != "leader" || !status.quorum {
            return Err("this node does not lead".to_owned());
        }
        let view = cluster.view();
        let mut totals = self.ledger.enter(from.0, report, &view.settings(), Instant::now());
        let now = self.clock.now();
        let due = Ledger::due(&view, &Bans::of(&view), report, &totals, now);
        if due.is_empty() {
            return Ok(totals);
        }
        let revision = make(cluster, &self.clock, &self.node, &due).await?;
        self.ledger.settle(&due);
        for (name, ban) in &due {
            tracing::warn!(ban = %name, reason = %ban.reason, "banned for failed logins");
            match ban.target {
                crate::catalog::BanTarget::Network(_) => totals.address_banned = true,
                crate::catalog::BanTarget::Account(_) => totals.account_banned = true,
            }
        }
        totals.revision = Some(revision);
        Ok(totals)
    }

    async fn ask(self: Arc<Self>, report: FailureReport) -> Result<Totals, String> {
        let cluster = self.cluster()?;
        let leader = cluster.status().leader.ok_or("no leader is known")?;
        let answer = cluster
            .call(leader, LOGIN_FAILED, peers::encode(&report)?, limits::TALLY_DEADLINE)
            .await
            .map_err(|error| format!("the leader did not count: {error:?}"))?;
        let totals: Totals = peers::decode(LOGIN_FAILED, &answer)?;
        if let Some(revision) = totals.revision {
            let applied = cluster.applied(revision, limits::TALLY_DEADLINE).await;
            applied.map_err(|error| error.to_string())?;
        }
        Ok(totals)
    }
}

/// What nodes ask of this one: the admin API's questions, and the shared count.
pub struct NodePeers {
    admin: Arc<Peers>,
    desk: Arc<Desk>,
}

impl NodePeers {
    /// Answers from both.
    pub fn new(admin: Arc<Peers>, desk: Arc<Desk>) -> Arc<Self> {
        Arc::new(Self { admin, desk })
    }
}

impl PeerService for NodePeers {
    fn call<'a>(
        &'a self,
        from: NodeId,
        route: &'a str,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>> {
        if route != LOGIN_FAILED {
            return self.admin.call(from, route, request);
        }
        Box::pin(async move {
            let report: FailureReport = peers::decode(LOGIN_FAILED, &request)?;
            peers::encode(&self.desk.count(from, &report).await?)
        })
    }
}

/// The desk as the authenticator knows it.
pub struct DeskLeader(pub Arc<Desk>);

impl Leader for DeskLeader {
    fn standing(&self) -> Standing {
        let Ok(cluster) = self.0.cluster() else {
            return Standing {
                is_led: false,
                voters: 1,
            };
        };
        let status = cluster.status();
        let voters = status.members.values().filter(|member| member.voter).count();
        Standing {
            is_led: status.leader.is_some() && status.quorum,
            voters: u32::try_from(voters).unwrap_or(u32::MAX),
        }
    }

    fn report(&self, report: FailureReport) -> BoxFuture<'static, Result<Totals, String>> {
        Box::pin(self.0.clone().ask(report))
    }
}

/// Makes bans; gives the revision that has them.
async fn make(cluster: &Cluster<Catalog>, clock: &Clock, node: &str, due: &[(Name, Ban)]) -> Result<u64, String> {
    let view = cluster.view();
    let now = clock.now();
    let mut transaction = Transaction::default();
    for (name, ban) in due {
        let key = key(name);
        // One of this name that has ended is replaced; one that holds would have been found.
        let expected = match view.bans.get(name) {
            Some(former) => Expected::Revision(former.revision),
            None => Expected::Absent,
        };
        transaction.expected.push((key, expected));
        transaction.puts.push((name.clone(), Spec::Ban(ban.clone())));
    }
    match propose(cluster, node, now, transaction, limits::TALLY_DEADLINE).await? {
        (revision, Outcome::Applied) => Ok(revision),
        // Another report was faster: the ban is there.
        (revision, Outcome::Refused(Refusal::Stale { .. })) => Ok(revision),
        (_, Outcome::Refused(refusal)) => {
            tracing::error!(%refusal, "a ban could not be made");
            Err(refusal.to_string())
        }
    }
}

fn key(name: &Name) -> ObjectKey {
    ObjectKey {
        kind: Kind::Ban,
        name: name.clone(),
    }
}

pub(super) async fn propose(
    cluster: &Cluster<Catalog>,
    node: &str,
    at: crate::clock::UnixMillis,
    transaction: Transaction,
    deadline: Duration,
) -> Result<(u64, Outcome), String> {
    let command = Command {
        actor: Actor::Root { node: node.to_owned() },
        from: None,
        at,
        transaction,
    };
    let request = RequestId(crate::admin::border::random::<16>()?);
    let committed = cluster
        .propose(request, command, deadline)
        .await
        .map_err(|error| error.to_string())?;
    Ok((committed.revision, committed.outcome))
}

/// Removes bans that have ended, while this node leads, until `stop` turns true. Nobody waits for it: a ban that has
/// ended keeps nobody out.
pub async fn remove_ended(cluster: Cluster<Catalog>, clock: Clock, node: String, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::BANS_LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if cluster.status().role != "leader" {
            continue;
        }
        let (view, now) = (cluster.view(), clock.now());
        let mut transaction = Transaction::default();
        let ended = view
            .bans
            .values()
            .filter(|ban| ban.spec.until.is_some_and(|until| until <= now));
        for ban in ended.take(limits::BANS_REMOVED_AT_ONCE) {
            let revision = Expected::Revision(ban.revision);
            transaction.expected.push((key(&ban.name), revision));
            transaction.deletes.push(key(&ban.name));
        }
        if transaction.deletes.is_empty() {
            continue;
        }
        // A ban that was changed meanwhile makes this one void; the next look sees it as it is.
        match propose(&cluster, &node, now, transaction, limits::RESEAL_CHANGE_MAX).await {
            Ok((_, outcome)) => tracing::debug!(?outcome, "bans that have ended were removed"),
            Err(reason) => tracing::warn!(reason, "bans that have ended are not removed yet"),
        }
    }
}
/// How many bans of `view` have not ended at `now`, by what they keep out.
pub fn in_force(view: &View, now: UnixMillis) -> [(&'static str, u64); 2] {
    let mut counts = [("network", 0), ("account", 0)];
    for ban in view
        .bans
        .values()
        .filter(|ban| ban.spec.until.is_none_or(|end| end > now))
    {
        counts[usize::from(matches!(ban.spec.target, BanTarget::Account(_)))].1 += 1;
    }
    counts
}
