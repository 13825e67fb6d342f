//! Snapshot files: written beside, fsynced, renamed, folder fsynced; the last two are kept.
//!
//! What stands in a file is left to `format`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::format;
use crate::envelope::wire::StateHeadV1;
use crate::limits::{DIFFERENT_KEPT, SNAPSHOTS_KEPT};
use crate::raft::{
    AppliedStore, Frozen, OnDisk, Recovered, SnapshotData, SnapshotReader, SnapshotSink, Snapshots, Unfinished, Writing,
};

const SUFFIX: &str = ".snapshot";
const UNFINISHED: &str = ".part";
/// Of a state that differed from the majority's.
const DIFFERENT: &str = ".different";

/// A folder of snapshot files.
#[derive(Clone)]
pub struct SnapshotFolder(Arc<Folder>);

struct Folder {
    path: PathBuf,
    newest: Mutex<Option<(StateHeadV1, SnapshotData)>>,
    unfinished: AtomicU64,
}

impl SnapshotFolder {
    /// Opens or makes the folder; what was not finished is removed.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        for entry in fs::read_dir(path)? {
            let file = entry?.path();
            if file.to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(file)?;
            }
        }
        Ok(Self(Arc::new(Folder {
            path: path.to_owned(),
            newest: Mutex::new(None),
            unfinished: AtomicU64::new(0),
        })))
    }

    /// Finds the newest snapshot that is whole, and remembers it; broken ones are renamed and reported.
    pub fn find_newest(&self) -> io::Result<Option<StateHeadV1>> {
        for file in self.0.files()?.into_iter().rev() {
            let data = open_data(&file, None)?;
            match format::verify(SnapshotReader::new(data.clone())) {
                Ok(head) => {
                    self.0.remember(&head, &data);
                    return Ok(Some(head));
                }
                Err(error) => {
                    tracing::error!(file = %file.display(), %error, "a snapshot is broken and is set aside");
                    fs::rename(&file, file.with_extension("broken"))?;
                }
            }
        }
        Ok(None)
    }

    /// Reads the newest snapshot into `store`; no snapshot: nothing.
    pub fn restore(&self, store: &dyn AppliedStore, on_disk: OnDisk) -> io::Result<Recovered> {
        let Some((_, data)) = self.newest()? else {
            return Ok(Recovered::default());
        };
        let mut other = store.begin()?;
        let (head, rows) = format::read(SnapshotReader::new(data), on_disk, |key, value| other.put(key, value))?;
        other.finish()?;
        Ok(Recovered { head, rows })
    }
}

impl Folder {
    /// Whole snapshots, oldest first: names sort as log indexes do.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        self.files_with(SUFFIX)
    }

    fn files_with(&self, suffix: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let file = entry?.path();
            if file.to_string_lossy().ends_with(suffix) {
                files.push(file);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Keeps a snapshot in mind as the newest, unless a newer one was published while it was written.
    fn remember(&self, head: &StateHeadV1, data: &SnapshotData) {
        let index = |head: &StateHeadV1| head.last.as_ref().map(|last| last.index);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_none_or(|(known, _)| index(known) <= index(head)) {
            *newest = Some((head.clone(), data.clone()));
        }
    }

    fn name(&self, head: &StateHeadV1) -> PathBuf {
        let last = head.last.unwrap_or_default();
        self.path.join(format!("{:020}-{:020}{SUFFIX}", last.index, last.term))
    }

    fn unfinished(&self) -> io::Result<(Unfinished, File)> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number}{UNFINISHED}"));
        let file = OpenOptions::new()
            .write(true)
            .read(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        Ok((Unfinished::new(path), file))
    }

    fn write(&self, state: &Frozen) -> io::Result<SnapshotData> {
        let (unfinished, file) = self.unfinished()?;
        let mut out = BufWriter::new(file);
        format::write(&mut out, state)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.publish(&unfinished, &state.head)
    }

    /// Writes a state that differs from the majority's under a name that is never read again.
    fn keep_different(&self, state: &Frozen) -> io::Result<SnapshotData> {
        let (unfinished, file) = self.unfinished()?;
        let mut out = BufWriter::new(file);
        format::write(&mut out, state)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let name = self.name(&state.head).with_extension(&DIFFERENT[1..]);
        fs::rename(unfinished.path(), &name)?;
        unfinished.adopted();
        File::open(&self.path)?.sync_all()?;
        let kept = self.files_with(DIFFERENT)?;
        let many = kept.len().saturating_sub(DIFFERENT_KEPT);
        kept.into_iter().take(many).try_for_each(fs::remove_file)?;
        open_data(&name, None)
    }

    /// Gives a finished, fsynced file its name; durable on return.
    fn publish(&self, unfinished: &Unfinished, head: &StateHeadV1) -> io::Result<SnapshotData> {
        let name = self.name(head);
        fs::rename(unfinished.path(), &name)?;
        unfinished.adopted();
        File::open(&self.path)?.sync_all()?;
        let data = open_data(&name, None)?;
        self.remember(head, &data);
        self.remove_old()?;
        Ok(data)
    }

    fn remove_old(&self) -> io::Result<()> {
        let files = self.files()?;
        let many = files.len().saturating_sub(SNAPSHOTS_KEPT);
        files.into_iter().take(many).try_for_each(fs::remove_file)
    }
}

fn open_data(path: &Path, unfinished: Option<Arc<Unfinished>>) -> io::Result<SnapshotData> {
    let file = File::open(path)?;
    Ok(SnapshotData::File {
        bytes: file.metadata()?.len(),
        file: Arc::new(file),
        unfinished,
    })
}

fn on_a_thread(work: impl FnOnce() -> io::Result<SnapshotData> + Send + 'static) -> Writing {
    let (done, written) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("argosy-snapshot".to_owned());
    let started = thread.spawn(move || drop(done.send(work())));
    Box::pin(async move {
        started?;
        written
            .await
            .map_err(|_| io::Error::other("the thread that wrote the snapshot has ended"))?
    })
}

impl Snapshots for SnapshotFolder {
    /// On a thread of its own: a snapshot is rare, and neither apply nor heartbeats wait for the disk.
    fn write(&self, state: Frozen) -> Writing {
        let folder = self.0.clone();
        on_a_thread(move || folder.write(&state))
    }

    fn set_aside(&self, state: Frozen) -> Writing {
        let folder = self.0.clone();
        on_a_thread(move || folder.keep_different(&state))
    }

    fn newest(&self) -> io::Result<Option<(StateHeadV1, SnapshotData)>> {
        Ok(self.0.newest.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn receive(&self) -> io::Result<Box<dyn SnapshotSink>> {
        let (unfinished, file) = self.0.unfinished()?;
        Ok(Box::new(Receiving {
            unfinished,
            out: BufWriter::new(file),
        }))
    }

    fn adopt(&self, head: &StateHeadV1, data: &SnapshotData) -> io::Result<()> {
        if let SnapshotData::File {
            unfinished: Some(unfinished),
            ..
        } = data
        {
            return self.0.publish(unfinished, head).map(drop);
        }
        // It was not received here: copied.
        let (unfinished, mut file) = self.0.unfinished()?;
        io::copy(&mut SnapshotReader::new(data.clone()), &mut file)?;
        file.sync_all()?;
        self.0.publish(&unfinished, head).map(drop)
    }
}

/// A file that grows as the leader sends; removed unless it is finished and adopted.
struct Receiving {
    unfinished: Unfinished,
    out: BufWriter<File>,
}

impl SnapshotSink for Receiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    fn finish(mut self: Box<Self>) -> io::Result<SnapshotData> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        let unfinished = Arc::new(self.unfinished);
        open_data(unfinished.path(), Some(unfinished.clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::envelope::LogIdV1;
    use crate::raft::Rows;
    use crate::sim::{MemoryStore, MemoryValues};
    use futures_util::FutureExt;

    fn state(index: u64) -> Frozen {
        let rows = Rows::unit(Arc::from(b"k".as_slice()), Arc::from(index.to_be_bytes().as_slice()));
        let head = StateHeadV1 {
            last: Some(LogIdV1 {
                term: 1,
                node: 1,
                index,
            }),
            rows: 1,
            state_hash: crate::raft::hash_of(&rows, |_| false).to_be_bytes(),
            ..StateHeadV1::default()
        };
        Frozen {
            head,
            rows: rows.clone(),
            values: Arc::new(MemoryValues(Rows::new())),
            on_disk: |_| false,
        }
    }

    fn newest(folder: &Path) -> u64 {
        let found = SnapshotFolder::open(folder).unwrap().find_newest().unwrap();
        found.unwrap().last.unwrap().index
    }

    #[test]
    fn the_last_two_snapshots_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotFolder::open(folder.path()).unwrap();
        for index in [5, 10, 15] {
            snapshots.0.write(&state(index)).unwrap();
        }
        assert_eq!(snapshots.0.files().unwrap().len(), 2);
        assert_eq!(newest(folder.path()), 15);
    }

    #[test]
    fn an_older_snapshot_that_is_finished_late_does_not_become_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotFolder::open(folder.path()).unwrap();
        for index in [10, 5] {
            snapshots.0.write(&state(index)).unwrap();
            let (newest, _) = snapshots.newest().unwrap().unwrap();
            assert_eq!(newest.last.unwrap().index, 10);
        }
    }

    #[test]
    fn a_broken_newest_snapshot_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotFolder::open(folder.path()).unwrap();
        for index in [5, 10] {
            snapshots.0.write(&state(index)).unwrap();
        }
        let file = snapshots.0.files().unwrap().pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        bytes[30] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert_eq!(newest(folder.path()), 5);
    }

    #[test]
    fn a_received_snapshot_is_adopted_whole_and_an_abandoned_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotFolder::open(folder.path()).unwrap();
        let state = state(7);
        let mut bytes = Vec::new();
        format::write(&mut bytes, &state).unwrap();

        let mut abandoned = snapshots.receive().unwrap();
        abandoned.write(&bytes[..10]).unwrap();
        drop(abandoned);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut refused = snapshots.receive().unwrap();
        refused.write(&bytes).unwrap();
        let refused = refused.finish().unwrap();
        assert_eq!(refused.chunk(0, bytes.len()).unwrap(), bytes);
        drop(refused);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut sink = snapshots.receive().unwrap();
        bytes.chunks(11).for_each(|chunk| sink.write(chunk).unwrap());
        let data = sink.finish().unwrap();
        snapshots.adopt(&state.head, &data).unwrap();
        drop(data);
        let again = SnapshotFolder::open(folder.path()).unwrap();
        assert_eq!(again.find_newest().unwrap().as_ref(), Some(&state.head));
        let found = again.restore(&MemoryStore::new(|_| false), |_| false).unwrap();
        assert_eq!((found.head, found.rows), (state.head, state.rows));
    }

    #[test]
    fn a_snapshot_is_written_without_blocking_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotFolder::open(folder.path()).unwrap();
        let mut writing = Snapshots::write(&snapshots, state(3));
        assert!(writing.as_mut().now_or_never().is_none_or(|written| written.is_ok()));
    }
}
