//! Administrators in load: each reads and writes small objects through any node, and writes down what it was told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;
use serde_json::json;

use super::api::{Answer, Api, NoAnswer};
use super::limits::{ANSWER_MAX, OPERATIONS_PER_KEY, TRIES_MAX};
use crate::oracle::{Action, History, Operation, Outcome, Seen};

/// How many registers are in use at once.
const KEYS: usize = 3;

/// What all load shares.
#[derive(Clone)]
pub struct Desk {
    /// Where all is written down.
    pub history: History,
    /// When the run began.
    pub begun: Instant,
    /// The load ends.
    pub over: Arc<AtomicBool>,
    apis: Arc<Vec<Api>>,
    slots: Arc<Mutex<[Slot; KEYS]>>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    generation: u64,
    operations: u64,
    seen: u64,
}

impl Desk {
    /// A desk for the nodes behind these APIs.
    pub fn new(apis: Vec<Api>) -> Self {
        Self {
            history: History::default(),
            begun: Instant::now(),
            over: Arc::default(),
            apis: Arc::new(apis),
            slots: Arc::default(),
        }
    }

    /// Whether the load ends.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The names of all registers that were used.
    pub fn keys(&self) -> Vec<String> {
        let slots = *self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let each = slots.iter().enumerate();
        each.flat_map(|(at, slot)| (0..=slot.generation).map(move |generation| format!("register-{at}-{generation}")))
            .collect()
    }

    fn take(&self, dice: &mut Dice) -> (usize, String, u64) {
        let at = usize::try_from(dice.below(KEYS as u64)).unwrap_or(0);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut slots[at];
        slot.operations += 1;
        if slot.operations > OPERATIONS_PER_KEY {
            *slot = Slot {
                generation: slot.generation + 1,
                ..Slot::default()
            };
        }
        (at, format!("register-{at}-{}", slot.generation), slot.seen)
    }

    fn saw(&self, at: usize, key: &str, revision: u64) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut slots[at];
        if key == format!("register-{at}-{}", slot.generation) {
            slot.seen = slot.seen.max(revision);
        }
    }

    /// One administrator, until the load ends.
    pub fn administer(&self, process: u64, seed: u64) {
        let mut dice = Dice::new(seed ^ (process << 32));
        while !self.is_over() {
            let (at, key, seen) = self.take(&mut dice);
            let action = match dice.below(10) {
                0..4 => Action::Read,
                4..7 => Action::Write { expected: None },
                _ => Action::Write { expected: Some(seen) },
            };
            let node = usize::try_from(dice.below(self.apis.len() as u64)).unwrap_or(0);
            let outcome = self.once(process, node, &key, action, &mut dice);
            match outcome {
                Outcome::Read(Some(Seen { revision, .. })) | Outcome::Written { revision } => {
                    self.saw(at, &key, revision);
                }
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(10 + dice.below(60)));
        }
    }

    /// One operation, written down.
    pub fn once(&self, process: u64, node: usize, key: &str, action: Action, dice: &mut Dice) -> Outcome {
        let number = self.history.number();
        let invoked = self.begun.elapsed();
        let (node, outcome, tries) = match action {
            Action::Read => (node, self.read(node, key), 1),
            Action::Write { expected } => self.write(number, node, key, expected, dice),
        };
        self.history.ended(Operation {
            number,
            process,
            node: format!("n{}", node + 1),
            key: key.to_owned(),
            action,
            invoked,
            completed: self.begun.elapsed(),
            outcome: outcome.clone(),
            tries,
        });
        outcome
    }

    fn read(&self, node: usize, key: &str) -> Outcome {
        let path = format!("/api/v1/group/{key}");
        let answer = match self.apis[node].ask("GET", &path, &[], None, ANSWER_MAX) {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        match answer.status {
            404 => Outcome::Read(None),
            200 => match seen_in(&answer) {
                Some(seen) => Outcome::Read(Some(seen)),
                None => Outcome::Failed(format!("not understood: {}", answer.body)),
            },
            status => Outcome::Failed(format!("{status} {}", answer.body["type"])),
        }
    }

    /// Asks until it knows, with one request id. Once an answer was unknown, no later refusal makes that undone.
    fn write(
        &self,
        number: u64,
        node: usize,
        key: &str,
        expected: Option<u64>,
        dice: &mut Dice,
    ) -> (usize, Outcome, u32) {
        let id = format!("{:032x}", (0xc4a05_u128 << 64) | u128::from(number));
        let tag = expected.map(|revision| format!("\"{revision}\"")).unwrap_or_default();
        let mut headers = vec![("idempotency-key", id.as_str())];
        match expected {
            None => {}
            Some(0) => headers.push(("if-none-match", "*")),
            Some(_) => headers.push(("if-match", tag.as_str())),
        }
        let body = json!({"spec": {"description": number.to_string()}});
        let path = format!("/api/v1/group/{key}");
        let (mut unknown, mut refused, mut via) = (None, String::new(), node);
        for tries in 1..=TRIES_MAX {
            match self.apis[via].ask("PUT", &path, &headers, Some(&body), ANSWER_MAX) {
                Ok(answer) => match answer.status {
                    200..300 => {
                        let revision = answer.body["revision"].as_u64().unwrap_or(0);
                        return (via, Outcome::Written { revision }, tries);
                    }
                    412 => return (via, Outcome::Stale { stands: None }, tries),
                    503 => refused = format!("503 {}", answer.body["detail"]),
                    504 => drop(unknown.get_or_insert(format!("504 {}", answer.body["detail"]))),
                    status => refused = format!("{status} {}", answer.body),
                },
                Err(NoAnswer::NotSent(reason)) => refused = reason,
                Err(NoAnswer::Broken(reason)) => drop(unknown.get_or_insert(reason)),
            }
            std::thread::sleep(Duration::from_millis(50 + dice.below(150)));
            via = usize::try_from(dice.below(self.apis.len() as u64)).unwrap_or(0);
            if self.is_over() {
                break;
            }
        }
        let outcome = match unknown {
            Some(reason) => Outcome::Unknown(reason),
            None => Outcome::Failed(refused),
        };
        (via, outcome, TRIES_MAX)
    }
}

fn seen_in(answer: &Answer) -> Option<Seen> {
    Some(Seen {
        value: answer.body["spec"]["description"].as_str()?.parse().ok()?,
        revision: answer.body["revision"].as_u64()?,
    })
}
