//! The way between openraft's types and our stored ones; each field is named, nothing is serialised as it is.

use openraft::AsyncRuntime;
use openraft::entry::{EntryPayload, RaftEntry};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};

use super::types::{LeaderId, LogEntry, LogId, Membership, NodeRecord, RaftVote, StoredMembership, TypeConfig};
use crate::CodecError;
use crate::envelope::wire::{
    AppendReplyV1, AppendV1, EntryV1, StateHeadV1, TransferReplyV1, TransferV1, VoteAskV1, VoteReplyV1,
};
use crate::envelope::{Blob, Envelope, LogIdV1, MembershipV1, NodeV1, VoteV1};

pub fn log_id_out(id: &LogId) -> LogIdV1 {
    LogIdV1 {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

pub fn log_id_in(id: &LogIdV1) -> LogId {
    LogId {
        leader_id: LeaderId {
            term: id.term,
            node_id: id.node,
        },
        index: id.index,
    }
}

fn ids_out(id: &Option<LogId>) -> Option<LogIdV1> {
    id.as_ref().map(log_id_out)
}

fn ids_in(id: &Option<LogIdV1>) -> Option<LogId> {
    id.as_ref().map(log_id_in)
}

pub fn vote_out(vote: &RaftVote) -> VoteV1 {
    VoteV1 {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub fn vote_in(vote: &VoteV1) -> RaftVote {
    RaftVote {
        leader_id: LeaderId {
            term: vote.term,
            node_id: vote.node,
        },
        committed: vote.committed,
    }
}

pub fn membership_out(membership: &Membership) -> MembershipV1 {
    MembershipV1 {
        voters: membership.get_joint_config().clone(),
        nodes: membership
            .nodes()
            .map(|(id, node)| {
                (
                    *id,
                    NodeV1 {
                        name: node.name.clone(),
                        peer_address: node.peer_address.to_string(),
                        fingerprint: node.fingerprint,
                    },
                )
            })
            .collect(),
    }
}

/// An empty membership (of a node that has none yet) passes; an address that is none does not.
pub fn membership_in(stored: &MembershipV1) -> Result<Membership, CodecError> {
    if stored.voters.is_empty() && stored.nodes.is_empty() {
        return Ok(Membership::default());
    }
    let refused = |reason: String| CodecError {
        what: "membership",
        reason,
    };
    let mut nodes = std::collections::BTreeMap::new();
    for (id, node) in &stored.nodes {
        let peer_address = node
            .peer_address
            .parse()
            .map_err(|error| refused(format!("address {:?} of node {id}: {error}", node.peer_address)))?;
        nodes.insert(
            *id,
            NodeRecord {
                name: node.name.clone(),
                peer_address,
                fingerprint: node.fingerprint,
            },
        );
    }
    Membership::new(stored.voters.clone(), nodes).map_err(|error| refused(error.to_string()))
}

/// The envelope of an entry; a command is an envelope already.
pub fn envelope_out(payload: &EntryPayload<Blob, u64, NodeRecord>) -> Blob {
    match payload {
        EntryPayload::Blank => Blob(Envelope::Blank.encode()),
        EntryPayload::Membership(membership) => Blob(Envelope::Membership(membership_out(membership)).encode()),
        EntryPayload::Normal(command) => command.clone(),
    }
}

/// The entry of an envelope. Only what Raft itself must understand is opened.
pub fn entry_in(log_id: &LogIdV1, envelope: Blob) -> Result<LogEntry, CodecError> {
    let payload = match Envelope::decode_for_raft(&envelope.0)? {
        Some(Envelope::Membership(membership)) => EntryPayload::Membership(membership_in(&membership)?),
        Some(_) => EntryPayload::Blank,
        None => EntryPayload::Normal(envelope),
    };
    Ok(LogEntry::new(log_id_in(log_id), payload))
}

pub fn append_out<RT: AsyncRuntime>(request: &AppendEntriesRequest<TypeConfig<RT>>) -> AppendV1 {
    AppendV1 {
        vote: vote_out(&request.vote),
        previous: ids_out(&request.prev_log_id),
        entries: request
            .entries
            .iter()
            .map(|entry| EntryV1 {
                log_id: log_id_out(&entry.log_id),
                envelope: envelope_out(&entry.payload),
            })
            .collect(),
        committed: ids_out(&request.leader_commit),
    }
}

pub fn append_in<RT: AsyncRuntime>(stored: AppendV1) -> Result<AppendEntriesRequest<TypeConfig<RT>>, CodecError> {
    let entries = stored
        .entries
        .into_iter()
        .map(|entry| entry_in(&entry.log_id, entry.envelope));
    Ok(AppendEntriesRequest {
        vote: vote_in(&stored.vote),
        prev_log_id: ids_in(&stored.previous),
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: ids_in(&stored.committed),
    })
}

pub fn append_reply_out<RT: AsyncRuntime>(reply: &AppendEntriesResponse<TypeConfig<RT>>) -> AppendReplyV1 {
    match reply {
        AppendEntriesResponse::Success => AppendReplyV1::Success,
        AppendEntriesResponse::PartialSuccess(upto) => AppendReplyV1::Partial(ids_out(upto)),
        AppendEntriesResponse::Conflict => AppendReplyV1::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendReplyV1::HigherVote(vote_out(vote)),
    }
}

pub fn append_reply_in<RT: AsyncRuntime>(reply: &AppendReplyV1) -> AppendEntriesResponse<TypeConfig<RT>> {
    match reply {
        AppendReplyV1::Success => AppendEntriesResponse::Success,
        AppendReplyV1::Partial(upto) => AppendEntriesResponse::PartialSuccess(ids_in(upto)),
        AppendReplyV1::Conflict => AppendEntriesResponse::Conflict,
        AppendReplyV1::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote_in(vote)),
    }
}

pub fn vote_ask_out<RT: AsyncRuntime>(request: &VoteRequest<TypeConfig<RT>>) -> VoteAskV1 {
    VoteAskV1 {
        vote: vote_out(&request.vote),
        last: ids_out(&request.last_log_id),
        transfer: request.leadership_transfer,
    }
}

pub fn vote_ask_in<RT: AsyncRuntime>(stored: &VoteAskV1) -> VoteRequest<TypeConfig<RT>> {
    let mut request = VoteRequest::new(vote_in(&stored.vote), ids_in(&stored.last));
    request.leadership_transfer = stored.transfer;
    request
}

pub fn vote_reply_out<RT: AsyncRuntime>(reply: &VoteResponse<TypeConfig<RT>>) -> VoteReplyV1 {
    VoteReplyV1 {
        vote: vote_out(&reply.vote),
        granted: reply.vote_granted,
        last: ids_out(&reply.last_log_id),
    }
}

pub fn vote_reply_in<RT: AsyncRuntime>(stored: &VoteReplyV1) -> VoteResponse<TypeConfig<RT>> {
    VoteResponse {
        vote: vote_in(&stored.vote),
        vote_granted: stored.granted,
        last_log_id: ids_in(&stored.last),
    }
}

pub fn transfer_out<RT: AsyncRuntime>(request: &TransferLeaderRequest<TypeConfig<RT>>) -> TransferV1 {
    TransferV1 {
        from: vote_out(request.from_leader()),
        to: *request.to_node_id(),
        last: request.last_log_id().map(log_id_out),
    }
}

pub fn transfer_in<RT: AsyncRuntime>(stored: &TransferV1) -> TransferLeaderRequest<TypeConfig<RT>> {
    TransferLeaderRequest::new(vote_in(&stored.from), stored.to, ids_in(&stored.last))
}

pub fn transfer_reply_out<RT: AsyncRuntime>(reply: &TransferLeaderResponse<TypeConfig<RT>>) -> TransferReplyV1 {
    match reply {
        Ok(()) => TransferReplyV1::Accepted,
        Err(TransferLeaderError::VoteChanged { expected, actual }) => TransferReplyV1::VoteChanged {
            expected: vote_out(expected),
            actual: vote_out(actual),
        },
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => TransferReplyV1::LogNotFlushed {
            expected: ids_out(expected),
            actual: ids_out(actual),
        },
    }
}

pub fn transfer_reply_in<RT: AsyncRuntime>(stored: &TransferReplyV1) -> TransferLeaderResponse<TypeConfig<RT>> {
    match stored {
        TransferReplyV1::Accepted => Ok(()),
        TransferReplyV1::VoteChanged { expected, actual } => Err(TransferLeaderError::VoteChanged {
            expected: vote_in(expected),
            actual: vote_in(actual),
        }),
        TransferReplyV1::LogNotFlushed { expected, actual } => Err(TransferLeaderError::LogNotFlushed {
            expected: ids_in(expected),
            actual: ids_in(actual),
        }),
    }
}

/// The head of a stored state; rows and hash are filled in by who knows them.
pub fn head_out(last: &Option<LogId>, membership: &StoredMembership) -> StateHeadV1 {
    StateHeadV1 {
        last: ids_out(last),
        membership_at: ids_out(membership.log_id()),
        membership: membership_out(membership.membership()),
        ..StateHeadV1::default()
    }
}

pub fn head_in(head: &StateHeadV1) -> Result<(Option<LogId>, StoredMembership), CodecError> {
    let membership = membership_in(&head.membership)?;
    Ok((
        ids_in(&head.last),
        StoredMembership::new(ids_in(&head.membership_at), membership),
    ))
}
