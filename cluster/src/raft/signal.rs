//! The published log index, as something to wait on. Wakes waiters in the order in which they came, on any runtime,
//! so that a simulated run is the same each time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A number that only others' waiting makes interesting. Clones are the same number.
#[derive(Clone, Default)]
pub struct Signal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    value: u64,
    waiting: VecDeque<Waker>,
}

impl Signal {
    /// Begins at `value`.
    pub fn new(value: u64) -> Self {
        let signal = Self::default();
        signal.lock().value = value;
        signal
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.lock().value
    }

    /// Sets it, and wakes all who wait when it differs from before.
    pub fn set(&self, value: u64) {
        let waiting = {
            let mut state = self.lock();
            if state.value == value {
                return;
            }
            state.value = value;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until `enough` says so of the number, and gives that number.
    pub async fn until(&self, enough: impl Fn(u64) -> bool) -> u64 {
        poll_fn(|context| {
            let mut state = self.lock();
            if enough(state.value) {
                return Poll::Ready(state.value);
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push_back(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
