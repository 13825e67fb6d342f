//! The stored form of catalog types, with format versions. Types here are never changed once released.

use super::command::{Command, Outcome};
use argosy_cluster::CodecError;

fn later(what: &'static str) -> CodecError {
    CodecError {
        what,
        reason: "not written yet".to_owned(),
    }
}

/// See [`argosy_cluster::StateMachine::encode_command`].
pub fn encode_command(_command: &Command) -> Vec<u8> {
    Vec::new()
}
/// See [`argosy_cluster::StateMachine::decode_command`].
pub fn decode_command(_bytes: &[u8]) -> Result<Command, CodecError> {
    Err(later("command"))
}
/// See [`argosy_cluster::StateMachine::encode_outcome`].
pub fn encode_outcome(_outcome: &Outcome) -> Vec<u8> {
    Vec::new()
}
/// See [`argosy_cluster::StateMachine::decode_outcome`].
pub fn decode_outcome(_bytes: &[u8]) -> Result<Outcome, CodecError> {
    Err(later("outcome"))
}
