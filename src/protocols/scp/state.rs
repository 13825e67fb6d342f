//! What a side that takes files does with each record, without sockets and without files.
//!
//! Doing it is left to `sink`; how a record is written, to `wire`.

use super::limits::DEPTH_MAX;
use super::wire::{Record, Times};
use crate::path::{PathError, VirtualPath};

/// Bits that a mode of files and folders loses unless the client asks for its own: others may not write.
const MASK: u32 = 0o022;
/// What the owner of a folder may always do while files are put in.
const OWNER: u32 = 0o700;

/// Where a copy goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What was named.
    pub path: VirtualPath,
    /// It is a folder: what is sent goes into it, under its own name.
    pub is_folder: bool,
    /// It was named as a folder (by a slash at its end).
    pub named_as_folder: bool,
}

/// A folder that is being filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where.
    pub path: VirtualPath,
    /// Permission bits as sent.
    pub mode: u32,
    /// Times as sent.
    pub times: Option<Times>,
    /// It was not there before.
    pub is_new: bool,
}

impl Folder {
    /// The mode with which it is made, so that it can be filled.
    pub fn mode_at_first(&self, preserve: bool) -> u32 {
        self.mode_at_last(preserve) | OWNER
    }

    /// The mode that it is to have in the end.
    pub fn mode_at_last(&self, preserve: bool) -> u32 {
        if preserve { self.mode } else { self.mode & !MASK }
    }
}

/// A file that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where.
    pub path: VirtualPath,
    /// Permission bits for a new file.
    pub mode: u32,
    /// Bytes that follow.
    pub size: u64,
    /// Times as sent.
    pub times: Option<Times>,
}

/// What a record asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing but an answer.
    Answer,
    /// Take this file.
    Take(File),
    /// Make or enter this folder, then say [`Sink::entered`].
    Enter(Folder),
    /// Finish this folder.
    Leave(Folder),
    /// The other side tells of an error; no answer.
    Noted,
    /// This one file or folder is refused.
    Refuse {
        /// As it was sent.
        name: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// The copy ends: the other side gave up, or breaks the protocol.
    End(Option<String>),
}

/// The state of a copy to here.
#[derive(Debug)]
pub struct Sink {
    target: Target,
    recursive: bool,
    preserve: bool,
    folders: Vec<Folder>,
    times: Option<Times>,
}

impl Sink {
    /// Of a new copy.
    pub fn new(target: Target, recursive: bool, preserve: bool) -> Self {
        Self {
            target,
            recursive,
            preserve,
            folders: Vec::new(),
            times: None,
        }
    }

    /// Whether a folder is still being filled.
    pub fn is_inside(&self) -> bool {
        !self.folders.is_empty()
    }

    /// What to do with a record.
    pub fn take(&mut self, record: Record) -> Step {
        match record {
            Record::Times(times) => {
                self.times = Some(times);
                Step::Answer
            }
            Record::File { mode, size, name } => {
                let times = self.times.take();
                match self.path_of(&name, false) {
                    Ok(path) => Step::Take(File {
                        path,
                        mode: if self.preserve { mode } else { mode & !MASK },
                        size,
                        times,
                    }),
                    Err(reason) => Step::Refuse { name, reason },
                }
            }
            Record::Folder { mode, name } => self.folder(mode, name),
            Record::Leave => match self.folders.pop() {
                Some(folder) => Step::Leave(folder),
                None => Step::End(Some("a folder ends that was not begun".to_owned())),
            },
            Record::Error => {
                // Whatever the times were for does not come.
                self.times = None;
                Step::Noted
            }
            Record::Fatal => Step::End(None),
        }
    }

    fn folder(&mut self, mode: u32, name: Vec<u8>) -> Step {
        let times = self.times.take();
        if !self.recursive {
            return Step::End(Some(
                "a folder was sent, but folders were not asked for (-r)".to_owned(),
            ));
        }
        if self.folders.len() >= DEPTH_MAX {
            let reason = format!("over {DEPTH_MAX} folders within one another");
            return Step::Refuse { name, reason };
        }
        match self.path_of(&name, true) {
            Ok(path) => Step::Enter(Folder {
                path,
                mode,
                times,
                is_new: false,
            }),
            Err(reason) => Step::Refuse { name, reason },
        }
    }

    /// A folder of [`Step::Enter`] is there: what comes next goes into it.
    pub fn entered(&mut self, folder: Folder) {
        self.folders.push(folder);
    }

    /// Where a name goes.
    fn path_of(&self, name: &[u8], folder: bool) -> Result<VirtualPath, String> {
        let inside = match self.folders.last() {
            Some(open) => &open.path,
            None if self.target.is_folder => &self.target.path,
            None if self.target.named_as_folder && !folder => {
                return Err("the target was named as a folder and is none".to_owned());
            }
            None => return Ok(self.target.path.clone()),
        };
        let joined = inside.join(name).map_err(|error: PathError| error.to_string())?;
        // A name is one name: `wire` has seen to it, and this would be the place where it mattered.
        if joined.parent().as_ref() != Some(inside) {
            return Err("the name is not one name".to_owned());
        }
        Ok(joined)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::UnixMillis;

    const TIMES: Times = Times {
        modified: UnixMillis(5_000),
        accessed: UnixMillis(6_000),
    };

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    fn sink(is_folder: bool, recursive: bool, preserve: bool) -> Sink {
        let target = Target {
            path: path("/t"),
            is_folder,
            named_as_folder: false,
        };
        Sink::new(target, recursive, preserve)
    }

    fn file(name: &str) -> Record {
        Record::File {
            mode: 0o666,
            size: 7,
            name: name.as_bytes().to_vec(),
        }
    }

    fn folder(name: &str) -> Record {
        Record::Folder {
            mode: 0o577,
            name: name.as_bytes().to_vec(),
        }
    }

    fn taken(step: Step) -> File {
        match step {
            Step::Take(file) => file,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_goes_into_a_folder_or_becomes_the_target() {
        for (is_folder, expected) in [(true, "/t/a"), (false, "/t")] {
            let file = taken(sink(is_folder, false, false).take(file("a")));
            assert_eq!(file.path, path(expected));
            assert_eq!((file.mode, file.size, file.times), (0o644, 7, None));
        }
        let mut named = sink(false, true, true);
        named.target.named_as_folder = true;
        assert!(matches!(named.take(file("a")), Step::Refuse { .. }));
        assert!(matches!(named.take(folder("a")), Step::Enter(_)));
    }

    #[test]
    fn times_are_for_what_comes_next_and_for_nothing_after() {
        let mut sink = sink(true, true, true);
        assert_eq!(sink.take(Record::Times(TIMES)), Step::Answer);
        assert_eq!(taken(sink.take(file("a"))).times, Some(TIMES));
        assert_eq!(taken(sink.take(file("b"))).times, None);
        sink.take(Record::Times(TIMES));
        assert_eq!(sink.take(Record::Error), Step::Noted);
        assert_eq!(taken(sink.take(file("c"))).times, None);
        assert_eq!(taken(sink.take(file("c"))).mode, 0o666, "-p keeps the mode");
    }

    #[test]
    fn folders_are_entered_and_left_in_order() {
        let mut sink = sink(true, true, false);
        sink.take(Record::Times(TIMES));
        let Step::Enter(outer) = sink.take(folder("d")) else {
            panic!("it was not entered");
        };
        assert_eq!((outer.path.clone(), outer.times), (path("/t/d"), Some(TIMES)));
        assert_eq!((outer.mode_at_first(false), outer.mode_at_last(false)), (0o755, 0o555));
        assert_eq!((outer.mode_at_first(true), outer.mode_at_last(true)), (0o777, 0o577));
        sink.entered(outer.clone());
        assert!(sink.is_inside());
        assert_eq!(taken(sink.take(file("a"))).path, path("/t/d/a"));
        assert_eq!(sink.take(Record::Leave), Step::Leave(outer));
        assert!(!sink.is_inside());
        assert!(matches!(sink.take(Record::Leave), Step::End(Some(_))), "one too many");
    }

    #[test]
    fn a_folder_needs_the_flag_and_may_not_lie_too_deep() {
        assert!(matches!(sink(true, false, false).take(folder("d")), Step::End(Some(_))));
        let mut sink = sink(true, true, false);
        for _ in 0..DEPTH_MAX {
            let Step::Enter(folder) = sink.take(folder("d")) else {
                panic!("it was not entered");
            };
            sink.entered(folder);
        }
        assert!(matches!(sink.take(folder("d")), Step::Refuse { .. }));
        assert!(matches!(sink.take(file("f")), Step::Take(_)), "files still are taken");
    }

    #[test]
    fn the_other_sides_end_is_the_end() {
        assert_eq!(sink(true, true, true).take(Record::Fatal), Step::End(None));
    }

    proptest! {
        #[test]
        fn nothing_ever_lies_outside_of_the_target(names in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..8)), 0..50)) {
            let mut sink = sink(true, true, false);
            for (is_folder, name) in names {
                let record = if is_folder {
                    Record::Folder { mode: 0, name }
                } else {
                    Record::File { mode: 0, size: 0, name }
                };
                match sink.take(record) {
                    Step::Take(file) => prop_assert!(file.path.is_within(&path("/t")) && file.path != path("/t")),
                    Step::Enter(folder) => {
                        prop_assert!(folder.path.is_within(&path("/t")) && folder.path != path("/t"));
                        sink.entered(folder);
                    }
                    Step::Refuse { .. } => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
