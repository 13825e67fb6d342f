//! Commands and outcomes in format version 1.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{HoldingV1, KeyV1, SpecV1, all, name};
use crate::catalog::command::{Actor, Command, Expected, Outcome, Refusal, Transaction};
use crate::catalog::held::Holding;
use crate::catalog::view::ObjectKey;
use crate::clock::UnixMillis;

#[derive(Serialize, Deserialize)]
enum ActorV1 {
    Root {
        node: String,
    },
    Administrator {
        name: String,
        token: String,
        secret_hash: [u8; 32],
    },
    Account {
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
enum ExpectedV1 {
    Absent,
    Present,
    Revision(u64),
}

#[derive(Serialize, Deserialize)]
pub(in crate::catalog::stored) struct CommandV1 {
    actor: ActorV1,
    from: Option<IpAddr>,
    at: i64,
    expected: Vec<(KeyV1, ExpectedV1)>,
    puts: Vec<(String, SpecV1)>,
    deletes: Vec<KeyV1>,
    seen: Vec<(String, u32)>,
    held: Vec<HoldingV1>,
}

#[derive(Serialize, Deserialize)]
pub(in crate::catalog::stored) enum OutcomeV1 {
    Applied,
    Stale { key: KeyV1, current: Option<u64> },
    Dangling { from: KeyV1, to: KeyV1 },
    InUse { key: KeyV1, by: KeyV1 },
    Forbidden { reason: String },
    Invalid { reason: String },
    Locked { token: u128 },
}

impl From<&Command> for CommandV1 {
    fn from(command: &Command) -> Self {
        let expected = |(key, expected): &(ObjectKey, Expected)| {
            let stored = match expected {
                Expected::Absent => ExpectedV1::Absent,
                Expected::Present => ExpectedV1::Present,
                Expected::Revision(revision) => ExpectedV1::Revision(*revision),
            };
            (key.into(), stored)
        };
        let transaction = &command.transaction;
        Self {
            actor: match &command.actor {
                Actor::Root { node } => ActorV1::Root { node: node.clone() },
                Actor::Administrator {
                    name,
                    token,
                    secret_hash,
                } => ActorV1::Administrator {
                    name: name.to_string(),
                    token: token.to_string(),
                    secret_hash: *secret_hash,
                },
                Actor::Account { name } => ActorV1::Account { name: name.to_string() },
            },
            from: command.from,
            at: command.at.0,
            expected: transaction.expected.iter().map(expected).collect(),
            puts: transaction
                .puts
                .iter()
                .map(|(name, spec)| (name.to_string(), spec.into()))
                .collect(),
            deletes: transaction.deletes.iter().map(KeyV1::from).collect(),
            seen: transaction
                .seen
                .iter()
                .map(|(name, day)| (name.to_string(), *day))
                .collect(),
            held: transaction.held.iter().map(HoldingV1::from).collect(),
        }
    }
}

impl TryFrom<CommandV1> for Command {
    type Error = String;
    fn try_from(stored: CommandV1) -> Result<Self, String> {
        let expected = |(key, expected): (KeyV1, ExpectedV1)| {
            let expected = match expected {
                ExpectedV1::Absent => Expected::Absent,
                ExpectedV1::Present => Expected::Present,
                ExpectedV1::Revision(revision) => Expected::Revision(revision),
            };
            Ok((key.try_into()?, expected))
        };
        Ok(Self {
            actor: match stored.actor {
                ActorV1::Root { node } => Actor::Root { node },
                ActorV1::Administrator {
                    name: who,
                    token,
                    secret_hash,
                } => Actor::Administrator {
                    name: name(who)?,
                    token: name(token)?,
                    secret_hash,
                },
                ActorV1::Account { name: who } => Actor::Account { name: name(who)? },
            },
            from: stored.from,
            at: UnixMillis(stored.at),
            transaction: Transaction {
                expected: all(stored.expected, expected)?,
                puts: all(stored.puts, |(text, spec)| Ok((name(text)?, spec.try_into()?)))?,
                deletes: all(stored.deletes, ObjectKey::try_from)?,
                seen: all(stored.seen, |(text, day)| Ok((name(text)?, day)))?,
                held: all(stored.held, Holding::try_from)?,
            },
        })
    }
}

impl From<&Outcome> for OutcomeV1 {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Refused(Refusal::Stale { key, current }) => Self::Stale {
                key: key.into(),
                current: *current,
            },
            Outcome::Refused(Refusal::Dangling { from, to }) => Self::Dangling {
                from: from.into(),
                to: to.into(),
            },
            Outcome::Refused(Refusal::InUse { key, by }) => Self::InUse {
                key: key.into(),
                by: by.into(),
            },
            Outcome::Refused(Refusal::Locked { token }) => Self::Locked { token: *token },
            Outcome::Refused(Refusal::Forbidden { reason }) => Self::Forbidden { reason: reason.clone() },
            Outcome::Refused(Refusal::Invalid { reason }) => Self::Invalid { reason: reason.clone() },
        }
    }
}

impl TryFrom<OutcomeV1> for Outcome {
    type Error = String;
    fn try_from(stored: OutcomeV1) -> Result<Self, String> {
        let refusal = match stored {
            OutcomeV1::Applied => return Ok(Self::Applied),
            OutcomeV1::Stale { key, current } => Refusal::Stale {
                key: key.try_into()?,
                current,
            },
            OutcomeV1::Dangling { from, to } => Refusal::Dangling {
                from: from.try_into()?,
                to: to.try_into()?,
            },
            OutcomeV1::InUse { key, by } => Refusal::InUse {
                key: key.try_into()?,
                by: by.try_into()?,
            },
            OutcomeV1::Locked { token } => Refusal::Locked { token },
            OutcomeV1::Forbidden { reason } => Refusal::Forbidden { reason },
            OutcomeV1::Invalid { reason } => Refusal::Invalid { reason },
        };
        Ok(Self::Refused(refusal))
    }
}
