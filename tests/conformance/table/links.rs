//! Rows about symbolic links: those that stay in the account's folders, and those that leave them.

use super::{OTHER, Row, SMALL, file, folder, row, same};
use crate::conformance::drivers::Protocol::Scp;
use crate::conformance::step::Answer::{Done, Entries, Got, Is, Refused};
use crate::conformance::step::Lies::{File, Folder, Link as Leads};
use crate::conformance::step::Step::*;
use crate::conformance::step::Why::{Absent, Outside};
use crate::conformance::step::{Kind, Step};

/// All of them.
pub fn rows() -> Vec<Row> {
    [within(), outside(), broken(), made()].into_iter().flatten().collect()
}

/// Links that lead to what the account has.
fn within() -> Vec<Row> {
    let tree = [
        File(b"f", SMALL),
        Leads(b"l", b"f"),
        Folder(b"d"),
        File(b"d/g", OTHER),
        Leads(b"k", b"d"),
    ];
    vec![
        same(
            "a link shows what it leads to",
            &tree,
            &[
                (Get(b"l"), Got(SMALL)),
                (Stat(b"l"), Is(Kind::File, SMALL.len())),
                (Get(b"k/g"), Got(OTHER)),
                (Stat(b"k"), Is(Kind::Folder, 0)),
                (List(b"k"), Entries(vec![file(b"g", OTHER)])),
            ],
        ),
        same(
            "a link is listed as a link",
            &tree,
            &[(
                List(b"."),
                Entries(vec![
                    file(b"f", SMALL),
                    (b"l", Kind::Link, 0),
                    folder(b"d"),
                    (b"k", Kind::Link, 0),
                ]),
            )],
        )
        .not_by(Scp, "it copies what links lead to"),
        row(
            "a link is deleted, and not what it leads to",
            &tree,
            &[(Delete(b"l"), Done), (Delete(b"k"), Done), (Get(b"f"), Got(SMALL))],
            &[File(b"f", SMALL), Folder(b"d"), File(b"d/g", OTHER)],
        ),
        row(
            "a link gets a new name and leads where it led",
            &tree[..2],
            &[(Rename(b"l", b"m"), Done), (Get(b"m"), Got(SMALL))],
            &[File(b"f", SMALL), Leads(b"m", b"f")],
        ),
        row(
            "an upload through a link changes what it leads to",
            &tree,
            &[
                (Put(b"l", OTHER), Done),
                (Put(b"k/new", SMALL), Done),
                (Get(b"f"), Got(OTHER)),
            ],
            &[
                File(b"f", OTHER),
                Leads(b"l", b"f"),
                Folder(b"d"),
                File(b"d/g", OTHER),
                File(b"d/new", SMALL),
                Leads(b"k", b"d"),
            ],
        ),
        same(
            "two dots after a link go back along the path that was written",
            &tree,
            &[(Get(b"k/../f"), Got(SMALL))],
        ),
    ]
}

/// Links that leave the account's folders: to a file, to a folder, and by two dots.
fn outside() -> Vec<Row> {
    let tree = [
        Leads(b"file", b"<outside>/secret"),
        Leads(b"folder", b"<outside>"),
        Leads(b"up", b"../../../conformance-outside"),
        Leads(b"proc", b"/proc/self/root/etc"),
    ];
    let no = || Refused(Outside);
    let refused = |name: &'static str, steps: &[Step]| {
        let steps: Vec<_> = steps.iter().map(|step| (*step, no())).collect();
        same(name, &tree, &steps)
    };
    vec![
        refused(
            "nothing is read through a link that leads outside",
            &[
                Get(b"file"),
                Get(b"folder/secret"),
                Get(b"up/secret"),
                Get(b"proc/hostname"),
                Stat(b"file"),
                Stat(b"up/secret"),
            ],
        ),
        refused(
            "nothing is hashed through a link that leads outside",
            &[Hash(b"file"), Hash(b"up/secret")],
        ),
        refused(
            "no folder is listed through a link that leads outside",
            &[List(b"folder"), List(b"up"), List(b"proc")],
        ),
        refused(
            "nothing is put through a link that leads outside",
            &[Put(b"file", OTHER), Put(b"folder/new", OTHER), Put(b"up/secret", OTHER)],
        ),
        refused(
            "nothing is changed through a link that leads outside",
            &[
                Append(b"file", OTHER),
                PutAt(b"file", 1, OTHER),
                Delete(b"folder/secret"),
                Rename(b"up/secret", b"stolen"),
                SetModified(b"file", 1),
                SetMode(b"file", 0o777),
            ],
        ),
        refused(
            "no folder is made through a link that leads outside",
            &[MakeFolder(b"folder/new"), MakeFolder(b"up/new")],
        ),
        refused(
            "no folder is removed through a link that leads outside",
            &[RemoveFolder(b"up/sub"), RemoveFolder(b"folder/sub")],
        ),
        row(
            "a link that leads outside can be deleted",
            &tree,
            &[
                (Delete(b"file"), Done),
                (Delete(b"folder"), Done),
                (Delete(b"up"), Done),
                (Delete(b"proc"), Done),
            ],
            &[],
        ),
    ]
}

/// Links that lead nowhere.
fn broken() -> Vec<Row> {
    let tree = [Leads(b"none", b"absent"), Leads(b"round", b"round")];
    vec![
        same(
            "a link to what is absent shows nothing",
            &tree,
            &[(Get(b"none"), Refused(Absent)), (Stat(b"none"), Refused(Absent))],
        ),
        same(
            "a link to itself is not followed",
            &tree,
            &[(Get(b"round"), Refused(Outside)), (Stat(b"round"), Refused(Outside))],
        ),
        row(
            "links that lead nowhere can be deleted",
            &tree,
            &[(Delete(b"none"), Done), (Delete(b"round"), Done)],
            &[],
        ),
    ]
}

/// Links that a client makes.
fn made() -> Vec<Row> {
    let file = [File(b"f", SMALL), Folder(b"d")];
    vec![
        row(
            "a link is made, and stored relative whatever was written",
            &file,
            &[
                (Link(b"d/l", b"../f"), Done),
                (Link(b"d/m", b"/{}/f"), Done),
                (Get(b"d/m"), Got(SMALL)),
            ],
            &[
                File(b"f", SMALL),
                Folder(b"d"),
                Leads(b"d/l", b"../f"),
                Leads(b"d/m", b"../f"),
            ],
        ),
        same(
            "no link is made that leads outside",
            &file,
            &[
                (Link(b"d/l", b"../../../other"), Refused(Outside)),
                (Link(b"d/l", b"../../f"), Done),
                (Delete(b"d/l"), Done),
            ],
        ),
    ]
}
