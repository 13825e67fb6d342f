//! Writes the passwords that accounts give themselves into the catalog, in the account's own name.
//!
//! Proofs and rules were judged by `auth`; what an account may change of itself, apply judges again.

use argosy_cluster::{Cluster, RequestId};
use futures_util::future::BoxFuture;

use super::limits;
use crate::auth::{ChangeOwnPassword, PasswordChange};
use crate::catalog::{Actor, Catalog, Command, Expected, Kind, ObjectKey, Outcome, Spec, Transaction};
use crate::clock::Clock;

/// The way from an account's wish into the catalog.
pub struct OwnPasswords {
    /// Where changes are proposed.
    pub cluster: Cluster<Catalog>,
    /// Dates them.
    pub clock: Clock,
}

impl ChangeOwnPassword for OwnPasswords {
    fn change(&self, change: PasswordChange) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let account = ObjectKey {
                kind: Kind::Account,
                name: change.account.clone(),
            };
            let command = Command {
                actor: Actor::Account {
                    name: change.account.clone(),
                },
                from: Some(change.from),
                at: self.clock.now(),
                transaction: Transaction {
                    expected: vec![(account, Expected::Revision(change.revision))],
                    puts: vec![(change.account, Spec::Account(change.spec))],
                    ..Transaction::default()
                },
            };
            let request = RequestId(crate::admin::border::random::<16>()?);
            let proposed = self.cluster.propose(request, command, limits::OWN_PASSWORD_MAX).await;
            let committed = proposed.map_err(|error| error.to_string())?;
            match committed.outcome {
                Outcome::Refused(refusal) => Err(refusal.to_string()),
                Outcome::Applied => self
                    .cluster
                    .applied(committed.revision, limits::OWN_PASSWORD_MAX)
                    .await
                    .map_err(|error| error.to_string()),
            }
        })
    }
}
