//! Tells in this node's journal what is about to end, or has ended: certificates that services show with their chains,
//! certificates of authorities that are trusted, and revocation lists whose successor is due.
//!
//! Each is told when 30, 7 and 1 days are left and at the end, by every node for itself; a node that starts tells once
//! more what holds then. What an end does is left to `listener`.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{EXPIRY_DAYS, EXPIRY_LOOK_EVERY};
use crate::catalog::View;
use crate::clock::{Clock, UnixMillis};
use crate::events::{Event, Journal};
use crate::ids::Name;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What was told so far.
pub struct Expiries {
    journal: Journal,
    clock: Clock,
    /// By what ends, the days of the threshold that was told.
    told: BTreeMap<Item, u32>,
    /// The revision that was looked at last, and when.
    looked: Option<(u64, UnixMillis)>,
}

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    what: &'static str,
    name: Name,
    subject: String,
    ends: UnixMillis,
    /// Thresholds of more days than this are not told.
    days_max: u32,
}

impl Expiries {
    /// Tells `journal`.
    pub fn new(journal: Journal, clock: Clock) -> Self {
        Self {
            journal,
            clock,
            told: BTreeMap::new(),
            looked: None,
        }
    }

    /// Looks at the certificates and lists of `view`: at once when it is new, else every [`EXPIRY_LOOK_EVERY`].
    pub fn pass(&mut self, view: &View) {
        let now = self.clock.now();
        let pause = i64::try_from(EXPIRY_LOOK_EVERY.as_millis()).unwrap_or(i64::MAX);
        let fresh = |(revision, at): (u64, UnixMillis)| {
            revision == view.revision && (at.0..at.0.saturating_add(pause)).contains(&now.0)
        };
        if self.looked.is_some_and(fresh) {
            return;
        }
        self.looked = Some((view.revision, now));
        let items = items(view);
        self.told.retain(|item, _| items.contains(item));
        for item in items {
            let Some(days) = threshold(&item, now) else { continue };
            if self.told.get(&item).is_some_and(|told| *told <= days) {
                continue;
            }
            self.tell(&item, days);
            self.told.insert(item, days);
        }
    }

    fn tell(&self, item: &Item, days: u32) {
        let (what, ends) = (item.what, item.ends.to_rfc3339());
        match days {
            0 => tracing::error!(what, name = %item.name, subject = %item.subject, %ends, "it has ended"),
            _ => tracing::warn!(what, name = %item.name, subject = %item.subject, %ends, "it ends soon"),
        }
        self.journal.record(Event::CertificateExpiring {
            what,
            name: item.name.clone(),
            subject: item.subject.clone(),
            not_after: item.ends,
            days,
        });
    }
}

/// The smallest threshold that has come, in days; 0: it has ended.
fn threshold(item: &Item, now: UnixMillis) -> Option<u32> {
    let left = item.ends.0.saturating_sub(now.0);
    let come = |days: &u32| *days <= item.days_max && left <= i64::from(*days) * DAY_MILLIS;
    EXPIRY_DAYS.into_iter().filter(come).min()
}

fn items(view: &View) -> BTreeSet<Item> {
    let mut items = BTreeSet::new();
    for (name, object) in &view.certificates {
        let chain = object.spec.issued.iter().flat_map(|issued| &issued.chain);
        // Of a chain, the certificate that ends first.
        let first = chain.filter_map(|one| one.facts()).min_by_key(|facts| facts.not_after);
        items.extend(first.map(|facts| Item {
            what: "certificate",
            name: name.clone(),
            subject: facts.subject.clone(),
            ends: facts.not_after,
            days_max: u32::MAX,
        }));
    }
    for (name, object) in &view.authorities {
        let certificates = object.spec.certificates.iter().filter_map(|one| one.facts());
        items.extend(certificates.map(|facts| Item {
            what: "authority",
            name: name.clone(),
            subject: facts.subject.clone(),
            ends: facts.not_after,
            days_max: u32::MAX,
        }));
        for facts in object.spec.revocation_lists.iter().filter_map(|list| list.facts()) {
            let Some(next) = facts.next_update else { continue };
            // A list that comes every week is not about to end all the time.
            let half = next.0.saturating_sub(facts.this_update.0) / 2 / DAY_MILLIS;
            items.insert(Item {
                what: "revocation-list",
                name: name.clone(),
                subject: facts.issuer.clone(),
                ends: next,
                days_max: u32::try_from(half).unwrap_or(0),
            });
        }
    }
    items
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::catalog::{Certificate, CertificateKey, Issued, Object};
    use crate::x509;

    fn certificate() -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names = vec!["ftp.example.org".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2031, 1, 1);
        let made = params.self_signed(&key).unwrap();
        Certificate {
            issued: Some(Issued {
                chain: vec![x509::Certificate::read(made.der()).unwrap()],
                key: CertificateKey {
                    public: Vec::new(),
                    sealed_private: Vec::new(),
                },
            }),
            requested: None,
            created_at: UnixMillis(0),
        }
    }

    fn view(certificate: Certificate, revision: u64) -> View {
        let name = Name::parse("main").unwrap();
        let object = Object {
            name: name.clone(),
            spec: certificate,
            revision,
            changed_by: String::new(),
            changed_at: UnixMillis(0),
        };
        let mut view = View {
            revision,
            ..View::default()
        };
        view.certificates.insert(name, Arc::new(object));
        view
    }

    #[test]
    fn a_certificate_is_told_once_at_each_threshold_and_once_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(UnixMillis(0));
        let journal = Journal::open(folder.path(), "node-1", clock.clone()).unwrap();
        let mut expiries = Expiries::new(journal.clone(), clock.clone());
        let present = view(certificate(), 1);
        let end = present.certificates.values().next().unwrap().spec.not_after().unwrap();
        let told = |folder: &std::path::Path| -> Vec<u64> {
            let mut days = Vec::new();
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files.collect();
            files.sort();
            for file in files {
                let text = std::fs::read_to_string(file).unwrap();
                for line in text.lines() {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert_eq!(
                        (&line["number"], &line["event"]),
                        (&57.into(), &"certificate-expiring".into())
                    );
                    assert_eq!((&line["what"], &line["name"]), (&"certificate".into(), &"main".into()));
                    days.push(line["days"].as_u64().unwrap());
                }
            }
            days
        };
        let hours = 60 * 60 * 1000;
        for (left, expected) in [
            (31 * 24, &[][..]),
            (30 * 24, &[30]),
            (29 * 24, &[30]),
            (7 * 24, &[30, 7]),
            (24, &[30, 7, 1]),
            (1, &[30, 7, 1]),
            (0, &[30, 7, 1, 0]),
            (-24, &[30, 7, 1, 0]),
        ] {
            clock.set(UnixMillis(end.0 - left * hours));
            expiries.pass(&present);
            expiries.pass(&present);
            assert_eq!(told(folder.path()), expected, "{left} hours are left");
        }
        // A renewed one is another.
        clock.set(UnixMillis(end.0 - 20 * 24 * hours));
        expiries.pass(&view(certificate(), 2));
        expiries.pass(&View::default());
        expiries.pass(&view(certificate(), 3));
        journal.stop();
        assert_eq!(told(folder.path()).len(), 5);
    }

    #[test]
    fn a_threshold_is_the_smallest_that_has_come() {
        let item = |days_max| Item {
            what: "certificate",
            name: Name::parse("main").unwrap(),
            subject: String::new(),
            ends: UnixMillis(0),
            days_max,
        };
        for (days_max, left, expected) in [
            (u32::MAX, 31, None),
            (u32::MAX, 30, Some(30)),
            (u32::MAX, 8, Some(30)),
            (u32::MAX, 1, Some(1)),
            (u32::MAX, 0, Some(0)),
            (u32::MAX, -5, Some(0)),
            (3, 6, None),
            (3, 1, Some(1)),
            (0, 1, None),
            (0, 0, Some(0)),
        ] {
            let now = UnixMillis(-left * DAY_MILLIS);
            assert_eq!(threshold(&item(days_max), now), expected, "{days_max}, {left}");
        }
    }
}
