//! Partners in load: they upload files that say what they are, download them elsewhere, by another way, and compare.
//!
//! What the outcome means is left to the invariants.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argosy_cluster::sim::Dice;

use super::cluster::ACCOUNT;
use super::limits::FILE_BYTES_MAX;
use super::load::Desk;
use super::ways::{Clients, Way};

/// A try to come in, and what became of it.
#[derive(Debug, Clone)]
pub struct Login {
    /// The node.
    pub node: usize,
    /// When it began, since the start of the run.
    pub at: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What was uploaded to one name.
#[derive(Debug, Clone, Default)]
pub struct Name {
    /// The number of the last content that was acknowledged; 0: none.
    pub acknowledged: u64,
    /// The newest number that was tried.
    pub tried: u64,
}

/// What the files show.
#[derive(Debug, Default)]
pub struct Shown {
    /// Every name that was tried.
    pub names: BTreeMap<String, Name>,
    /// Uploads that were acknowledged.
    pub acknowledged: u64,
    /// Uploads that failed.
    pub failed: u64,
    /// Downloads that were whole.
    pub downloads: u64,
    /// Logins, in the order in which they ended.
    pub logins: Vec<Login>,
    /// Files that were not whole: what was seen.
    pub torn: Vec<String>,
}

/// All files of a run. Clones are the same.
#[derive(Clone)]
pub struct Files {
    shown: Arc<Mutex<Shown>>,
    clients: Clients,
    folder: PathBuf,
}

/// The bytes of content `number`: its number and length, then noise that follows from the number.
pub fn content(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let length = usize::try_from(32 + dice.below(FILE_BYTES_MAX)).unwrap_or(32);
    let mut bytes = format!("{number:015} {length:015}\n").into_bytes();
    while bytes.len() < length {
        bytes.extend_from_slice(&dice.roll().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Which content these bytes are, whole.
///
/// # Errors
/// How they are not.
pub fn whole(bytes: &[u8]) -> Result<u64, String> {
    let head = bytes.get(..15).and_then(|head| std::str::from_utf8(head).ok());
    let number = head.and_then(|head| head.parse().ok());
    let number: u64 = number.ok_or_else(|| format!("{} bytes without a head", bytes.len()))?;
    let expected = content(number);
    match expected == bytes {
        true => Ok(number),
        false => {
            let differs = expected.iter().zip(bytes).position(|(one, other)| one != other);
            Err(format!(
                "content {number} has {} bytes instead of {}, the first other byte at {differs:?}",
                bytes.len(),
                expected.len()
            ))
        }
    }
}

impl Files {
    /// Load for the nodes at these addresses. `folder` is for local copies, `key` lets in.
    pub fn new(addresses: Vec<Ipv4Addr>, folder: PathBuf, key: PathBuf) -> Self {
        Self {
            shown: Arc::default(),
            clients: Clients::new(addresses, key),
            folder,
        }
    }

    /// Where local copies lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was shown so far.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partners' clients.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// One partner, until the load ends: uploads at one node, then downloads at another and compares.
    pub fn transfer(&self, desk: &Desk, process: u64, seed: u64) {
        let mut dice = Dice::new(seed ^ (process << 40));
        let nodes = self.clients.nodes() as u64;
        let (up, down) = (
            self.folder.join(format!("up-{process}")),
            self.folder.join(format!("down-{process}")),
        );
        for count in 1_u64.. {
            if desk.is_over() {
                return;
            }
            let number = (process << 32) | count;
            // Every third file replaces one that is there already.
            let name = match count % 3 {
                0 => format!("again-{process}"),
                _ => format!("file-{process}-{count}"),
            };
            if std::fs::write(&up, content(number)).is_err() {
                continue;
            }
            let node = usize::try_from(dice.below(nodes)).unwrap_or(0);
            self.shown().names.entry(name.clone()).or_default().tried = number;
            let way = Way::any(&mut dice);
            let put = self.clients.put(way, node, ACCOUNT, &up, &name);
            {
                let mut shown = self.shown();
                match &put {
                    Ok(()) => {
                        shown.acknowledged += 1;
                        shown.names.entry(name.clone()).or_default().acknowledged = number;
                    }
                    Err(_) => shown.failed += 1,
                }
            }
            let node = usize::try_from(dice.below(nodes)).unwrap_or(0);
            let back = Way::any(&mut dice);
            let got = self.clients.get(back, node, ACCOUNT, &name, &down);
            if put.is_ok() && got.is_ok() {
                self.compare(
                    &down,
                    &format!("{name}, up by {}, down by {}", way.word(), back.word()),
                    number,
                );
            }
            drop(std::fs::remove_file(&down));
            std::thread::sleep(Duration::from_millis(50 + dice.below(200)));
        }
    }

    fn compare(&self, copy: &Path, name: &str, number: u64) {
        let bytes = std::fs::read(copy).unwrap_or_default();
        let mut shown = self.shown();
        match whole(&bytes) {
            Ok(found) if found == number => shown.downloads += 1,
            Ok(found) => shown
                .torn
                .push(format!("{name}: content {found} was read after {number}")),
            Err(wrong) => shown.torn.push(format!("{name}: {wrong}")),
        }
    }

    /// Comes in at one node after the other, until the load ends.
    pub fn come_in(&self, desk: &Desk) {
        for turn in 0.. {
            if desk.is_over() {
                return;
            }
            let (node, way) = (turn % self.clients.nodes(), turn / self.clients.nodes());
            let way = Way::ALL[way % Way::ALL.len()];
            let at = desk.begun.elapsed();
            let failed = self.clients.come_in(way, node, ACCOUNT).err();
            let failed = failed.map(|said| format!("{}: {said}", way.word()));
            self.shown().logins.push(Login { node, at, failed });
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    /// Looks at all names in the storage itself, until the load ends: whole files only.
    pub fn look(&self, desk: &Desk, home: &Path) {
        while !desk.is_over() {
            let names: Vec<String> = self.shown().names.keys().cloned().collect();
            for name in names.iter().rev().take(30) {
                // A name that is not there is no half file.
                let Ok(bytes) = std::fs::read(home.join(name)) else {
                    continue;
                };
                if let Err(wrong) = whole(&bytes) {
                    self.shown().torn.push(format!("{name} in the storage: {wrong}"));
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
