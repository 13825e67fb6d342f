//! The latch that says this node must stop, and why. The first reason stays.
//!
//! Stopping is left to `node`: it waits here and ends the process.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// Shared by everything that can find out that the node must stop. Clones are the same latch.
#[derive(Clone, Default)]
pub struct Fatal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reason: Option<String>,
    waiting: Vec<Waker>,
}

impl Fatal {
    /// Raises the latch. `reason` says what was tried, on what, why it failed and what to do. Later reasons are only
    /// logged.
    pub fn raise(&self, reason: String) {
        let waiting = {
            let mut state = self.lock();
            if state.reason.is_some() {
                tracing::debug!(%reason, "another reason to stop, after the first");
                return;
            }
            tracing::error!(%reason, "this node must stop");
            state.reason = Some(reason);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// The reason, if the latch is raised.
    pub fn reason(&self) -> Option<String> {
        self.lock().reason.clone()
    }

    /// Waits until the latch is raised.
    pub async fn raised(&self) -> String {
        poll_fn(|context| {
            let mut state = self.lock();
            if let Some(reason) = &state.reason {
                return Poll::Ready(reason.clone());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
