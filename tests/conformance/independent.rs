//! The rows of FTP against libunftp with its own file back end: a server that shares no line with ours.
//!
//! Where it answers otherwise, [`DIFFERENCES`] says how and why; one that is not there fails, and one that is there and
//! shows no more.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::drivers::{Driver, Protocol, Told};
use super::step::Answer;
use super::table::rows;
use super::{AFTER, Difference, Ground, Row};
use crate::rig::process::{self, Process};
use crate::rig::{Account, Login, address, eventually, limits, repository, target};

/// A row, the step (from 1; [`AFTER`]: what lies there in the end), and its answer.
type Differs = (&'static str, usize, &'static str);

/// Where it answers otherwise, by the reasons.
const DIFFERENCES: &[(&str, &[Differs])] = &[
    (
        "it has no MFMT",
        &[
            ("an upload keeps the time of its file", 1, "refused by 500"),
            ("an upload keeps the time of its file", 2, "another time"),
            ("an upload over a file keeps its own time", 1, "refused by 500"),
            ("an upload over a file keeps its own time", 2, "another time"),
            ("times of files and folders are set", 1, "refused by 500"),
            ("times of files and folders are set", 2, "another time"),
            ("times of files and folders are set", 3, "refused by 500"),
            ("times of files and folders are set", 4, "another time"),
            ("times of files and folders are set", 5, "refused by 500"),
            ("times of files and folders are set", 6, "another time"),
            ("what is absent gets no time", 1, "refused by 500"),
            (
                "nothing is changed through a link that leads outside",
                5,
                "refused by 500",
            ),
        ],
    ),
    (
        "it has no HASH, only a SITE MD5 of its own",
        &[
            ("the server hashes a file", 1, "refused by 500"),
            ("the server hashes a file", 2, "refused by 500"),
            ("no file is hashed that is absent", 1, "refused by 500"),
            ("a folder is not hashed", 1, "refused by 500"),
            (
                "nothing is hashed through a link that leads outside",
                1,
                "refused by 500",
            ),
            (
                "nothing is hashed through a link that leads outside",
                2,
                "refused by 500",
            ),
        ],
    ),
    (
        "it has no SITE CHMOD, and MLST does not tell modes",
        &[
            ("modes of files and folders are set", 1, "refused by 502"),
            ("modes of files and folders are set", 2, "refused by 0"),
            ("modes of files and folders are set", 3, "refused by 502"),
            ("modes of files and folders are set", 4, "refused by 0"),
            ("modes of files and folders are set", 5, "refused by 502"),
            ("modes of files and folders are set", 6, "refused by 0"),
            ("what is absent gets no mode", 1, "refused by 502"),
            (
                "nothing is changed through a link that leads outside",
                6,
                "refused by 502",
            ),
        ],
    ),
    (
        "STOR after REST cuts the file at the offset: RFC 3659 does not say what becomes of what lies behind",
        &[
            (
                "what is written in the middle leaves what lies behind",
                2,
                "6 other bytes",
            ),
            (
                "what is written in the middle leaves what lies behind",
                AFTER,
                "f (012abc)",
            ),
        ],
    ),
    (
        "STOR after REST makes a file that is absent, with zeros up to the offset",
        &[
            ("no upload goes on in a file that is absent", 1, "done"),
            (
                "no upload goes on in a file that is absent",
                AFTER,
                r"f (\x00\x00\x00\x00\x00\x00\x00a small file\n)",
            ),
        ],
    ),
    (
        "it has one code for whatever the disk refuses; ours has 553 for names and 504 for what makes no sense",
        &[
            ("a folder does not move into itself", 1, "refused by 550"),
            ("no longer name is read", 1, "refused by 550"),
            ("no longer name is written", 1, "refused by 550"),
            ("no longer folder is made", 1, "refused by 550"),
            ("no longer name is given", 1, "refused by 550"),
        ],
    ),
    (
        "it asks the disk to remove its root, and takes the refusal for a passing error",
        &[("the topmost folder is not removed", 1, "refused by 451")],
    ),
    (
        "the disk resolves its paths: `..` goes back from what is there only, and never above the root",
        &[
            ("two dots go back, also from what is absent", 1, "refused by 550"),
            ("two dots end at the topmost folder", 1, "refused by 550"),
            ("two dots do not lead an upload out", 1, "refused by 550"),
            ("two dots do not lead an upload out", AFTER, ""),
        ],
    ),
    (
        "its names are text: what is no UTF-8 is replaced, on the disk and in listings",
        &[
            ("a name is not UTF-8", 3, "another listing"),
            ("a name is not UTF-8", 4, "another listing"),
            (
                "a name is not UTF-8",
                AFTER,
                r"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd no text (a small file\n)",
            ),
            (PATTERN, 1, "refused by 550"),
            (PATTERN, 2, "another listing"),
            (
                PATTERN,
                AFTER,
                r"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd (folder), \xfe\x80\xff (a small file\n)",
            ),
            (
                "a name that is no text is given, listed for people and taken away",
                2,
                "another listing",
            ),
        ],
    ),
    (
        "MLST and MLSD show a link by itself, and as a file",
        &[
            ("a link shows what it leads to", 2, "another kind or size"),
            ("a link shows what it leads to", 4, "another kind or size"),
            ("a link is listed as a link", 1, "another listing"),
            ("nothing is read through a link that leads outside", 5, "done"),
            ("a link to what is absent shows nothing", 2, "done"),
            ("a link to itself is not followed", 2, "done"),
        ],
    ),
    (
        "it renames files and folders only",
        &[
            ("a link gets a new name and leads where it led", 1, "refused by 550"),
            ("a link gets a new name and leads where it led", 2, "refused by 550"),
            (
                "a link gets a new name and leads where it led",
                AFTER,
                r"f (a small file\n), l (link to f)",
            ),
        ],
    ),
];

const PATTERN: &str = "a name that is a pattern is given, listed for people and taken away";

const PORT: u16 = 2121;

/// libunftp, with a folder of its own.
struct Independent {
    ground: Ground,
    address: Ipv4Addr,
    _process: Process,
    _folder: tempfile::TempDir,
}

/// Builds the server; nothing is left to do where `tests/run` has built it.
fn built() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let into = target().join("independent");
    let mut command = process::command(cargo);
    command
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(repository().join("tests/independent/Cargo.toml"))
        .arg("--target-dir")
        .arg(&into);
    process::run_for(command, b"", limits::BUILD).ok();
    into.join("debug/independent-ftp")
}

impl Independent {
    fn start() -> Self {
        let program = built();
        let folder = crate::rig::folder();
        let path = |name: &str| folder.path().join(name);
        let home = path("files/home");
        std::fs::create_dir_all(&home).unwrap();
        let ground = Ground::new(folder.path(), home.clone());
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(path("certificate"), cert.pem()).unwrap();
        std::fs::write(path("key"), signing_key.serialize_pem()).unwrap();
        let address = address::of_client();
        let mut command = process::command(program);
        command
            .arg(&home)
            .arg(format!("{address}:{PORT}"))
            .args([path("certificate"), path("key")]);
        let started = Process::start("libunftp", command, &path("log"));
        eventually("libunftp listens", limits::START, || {
            TcpStream::connect((address, PORT)).map_err(|error| error.to_string())
        });
        Self {
            ground,
            address,
            _process: started,
            _folder: folder,
        }
    }

    fn login(&self) -> Login {
        let account = Account {
            name: "anybody".to_owned(),
            password: "anything".to_owned(),
            key: PathBuf::new(),
            spec: serde_json::Value::Null,
            home: self.ground.home.clone(),
        };
        Login {
            account,
            server: (self.address, PORT).into(),
            from: address::of_client(),
            by_key: false,
        }
    }
}

/// Of a refusal only the code can be compared: words are each server's own.
fn same(told: &Told, expected: &Answer) -> Result<(), String> {
    let instead = match (expected, told.code()) {
        (Answer::Refused(why), Some(code)) if Protocol::Ftp.code(*why) == Some(code) => return Ok(()),
        (_, Some(code)) => return Err(format!("refused by {code}")),
        (Answer::Refused(_), None) => "done",
        (Answer::Time(_), None) => "another time",
        (Answer::Is(..), None) => "another kind or size",
        (Answer::Entries(_) | Answer::NamesAre(_), None) => "another listing",
        _ => return told.compare(expected),
    };
    told.compare(expected).map_err(|_| instead.to_owned())
}

#[test]
fn an_independent_ftp_server_keeps_the_table_too_but_for_differences_that_are_explained() {
    let server = Independent::start();
    for over in ["ftp", "ftps"] {
        let mut driver = Driver::start(Protocol::Ftp, over, &[server.login()]);
        let rows = rows();
        let is_asked = |row: &Row| row.left_out(Protocol::Ftp).is_none() && row.not_by_others.is_none();
        let asked = rows.iter().enumerate().filter(|(_, row)| is_asked(row));
        let found: Vec<_> = asked
            .flat_map(|(number, row)| server.ground.run(&mut driver, (number, row), same))
            .collect();
        check(&found, over);
    }
}

fn check(found: &[Difference], over: &str) {
    let known = || DIFFERENCES.iter().flat_map(|(_, differs)| *differs);
    let is_of =
        |one: &Difference, (row, step, answer): &Differs| one.row == *row && one.step == *step && one.answer == *answer;
    let unknown = found.iter().filter(|one| !known().any(|known| is_of(one, known)));
    let mut complaints: Vec<_> = unknown
        .map(|one| format!("({:?}, {}, {:?}): {}", one.row, one.step, one.answer, one.asked))
        .collect();
    let gone = known().filter(|known| !found.iter().any(|one| is_of(one, known)));
    complaints.extend(gone.map(|known| format!("it differs no more: {known:?}")));
    assert!(complaints.is_empty(), "over {over}:\n{}", complaints.join("\n"));
}
