//! openraft's simulated runtime with nodes that can be killed: every task belongs to the node that spawned it, and
//! killing a node drops all its tasks where they stand, as a crash does.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::OptionalSend;
use openraft_rt_sim::SimRuntime;

use super::clock::{Clock, LocalInstant};

/// The simulated runtime, with scopes.
#[derive(Debug)]
pub struct Scoped(SimRuntime);

impl Scoped {
    /// One seed derives a whole run.
    pub fn with_seed(seed: u64) -> Self {
        PANICS.with_borrow_mut(Vec::clear);
        CURRENT.set(None);
        Self(SimRuntime::with_seed(seed))
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What panicked in this run, in any task: a join handle that nobody looks at must not hide it.
pub fn panics() -> Vec<String> {
    PANICS.with_borrow(Clone::clone)
}

/// The tasks of one node.
#[derive(Clone, Default)]
pub struct Scope(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    dead: bool,
    paused: bool,
    /// Those who wanted to go on meanwhile.
    waiting: Vec<Waker>,
    clock: Clock,
    all: Vec<Weak<dyn Slot>>,
}

trait Slot: Send + Sync {
    fn clear(&self);
}

struct Held<F>(Mutex<Option<Pin<Box<F>>>>);

impl<F: Send> Slot for Held<F> {
    fn clear(&self) {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(future);
    }
}

impl Scope {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of the node whose task runs now.
    pub(super) fn clock() -> Clock {
        CURRENT.with_borrow(|scope| scope.as_ref().map_or_else(Clock::default, |scope| scope.lock().clock))
    }

    /// From now on this node's clock runs at this rate, in thousandths of true time.
    pub fn set_rate(&self, permille: u64) {
        let mut tasks = self.lock();
        tasks.clock = tasks.clock.at_rate(permille);
    }

    /// All tasks stand still, as under SIGSTOP; time goes on.
    pub fn pause(&self) {
        self.lock().paused = true;
    }

    /// They go on.
    pub fn resume(&self) {
        let waiting = {
            let mut tasks = self.lock();
            tasks.paused = false;
            std::mem::take(&mut tasks.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Spawns a task of this node.
    pub fn spawn<F>(&self, future: F) -> <SimRuntime as AsyncRuntime>::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let held = Arc::new(Held(Mutex::new(Some(Box::pin(future)))));
        {
            let mut tasks = self.lock();
            if tasks.dead {
                held.clear();
            }
            if tasks.all.len() == tasks.all.capacity() {
                tasks.all.retain(|task| task.strong_count() > 0);
            }
            let slot: Weak<dyn Slot> = Arc::downgrade(&held) as Weak<dyn Slot>;
            tasks.all.push(slot);
        }
        SimRuntime::spawn(InScope {
            scope: self.clone(),
            held,
        })
    }

    /// Drops all tasks of this node; what they would still spawn is dropped too.
    pub fn kill(&self) {
        let all = {
            let mut tasks = self.lock();
            tasks.dead = true;
            std::mem::take(&mut tasks.all)
        };
        for task in all.iter().filter_map(Weak::upgrade) {
            task.clear();
        }
    }
}

struct InScope<F> {
    scope: Scope,
    held: Arc<Held<F>>,
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        {
            let mut tasks = self.scope.lock();
            if tasks.paused {
                tasks.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
        }
        let before = CURRENT.replace(Some(self.scope.clone()));
        let mut slot = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = catch_unwind(AssertUnwindSafe(|| match slot.as_mut() {
            Some(future) => future.as_mut().poll(context),
            None => Poll::Pending,
        }));
        if !matches!(polled, Ok(Poll::Pending)) {
            *slot = None;
        }
        drop(slot);
        CURRENT.set(before);
        polled.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            PANICS.with_borrow_mut(|panics| panics.push(text.unwrap_or_default()));
            resume_unwind(panic)
        })
    }
}

impl AsyncRuntime for Scoped {
    type JoinError = <SimRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <SimRuntime as AsyncRuntime>::Sleep;
    type Instant = LocalInstant;
    type TimeoutError = <SimRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <SimRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <SimRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <SimRuntime as AsyncRuntime>::Mpsc;
    type Watch = <SimRuntime as AsyncRuntime>::Watch;
    type Oneshot = <SimRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        match CURRENT.with_borrow(Clone::clone) {
            Some(scope) => scope.spawn(future),
            None => SimRuntime::spawn(future),
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        SimRuntime::sleep(Scope::clock().true_time(duration))
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Self::sleep(deadline.left())
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        SimRuntime::timeout(Scope::clock().true_time(duration), future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        Self::timeout(deadline.left(), future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        SimRuntime::is_panic(error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        SimRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(SimRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
