//! A bounded pool of threads for the blocking calls of one storage.
//!
//! Each storage has its own, so that one that hangs holds up nobody else. What the jobs do is left to the others.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::VfsError;
use super::limits::{POOL_IDLE, POOL_JOBS_MAX, POOL_THREADS_MAX, POOL_WAIT};

type Job = Box<dyn FnOnce() + Send>;

/// The threads and the queue of one storage; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// A thread was woken or started and has not taken a job yet. While there is one no other is woken: under load
    /// few threads do the short jobs, and blocked ones are joined by one more at a time.
    searching: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a thread looks for work, if there is any and none looks already.
    fn wake_one(shared: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.searching || state.jobs.is_empty() {
            return;
        }
        if state.idle > 0 {
            state.searching = true;
            drop(state);
            shared.wake.notify_one();
        } else if state.threads < POOL_THREADS_MAX {
            state.threads += 1;
            state.searching = true;
            drop(state);
            let worker = shared.clone();
            let thread = std::thread::Builder::new().name("storage".to_owned());
            if let Err(error) = thread.spawn(move || work(&worker)) {
                tracing::error!(%error, "no thread could be started for a storage; its calls wait for the others");
                let mut state = shared.lock();
                state.threads -= 1;
                state.searching = false;
            }
        }
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            places: Arc::new(Semaphore::new(POOL_JOBS_MAX)),
        }
    }

    /// Runs `job` on a thread of the pool. A caller that is dropped does not stop the job: its result is dropped on
    /// the pool's thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let place = match tokio::time::timeout(POOL_WAIT, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(gone()),
            Err(_) => {
                return Err(VfsError::Io(format!(
                    "the storage has {POOL_JOBS_MAX} calls waiting and took none for {} s",
                    POOL_WAIT.as_secs()
                )));
            }
        };
        self.start(move || {
            let result = job();
            drop(place);
            result
        })
        .await
    }

    /// Queues `job` now, whether or not the answer is then waited for: for the end of files, whose number is bounded
    /// elsewhere.
    pub(super) fn start<T: Send + 'static, J: FnOnce() -> Result<T, VfsError> + Send + 'static>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<T, VfsError>> + Send + 'static + use<T, J> {
        let (answer, answered) = oneshot::channel();
        self.submit(move || {
            // Where nobody waits any more, what was made is dropped here, off the async threads.
            let _ = answer.send(job());
        });
        async move { answered.await.unwrap_or_else(|_| Err(gone())) }
    }

    /// Queues `job` and does not wait: for what is bounded elsewhere.
    pub(super) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        Shared::wake_one(&self.shared, state);
    }
}

fn gone() -> VfsError {
    VfsError::Io("the work on the storage ended without an answer; see the log".to_owned())
}

/// The life of one thread: jobs until there was none for [`POOL_IDLE`].
fn work(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    let mut searching = true;
    loop {
        if let Some(job) = state.jobs.pop_front() {
            if std::mem::take(&mut searching) {
                state.searching = false;
            }
            Shared::wake_one(shared, state);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a call to a storage panicked; it was answered as failed");
            }
            state = shared.lock();
            continue;
        }
        if std::mem::take(&mut searching) {
            state.searching = false;
        }
        state.idle += 1;
        let (woken, waited) = shared
            .wake
            .wait_timeout(state, POOL_IDLE)
            .unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if waited.timed_out() && state.jobs.is_empty() {
            // A wake-up that was meant for this thread must not be waited for.
            state.searching = false;
            state.threads -= 1;
            return;
        }
        searching = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_jobs_than_threads_are_all_done() {
        let pool = Pool::new();
        let jobs: Vec<_> = (0..200)
            .map(|number| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(move || Ok(number)).await })
            })
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), Ok(number));
        }
        assert!(pool.shared.lock().threads <= POOL_THREADS_MAX);
    }

    #[tokio::test]
    async fn a_panic_in_a_job_fails_that_call_alone() {
        let pool = Pool::new();
        let failed = pool.run::<()>(|| std::panic::panic_any("planted")).await;
        assert!(matches!(failed, Err(VfsError::Io(_))));
        assert_eq!(pool.run(|| Ok(7)).await, Ok(7));
    }
}
