//! Tells in this node's journal which bans it keeps: when one begins and when it ends.
//!
//! Keeping out is left to the listener, `auth` and `sessions`, which read the view themselves.

use std::collections::BTreeMap;

use crate::catalog::{Ban, BanTarget, View};
use crate::clock::{Clock, UnixMillis};
use crate::events::{Event, Journal};
use crate::ids::Name;

/// What was told so far.
pub struct Bans {
    journal: Journal,
    clock: Clock,
    /// `None` before the first view: what holds already then was told before the node started.
    told: Option<BTreeMap<Name, Told>>,
}

struct Told {
    revision: u64,
    until: Option<UnixMillis>,
    target: String,
}

impl Bans {
    /// Tells `journal`.
    pub fn new(journal: Journal, clock: Clock) -> Self {
        Self {
            journal,
            clock,
            told: None,
        }
    }

    /// Compares the bans of `view` with what was told.
    pub fn pass(&mut self, view: &View) {
        let now = self.clock.now();
        let Some(told) = &mut self.told else {
            let holding = view.bans.values().filter(|ban| holds(&ban.spec, now));
            self.told = Some(
                holding
                    .map(|ban| (ban.name.clone(), Told::of(ban.revision, &ban.spec)))
                    .collect(),
            );
            return;
        };
        told.retain(|name, told| {
            let is_there = view.bans.contains_key(name);
            let is_over = told.until.is_some_and(|until| until <= now);
            let same = view.bans.get(name).is_some_and(|ban| ban.revision == told.revision);
            if same && !is_over {
                return true;
            }
            if !is_there || is_over {
                self.journal.record(Event::BanEnded {
                    ban: name.clone(),
                    target: told.target.clone(),
                    reason: if is_over { "its time is over" } else { "it was removed" },
                });
            }
            false
        });
        for (name, ban) in view.bans.iter().filter(|(_, ban)| holds(&ban.spec, now)) {
            if told.contains_key(name) {
                continue;
            }
            let entry = Told::of(ban.revision, &ban.spec);
            self.journal.record(Event::BanBegan {
                ban: name.clone(),
                target: entry.target.clone(),
                reason: ban.spec.reason.clone(),
                until: ban.spec.until,
                automatic: ban.spec.automatic,
            });
            told.insert(name.clone(), entry);
        }
    }
}

impl Told {
    fn of(revision: u64, ban: &Ban) -> Self {
        let target = match &ban.target {
            BanTarget::Network(network) => network.to_string(),
            BanTarget::Account(account) => account.to_string(),
        };
        Self {
            revision,
            until: ban.until,
            target,
        }
    }
}

fn holds(ban: &Ban, now: UnixMillis) -> bool {
    ban.until.is_none_or(|until| now < until)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Object;

    #[test]
    fn each_ban_is_told_once_when_it_begins_and_once_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(UnixMillis(0));
        let journal = Journal::open(folder.path(), "node-1", clock.clone()).unwrap();
        let mut bans = Bans::new(journal.clone(), clock.clone());
        let mut view = View::default();
        let put = |view: &mut View, text: &str, revision: u64, until: Option<i64>| {
            let name = Name::parse(text).unwrap();
            let object = Object {
                name: name.clone(),
                spec: Ban {
                    target: BanTarget::Network("192.0.2.1/32".parse().unwrap()),
                    reason: String::new(),
                    until: until.map(UnixMillis),
                    automatic: false,
                },
                revision,
                changed_by: String::new(),
                changed_at: UnixMillis(0),
            };
            view.bans.insert(name, Arc::new(object));
        };
        put(&mut view, "old", 1, None);
        bans.pass(&view);
        put(&mut view, "timed", 2, Some(100));
        put(&mut view, "endless", 2, None);
        bans.pass(&view);
        bans.pass(&view);
        clock.set(UnixMillis(100));
        bans.pass(&view);
        view.bans.remove(&Name::parse("timed").unwrap());
        view.bans.remove(&Name::parse("old").unwrap());
        bans.pass(&view);
        put(&mut view, "endless", 7, Some(200));
        bans.pass(&view);
        journal.stop();
        let mut said = Vec::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines() {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                said.push(format!(
                    "{} {}",
                    event["event"].as_str().unwrap(),
                    event["ban"].as_str().unwrap()
                ));
            }
        }
        let expected = [
            "ban-began endless",
            "ban-began timed",
            "ban-ended timed",
            "ban-ended old",
            "ban-began endless",
        ];
        assert_eq!(said, expected);
    }
}
