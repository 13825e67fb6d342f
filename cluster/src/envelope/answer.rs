//! What applying one entry answered, as the state machine gives it and as it travels back to a forwarding node.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Blob, open, pack, unpack};
use crate::CodecError;

const KIND_ANSWER: u8 = 1;

/// The answer to one log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Blank and membership entries.
    Nothing,
    /// The machine's outcome; on a retry the first one.
    App {
        /// The log index that the command was first applied at.
        revision: u64,
        /// The machine's encoded outcome.
        outcome: Blob,
    },
    /// The request id was used before with another body; nothing was changed.
    Reused,
    /// A cluster command was applied, or had been before.
    Done {
        /// Its log index.
        revision: u64,
    },
    /// A node may join under this id.
    Admitted {
        /// The id, never given out before (or before only to the same certificate request).
        node: u64,
    },
    /// A cluster command was refused; nothing was changed.
    Refused(Refusal),
}

/// Why a cluster command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No such join token, or its secret part is wrong.
    TokenUnknown,
    /// The token has let a node in already.
    TokenUsed,
    /// The token has ended.
    TokenExpired,
    /// Another member has this name.
    NameTaken,
    /// The cluster was founded before.
    AlreadyFounded,
    /// The value would go back.
    GoesBack,
    /// No node with this id was admitted.
    NodeUnknown,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TokenUnknown => {
                "this cluster has issued no such join token; make a new one with `argosy token create`"
            }
            Self::TokenUsed => "the join token was used before; make a new one with `argosy token create`",
            Self::TokenExpired => "the join token has expired; make a new one with `argosy token create`",
            Self::NameTaken => "another member has this name; choose another or remove that member first",
            Self::AlreadyFounded => "the cluster exists already",
            Self::GoesBack => "the value is older than the one in force",
            Self::NodeUnknown => "no member with this id is known",
        })
    }
}

impl Answer {
    /// The form that travels back to the node that forwarded a proposal.
    pub fn encode(&self) -> Bytes {
        pack(KIND_ANSWER, self)
    }

    /// The reverse of [`encode`](Self::encode).
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let (_, body) = open("answer", bytes)?;
        unpack("answer", &body)
    }
}
