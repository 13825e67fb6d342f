//! What can be asked of the catalog, and what it can answer.

use std::net::IpAddr;

use super::administrator::Role;
use super::held::Holding;
use super::view::{ObjectKey, Spec};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// A change, with who asks for it. Time, names, salts and hashes are fixed by the proposer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks, and by which credential; judged again in apply.
    pub actor: Actor,
    /// From which address it was asked; `None`: on the proposer's machine itself.
    pub from: Option<IpAddr>,
    /// The proposer's clock.
    pub at: UnixMillis,
    /// What is to change.
    pub transaction: Transaction,
}

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The system's root on a node, through the local socket, `init` or the node's own tasks.
    Root {
        /// The node's name.
        node: String,
    },
    /// An administrator by a bearer token.
    Administrator {
        /// Whose name stands in the change.
        name: Name,
        /// The token's name.
        token: Name,
        /// SHA-256 of the secret that was shown, so that a secret that was replaced since counts no more.
        secret_hash: [u8; 32],
    },
    /// An account for itself, after it proved who it is: it may change its own password, and what it
    /// holds, nothing else.
    Account {
        /// Its name.
        name: Name,
    },
}

/// Several changes that are made together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// What must hold before.
    pub expected: Vec<(ObjectKey, Expected)>,
    /// Objects to make or replace.
    pub puts: Vec<(Name, Spec)>,
    /// Objects to remove; it is no error if one is not there, unless expected otherwise.
    pub deletes: Vec<ObjectKey>,
    /// Accounts that were used on a day (days since 1970-01-01 UTC); only the nodes themselves report it. No
    /// revision, no history; names that do not exist are passed over.
    pub seen: Vec<(Name, u32)>,
    /// Locks and ends of web sessions, which an account changes for itself. No revision, no history.
    pub held: Vec<Holding>,
}

/// What must hold of an object before a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It must not exist (`If-None-Match: *`).
    Absent,
    /// It must exist (`If-Match: *`).
    Present,
    /// Its last change must be this one (`If-Match: "REVISION"`).
    Revision(u64),
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was changed; the objects' revision is the command's.
    Applied,
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An expectation does not hold (412).
    Stale {
        /// Of which object.
        key: ObjectKey,
        /// Its revision now; `None`: it does not exist.
        current: Option<u64>,
    },
    /// A put refers to an object that is not there (422).
    Dangling {
        /// Which object refers.
        from: ObjectKey,
        /// To what.
        to: ObjectKey,
    },
    /// A delete would leave a reference behind (409).
    InUse {
        /// What was to be deleted.
        key: ObjectKey,
        /// Who refers to it.
        by: ObjectKey,
    },
    /// The actor may not, or no longer, do this (403).
    Forbidden {
        /// What is missing.
        reason: String,
    },
    /// Another lock is in the way (423).
    Locked {
        /// Which.
        token: u128,
    },
    /// The objects contradict each other (422): two services on one port, the last owner removed.
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stale {
                key,
                current: Some(revision),
            } => {
                write!(
                    f,
                    "{key} was changed meanwhile: its revision is {revision}; read it again and repeat the change"
                )
            }
            Self::Stale { key, current: None } => write!(f, "{key} does not exist"),
            Self::Dangling { from, to } => write!(f, "{from} refers to {to}, which does not exist; make that first"),
            Self::InUse { key, by } => write!(f, "{key} is in use by {by}; change that first"),
            Self::Locked { .. } => f.write_str("another lock is in the way; wait for its end"),
            Self::Forbidden { reason } | Self::Invalid { reason } => f.write_str(reason),
        }
    }
}

/// The role that a change of `kind` needs.
pub fn role_needed(kind: super::Kind) -> Role {
    match kind {
        super::Kind::Account | super::Kind::Group | super::Kind::Ban => Role::Operator,
        _ => Role::Owner,
    }
}
