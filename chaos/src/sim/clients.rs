//! Clients of a simulated cluster: each asks one thing after the other, of any node, and writes down what it was told.

use std::time::Duration;

use argosy_cluster::sim::{Dice, World, now, sleep};
use argosy_cluster::{ProposeError, RequestId};

use super::limits::{TRIES_MAX, TRY_MAX};
use super::machine::{Done, Picture, Put, Registers};
use crate::oracle::{Action, History, Operation, Outcome, Seen, Slots};

/// One client.
pub struct Client {
    /// The cluster.
    pub world: World,
    /// Where all is written down.
    pub history: History,
    /// What it shares with the others.
    pub slots: Slots,
    /// Its own choices.
    pub dice: Dice,
    /// Its number.
    pub process: u64,
    /// The pause between two operations, at most.
    pub pause: Duration,
}

impl Client {
    /// Works until the run ends.
    pub async fn work(mut self) {
        loop {
            let pause = u64::try_from(self.pause.as_micros()).unwrap_or(u64::MAX);
            sleep(Duration::from_micros(5_000 + self.dice.below(pause))).await;
            let taken = self.slots.take(&mut self.dice);
            let action = match self.dice.below(10) {
                0..4 => Action::Read,
                4..7 => Action::Write { expected: None },
                _ => Action::Write {
                    expected: Some(taken.seen),
                },
            };
            self.once(taken.register, action).await;
        }
    }

    fn any_node(&mut self) -> u64 {
        self.dice.pick(&self.world.ids()).copied().unwrap_or(0)
    }

    /// The form of the next command: any that all nodes understand. A retry keeps it.
    fn level(&mut self) -> u32 {
        let asked = self.any_node();
        let agreed = self.world.sight(asked).map_or(1, |sight| sight.feature_level.max(1));
        1 + u32::try_from(self.dice.below(u64::from(agreed))).unwrap_or(0)
    }

    async fn once(&mut self, key: u64, action: Action) {
        let number = self.history.number();
        let invoked = now();
        let (node, outcome, tries) = match action {
            Action::Read => self.read(key).await,
            Action::Write { expected } => self.write(number, key, expected).await,
        };
        match &outcome {
            Outcome::Read(Some(Seen { revision, .. }))
            | Outcome::Written { revision }
            | Outcome::Stale { stands: Some(revision) } => self.slots.saw(key, *revision),
            _ => {}
        }
        self.history.ended(Operation {
            number,
            process: self.process,
            node: format!("node {node}"),
            key: format!("register {key}"),
            action,
            invoked,
            completed: now(),
            outcome,
            tries,
        });
    }

    async fn read(&mut self, key: u64) -> (u64, Outcome, u32) {
        let via = self.any_node();
        let outcome = match self.world.read::<Picture>(via, TRY_MAX).await {
            Ok(view) => Outcome::Read(view.registers.get(&key).copied()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        (via, outcome, 1)
    }

    /// Asks until it knows, with one request id. Once an answer was unknown, no later refusal makes that undone.
    async fn write(&mut self, number: u64, key: u64, expected: Option<u64>) -> (u64, Outcome, u32) {
        let request = RequestId((u128::from(number) << 32).to_be_bytes());
        let mut unknown = None;
        let mut refused = String::new();
        let mut via = 0;
        let level = self.level();
        let put = Put {
            number,
            key,
            expected,
            level,
        };
        for tries in 1..=TRIES_MAX {
            via = self.any_node();
            match self.world.propose::<Registers<2>>(via, request, &put, TRY_MAX).await {
                Ok(done) => {
                    let outcome = match done.outcome {
                        Done::Written => Outcome::Written {
                            revision: done.revision,
                        },
                        Done::Stale(stands) => Outcome::Stale { stands: Some(stands) },
                    };
                    return (via, outcome, tries);
                }
                Err(ProposeError::Unavailable { reason }) => refused = reason,
                Err(error) => drop(unknown.get_or_insert(error.to_string())),
            }
            sleep(Duration::from_millis(10 + self.dice.below(150))).await;
        }
        let outcome = match unknown {
            Some(reason) => Outcome::Unknown(reason),
            None => Outcome::Failed(refused),
        };
        (via, outcome, TRIES_MAX)
    }
}
