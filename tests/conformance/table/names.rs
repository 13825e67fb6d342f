//! Rows about names: bytes that are no letters, names too long, `..` and what it may not reach.

use super::{Row, SMALL, file, names, row, same};
use crate::conformance::step::Answer::{Done, Entries, Got, Refused};
use crate::conformance::step::At;
use crate::conformance::step::Lies::{File, Folder};
use crate::conformance::step::Step::{self, *};
use crate::conformance::step::Why::{Absent, BadName};

/// As long as a name may be.
const LONGEST: &[u8] = &[b'n'; 255];
const OVERLONG: &[u8] = &[b'n'; 256];
const KEPT: &[u8] = b".argosy-staging";

/// Ways to write a path.
pub fn rows() -> Vec<Row> {
    let file = [File(b"f", SMALL)];
    let found = |name, at| same(name, &file, &[(Get(at), Got(SMALL))]);
    let absent = |name, at| same(name, &file, &[(Get(at), Refused(Absent))]);
    vec![
        found("dots and slashes in a path say nothing", b"/.//{}/./f"),
        found("two dots go back, also from what is absent", b"none/../f"),
        found("two dots end at the topmost folder", b"/../../../{}/f"),
        absent("two dots reach no other storage", b"/../../../../../../etc/hostname"),
        absent(
            "two dots reach no folder beside the account's",
            b"/../conformance-outside/secret",
        ),
        absent("a backslash is no slash", b"..\\{}\\f"),
        absent("what looks encoded is not", b"%2e%2e/%2e%2e/etc/hostname"),
        row(
            "two dots do not lead an upload out",
            &[],
            &[
                (Put(b"none/../../../{}/f", SMALL), Done),
                (Put(b"/../../conformance-outside/secret", SMALL), Refused(Absent)),
            ],
            &file,
        ),
        row(
            "a name may be as long as the disk takes",
            &[],
            &[(Put(LONGEST, SMALL), Done), (Get(LONGEST), Got(SMALL))],
            &[File(LONGEST, SMALL)],
        ),
        same("no longer name is read", &[], &[(Get(OVERLONG), Refused(BadName))]),
        same(
            "no longer name is written",
            &[],
            &[(Put(OVERLONG, SMALL), Refused(BadName))],
        ),
        same(
            "no longer folder is made",
            &[],
            &[(MakeFolder(OVERLONG), Refused(BadName))],
        ),
        same(
            "no longer name is given",
            &file,
            &[(Rename(b"f", OVERLONG), Refused(BadName))],
        ),
        kept("a name that the server keeps is not read", Get(KEPT)),
        kept("a name that the server keeps is not written", Put(KEPT, SMALL)),
        kept("a name that the server keeps is no folder's", MakeFolder(KEPT)),
        kept("a name that the server keeps is not given", Rename(b"f", KEPT)),
        kept("a name that the server keeps is not listed", List(KEPT)),
    ]
}

/// A file of the name goes up, is listed and comes back.
fn odd(what: &'static str, name: At) -> Row {
    row(
        what,
        &[],
        &[
            (Put(name, SMALL), Done),
            (Get(name), Got(SMALL)),
            (List(b"."), Entries(vec![file(name, SMALL)])),
            (Names(b"."), names([name])),
        ],
        &[File(name, SMALL)],
    )
}

fn kept(name: &'static str, step: Step) -> Row {
    same(name, &[File(b"f", SMALL)], &[(step, Refused(BadName))]).not_by_others("the name is Argosy's")
}

/// Names that are bytes and nothing else.
pub fn odd_ones() -> Vec<Row> {
    let mut rows: Vec<_> = [
        odd("a name holds blanks", b"a blank, and  two"),
        odd("a name begins and ends with a blank", b" at both ends "),
        odd("a name holds quotes", b"quote\"s'and`more"),
        odd("a name begins with a dash", b"-rf"),
        odd("a name is a pattern", b"*?[glob]{a,b}"),
        odd("a name holds backslashes", b"back\\slash\\..\\up"),
        odd("a name is a shell's command", b"$HOME;`id`|&>x"),
        odd("a name is made of dots", b"..."),
        odd("a name is hidden", b".hidden"),
        odd("a name looks encoded", b"%2e%2e%2f"),
        odd("a name looks like a reply", b"226 done"),
        odd("a name holds an arrow", b"a -> b"),
        odd("a name is UTF-8", "\u{fc}\u{4e2d}\u{1f6a2}".as_bytes()),
        odd("a name is not UTF-8", b"\xff\xfe\x80 no text"),
    ]
    .into();
    rows.push(row(
        "a name holds control characters",
        &[],
        &[
            (Put(b"tab\tand\x01\x7f", SMALL), Done),
            (Get(b"tab\tand\x01\x7f"), Got(SMALL)),
        ],
        &[File(b"tab\tand\x01\x7f", SMALL)],
    ));
    rows.push(row(
        "a name holds the end of a line",
        &[],
        &[
            (Put(b"new\nline", SMALL), Done),
            (Get(b"new\nline"), Got(SMALL)),
            (List(b"."), Entries(vec![file(b"new\nline", SMALL)])),
        ],
        &[File(b"new\nline", SMALL)],
    ));
    rows
}

/// The steps that only some protocols have, with the names that are the hardest.
pub fn moved() -> Vec<Row> {
    let (blank, pattern, raw): (At, At, At) = (b" a  blank ", b"*?[x]", b"\xfe\x80\xff");
    [
        (
            "a name with blanks is given, listed for people and taken away",
            blank,
            pattern,
        ),
        (
            "a name that is a pattern is given, listed for people and taken away",
            pattern,
            raw,
        ),
        (
            "a name that is no text is given, listed for people and taken away",
            raw,
            blank,
        ),
    ]
    .map(|(what, one, other)| {
        row(
            what,
            &[File(other, SMALL)],
            &[
                (Rename(other, one), Done),
                (ListLong(b"."), Entries(vec![file(one, SMALL)])),
                (Append(one, SMALL), Done),
                (Delete(one), Done),
                (MakeFolder(one), Done),
                (RemoveFolder(one), Done),
                (MakeFolder(other), Done),
            ],
            &[Folder(other)],
        )
    })
    .into()
}
