//! Rows about folders: made, listed, removed; a folder where a file is meant and the reverse; one that may only be read.

use super::{EMPTY, LARGE, LOCKED, OTHER, Row, SMALL, file, folder, names, row, same};
use crate::conformance::drivers::Protocol::{Http, Scp};
use crate::conformance::step::Answer::{self, Done, Entries, Got, Is, Refused};
use crate::conformance::step::Kind;
use crate::conformance::step::Lies::{File, Folder};
use crate::conformance::step::Step::{self, *};
use crate::conformance::step::Why::{Absent, Denied, Exists, IntoItself, IsFolder, NoFolder, NotEmpty};

const READ_AS_LIST: &str = "what GET answers for a folder is its list";
const ONE_DELETE: &str = "DELETE removes what is there";

/// Folders by themselves.
pub fn rows() -> Vec<Row> {
    let tree = [
        Folder(b"d"),
        File(b"d/.hidden", SMALL),
        File(b"d/empty", EMPTY),
        File(b"d/large", LARGE),
        Folder(b"d/sub"),
    ];
    let entries = Entries(vec![
        file(b".hidden", SMALL),
        file(b"empty", EMPTY),
        file(b"large", LARGE),
        folder(b"sub"),
    ]);
    vec![
        row(
            "a folder is made",
            &[],
            &[
                (MakeFolder(b"d"), Done),
                (Stat(b"d"), Is(Kind::Folder, 0)),
                (List(b"d"), Entries(Vec::new())),
            ],
            &[Folder(b"d")],
        ),
        row(
            "a folder is filled",
            &[],
            &[
                (MakeFolder(b"d"), Done),
                (MakeFolder(b"d/e"), Done),
                (Put(b"d/e/f", SMALL), Done),
            ],
            &[Folder(b"d"), Folder(b"d/e"), File(b"d/e/f", SMALL)],
        ),
        same(
            "a folder is not made twice",
            &[Folder(b"d"), File(b"d/f", SMALL)],
            &[(MakeNewFolder(b"d"), Refused(Exists)), (Get(b"d/f"), Got(SMALL))],
        ),
        same(
            "no folder is made in one that is absent",
            &[],
            &[(MakeFolder(b"d/e"), Refused(Absent))],
        ),
        row(
            "an empty folder is removed",
            &[Folder(b"d")],
            &[(RemoveFolder(b"d"), Done), (Stat(b"d"), Refused(Absent))],
            &[],
        ),
        same(
            "a folder that is not empty is not removed",
            &[Folder(b"d"), File(b"d/f", SMALL)],
            &[(RemoveFolder(b"d"), Refused(NotEmpty)), (Get(b"d/f"), Got(SMALL))],
        ),
        same(
            "no folder is removed that is absent",
            &[],
            &[(RemoveFolder(b"d"), Refused(Absent))],
        ),
        same(
            "a folder is listed for programs",
            &tree,
            &[(List(b"d"), entries.clone())],
        ),
        same("a folder is listed for people", &tree, &[(ListLong(b"d"), entries)]),
        same(
            "a folder is listed by names",
            &tree,
            &[(Names(b"d"), names([b".hidden", b"empty", b"large", b"sub"]))],
        ),
        same(
            "no folder is listed that is absent",
            &[],
            &[(List(b"d"), Refused(Absent))],
        ),
        same(
            "no folder is listed for people that is absent",
            &[],
            &[(ListLong(b"d"), Refused(Absent))],
        ),
        row(
            "a folder gets a new name with all that is in it",
            &[Folder(b"d"), File(b"d/f", SMALL)],
            &[(Rename(b"d", b"e"), Done), (Get(b"e/f"), Got(SMALL))],
            &[Folder(b"e"), File(b"e/f", SMALL)],
        ),
        row(
            "a folder takes the place of an empty one",
            &[Folder(b"d"), File(b"d/f", SMALL), Folder(b"e")],
            &[(Rename(b"d", b"e"), Done)],
            &[Folder(b"e"), File(b"e/f", SMALL)],
        ),
        same(
            "a folder does not take the place of one that is not empty",
            &[Folder(b"d"), Folder(b"e"), File(b"e/f", SMALL)],
            &[(Rename(b"d", b"e"), Refused(NotEmpty))],
        ),
        same(
            "a folder does not move into itself",
            &[Folder(b"d")],
            &[(Rename(b"d", b"d/e"), Refused(IntoItself))],
        ),
    ]
}

/// A folder where a file is meant, and the reverse.
pub fn one_for_the_other() -> Vec<Row> {
    let both = [Folder(b"d"), File(b"f", SMALL)];
    let refused = |name: &'static str, step: Step, why| same(name, &both, &[(step, Refused(why))]);
    vec![
        refused("a folder is not read as a file", Get(b"d"), IsFolder).not_by(Http, READ_AS_LIST),
        refused("a folder is not hashed", Hash(b"d"), IsFolder),
        refused("a folder is not replaced by an upload", Put(b"d", SMALL), IsFolder)
            .not_by(Scp, "a file that is sent to a folder goes into it"),
        refused("nothing is appended to a folder", Append(b"d", SMALL), IsFolder),
        refused("a folder is not deleted as a file", Delete(b"d"), IsFolder).not_by(Http, ONE_DELETE),
        refused("a file is not removed as a folder", RemoveFolder(b"f"), NoFolder),
        refused(
            "a file does not take the place of a folder",
            Rename(b"f", b"d"),
            IsFolder,
        ),
        refused(
            "a folder does not take the place of a file",
            Rename(b"d", b"f"),
            NoFolder,
        ),
        refused("no folder is made where a file is", MakeNewFolder(b"f"), Exists),
        refused("a file is not listed as a folder", List(b"f"), NoFolder)
            .not_by(Scp, "a file is copied by the same command"),
        refused("nothing lies below a file", Get(b"f/g"), NoFolder),
        refused("nothing is put below a file", Put(b"f/g", SMALL), NoFolder),
        refused("no folder is made below a file", MakeFolder(b"f/g"), NoFolder),
        refused(
            "nothing is put into a folder that is absent",
            Put(b"none/f", SMALL),
            Absent,
        ),
        refused("the topmost folder is no file", Get(b"/"), IsFolder).not_by(Http, READ_AS_LIST),
        refused("the topmost folder is not deleted as a file", Delete(b"/"), IsFolder).not_by(Http, ONE_DELETE),
        refused("the topmost folder is not removed", RemoveFolder(b"/"), Denied),
        refused("the topmost folder is not made", MakeNewFolder(b"/"), Exists),
        refused("the topmost folder has its name", Rename(b"/", b"e"), Denied),
    ]
}

/// What grants forbid; which, the access matrix knows.
pub fn locked() -> Vec<Row> {
    let files = [File(b"f", SMALL), File(b"g", OTHER), Folder(b"d")];
    let locked = |name: &'static str, steps: &[(Step, Answer)]| {
        same(name, &files, steps)
            .in_folder(LOCKED)
            .not_by_others("it has no grants")
    };
    let no = Refused(Denied);
    vec![
        locked("what may be read is read", &[(Get(b"f"), Got(SMALL))]),
        locked(
            "what may only be read takes no file",
            &[(Put(b"new", SMALL), no.clone())],
        ),
        locked(
            "what may only be read is not replaced",
            &[(Put(b"f", OTHER), no.clone())],
        ),
        locked(
            "what may only be read is not appended to",
            &[(Append(b"f", OTHER), no.clone())],
        ),
        locked(
            "what may only be read is not written into",
            &[(PutAt(b"f", 1, OTHER), no.clone())],
        ),
        locked(
            "what may only be read is not renamed",
            &[(Rename(b"f", b"h"), no.clone())],
        ),
        locked(
            "what may only be read takes no other's place",
            &[(Rename(b"f", b"g"), no.clone())],
        ),
        locked("what may only be read is not deleted", &[(Delete(b"f"), no.clone())]),
        locked(
            "what may only be read takes no folder",
            &[(MakeFolder(b"e"), no.clone())],
        ),
        locked(
            "what may only be read loses no folder",
            &[(RemoveFolder(b"d"), no.clone())],
        ),
        locked(
            "what may only be read keeps its time",
            &[(SetModified(b"f", 1), no.clone())],
        ),
        locked(
            "what may only be read keeps its mode",
            &[(SetMode(b"f", 0o600), no.clone())],
        ),
    ]
}
