//! Whether a history is linearizable: the search of Wing and Gong, with Lowe's memory of what was tried before.
//!
//! What the operations mean is left to the [`Model`].

use std::collections::HashSet;
use std::hash::Hash;

/// How many steps of the search are made before it is given up.
const STEPS_MAX: u64 = 20_000_000;

/// What one object does, one operation after the other.
pub trait Model {
    /// What it holds.
    type State: Clone + Eq + Hash;
    /// What was asked, and what was answered.
    type Step;

    /// What it holds at first.
    fn begin() -> Self::State;
    /// What it holds after this step; `None` where it could not have answered so.
    fn step(state: &Self::State, step: &Self::Step) -> Option<Self::State>;
}

/// One operation on one object.
#[derive(Debug, Clone)]
pub struct Call<S> {
    /// Its number, for the verdict.
    pub number: u64,
    /// What was asked and answered.
    pub step: S,
    /// When it was asked.
    pub from: u64,
    /// When it was answered. `None`: never; it may be done at any time from then on, or not at all.
    pub to: Option<u64>,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order in which one object would have answered so.
    Linearizable,
    /// There is none.
    Broken {
        /// The operation that could not be placed in the longest order that was found.
        stuck_at: u64,
        /// That order's end: the operations last placed.
        after: Vec<u64>,
    },
    /// It was given up.
    TooHard,
}

const HEAD: usize = 0;

/// Calls and returns in the order of time, as a list from which operations are lifted and put back.
struct Events {
    /// Which call an event belongs to; the head belongs to none.
    call: Vec<usize>,
    returns: Vec<bool>,
    /// The call's return event.
    end: Vec<Option<usize>>,
    next: Vec<usize>,
    before: Vec<usize>,
}

impl Events {
    fn new<S>(calls: &[Call<S>]) -> Self {
        let mut order: Vec<(u64, bool, usize)> = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            order.push((call.from, false, at));
            order.extend(call.to.map(|to| (to, true, at)));
        }
        // At one moment, calls come before returns: they overlap.
        order.sort_unstable();
        let count = order.len() + 1;
        let mut events = Self {
            call: vec![0; count],
            returns: vec![false; count],
            end: vec![None; calls.len()],
            next: (0..count).map(|at| (at + 1) % count).collect(),
            before: (0..count).map(|at| (at + count - 1) % count).collect(),
        };
        for (at, (_, returns, call)) in order.into_iter().enumerate() {
            events.call[at + 1] = call;
            events.returns[at + 1] = returns;
            if returns {
                events.end[call] = Some(at + 1);
            }
        }
        events
    }

    fn unlink(&mut self, at: usize) {
        let (before, next) = (self.before[at], self.next[at]);
        self.next[before] = next;
        self.before[next] = before;
    }

    fn link(&mut self, at: usize) {
        let (before, next) = (self.before[at], self.next[at]);
        self.next[before] = at;
        self.before[next] = at;
    }

    /// Takes the call at this event out, with its return.
    fn lift(&mut self, at: usize) {
        self.unlink(at);
        if let Some(end) = self.end[self.call[at]] {
            self.unlink(end);
        }
    }

    /// The reverse of [`lift`](Self::lift), in the reverse order.
    fn put_back(&mut self, at: usize) {
        if let Some(end) = self.end[self.call[at]] {
            self.link(end);
        }
        self.link(at);
    }
}

/// Whether one object of this model could have answered so.
pub fn check<M: Model>(calls: &[Call<M::Step>]) -> Verdict {
    let mut events = Events::new(calls);
    let mut left = calls.iter().filter(|call| call.to.is_some()).count();
    let mut placed = vec![0_u64; calls.len().div_ceil(64)];
    let mut tried: HashSet<(Vec<u64>, M::State)> = HashSet::new();
    let mut path: Vec<(usize, M::State)> = Vec::new();
    let mut best: (usize, u64, Vec<u64>) = (0, 0, Vec::new());
    let mut state = M::begin();
    let mut at = events.next[HEAD];
    for _ in 0..STEPS_MAX {
        if left == 0 {
            return Verdict::Linearizable;
        }
        let call = events.call[at];
        if at != HEAD && !events.returns[at] {
            if let Some(after) = M::step(&state, &calls[call].step) {
                placed[call / 64] |= 1 << (call % 64);
                if tried.insert((placed.clone(), after.clone())) {
                    path.push((at, std::mem::replace(&mut state, after)));
                    left -= usize::from(events.end[call].is_some());
                    events.lift(at);
                    at = events.next[HEAD];
                    continue;
                }
                placed[call / 64] &= !(1 << (call % 64));
            }
            at = events.next[at];
            continue;
        }
        // This one returned and is not placed: something before it was placed wrongly.
        if path.len() >= best.0 {
            let numbers = path.iter().map(|(at, _)| calls[events.call[*at]].number);
            let mut numbers: Vec<u64> = numbers.collect();
            numbers.drain(..numbers.len().saturating_sub(8));
            best = (path.len(), calls[call].number, numbers);
        }
        let Some((last, before)) = path.pop() else {
            return Verdict::Broken {
                stuck_at: best.1,
                after: best.2,
            };
        };
        let call = events.call[last];
        state = before;
        placed[call / 64] &= !(1 << (call % 64));
        left += usize::from(events.end[call].is_some());
        events.put_back(last);
        at = events.next[last];
    }
    Verdict::TooHard
}
