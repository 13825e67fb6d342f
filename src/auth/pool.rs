//! Threads of their own for password hashing, with a bounded queue that is shared fairly by address.
//!
//! What is hashed is left to `password`.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::limits::{VERIFY_QUEUE_MAX, VERIFY_QUEUE_PER_ADDRESS_MAX, VERIFY_THREADS};
use super::password;
use crate::catalog::PasswordHash;

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Matches,
    Differs,
    /// The queue is full.
    Busy,
}

struct Job {
    password: Zeroizing<Vec<u8>>,
    work: Work,
}

enum Work {
    /// Compare with a stored hash.
    Verify {
        hash: String,
        answer: oneshot::Sender<bool>,
    },
    /// Make a hash to store.
    Hash {
        answer: oneshot::Sender<Result<PasswordHash, String>>,
    },
}

/// Jobs by address; addresses take turns.
#[derive(Default)]
struct Queue {
    waiting: HashMap<IpAddr, VecDeque<Job>>,
    turns: VecDeque<IpAddr>,
    count: usize,
    ended: bool,
}

impl Queue {
    fn push(&mut self, from: IpAddr, job: Job) -> bool {
        let of_address = self.waiting.get(&from).map_or(0, VecDeque::len);
        if self.count >= VERIFY_QUEUE_MAX || of_address >= VERIFY_QUEUE_PER_ADDRESS_MAX {
            return false;
        }
        if of_address == 0 {
            self.turns.push_back(from);
        }
        self.waiting.entry(from).or_default().push_back(job);
        self.count += 1;
        true
    }

    fn pop(&mut self) -> Option<Job> {
        let from = self.turns.pop_front()?;
        let jobs = self.waiting.get_mut(&from)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.waiting.remove(&from);
        } else {
            self.turns.push_back(from);
        }
        self.count = self.count.saturating_sub(1);
        job
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

/// The threads. They end when this is dropped.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    pub(super) fn start() -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        for number in 0..VERIFY_THREADS {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&shared))
                .map_err(|error| format!("a hashing thread could not be started: {error}"))?;
        }
        Ok(Self { shared })
    }

    /// Verifies on one of the threads.
    pub(super) async fn verify(&self, from: IpAddr, password: Zeroizing<Vec<u8>>, hash: String) -> Answer {
        let (answer, answered) = oneshot::channel();
        if !self.submit(from, password, Work::Verify { hash, answer }) {
            return Answer::Busy;
        }
        match answered.await {
            Ok(true) => Answer::Matches,
            Ok(false) => Answer::Differs,
            Err(_) => Answer::Busy,
        }
    }

    /// Hashes a new password on one of the threads; `None`: the queue is full.
    pub(super) async fn hash(
        &self,
        from: IpAddr,
        password: Zeroizing<Vec<u8>>,
    ) -> Option<Result<PasswordHash, String>> {
        let (answer, answered) = oneshot::channel();
        if !self.submit(from, password, Work::Hash { answer }) {
            return None;
        }
        answered.await.ok()
    }

    fn submit(&self, from: IpAddr, password: Zeroizing<Vec<u8>>, work: Work) -> bool {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = queue.push(from, Job { password, work });
        drop(queue);
        if taken {
            self.shared.arrived.notify_one();
        }
        taken
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.shared.arrived.notify_all();
    }
}

fn work(shared: &Shared) {
    loop {
        let job = {
            let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if queue.ended {
                    return;
                }
                match queue.pop() {
                    Some(job) => break job,
                    None => queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            }
        };
        // Where nobody waits any more, the peer went away.
        match job.work {
            Work::Verify { hash, answer } if !answer.is_closed() => {
                let _ = answer.send(password::matches(&job.password, &hash));
            }
            Work::Hash { answer } if !answer.is_closed() => {
                let text = std::str::from_utf8(&job.password).map_err(|_| "the password is no text".to_owned());
                let _ = answer.send(text.and_then(password::hash_password));
            }
            Work::Verify { .. } | Work::Hash { .. } => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn job(name: &str) -> Job {
        Job {
            password: Zeroizing::new(Vec::new()),
            work: Work::Verify {
                hash: name.to_owned(),
                answer: oneshot::channel().0,
            },
        }
    }

    fn name_of(job: Job) -> String {
        match job.work {
            Work::Verify { hash, .. } => hash,
            Work::Hash { .. } => String::new(),
        }
    }

    #[test]
    fn addresses_take_turns() {
        let (flood, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3"] {
            assert!(queue.push(flood, job(name)));
        }
        assert!(queue.push(other, job("b1")));
        let order: Vec<String> = std::iter::from_fn(|| queue.pop()).map(name_of).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3"]);
        assert_eq!(queue.count, 0);
        assert!(queue.waiting.is_empty());
    }

    #[test]
    fn one_address_cannot_fill_the_queue_and_all_cannot_overfill_it() {
        let mut queue = Queue::default();
        let flood: IpAddr = [10, 0, 0, 1].into();
        let taken = (0..VERIFY_QUEUE_MAX).filter(|_| queue.push(flood, job("x"))).count();
        assert_eq!(taken, VERIFY_QUEUE_PER_ADDRESS_MAX);
        for number in 0..VERIFY_QUEUE_MAX {
            queue.push([10, 1, (number / 256) as u8, (number % 256) as u8].into(), job("x"));
        }
        assert_eq!(queue.count, VERIFY_QUEUE_MAX);
    }
}
