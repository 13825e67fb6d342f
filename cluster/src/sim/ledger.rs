//! The simplest machine that shows order, loss and repetition: it writes down each operation that it is given.

use imbl::Vector;

use crate::{Applied, ApplyContext, Change, CodecError, RestoreError, StateMachine, StoredRow};

/// All operations so far, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    operations: Vector<u64>,
}

/// How many history rows there are at most.
pub const HISTORY_KEPT: u64 = 50;

/// The key of what was done at a place in the ledger; kept on disk only.
pub fn history_key(place: u64) -> Vec<u8> {
    [b"h".as_slice(), &place.to_be_bytes()].concat()
}

/// What stands there.
pub fn history_value(operation: u64) -> Vec<u8> {
    format!("operation {operation} was written down").into_bytes()
}

fn number(what: &'static str, bytes: &[u8]) -> Result<u64, CodecError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| CodecError {
        what,
        reason: format!("{} bytes instead of 8", bytes.len()),
    })
}

impl StateMachine for Ledger {
    type Command = u64;
    /// The operation's place in the ledger.
    type Outcome = u64;
    type View = Vector<u64>;

    const FEATURE_LEVEL_MAX: u32 = 1;

    fn encode_command(command: &u64) -> Vec<u8> {
        command.to_be_bytes().to_vec()
    }

    fn decode_command(bytes: &[u8]) -> Result<u64, CodecError> {
        number("operation", bytes)
    }

    fn encode_outcome(outcome: &u64) -> Vec<u8> {
        outcome.to_be_bytes().to_vec()
    }

    fn decode_outcome(bytes: &[u8]) -> Result<u64, CodecError> {
        number("place", bytes)
    }

    fn kept_on_disk(key: &[u8]) -> bool {
        key.first() == Some(&b'h')
    }

    fn restore(rows: &mut dyn Iterator<Item = StoredRow<'_>>) -> Result<Self, RestoreError> {
        let operations = rows
            .filter(|(key, _)| !Self::kept_on_disk(key))
            .map(|(_, value)| number("ledger row", value))
            .collect::<Result<_, _>>()?;
        Ok(Self { operations })
    }

    fn apply(&mut self, _context: ApplyContext, command: &u64) -> Applied<u64> {
        let place = self.operations.len() as u64;
        self.operations.push_back(*command);
        Applied {
            outcome: place,
            changes: vec![
                Change {
                    key: place.to_be_bytes().to_vec(),
                    value: Some(command.to_be_bytes().as_slice().into()),
                },
                Change {
                    key: history_key(place),
                    value: Some(history_value(*command).into()),
                },
                Change {
                    key: history_key(place.wrapping_sub(HISTORY_KEPT)),
                    value: None,
                },
            ],
        }
    }

    fn view(&self, _revision: u64) -> Vector<u64> {
        self.operations.clone()
    }
}
