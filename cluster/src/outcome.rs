//! What a caller can be told about a proposal or a read.
//!
//! How the answer was reached (forwarding, retries, elections) is left to `node`.

/// Names one request, so that a retry is applied once. 128 bits from the system's generator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RequestId(pub [u8; 16]);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// A command that a majority holds on disk and that this node has applied.
#[derive(Debug, Clone)]
pub struct Committed<O> {
    /// The log index of the command; reads with at least this revision see its effect.
    pub revision: u64,
    /// What the state machine answered; a refusal by the machine is here too.
    pub outcome: O,
}

/// Why a proposal was not answered with [`Committed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeError {
    /// Refused before anything was appended: nothing was changed, and a later try is safe.
    Unavailable {
        /// What is missing, for instance `"no quorum: 1 of 3 voters answers"`.
        reason: String,
    },
    /// It may or may not be applied: ask again with the same request id.
    OutcomeUnknown {
        /// The id to retry with.
        request: RequestId,
        /// What broke the wait.
        reason: String,
    },
    /// The request id was used before with another body; nothing was changed.
    RequestReused {
        /// The id that was used twice.
        request: RequestId,
    },
    /// The command is larger than [`crate::limits::COMMAND_BYTES_MAX`]; nothing was changed.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

impl std::fmt::Display for ProposeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable { reason } => write!(f, "the change was refused, nothing was changed: {reason}"),
            Self::OutcomeUnknown { request, reason } => {
                write!(
                    f,
                    "it is not known whether the change was made: {reason}; ask again with request id {request}"
                )
            }
            Self::RequestReused { request } => write!(f, "request id {request} was used before for another change"),
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "a change of {bytes} bytes is over the limit of {} bytes",
                    crate::limits::COMMAND_BYTES_MAX
                )
            }
        }
    }
}

impl std::error::Error for ProposeError {}

/// Why a linearizable read could not be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// What is missing, for instance `"no leader is known"`.
    pub reason: String,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the current state cannot be confirmed: {}", self.reason)
    }
}

impl std::error::Error for ReadError {}
