//! The data keys between nodes: pulled by who lacks one, pushed before a new one comes into force.
//!
//! Sealing itself is in `identity::keyring`; when a new key is made is decided in `membership`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::messages::{KeyOfferV1, KeysAskV1, KeysReplyV1};
use super::running::Node;
use super::{NodeError, limits, serve};
use crate::envelope::wire::Framed;
use crate::identity::{DataKey, UnsealError};
use crate::transport::{CallError, Lane, NOT_A_MEMBER, Refusal};
use crate::{NodeId, StateMachine};

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::unseal`](crate::Cluster::unseal).
    pub(super) async fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NodeError> {
        let deadline = Instant::now() + limits::UNSEAL_MAX;
        loop {
            let why = match self.vault.ring().unseal(context, sealed) {
                Ok(secret) => return Ok(secret),
                Err(UnsealError::Refused(why)) => return Err(NodeError(format!("cannot open a sealed secret: {why}"))),
                Err(UnsealError::KeyMissing(id)) => format!("no reachable member has data key {id:08x}"),
            };
            let pulled = self.pull_keys().await;
            if Instant::now() >= deadline {
                let last = pulled.last;
                return Err(NodeError(format!(
                    "cannot open a sealed secret: {why} ({last}); try again shortly"
                )));
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    /// Whether this node lacks a key that it should have by what it knows.
    pub(super) fn lacks_keys(&self) -> bool {
        let metrics = self.core.metrics();
        let lacks_data_key = metrics.data_key_id != 0 && self.vault.ring().secret(metrics.data_key_id).is_none();
        let lacks_authority = metrics.voters.contains(&self.id) && self.vault.authority_key().is_none();
        // A node that has just joined knows no key and no members' news: it asks until it does.
        lacks_data_key || lacks_authority || self.vault.ring().ids().is_empty()
    }

    /// Asks all members for the keys that this node lacks and for the members that they know, until nothing lacks.
    pub(super) async fn pull_keys(&self) -> Pulled {
        let ask = KeysAskV1 {
            held: self.vault.ring().ids(),
            authority: self.vault.authority_key().is_none(),
        };
        let ask = ask.encode();
        let others: Vec<NodeId> = self
            .peers
            .borrow()
            .keys()
            .copied()
            .filter(|node| *node != self.id)
            .collect();
        let mut pulled = Pulled {
            asked: others.len(),
            dismissed: 0,
            last: "no other member is known".into(),
        };
        let mut asked: FuturesUnordered<_> = others
            .into_iter()
            .map(|node| {
                let ask = ask.clone();
                async move {
                    (
                        node,
                        self.client
                            .call(node, Lane::Peer, serve::KEYS, ask, limits::KEYS_MAX)
                            .await,
                    )
                }
            })
            .collect();
        while let Some((node, answer)) = asked.next().await {
            match answer.and_then(|bytes| KeysReplyV1::decode(&bytes).map_err(|e| CallError::Broken(e.to_string()))) {
                Ok(reply) => {
                    if let Err(error) = self.keep_keys(reply).await {
                        pulled.last = error.to_string();
                    } else if !self.lacks_keys() {
                        break;
                    } else {
                        pulled.last = format!("node {node} does not have them either");
                    }
                }
                Err(error) => {
                    pulled.dismissed += usize::from(matches!(
                        error,
                        CallError::Refused {
                            status: NOT_A_MEMBER,
                            ..
                        }
                    ));
                    pulled.last = format!("node {node}: {error}");
                }
            }
        }
        pulled
    }

    async fn keep_keys(&self, mut reply: KeysReplyV1) -> Result<(), NodeError> {
        self.learn_members(&reply.members);
        let keys: Vec<(u32, DataKey)> = reply.keys.iter().map(|(id, key)| (*id, Zeroizing::new(*key))).collect();
        let authority = reply.authority.take().map(Zeroizing::new);
        let vault = self.vault.clone();
        blocking(move || {
            for (id, key) in &keys {
                vault.add_data_key(*id, key)?;
            }
            authority.map_or(Ok(()), |key| vault.set_authority_key(&key))
        })
        .await
    }

    /// Answers a member that asks for keys: those in force or older, never one that is only being handed out.
    pub(super) fn answer_keys(&self, from: NodeId, body: &Bytes) -> Result<Bytes, Refusal> {
        let ask = KeysAskV1::decode(body).map_err(|e| Refusal::new(400, e.to_string()))?;
        let metrics = self.core.metrics();
        let ring = self.vault.ring();
        let wanted = ring
            .ids()
            .into_iter()
            .filter(|id| *id <= metrics.data_key_id && !ask.held.contains(id));
        let keys = wanted.filter_map(|id| ring.secret(id).map(|key| (id, **key))).collect();
        let authority = (ask.authority && metrics.voters.contains(&from))
            .then(|| self.vault.authority_key())
            .flatten();
        let reply = KeysReplyV1 {
            keys,
            authority: authority.map(|key| key.to_vec()),
            members: self.known_peers(),
        };
        Ok(reply.encode())
    }

    /// Keeps a key that is about to come into force. Refused where the id is taken by another key.
    pub(super) async fn take_offer(&self, body: &Bytes) -> Result<Bytes, Refusal> {
        let offer = KeyOfferV1::decode(body).map_err(|e| Refusal::new(400, e.to_string()))?;
        if self
            .vault
            .ring()
            .secret(offer.id)
            .is_some_and(|held| **held != offer.key)
        {
            return Err(Refusal::new(
                409,
                format!("another data key has the id {:08x}", offer.id),
            ));
        }
        let (vault, id, key) = (self.vault.clone(), offer.id, Zeroizing::new(offer.key));
        blocking(move || vault.add_data_key(id, &key))
            .await
            .map_err(|e| Refusal::new(500, e.to_string()))?;
        Ok(Bytes::new())
    }

    /// Hands a key to one member; tries again while it cannot be reached.
    async fn offer_key(&self, holder: NodeId, offer: &Bytes, within: Duration) -> Result<Bytes, CallError> {
        let until = Instant::now() + within;
        loop {
            match self
                .client
                .call(holder, Lane::Peer, serve::KEY, offer.clone(), within)
                .await
            {
                Err(CallError::NotSent(_)) if Instant::now() < until => tokio::time::sleep(limits::LEADER_POLL).await,
                answer => return answer,
            }
        }
    }

    /// Makes a data key and hands it to the voters in `holders`; returns its id once a majority of them, this node
    /// among them, keeps it on disk. It is not in force yet.
    pub(super) async fn spread_new_key(&self, holders: &[NodeId], within: Duration) -> Result<u32, NodeError> {
        let (id, key) = crate::identity::new_data_key(self.core.metrics().data_key_id)?;
        let offer = KeyOfferV1 { id, key: *key }.encode();
        let vault = self.vault.clone();
        blocking(move || vault.add_data_key(id, &key)).await?;
        let mut kept = usize::from(holders.contains(&self.id));
        let majority = holders.len() / 2 + 1;
        let mut offered: FuturesUnordered<_> = holders
            .iter()
            .filter(|holder| **holder != self.id)
            .map(|holder| self.offer_key(*holder, &offer, within))
            .collect();
        let mut last = String::from("no other voter");
        while let Some(answer) = offered.next().await {
            match answer {
                Ok(_) => kept += 1,
                Err(error) => last = error.to_string(),
            }
        }
        if kept >= majority {
            return Ok(id);
        }
        Err(NodeError(format!(
            "only {kept} of {} voters took the new data key: {last}",
            holders.len()
        )))
    }
}

/// What asking all members came to.
pub(super) struct Pulled {
    /// How many were asked.
    asked: usize,
    /// How many said that this node is not a member.
    dismissed: usize,
    /// The last answer that was no help.
    last: String,
}

/// Runs what waits for the disk off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(NodeError(format!("work on the disk was given up: {e}"))))
}

/// Sees to it that this node has its keys, and that it knows whom to hear: a node that hears no leader may have missed
/// who is a member now, or that it is none any more.
pub(super) async fn keep_pulling<M: StateMachine>(node: Arc<Node<M>>) {
    let mut told = false;
    let mut dismissed_since: Option<Instant> = None;
    loop {
        let lacking = node.lacks_keys();
        if (lacking || node.hears_no_leader()) && node.core.fatal().reason().is_none() {
            let pulled = node.pull_keys().await;
            if lacking && !node.lacks_keys() {
                told = false;
                tracing::info!("this node has the keys of the cluster");
            } else if lacking && !told {
                told = true;
                tracing::info!(
                    last = pulled.last,
                    "this node lacks keys of the cluster and keeps asking"
                );
            }
            let dismissed = pulled.dismissed > pulled.asked / 2;
            let since = dismissed.then(|| *dismissed_since.get_or_insert_with(Instant::now));
            dismissed_since = since;
            if since.is_some_and(|since| since.elapsed() >= limits::DISMISSED_AFTER) {
                node.core.fatal().raise(format!(
                    "this node is not a member of the cluster any more: {} of the {} members that it knows refuse it \
                     ({}); it was removed. To use this machine again, join with a new token and an empty folder",
                    pulled.dismissed, pulled.asked, pulled.last
                ));
            }
        } else {
            dismissed_since = None;
        }
        tokio::time::sleep(limits::RECONCILE_EVERY).await;
    }
}
