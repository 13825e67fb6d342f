//! Rows about files: whole ones and pieces, moved and removed, their attributes.

use super::{BREAK, EMPTY, LARGE, LARGE_BEGINS, LARGE_ENDS, OTHER, Row, SMALL, row, same};
use crate::conformance::step::Answer::{Done, Got, HasMode, HashOf, Is, Refused, Time};
use crate::conformance::step::Content::{self, Text};
use crate::conformance::step::Kind;
use crate::conformance::step::Lies::{File, Folder};
use crate::conformance::step::Step::*;
use crate::conformance::step::Why::{Absent, Exists};

/// What goes up and comes back.
pub fn whole() -> Vec<Row> {
    let is_as_long_as = |content: Content| Is(Kind::File, content.len());
    vec![
        row(
            "a file comes back as it went",
            &[],
            &[
                (Put(b"f", SMALL), Done),
                (Get(b"f"), Got(SMALL)),
                (Stat(b"f"), is_as_long_as(SMALL)),
            ],
            &[File(b"f", SMALL)],
        ),
        row(
            "an empty file is a file",
            &[],
            &[
                (Put(b"f", EMPTY), Done),
                (Get(b"f"), Got(EMPTY)),
                (Stat(b"f"), Is(Kind::File, 0)),
            ],
            &[File(b"f", EMPTY)],
        ),
        row(
            "a file larger than every buffer comes back as it went",
            &[],
            &[
                (Put(b"f", LARGE), Done),
                (Get(b"f"), Got(LARGE)),
                (Stat(b"f"), is_as_long_as(LARGE)),
            ],
            &[File(b"f", LARGE)],
        ),
        same(
            "the server hashes a file",
            &[File(b"f", LARGE), File(b"empty", EMPTY)],
            &[(Hash(b"f"), HashOf(LARGE)), (Hash(b"empty"), HashOf(EMPTY))],
        ),
        same(
            "a download begins where it is told to",
            &[File(b"f", LARGE)],
            &[
                (GetFrom(b"f", BREAK), Got(LARGE_ENDS)),
                (GetFrom(b"f", LARGE.len()), Got(EMPTY)),
                (Get(b"f"), Got(LARGE)),
            ],
        ),
        row(
            "an upload goes on where another broke off",
            &[],
            &[
                (Put(b"f", LARGE_BEGINS), Done),
                (PutAt(b"f", BREAK, LARGE_ENDS), Done),
                (Get(b"f"), Got(LARGE)),
            ],
            &[File(b"f", LARGE)],
        ),
        row(
            "what is written in the middle leaves what lies behind",
            &[File(b"f", Text(b"0123456789"))],
            &[
                (PutAt(b"f", 3, Text(b"abc")), Done),
                (Get(b"f"), Got(Text(b"012abc6789"))),
            ],
            &[File(b"f", Text(b"012abc6789"))],
        ),
        row(
            "bytes are appended",
            &[File(b"f", Text(b"one,"))],
            &[(Append(b"f", Text(b"two")), Done), (Get(b"f"), Got(Text(b"one,two")))],
            &[File(b"f", Text(b"one,two"))],
        ),
        row(
            "appending makes a file that is absent",
            &[],
            &[(Append(b"f", SMALL), Done)],
            &[File(b"f", SMALL)],
        ),
        row(
            "an upload replaces a longer file",
            &[File(b"f", OTHER)],
            &[
                (Put(b"f", SMALL), Done),
                (Get(b"f"), Got(SMALL)),
                (Stat(b"f"), is_as_long_as(SMALL)),
            ],
            &[File(b"f", SMALL)],
        ),
        row(
            "an empty upload replaces a file",
            &[File(b"f", OTHER)],
            &[(Put(b"f", EMPTY), Done), (Get(b"f"), Got(EMPTY))],
            &[File(b"f", EMPTY)],
        ),
        same("no file is read that is absent", &[], &[(Get(b"f"), Refused(Absent))]),
        same(
            "no file is read from the middle that is absent",
            &[],
            &[(GetFrom(b"f", 7), Refused(Absent))],
        ),
        same(
            "no upload goes on in a file that is absent",
            &[],
            &[(PutAt(b"f", 7, SMALL), Refused(Absent))],
        ),
        same(
            "no file is hashed that is absent",
            &[],
            &[(Hash(b"f"), Refused(Absent))],
        ),
    ]
}

/// Names of files.
pub fn moved() -> Vec<Row> {
    vec![
        row(
            "a file gets a new name",
            &[File(b"f", SMALL)],
            &[
                (Rename(b"f", b"g"), Done),
                (Get(b"f"), Refused(Absent)),
                (Get(b"g"), Got(SMALL)),
            ],
            &[File(b"g", SMALL)],
        ),
        row(
            "a file moves to another folder",
            &[File(b"f", SMALL), Folder(b"d")],
            &[(Rename(b"f", b"d/g"), Done), (Get(b"d/g"), Got(SMALL))],
            &[Folder(b"d"), File(b"d/g", SMALL)],
        ),
        row(
            "a file takes the place of another",
            &[File(b"f", SMALL), File(b"g", OTHER)],
            &[(Rename(b"f", b"g"), Done), (Get(b"g"), Got(SMALL))],
            &[File(b"g", SMALL)],
        ),
        same(
            "a file may get the name that it has",
            &[File(b"f", SMALL)],
            &[(Rename(b"f", b"f"), Done), (Get(b"f"), Got(SMALL))],
        ),
        row(
            "a file gets a name that is free",
            &[File(b"f", SMALL)],
            &[(RenameNew(b"f", b"g"), Done)],
            &[File(b"g", SMALL)],
        ),
        same(
            "a file does not get a name that is not free",
            &[File(b"f", SMALL), File(b"g", OTHER)],
            &[(RenameNew(b"f", b"g"), Refused(Exists)), (Get(b"g"), Got(OTHER))],
        ),
        same(
            "what is absent gets no name",
            &[],
            &[(Rename(b"f", b"g"), Refused(Absent))],
        ),
        same(
            "a file does not move to a folder that is absent",
            &[File(b"f", SMALL)],
            &[(Rename(b"f", b"d/f"), Refused(Absent))],
        ),
        row(
            "a file is deleted",
            &[File(b"f", SMALL), File(b"g", OTHER)],
            &[
                (Delete(b"f"), Done),
                (Get(b"f"), Refused(Absent)),
                (Get(b"g"), Got(OTHER)),
            ],
            &[File(b"g", OTHER)],
        ),
        same("what is absent is not deleted", &[], &[(Delete(b"f"), Refused(Absent))]),
        same(
            "nothing is deleted in a folder that is absent",
            &[],
            &[(Delete(b"d/f"), Refused(Absent))],
        ),
    ]
}

/// Times and modes.
pub fn attributes() -> Vec<Row> {
    const TIME: i64 = 1_000_000_000;
    const LATER: i64 = 1_700_000_001;
    vec![
        row(
            "an upload keeps the time of its file",
            &[],
            &[
                (PutDated(b"f", SMALL, TIME), Done),
                (Modified(b"f"), Time(TIME)),
                (Get(b"f"), Got(SMALL)),
            ],
            &[File(b"f", SMALL)],
        ),
        row(
            "an upload over a file keeps its own time",
            &[File(b"f", OTHER)],
            &[(PutDated(b"f", SMALL, TIME), Done), (Modified(b"f"), Time(TIME))],
            &[File(b"f", SMALL)],
        ),
        same(
            "times of files and folders are set",
            &[File(b"f", SMALL), Folder(b"d")],
            &[
                (SetModified(b"f", TIME), Done),
                (Modified(b"f"), Time(TIME)),
                (SetModified(b"f", LATER), Done),
                (Modified(b"f"), Time(LATER)),
                (SetModified(b"d", TIME), Done),
                (Modified(b"d"), Time(TIME)),
                (Get(b"f"), Got(SMALL)),
            ],
        ),
        same(
            "modes of files and folders are set",
            &[File(b"f", SMALL), Folder(b"d")],
            &[
                (SetMode(b"f", 0o640), Done),
                (Mode(b"f"), HasMode(0o640)),
                (SetMode(b"f", 0o400), Done),
                (Mode(b"f"), HasMode(0o400)),
                (SetMode(b"d", 0o700), Done),
                (Mode(b"d"), HasMode(0o700)),
            ],
        ),
        same("what is absent has no size", &[], &[(Stat(b"f"), Refused(Absent))]),
        same("what is absent has no time", &[], &[(Modified(b"f"), Refused(Absent))]),
        same(
            "what is absent gets no time",
            &[],
            &[(SetModified(b"f", TIME), Refused(Absent))],
        ),
        same(
            "what is absent gets no mode",
            &[],
            &[(SetMode(b"f", 0o600), Refused(Absent))],
        ),
    ]
}
