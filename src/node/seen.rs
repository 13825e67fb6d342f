//! Tells the catalog now and then which accounts were used here, so that every node knows who is inactive.
//!
//! What inactivity means is judged by `auth`.

use std::collections::BTreeSet;
use std::sync::Arc;

use argosy_cluster::{Cluster, RequestId};
use tokio::sync::watch;

use super::limits;
use crate::catalog::limits::SEEN_MAX;
use crate::catalog::{Actor, Catalog, Command, Outcome, Transaction, View};
use crate::clock::{Clock, UnixMillis};
use crate::ids::Name;
use crate::session::Registry;

const MILLIS_OF_DAY: i64 = 24 * 3600 * 1000;

/// Reports every [`limits::SEEN_EVERY`] until `stop` turns true; what could not be reported is tried again then.
pub async fn run(
    cluster: Cluster<Catalog>,
    registry: Arc<Registry>,
    clock: Clock,
    node: String,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::SEEN_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let now = clock.now();
        let (day, news) = news(&cluster.view(), registry.take_used(), now);
        for batch in news.chunks(SEEN_MAX) {
            let command = Command {
                actor: Actor::Root { node: node.clone() },
                from: None,
                at: now,
                transaction: Transaction {
                    seen: batch.iter().map(|account| (account.clone(), day)).collect(),
                    ..Transaction::default()
                },
            };
            if let Err(reason) = propose(&cluster, command).await {
                tracing::debug!(reason, accounts = batch.len(), "who was used is reported later");
                registry.note_used(batch.iter().cloned());
            }
        }
    }
}

/// The day of `now`, and those of `used` of whom the view does not know that they were used on it.
fn news(view: &View, used: BTreeSet<Name>, now: UnixMillis) -> (u32, Vec<Name>) {
    let day = u32::try_from(now.0.div_euclid(MILLIS_OF_DAY)).unwrap_or(0);
    let unknown = |account: &Name| view.seen.get(account).is_none_or(|seen| *seen < day);
    (day, used.into_iter().filter(unknown).collect())
}

async fn propose(cluster: &Cluster<Catalog>, command: Command) -> Result<(), String> {
    let request = RequestId(crate::admin::border::random::<16>()?);
    let proposed = cluster.propose(request, command, limits::SEEN_REPORT_MAX).await;
    match proposed.map_err(|error| error.to_string())?.outcome {
        Outcome::Applied => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_today_is_reported() {
        let name = |text: &str| Name::parse(text).unwrap();
        let mut view = View::default();
        view.seen.insert(name("alice"), 20_000);
        view.seen.insert(name("bob"), 19_999);
        let used = ["alice", "bob", "carol"].map(name).into();
        let now = UnixMillis(20_000 * MILLIS_OF_DAY + 5);
        assert_eq!(news(&view, used, now), (20_000, vec![name("bob"), name("carol")]));
    }
}
