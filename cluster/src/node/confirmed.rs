//! How long ago a leader that a quorum had confirmed was last heard, in boot time, kept across restarts and reboots.
//!
//! What is refused once that is too long is left to the product.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::envelope::wire::{Framed, framed};

const FILE: &str = "confirmed";

/// What stands on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ConfirmedV1 {
    /// The kernel's id of the boot in which this was written.
    boot: String,
    /// Boot time at which a confirmed leader was last heard, in milliseconds; negative: before that boot.
    heard_ms: i64,
    /// Boot time of the writing, in milliseconds.
    written_ms: i64,
    /// Wall time at which a confirmed leader was last heard, Unix milliseconds.
    heard_wall_ms: i64,
}

framed! {
    90 "time of the last confirmation" ConfirmedV1,
}

/// The moment of the last confirmation.
#[derive(Debug)]
pub(super) struct Confirmed {
    path: PathBuf,
    boot: String,
    heard_ms: Mutex<i64>,
}

/// The clocks of this machine.
#[derive(Debug, Clone)]
struct Now {
    boot: String,
    since_boot_ms: i64,
    wall_ms: i64,
}

impl Now {
    fn read() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            boot: boot.trim().to_owned(),
            since_boot_ms: since_boot_ms(),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

fn since_boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

impl Confirmed {
    /// Reads what is known from before. Nothing known, or nothing readable: it counts from now.
    pub(super) fn open(folder: &Path) -> Self {
        let (path, now) = (folder.join(FILE), Now::read());
        let stored = fs::read(&path)
            .ok()
            .and_then(|bytes| ConfirmedV1::decode(&Bytes::from(bytes)).ok());
        Self {
            heard_ms: Mutex::new(stored.map_or(now.since_boot_ms, |stored| heard_before(&stored, &now))),
            boot: now.boot,
            path,
        }
    }

    /// A leader that a quorum has confirmed is heard now, or is this node.
    pub(super) fn now(&self) {
        *self.heard_ms.lock().unwrap_or_else(PoisonError::into_inner) = since_boot_ms();
    }

    /// How long ago that was.
    pub(super) fn age(&self) -> Duration {
        let heard = *self.heard_ms.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(u64::try_from(since_boot_ms().saturating_sub(heard)).unwrap_or(0))
    }

    /// Writes it down, durably. Blocks.
    pub(super) fn save(&self) -> io::Result<()> {
        let heard_ms = *self.heard_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Now::read();
        let stored = ConfirmedV1 {
            boot: self.boot.clone(),
            heard_ms,
            written_ms: now.since_boot_ms,
            heard_wall_ms: now.wall_ms.saturating_sub(now.since_boot_ms.saturating_sub(heard_ms)),
        };
        let unfinished = self.path.with_extension("part");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&stored.encode())?;
        file.sync_all()?;
        fs::rename(unfinished, &self.path)
    }
}

/// When a confirmed leader was last heard, in the boot time of `now`. After a reboot: at least as long ago as was
/// written down, plus the time since the boot; longer, if the wall clock says so. A wall clock that is set back
/// shortens nothing, one that is set forward fails on the safe side.
fn heard_before(stored: &ConfirmedV1, now: &Now) -> i64 {
    if stored.boot == now.boot {
        return stored.heard_ms.min(now.since_boot_ms);
    }
    let by_boots = stored
        .written_ms
        .saturating_sub(stored.heard_ms)
        .max(0)
        .saturating_add(now.since_boot_ms);
    let by_wall = now.wall_ms.saturating_sub(stored.heard_wall_ms);
    now.since_boot_ms.saturating_sub(by_boots.max(by_wall))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reboot_or_a_changed_wall_clock_does_not_make_the_last_confirmation_younger() {
        let stored = ConfirmedV1 {
            boot: "one".to_owned(),
            heard_ms: 50_000,
            written_ms: 70_000,
            heard_wall_ms: 1_000_000,
        };
        let check = |boot: &str, since_boot_ms: i64, wall_ms: i64, age_ms: i64| {
            let now = Now {
                boot: boot.to_owned(),
                since_boot_ms,
                wall_ms,
            };
            assert_eq!(since_boot_ms - heard_before(&stored, &now), age_ms, "{now:?}");
        };
        check("one", 80_000, 1_030_000, 30_000);
        check("one", 80_000, 0, 30_000);
        // Rebooted: 20 s were written down, and 10 s have passed since; the wall clock knows of the time between.
        check("two", 10_000, 1_100_000, 100_000);
        check("two", 10_000, 0, 30_000);
    }

    #[test]
    fn what_was_saved_is_found_again_and_nothing_counts_from_now() {
        let folder = tempfile::tempdir().unwrap();
        let confirmed = Confirmed::open(folder.path());
        assert!(confirmed.age() < Duration::from_secs(5));
        *confirmed.heard_ms.lock().unwrap() -= 3_600_000;
        confirmed.save().unwrap();
        let again = Confirmed::open(folder.path());
        assert!(again.age() >= Duration::from_secs(3_600));
        again.now();
        assert!(again.age() < Duration::from_secs(5));
        fs::write(folder.path().join(FILE), b"not readable").unwrap();
        assert!(Confirmed::open(folder.path()).age() < Duration::from_secs(5));
    }
}
