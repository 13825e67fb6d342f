//! The machine that is replicated in simulation: registers, and a list of all that was done. In two releases.
//!
//! Who writes what is left to `clients`.

use argosy_cluster::{Applied, ApplyContext, Change, CodecError, RestoreError, StateMachine, StoredRow};
use imbl::{OrdMap, Vector};

use crate::oracle::Seen;

/// How many rows are kept on disk only.
pub const HISTORY_KEPT: u64 = 50;

/// A write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The operation's number: the value.
    pub number: u64,
    /// The register.
    pub key: u64,
    /// The revision that must stand there; 0: nothing may stand there.
    pub expected: Option<u64>,
    /// The feature level whose form of the command this is.
    pub level: u32,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It stands there.
    Written,
    /// This revision stands there (0: nothing).
    Stale(u64),
}

/// The state as it is read.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// What stands in each register.
    pub registers: OrdMap<u64, Seen>,
    /// All writes, in order: number and revision.
    pub writes: Vector<(u64, u64)>,
}

/// The machine as the release that supports `LEVEL` has it.
#[derive(Debug, Default)]
pub struct Registers<const LEVEL: u32> {
    now: Picture,
}

const REGISTER: u8 = b'k';
const WRITE: u8 = b'w';
const KEPT: u8 = b'h';

fn numbers<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u64; N], CodecError> {
    let wrong = || CodecError {
        what,
        reason: format!("{} bytes instead of {}", bytes.len(), N * 8),
    };
    let mut found = [0; N];
    if bytes.len() != N * 8 {
        return Err(wrong());
    }
    for (number, chunk) in found.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_be_bytes(chunk.try_into().map_err(|_| wrong())?);
    }
    Ok(found)
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn row(kind: u8, key: u64, value: &[u64]) -> Change {
    Change {
        key: [&[kind], key.to_be_bytes().as_slice()].concat(),
        value: Some(bytes(value).into()),
    }
}

impl<const LEVEL: u32> StateMachine for Registers<LEVEL> {
    type Command = Put;
    type Outcome = Done;
    type View = Picture;

    const FEATURE_LEVEL_MAX: u32 = LEVEL;

    fn encode_command(put: &Put) -> Vec<u8> {
        let expected = put.expected.map_or(u64::MAX, |expected| expected);
        bytes(&[u64::from(put.level), put.number, put.key, expected])
    }

    fn decode_command(bytes: &[u8]) -> Result<Put, CodecError> {
        let [level, number, key, expected] = numbers("put", bytes)?;
        if level > u64::from(LEVEL) {
            return Err(CodecError {
                what: "put",
                reason: format!("its form is of level {level}, this release knows {LEVEL}"),
            });
        }
        Ok(Put {
            number,
            key,
            expected: (expected != u64::MAX).then_some(expected),
            level: u32::try_from(level).unwrap_or(u32::MAX),
        })
    }

    fn encode_outcome(done: &Done) -> Vec<u8> {
        match done {
            Done::Written => bytes(&[u64::MAX]),
            Done::Stale(stands) => bytes(&[*stands]),
        }
    }

    fn decode_outcome(bytes: &[u8]) -> Result<Done, CodecError> {
        let [number] = numbers("what became of a put", bytes)?;
        Ok(if number == u64::MAX {
            Done::Written
        } else {
            Done::Stale(number)
        })
    }

    fn kept_on_disk(key: &[u8]) -> bool {
        key.first() == Some(&KEPT)
    }

    fn restore(rows: &mut dyn Iterator<Item = StoredRow<'_>>) -> Result<Self, RestoreError> {
        let mut now = Picture::default();
        for (key, value) in rows {
            match key.first() {
                Some(&REGISTER) => {
                    let [key] = numbers("register", &key[1..])?;
                    let [value, revision] = numbers("register row", value)?;
                    now.registers.insert(key, Seen { value, revision });
                }
                Some(&WRITE) => {
                    let [number, revision] = numbers("write row", value)?;
                    now.writes.push_back((number, revision));
                }
                _ => {}
            }
        }
        Ok(Self { now })
    }

    fn apply(&mut self, context: ApplyContext, put: &Put) -> Applied<Done> {
        let stands = self.now.registers.get(&put.key).map_or(0, |seen| seen.revision);
        if put.expected.is_some_and(|expected| expected != stands) {
            return Applied {
                outcome: Done::Stale(stands),
                changes: Vec::new(),
            };
        }
        let (revision, place) = (context.revision, self.now.writes.len() as u64);
        let seen = Seen {
            value: put.number,
            revision,
        };
        self.now.registers.insert(put.key, seen);
        self.now.writes.push_back((put.number, revision));
        let mut changes = vec![
            row(REGISTER, put.key, &[put.number, revision]),
            row(WRITE, place, &[put.number, revision]),
            row(KEPT, place, &[put.number]),
            Change {
                key: row(KEPT, place.wrapping_sub(HISTORY_KEPT), &[]).key,
                value: None,
            },
        ];
        if context.feature_level >= 2 {
            // What the newer release does differently, once all agree.
            changes.push(row(b'n', put.key, &[place, put.key]));
        }
        Applied {
            outcome: Done::Written,
            changes,
        }
    }

    fn view(&self, _revision: u64) -> Picture {
        self.now.clone()
    }
}
