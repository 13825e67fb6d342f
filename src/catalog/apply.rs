//! Apply: the one place where the catalog changes. Pure and total: every command has an outcome.

use super::command::{Command, Outcome};
use super::view::View;
use argosy_cluster::{Applied, ApplyContext, CodecError, RestoreError, StateMachine};

/// The replicated catalog.
#[derive(Debug, Default)]
pub struct Catalog {
    view: View,
}

impl StateMachine for Catalog {
    type Command = Command;
    type Outcome = Outcome;
    type View = View;

    const FEATURE_LEVEL_MAX: u32 = 1;

    fn encode_command(command: &Command) -> Vec<u8> {
        super::stored::encode_command(command)
    }

    fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
        super::stored::decode_command(bytes)
    }

    fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
        super::stored::encode_outcome(outcome)
    }

    fn decode_outcome(bytes: &[u8]) -> Result<Outcome, CodecError> {
        super::stored::decode_outcome(bytes)
    }

    fn restore(_rows: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<Self, RestoreError> {
        Ok(Self::default())
    }

    fn apply(&mut self, _context: ApplyContext, _command: &Command) -> Applied<Outcome> {
        Applied {
            outcome: Outcome::Applied,
            changes: Vec::new(),
        }
    }

    fn view(&self, revision: u64) -> View {
        View {
            revision,
            ..self.view.clone()
        }
    }
}
