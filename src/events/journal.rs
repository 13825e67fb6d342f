//! The journal: this node's events as JSON lines in files, numbered without a gap, written before the reply.
//!
//! A line is in the file when [`Journal::record`] returns, and on stable storage within
//! [`limits::SYNC_EVERY`]. Who reads it, and copies between nodes, are left to others.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::tally::Tally;
use super::{Event, limits, line};
use crate::clock::{Clock, UnixMillis};

/// Why the journal could not be opened.
#[derive(Debug)]
pub struct JournalError {
    /// On which path.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the event journal cannot be opened at {}", self.path.display())
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Where events go; cheap to clone. The default one writes nowhere but counts (for tests of other rooms).
#[derive(Debug, Clone, Default)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    clock: Clock,
    node: String,
    tally: Tally,
    open: Mutex<Option<Open>>,
    stopping: AtomicBool,
}

#[derive(Debug)]
struct Open {
    folder: PathBuf,
    file: File,
    bytes: u64,
    begun: UnixMillis,
    next: u64,
    unsynced: bool,
    /// The last event could not be written.
    failing: bool,
}

impl Journal {
    /// Opens the journal in `folder`, going on after the last whole line; begins a thread that syncs.
    pub fn open(folder: &Path, node: &str, clock: Clock) -> Result<Self, JournalError> {
        let fail = |source| JournalError {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(fail)?;
        let next = match files(folder).map_err(fail)?.last() {
            Some(newest) => last_number(newest).map_err(fail)?.unwrap_or(first_number(newest)) + 1,
            None => 1,
        };
        let begun = clock.now();
        let (file, bytes) = begin(folder, next).map_err(fail)?;
        let open = Open {
            folder: folder.to_owned(),
            file,
            bytes,
            begun,
            next,
            unsynced: false,
            failing: false,
        };
        let inner = Arc::new(Inner {
            clock,
            node: node.to_owned(),
            tally: Tally::default(),
            open: Mutex::new(Some(open)),
            stopping: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&inner);
        let syncer = move || {
            while let Some(inner) = weak.upgrade() {
                inner.sync();
                let stop = inner.stopping.load(Ordering::Relaxed);
                drop(inner);
                if stop {
                    break;
                }
                std::thread::sleep(limits::SYNC_EVERY);
            }
        };
        std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(syncer)
            .map_err(fail)?;
        Ok(Self { inner })
    }

    /// Writes one event. A journal that cannot be written is counted, and logged once until it can be again; the
    /// operation goes on.
    pub fn record(&self, event: Event) {
        self.inner.tally.count(&event);
        let now = self.inner.clock.now();
        let mut guard = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = guard.as_mut() else { return };
        let bytes = render(&self.inner.node, open.next, now, &event);
        let written = open.append(&bytes, now);
        let was_failing = std::mem::replace(&mut open.failing, written.is_err());
        let folder = open.folder.display();
        match written {
            Ok(()) if was_failing => tracing::info!(%folder, "events are written to the journal again"),
            Ok(()) => {}
            Err(error) => {
                self.inner.tally.journal_failed();
                if !was_failing {
                    tracing::error!(%folder, %error, "events cannot be written to the journal, this one and until told");
                }
            }
        }
    }

    /// Everything that was counted.
    pub fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    /// Syncs what was written and ends the syncing thread; for the end of a node.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.sync();
    }
}

impl Inner {
    /// Syncs outside the lock, so that nobody waits for the disk to write an event.
    fn sync(&self) {
        let file = {
            let mut guard = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match guard.as_mut() {
                Some(open) if open.unsynced => {
                    open.unsynced = false;
                    open.file.try_clone().ok()
                }
                _ => None,
            }
        };
        if let Some(Err(error)) = file.map(|file| file.sync_data()) {
            self.tally.journal_failed();
            tracing::error!(%error, "the event journal could not be synced: a power cut may lose recent events");
        }
    }
}

impl Open {
    fn append(&mut self, bytes: &[u8], now: UnixMillis) -> std::io::Result<()> {
        let age = u64::try_from(now.0.saturating_sub(self.begun.0)).unwrap_or(0);
        if self.bytes > 0
            && (self.bytes >= limits::FILE_BYTES_MAX || u128::from(age) >= limits::FILE_AGE_MAX.as_millis())
        {
            self.file.sync_data()?;
            (self.file, self.bytes) = begin(&self.folder, self.next)?;
            self.begun = now;
            let kept = files(&self.folder)?;
            for old in kept.iter().rev().skip(limits::FILES_MAX) {
                std::fs::remove_file(old)?;
            }
        }
        #[cfg(feature = "planted")]
        if self.next.is_multiple_of(20) && crate::planted::is(crate::planted::Bug::TornJournal) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
        }
        if let Err(error) = self.file.write_all(bytes) {
            // A full disk takes a part of a line: the next one must not stand behind it.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += bytes.len() as u64;
        self.next += 1;
        self.unsynced = true;
        Ok(())
    }
}

fn render(node: &str, number: u64, now: UnixMillis, event: &Event) -> Vec<u8> {
    let (kind, name, fields) = line::describe(event);
    let mut object = serde_json::Map::new();
    object.insert("id".to_owned(), format!("{node}-{number}").into());
    object.insert("time".to_owned(), local_time(now).into());
    object.insert("node".to_owned(), node.into());
    object.insert("number".to_owned(), kind.into());
    object.insert("event".to_owned(), name.into());
    object.extend(fields);
    let mut bytes = serde_json::Value::Object(object).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// Local time with its offset, milliseconds.
fn local_time(at: UnixMillis) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => timestamp
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
            .to_string(),
        Err(_) => at.to_rfc3339(),
    }
}

/// Files are named by the number of their first event, so that their order is their names'. Gives the length too: a
/// file of that name may be there, with a part of the line that is written anew now.
fn begin(folder: &Path, first: u64) -> std::io::Result<(File, u64)> {
    let path = folder.join(format!("events-{first:020}.jsonl"));
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    File::open(folder)?.sync_all()?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 {
        let lines = std::fs::read(&path)?;
        let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes = whole as u64;
        file.set_len(bytes)?;
    }
    Ok((file, bytes))
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The number in a file's name, less one: what came before it.
fn first_number(file: &Path) -> u64 {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let number: u64 = stem.trim_start_matches("events-").parse().unwrap_or(1);
    number.saturating_sub(1)
}

/// The number of the last whole line; a line cut by a crash is passed over.
fn last_number(file: &Path) -> std::io::Result<Option<u64>> {
    const TAIL_BYTES: u64 = 64 * 1024;
    let mut handle = File::open(file)?;
    let length = handle.metadata()?.len();
    handle.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    handle.read_to_end(&mut tail)?;
    let number = |line: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(line).ok()?;
        value.get("id")?.as_str()?.rsplit('-').next()?.parse().ok()
    };
    Ok(tail.split(|byte| *byte == b'\n').rev().find_map(number))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines(folder: &Path) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        for file in files(folder).unwrap() {
            let text = std::fs::read_to_string(file).unwrap();
            all.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
        all
    }

    #[test]
    fn events_are_numbered_without_a_gap_over_a_restart_and_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(UnixMillis(1_800_000_000_000));
        let journal = Journal::open(folder.path(), "node-1", clock.clone()).unwrap();
        for _ in 0..3 {
            journal.record(Event::NodeStarted { version: "1" });
        }
        drop(journal);
        let newest = files(folder.path()).unwrap().pop().unwrap();
        OpenOptions::new()
            .append(true)
            .open(newest)
            .unwrap()
            .write_all(b"{\"id\":\"node-1-4\",\"ti")
            .unwrap();
        let journal = Journal::open(folder.path(), "node-1", clock.clone()).unwrap();
        journal.record(Event::NodeStopped {
            reason: "a\nb".to_owned(),
        });
        clock.set(UnixMillis(1_800_000_000_000 + 25 * 3600 * 1000));
        journal.record(Event::NodeStarted { version: "1" });
        let ids: Vec<_> = lines(folder.path())
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["node-1-1", "node-1-2", "node-1-3", "node-1-4", "node-1-5"]);
        assert_eq!(
            files(folder.path()).unwrap().len(),
            3,
            "a restart and a day each begin a file"
        );
    }

    #[test]
    fn a_part_of_the_first_line_is_gone_when_its_file_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "n", Clock::system()).unwrap();
        drop(journal);
        let only = files(folder.path()).unwrap().pop().unwrap();
        std::fs::write(&only, b"{\"id\":\"n-1\",\"ti").unwrap();
        let journal = Journal::open(folder.path(), "n", Clock::system()).unwrap();
        journal.record(Event::NodeStarted { version: "1" });
        let text = std::fs::read_to_string(only).unwrap();
        assert_eq!((text.lines().count(), lines(folder.path()).len()), (1, 1), "{text}");
    }

    #[test]
    fn a_full_disk_leaves_no_part_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16k", "argosy-test"])
            .arg(folder.path())
            .status();
        assert!(
            mounted.unwrap().success(),
            "this test mounts a tmpfs and so runs as root"
        );
        let journal = Journal::open(folder.path(), "n", Clock::system()).unwrap();
        for _ in 0..500 {
            journal.record(Event::NodeStarted { version: "1" });
        }
        let only = files(folder.path()).unwrap().pop().unwrap();
        let text = std::fs::read_to_string(only).unwrap();
        let whole = lines(folder.path()).len();
        drop(journal);
        let unmounted = std::process::Command::new("umount")
            .arg("-l")
            .arg(folder.path())
            .status();
        assert!(unmounted.unwrap().success());
        assert!((10..500).contains(&whole), "{whole} lines fitted");
        assert!(text.ends_with('\n') && text.lines().count() == whole, "{text}");
    }

    #[test]
    fn what_was_asked_outside_the_catalog_is_written_with_actor_peer_and_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "n", Clock::system()).unwrap();
        let (actor, from) = ("anna".to_owned(), "192.0.2.7:4000".to_owned());
        journal.record(Event::JoinTokenIssued {
            actor: actor.clone(),
            from: from.clone(),
            valid_seconds: 60,
            failed: None,
        });
        journal.record(Event::NodeRemoved {
            actor: actor.clone(),
            from: from.clone(),
            target: "node-2".to_owned(),
            failed: Some("no\nquorum".to_owned()),
        });
        journal.record(Event::LeadershipMoved {
            actor: actor.clone(),
            from: from.clone(),
            target: "node-2".to_owned(),
            failed: None,
        });
        journal.record(Event::SessionCloseAsked {
            actor,
            from,
            session: "00ff".to_owned(),
            target: None,
            failed: Some("no node has it".to_owned()),
        });
        let lines = lines(folder.path());
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line["number"].as_u64().unwrap(), line["event"].as_str().unwrap()))
            .collect();
        let expected = [
            (42, "join-token-issued"),
            (43, "node-removed"),
            (44, "leadership-moved"),
            (45, "session-close-asked"),
        ];
        assert_eq!(told, expected);
        for line in &lines {
            assert_eq!(
                (&line["actor"], &line["from"]),
                (&"anna".into(), &"192.0.2.7:4000".into())
            );
        }
        assert_eq!(
            (&lines[0]["outcome"], &lines[0]["valid_seconds"]),
            (&"done".into(), &60.into())
        );
        assert_eq!(
            (&lines[1]["outcome"], &lines[1]["reason"]),
            (&"failed".into(), &"no\nquorum".into())
        );
        assert_eq!(lines[2]["target"], "node-2");
        assert_eq!(
            (&lines[3]["session"], &lines[3]["target"]),
            (&"00ff".into(), &serde_json::Value::Null)
        );
    }

    #[test]
    fn text_from_outside_cannot_forge_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "n", Clock::system()).unwrap();
        let account = format!("x\n{{\"event\":\"login-accepted\"}}{}", "y".repeat(5000));
        journal.record(Event::LoginRefused {
            account,
            peer: "127.0.0.1:1".parse().unwrap(),
            service: crate::ids::Name::parse("sftp").unwrap(),
            protocol: "sftp",
            method: "password",
            reason: "wrong".to_owned(),
        });
        let lines = lines(folder.path());
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["event"], "login-refused");
        assert_eq!(lines[0]["account"].as_str().unwrap().len(), limits::TEXT_BYTES_MAX);
    }
}
