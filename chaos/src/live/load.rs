//! Administrators in load: each reads and writes small objects through any node, and writes down what it was told.
//!
//! Registers are written again and again. A mark is written once, bears the number of its operation in its name, and
//! is often asked for twice with one request id through two nodes, as by a client that lost the answer: the nodes'
//! histories then show whether it was done once. Reading them is left to `records`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;
use serde_json::{Value, json};

use super::api::{Answer, Api, NoAnswer};
use super::limits::{ANSWER_MAX, OPERATIONS_PER_KEY, TRIES_MAX};
use super::records::{mark_name, register_name};
use crate::oracle::{Action, History, Operation, Outcome, Seen, Slots};

/// What all load shares.
#[derive(Clone)]
pub struct Desk {
    /// Where all is written down.
    pub history: History,
    /// When the run began.
    pub begun: Instant,
    /// The load ends.
    pub over: Arc<AtomicBool>,
    /// The nodes.
    pub apis: Arc<Vec<Api>>,
    slots: Slots,
}

/// A write as it is sent, each time the same.
struct Request {
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Request {
    fn new(number: u64, key: &str, expected: Option<u64>) -> Self {
        let id = format!("{:032x}", (0xc4a05_u128 << 64) | u128::from(number));
        let mut headers = vec![("idempotency-key", id)];
        match expected {
            None => {}
            Some(0) => headers.push(("if-none-match", "*".to_owned())),
            Some(revision) => headers.push(("if-match", format!("\"{revision}\""))),
        }
        Self {
            path: format!("/api/v1/group/{key}"),
            headers,
            body: json!({"spec": {"description": number.to_string()}}),
        }
    }

    fn send(&self, api: &Api) -> Result<Answer, NoAnswer> {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        api.ask("PUT", &self.path, &headers, Some(&self.body), ANSWER_MAX)
    }
}

impl Desk {
    /// A desk for the nodes behind these APIs.
    pub fn new(apis: Vec<Api>) -> Self {
        Self {
            history: History::default(),
            begun: Instant::now(),
            over: Arc::default(),
            apis: Arc::new(apis),
            slots: Slots::new(OPERATIONS_PER_KEY),
        }
    }

    /// Whether the load ends.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The names of all registers that were used.
    pub fn keys(&self) -> Vec<String> {
        self.slots.used().into_iter().map(register_name).collect()
    }

    fn any_node(&self, dice: &mut Dice) -> usize {
        usize::try_from(dice.below(self.apis.len() as u64)).unwrap_or(0)
    }

    /// One administrator, until the load ends.
    pub fn administer(&self, process: u64, seed: u64) {
        let mut dice = Dice::new(seed ^ (process << 32));
        while !self.is_over() {
            let taken = self.slots.take(&mut dice);
            let action = match dice.below(12) {
                0..4 => Some(Action::Read),
                4..7 => Some(Action::Write { expected: None }),
                7..10 => Some(Action::Write {
                    expected: Some(taken.seen),
                }),
                _ => None,
            };
            let node = self.any_node(&mut dice);
            match action {
                None => self.mark(process, node, &mut dice),
                Some(action) => {
                    let key = register_name(taken.register);
                    match self.once(process, node, &key, action, &mut dice) {
                        Outcome::Read(Some(Seen { revision, .. })) | Outcome::Written { revision } => {
                            self.slots.saw(taken.register, revision);
                        }
                        _ => {}
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(10 + dice.below(60)));
        }
    }

    /// Writes what nobody writes again.
    fn mark(&self, process: u64, node: usize, dice: &mut Dice) {
        let number = self.history.number();
        let key = mark_name(number);
        let outcome = self.numbered(number, (process, node), &key, Action::Write { expected: None }, dice);
        if matches!(outcome, Outcome::Written { .. }) && dice.below(2) == 0 {
            // The answer is known already; what this one does is seen in the nodes' histories.
            drop(Request::new(number, &key, None).send(&self.apis[self.any_node(dice)]));
        }
    }

    /// One operation, written down.
    pub fn once(&self, process: u64, node: usize, key: &str, action: Action, dice: &mut Dice) -> Outcome {
        self.numbered(self.history.number(), (process, node), key, action, dice)
    }

    fn numbered(
        &self,
        number: u64,
        (process, node): (u64, usize),
        key: &str,
        action: Action,
        dice: &mut Dice,
    ) -> Outcome {
        let invoked = self.begun.elapsed();
        let (node, outcome, tries) = match action {
            Action::Read => (node, self.read(node, key), 1),
            Action::Write { expected } => self.write(node, &Request::new(number, key, expected), dice),
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
    fn write(&self, node: usize, request: &Request, dice: &mut Dice) -> (usize, Outcome, u32) {
        let (mut unknown, mut refused, mut via) = (None, String::new(), node);
        for tries in 1..=TRIES_MAX {
            match request.send(&self.apis[via]) {
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
            via = self.any_node(dice);
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
