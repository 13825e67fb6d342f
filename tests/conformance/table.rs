//! The table of operations: what lies there, what is asked and what comes of it, the same over every protocol.
//!
//! Who may do what is the access matrix' part; offsets beyond the end of a file, which the protocols see each in its own
//! way, broken uploads and time-outs have tests of their own.

mod files;
mod folders;
mod links;
mod names;

use super::drivers::Protocol;
use super::step::{Answer, At, Content, Entry, Kind, Lies, Step};

/// The folder of rows in which the account may read and nothing else.
pub const LOCKED: &str = "locked";

const TAKEN: &str = "what has the name answers 405 (RFC 4918, 9.3.1 and 9.7.2)";
const REPLACED: &str = "what is there is removed first, with all that is in it (RFC 4918, 9.9.3)";
const SAME: &str = "a place cannot be its own target (RFC 4918, 9.9.4)";
const READ: &str = "what GET answers for a folder is a list";

/// Rows to which WebDAV's own rules give another answer; litmus asks for that.
const OTHERWISE_BY_DAV: [(&str, &str); 16] = [
    ("a file may get the name that it has", SAME),
    ("the topmost folder has its name", SAME),
    ("a folder is not made twice", TAKEN),
    ("no folder is made where a file is", TAKEN),
    ("the topmost folder is not made", TAKEN),
    ("a folder is not replaced by an upload", TAKEN),
    ("a folder does not take the place of one that is not empty", REPLACED),
    ("a file does not take the place of a folder", REPLACED),
    ("a folder does not take the place of a file", REPLACED),
    ("a folder is not read as a file", READ),
    ("the topmost folder is no file", READ),
    (
        "a folder is not deleted as a file",
        "DELETE removes what is there, with all that is in it",
    ),
    (
        "the topmost folder is not deleted as a file",
        "the topmost folder may not be removed at all",
    ),
    (
        "a file is not listed as a folder",
        "a slash at the end of a file's name names nothing",
    ),
    ("a link is listed as a link", "PROPFIND tells of what a link leads to"),
    (
        "a link that leads nowhere is listed",
        "PROPFIND tells of what a link leads to",
    ),
];

/// One row.
pub struct Row {
    /// What it shows, a sentence.
    pub name: &'static str,
    /// The folder that it has, if it may not be any.
    pub folder: Option<&'static str>,
    /// What lies in its folder before, parents first.
    pub before: Vec<Lies>,
    /// Steps and their answers.
    pub steps: Vec<(Step, Answer)>,
    /// All that lies there after.
    pub after: Vec<Lies>,
    /// Protocols that have every step and yet another meaning for the row, and which.
    pub not_by: Vec<(Protocol, &'static str)>,
    /// Why another server cannot be asked.
    pub not_by_others: Option<&'static str>,
}

impl Row {
    /// Why it is not run over a protocol; `None`: it is.
    pub fn left_out(&self, protocol: Protocol) -> Option<&'static str> {
        let lacks = self.steps.iter().find_map(|(step, _)| protocol.lacks(*step));
        let of_row = || self.not_by.iter().find(|(by, _)| *by == protocol).map(|(_, why)| *why);
        let by_dav = || {
            OTHERWISE_BY_DAV
                .iter()
                .find(|(row, _)| *row == self.name)
                .map(|(_, why)| *why)
        };
        let by_dav = || if protocol == Protocol::Dav { by_dav() } else { None };
        lacks.or_else(of_row).or_else(by_dav)
    }

    fn not_by(mut self, protocol: Protocol, why: &'static str) -> Self {
        self.not_by.push((protocol, why));
        self
    }

    fn not_by_others(mut self, why: &'static str) -> Self {
        self.not_by_others = Some(why);
        self
    }

    fn in_folder(mut self, folder: &'static str) -> Self {
        self.folder = Some(folder);
        self
    }
}

/// A row that changes what lies there.
fn row(name: &'static str, before: &[Lies], steps: &[(Step, Answer)], after: &[Lies]) -> Row {
    Row {
        name,
        folder: None,
        before: before.to_vec(),
        steps: steps.to_vec(),
        after: after.to_vec(),
        not_by: Vec::new(),
        not_by_others: None,
    }
}

/// A row that changes nothing.
fn same(name: &'static str, before: &[Lies], steps: &[(Step, Answer)]) -> Row {
    row(name, before, steps, before)
}

fn file(name: At, content: Content) -> Entry {
    (name, Kind::File, content.len())
}

fn folder(name: At) -> Entry {
    (name, Kind::Folder, 0)
}

fn names<const COUNT: usize>(names: [At; COUNT]) -> Answer {
    Answer::NamesAre(names.to_vec())
}

const EMPTY: Content = Content::Text(b"");
const SMALL: Content = Content::Text(b"a small file\n");
const OTHER: Content = Content::Text(b"another file, and a longer one\n");
/// Over every buffer on the way, and no multiple of any.
const LARGE: Content = Content::Noise(5, 0, 3_000_001);
const LARGE_BEGINS: Content = Content::Noise(5, 0, BREAK as usize);
const LARGE_ENDS: Content = Content::Noise(5, BREAK as usize, 3_000_001);
const BREAK: u64 = 1_000_003;

/// All rows.
pub fn rows() -> Vec<Row> {
    let parts = [
        files::whole(),
        files::moved(),
        files::attributes(),
        folders::rows(),
        folders::one_for_the_other(),
        names::rows(),
        names::odd_ones(),
        names::moved(),
        links::rows(),
        folders::locked(),
    ];
    parts.into_iter().flatten().collect()
}
