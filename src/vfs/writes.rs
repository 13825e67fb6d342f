//! The queue of writes of one open file: many wait, one turn on the pool does those that are there.
//!
//! A client that sends ahead in small packets costs one change of threads for many packets, none where the file system
//! is memory, and its packets reach the disk in the order in which they came. What a write does is left to `file`.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::Advice;
use tokio::sync::oneshot;

use super::VfsError;
use super::file::Core;
use super::limits::{STORE_AHEAD_BYTES, WRITES_PER_TURN_MAX, WRITES_WAITING_MAX};

/// The writes that wait.
#[derive(Default)]
pub(super) struct Writes {
    waiting: Mutex<Waiting>,
    /// The storage has begun to take what stands before this offset.
    begun_before: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Write>,
    /// A turn is queued or runs.
    turn: bool,
}

struct Write {
    offset: u64,
    chunk: Bytes,
    answer: oneshot::Sender<Result<(), VfsError>>,
}

impl Writes {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one write of `core`, after those that wait.
    pub(super) async fn write(core: &Arc<Core>, offset: u64, chunk: Bytes) -> Result<(), VfsError> {
        if core.in_memory() && core.queued.begin() {
            return Self::at_once(core, offset, &chunk);
        }
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut waiting = core.queued.lock();
            if waiting.queue.len() >= WRITES_WAITING_MAX {
                return Err(VfsError::Limit(format!(
                    "the file has {WRITES_WAITING_MAX} writes waiting"
                )));
            }
            waiting.queue.push_back(Write { offset, chunk, answer });
            !std::mem::replace(&mut waiting.turn, true)
        };
        if begins {
            Self::submit(core.clone());
        }
        let gone = |_| VfsError::Io("a write ended without an answer; see the log".to_owned());
        answered.await.map_err(gone)?
    }

    /// Begins a turn if nothing waits and none runs.
    fn begin(&self) -> bool {
        !std::mem::replace(&mut self.lock().turn, true)
    }

    /// A turn of one write on the caller's own thread. Those that came meanwhile have theirs on the pool.
    fn at_once(core: &Arc<Core>, offset: u64, chunk: &[u8]) -> Result<(), VfsError> {
        let mut guard = TurnEnds {
            core: Some(core.clone()),
        };
        let result = core.write(offset, chunk);
        if core.queued.more()
            && let Some(core) = guard.core.take()
        {
            Self::submit(core);
        }
        guard.core = None;
        result
    }

    fn submit(core: Arc<Core>) {
        let pool = core.asker.inner.pool(&core.place.storage.name);
        pool.submit(move || Self::turn(core));
    }

    /// Does what waits, at most [`WRITES_PER_TURN_MAX`]. The last answer comes after the turn has let go of the file:
    /// who has all answers and closes it has closed it, and its room is free.
    fn turn(core: Arc<Core>) {
        let mut guard = TurnEnds { core: Some(core) };
        for _ in 0..WRITES_PER_TURN_MAX {
            let Some(core) = &guard.core else { return };
            let next = {
                let mut waiting = core.queued.lock();
                let next = waiting.queue.pop_front();
                waiting.turn = next.is_some();
                next
            };
            let Some(Write { offset, chunk, answer }) = next else {
                guard.core = None;
                return;
            };
            let result = core.write(offset, &chunk);
            core.queued
                .begin_to_store(core, offset.saturating_add(chunk.len() as u64));
            if !core.queued.more() {
                guard.core = None;
            }
            // Nobody waits any more: the bytes are written all the same.
            let _ = answer.send(result);
        }
        if let Some(core) = guard.core.take() {
            Self::submit(core);
        }
    }

    /// Has the kernel begin to write what is in its memory, so that the fsync at the end has little left to wait for.
    /// `DontNeed` does that and waits for nothing; it forgets only what is on the disk already.
    fn begin_to_store(&self, core: &Core, end: u64) {
        let begun_before = self.begun_before.load(Ordering::Relaxed);
        let length = NonZeroU64::new(end.saturating_sub(begun_before));
        if length.is_none_or(|length| length.get() < STORE_AHEAD_BYTES) || !core.is_strict() {
            return;
        }
        self.begun_before.store(end, Ordering::Relaxed);
        // Advice: where the file system does not take it, the fsync does all.
        let _ = rustix::fs::fadvise(&*core.fd, begun_before, length, Advice::DontNeed);
    }

    /// Whether another write waits for this turn; if not, the turn has ended.
    fn more(&self) -> bool {
        let mut waiting = self.lock();
        waiting.turn = !waiting.queue.is_empty();
        waiting.turn
    }
}

/// Sees to it that a panic in a write does not leave the others waiting for ever.
struct TurnEnds {
    core: Option<Arc<Core>>,
}

impl Drop for TurnEnds {
    fn drop(&mut self) {
        if let Some(core) = &self.core {
            let mut waiting = core.queued.lock();
            waiting.queue.clear();
            waiting.turn = false;
        }
    }
}
