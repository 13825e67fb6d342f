//! The registers that clients work on: few at once, so that they meet; each left behind after so many operations, since
//! unknown outcomes make every search longer.
//!
//! What is done to them is left to the levels.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argosy_cluster::sim::Dice;

/// How many registers are in use at once.
const SLOTS: usize = 3;

/// The registers in use, and what was last seen in each. Clones are the same.
#[derive(Clone)]
pub struct Slots {
    operations_max: u64,
    all: Arc<Mutex<[Slot; SLOTS]>>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    generation: u64,
    operations: u64,
    seen: u64,
}

/// A register to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub register: u64,
    /// The revision last seen in it; 0: none.
    pub seen: u64,
}

impl Slots {
    /// Each register gets so many operations at most.
    pub fn new(operations_max: u64) -> Self {
        Self {
            operations_max,
            all: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Slot; SLOTS]> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the registers in use.
    pub fn take(&self, dice: &mut Dice) -> Taken {
        let at = usize::try_from(dice.below(SLOTS as u64)).unwrap_or(0);
        let mut slots = self.lock();
        let slot = &mut slots[at];
        slot.operations += 1;
        if slot.operations > self.operations_max {
            *slot = Slot {
                generation: slot.generation + 1,
                ..Slot::default()
            };
        }
        Taken {
            register: number(at, slot.generation),
            seen: slot.seen,
        }
    }

    /// This revision was seen in a register; one that was left behind is forgotten.
    pub fn saw(&self, register: u64, revision: u64) {
        for (at, slot) in self.lock().iter_mut().enumerate() {
            if number(at, slot.generation) == register {
                slot.seen = slot.seen.max(revision);
            }
        }
    }

    /// All registers that were used.
    pub fn used(&self) -> Vec<u64> {
        let slots = *self.lock();
        let each = slots.iter().enumerate();
        each.flat_map(|(at, slot)| (0..=slot.generation).map(move |generation| number(at, generation)))
            .collect()
    }
}

fn number(at: usize, generation: u64) -> u64 {
    generation * SLOTS as u64 + at as u64
}
