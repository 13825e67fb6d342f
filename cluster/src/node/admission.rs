//! Letting machines in: tokens, the leader's decision, and the joiner's side of it.
//!
//! Whether a token is good is decided by the replicated state; becoming a voter is left to `reconcile`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::messages::{JoinAskV1, JoinReplyV1};
use super::route::Search;
use super::running::Node;
use super::{JoinOptions, NodeError, limits, serve};
use crate::envelope::wire::Framed;
use crate::envelope::{AdmitNode, Answer, Blob, ClusterCommand};
use crate::identity::{
    Identity, JoinToken, NodeKey, check_empty, check_node_name, fingerprint, node_of_certificate, random, sha256,
    sign_request, token_secret_hash,
};
use crate::raft::{CoreError, NodeRecord};
use crate::transport::{CallError, Lane, Refusal, join_request};
use crate::{NodeId, StateMachine};

/// The asked node does not lead.
const NOT_LEADER: u16 = 421;
/// The answer is no, and asking again will not change it.
const REFUSED: u16 = 409;

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::create_join_token`](crate::Cluster::create_join_token).
    pub(super) async fn create_join_token(self: &Arc<Self>, valid: Duration) -> Result<String, NodeError> {
        if valid.is_zero() || valid > limits::TOKEN_VALID_MAX {
            return Err(NodeError(format!(
                "a join token is valid for at most {} days, and for some time",
                limits::TOKEN_VALID_MAX.as_secs() / 86_400
            )));
        }
        let mut addresses = vec![self.identity.peer_address];
        addresses.extend(self.peers.borrow().values().map(|peer| peer.address));
        let token = JoinToken {
            cluster: self.identity.cluster,
            authority: fingerprint(&self.identity.authority),
            id: random()?,
            secret: Zeroizing::new(random()?),
            addresses,
        };
        let command = ClusterCommand::IssueJoinToken {
            token: token.id,
            secret_hash: token_secret_hash(&token.secret),
            expires_ms: now_ms().saturating_add(u64::try_from(valid.as_millis()).unwrap_or(u64::MAX)),
        };
        match self.submit_own(command, limits::TOKEN_MAX).await {
            Ok(Answer::Done { .. }) => Ok(token.print().to_string()),
            Ok(other) => Err(NodeError(format!(
                "cannot issue a join token: the cluster answered {other:?}"
            ))),
            Err(error) => Err(NodeError(format!("cannot issue a join token: {error}"))),
        }
    }

    /// Brings a join request to the leader, wherever that is.
    pub(super) async fn admit(self: &Arc<Self>, ask: JoinAskV1) -> Result<Bytes, Refusal> {
        check_node_name(&ask.name).map_err(|e| Refusal::new(REFUSED, e.to_string()))?;
        check_peer_address(ask.peer_address).map_err(|e| Refusal::new(REFUSED, e.to_string()))?;
        // One at a time through this node: the work is rare, and strangers cause it.
        let Ok(_turn) = self.admitting.try_acquire() else {
            return Err(Refusal::new(503, "other machines are being let in; try again shortly"));
        };
        let deadline = Instant::now() + limits::MEMBERSHIP_MAX;
        let mut search = Search::default();
        loop {
            let leader = self.find_leader(&mut search, deadline).await;
            let leader = leader.map_err(|reason| Refusal::new(503, reason))?;
            search.avoid = Some(leader);
            let refusal = if leader == self.id {
                match self.admit_here(&ask).await {
                    Ok(reply) => return Ok(reply.encode()),
                    Err(refusal) => refusal,
                }
            } else {
                let within = deadline.saturating_duration_since(Instant::now());
                match self
                    .client
                    .call(leader, Lane::Peer, serve::JOIN, ask.encode(), within)
                    .await
                {
                    Ok(reply) => return Ok(reply),
                    Err(CallError::Refused { status, text }) => Refusal { status, text },
                    Err(error) => Refusal::new(503, error.to_string()),
                }
            };
            if refusal.status == REFUSED || refusal.status == 400 || Instant::now() >= deadline {
                return Err(refusal);
            }
            if refusal.status != NOT_LEADER {
                search.avoid = None;
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    /// Lets a machine in, if this node leads. Once begun it is brought to its end, whether or not the asker waits.
    pub(super) async fn admit_here(self: &Arc<Self>, ask: &JoinAskV1) -> Result<JoinReplyV1, Refusal> {
        let (node, ask) = (self.clone(), ask.clone());
        let admitting = tokio::spawn(async move {
            let late = |_| Refusal::new(503, "it took too long; try again");
            timeout(limits::MEMBERSHIP_MAX, node.make_member(&ask))
                .await
                .map_err(late)
                .flatten()
        });
        admitting
            .await
            .map_err(|e| Refusal::new(503, format!("it was given up: {e}")))
            .flatten()
    }

    /// Token, node id, certificate, learner.
    async fn make_member(&self, ask: &JoinAskV1) -> Result<JoinReplyV1, Refusal> {
        let _change = self.changing.lock().await;
        let metrics = self.core.metrics();
        if metrics.leader != Some(self.id) {
            return Err(Refusal::new(NOT_LEADER, "this node does not lead"));
        }
        if metrics.members.len() >= limits::MEMBERS_MAX {
            return Err(Refusal::new(
                REFUSED,
                format!("the cluster has {} members already", metrics.members.len()),
            ));
        }
        let authority = self
            .vault
            .authority(&self.identity.authority)
            .map_err(|e| Refusal::new(500, e.to_string()))?;
        let authority =
            authority.ok_or_else(|| Refusal::new(503, "the leader does not hold the authority's key yet"))?;
        let command = AdmitNode {
            token: ask.token,
            secret_hash: token_secret_hash(&ask.secret),
            now_ms: now_ms(),
            name: ask.name.clone(),
            peer_address: ask.peer_address.to_string(),
            request_hash: sha256(&ask.request.0),
        };
        // Only who shows a token that exists makes the leader write to its log.
        if !self
            .core
            .cluster_rows()
            .join_token_is_known(&command.token, &command.secret_hash)
        {
            return Err(Refusal::new(
                REFUSED,
                crate::envelope::Refusal::TokenUnknown.to_string(),
            ));
        }
        let node = match self.core.propose_cluster(ClusterCommand::AdmitNode(command)).await {
            Ok(Answer::Admitted { node }) => NodeId(node),
            Ok(Answer::Refused(why)) => return Err(Refusal::new(REFUSED, why.to_string())),
            Ok(other) => return Err(Refusal::new(500, format!("the cluster answered {other:?}"))),
            Err(error) => return Err(core_refusal(error)),
        };
        let certificate = sign_request(&authority, self.identity.cluster, node, &ask.request.0)
            .map_err(|e| Refusal::new(REFUSED, e.to_string()))?;
        let record = NodeRecord {
            name: ask.name.clone(),
            peer_address: ask.peer_address,
            fingerprint: fingerprint(&certificate),
        };
        self.core.add_learner(node, record).await.map_err(core_refusal)?;
        self.refresh_peers();
        tracing::info!(%node, name = ask.name, address = %ask.peer_address, "a node was admitted");
        Ok(JoinReplyV1 {
            node,
            certificate: Blob(certificate.to_vec().into()),
            authority: Blob(self.identity.authority.to_vec().into()),
            members: self
                .known_peers()
                .into_iter()
                .filter(|peer| peer.node != node)
                .collect(),
        })
    }
}

/// Other nodes must be able to call the address.
pub(super) fn check_peer_address(address: SocketAddr) -> Result<(), NodeError> {
    if address.port() != 0 && !address.ip().is_unspecified() {
        return Ok(());
    }
    Err(NodeError(format!(
        "{address} is no address that other nodes can reach: name this machine's own, with a port"
    )))
}

/// See [`Cluster::join`](crate::Cluster::join).
pub(super) async fn join(options: &JoinOptions) -> Result<NodeId, NodeError> {
    let token = JoinToken::parse(&options.token)?;
    check_empty(&options.folder)?;
    check_node_name(&options.name)?;
    check_peer_address(options.peer_address)?;
    let key = NodeKey::generate()?;
    let ask = JoinAskV1 {
        token: token.id,
        secret: *token.secret,
        name: options.name.clone(),
        peer_address: options.peer_address,
        request: Blob(key.request()?.into()),
    };
    let reply = ask_to_join(&token, &ask).await?;
    let failed = |why: &str| NodeError(format!("the cluster's answer to the join request is wrong: {why}"));
    let certificate = CertificateDer::from(reply.certificate.0.to_vec());
    let authority = CertificateDer::from(reply.authority.0.to_vec());
    if fingerprint(&authority) != token.authority {
        return Err(failed("it names another authority than the token"));
    }
    if node_of_certificate(&certificate).map_err(|e| failed(&e))? != (token.cluster, reply.node) {
        return Err(failed("the certificate is not this node's"));
    }
    let identity = Identity {
        cluster: token.cluster,
        node: reply.node,
        name: options.name.clone(),
        peer_address: options.peer_address,
        peers: reply.members,
        certificate,
        authority,
    };
    let folder = options.folder.clone();
    super::keys::blocking(move || identity.create(&folder, &key.to_pkcs8(), None, None)).await?;
    Ok(reply.node)
}

/// Tries the token's addresses in turn. The request stays the same, so that a lost answer costs nothing.
async fn ask_to_join(token: &JoinToken, ask: &JoinAskV1) -> Result<JoinReplyV1, NodeError> {
    let mut last = String::new();
    for round in 0..limits::JOIN_ROUNDS_MAX {
        if round > 0 {
            tokio::time::sleep(limits::JOIN_PAUSE).await;
        }
        for address in &token.addresses {
            match ask_one(*address, token, ask).await {
                Ok(reply) => return Ok(reply),
                Err(CallError::Refused { status: REFUSED, text }) => {
                    return Err(NodeError(format!("the cluster does not let this machine join: {text}")));
                }
                Err(error) => last = error.to_string(),
            }
        }
    }
    Err(NodeError(format!(
        "none of the token's {} addresses let this machine join; the last one: {last}. Is the cluster up, and can this \
         machine reach it?",
        token.addresses.len()
    )))
}

async fn ask_one(address: SocketAddr, token: &JoinToken, ask: &JoinAskV1) -> Result<JoinReplyV1, CallError> {
    let body = ask.encode();
    let answer = join_request(address, token.cluster, token.authority, body, limits::JOIN_ADDRESS_MAX).await?;
    JoinReplyV1::decode(&answer).map_err(|e| CallError::Broken(format!("{address}: {e}")))
}

fn core_refusal(error: CoreError) -> Refusal {
    let status = if matches!(error, CoreError::NotLeader { .. }) {
        NOT_LEADER
    } else {
        503
    };
    Refusal::new(status, error.to_string())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
