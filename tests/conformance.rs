//! The conformance table: one sequence of operations, one outcome, whatever protocol asks for it, and on whichever node;
//! and what an independent FTP server makes of the same rows.
//!
//! Clients that people have are left to `clients`, `ftp` and `scp`; who may do what, to `access_matrix`.

mod drivers;
mod independent;
mod step;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;

use crate::rig::{Account, Cluster, Login, Service, shared};
use drivers::{Driver, PROTOCOLS, Protocol, Told};
use step::{Answer, Content, Found, Lies, expected, found, plant};
use table::{LOCKED, Row, rows};

/// How many rows the table has, and how many of them each protocol is asked: the others ask for what it has no word for,
/// which `drivers` names, or mean something else there, which the row names.
const ROWS: usize = 137;
const COVERED: [(Protocol, usize); 5] = [
    (Protocol::Sftp, 137),
    (Protocol::Scp, 70),
    (Protocol::Ftp, 132),
    (Protocol::Http, 111),
    (Protocol::Dav, 86),
];

/// Something that came out otherwise than the table has it.
struct Difference {
    row: &'static str,
    /// Which step, from 1; [`AFTER`] for what lies there after all of them.
    step: usize,
    /// The step, for people.
    asked: String,
    /// What it was instead.
    answer: String,
}

const AFTER: usize = 0;

/// Where rows lie on the disk.
struct Ground {
    /// The account's home, two folders below the one in which `outside` lies.
    home: PathBuf,
    /// A folder outside of all storages, with what nobody may reach.
    outside: PathBuf,
}

const SECRETS: [Lies; 2] = [
    Lies::File(b"secret", Content::Text(b"what the outside holds")),
    Lies::Folder(b"sub"),
];

impl Ground {
    fn new(top: &Path, home: PathBuf) -> Self {
        let outside = top.join("conformance-outside");
        plant(&SECRETS, &outside, Path::new(""));
        Self { home, outside }
    }

    /// Does a row's steps; `same` compares an answer.
    fn run(
        &self,
        driver: &mut Driver,
        (number, row): (usize, &Row),
        same: impl Fn(&Told, &Answer) -> Result<(), String>,
    ) -> Vec<Difference> {
        let numbered = format!("row-{number}");
        let name = row.folder.unwrap_or(&numbered);
        let folder = self.home.join(name);
        plant(&row.before, &folder, &self.outside);
        let mut differences = Vec::new();
        let mut differs = |step, asked: String, answer| {
            differences.push(Difference {
                row: row.name,
                step,
                asked,
                answer,
            });
        };
        for (at, (step, answer)) in row.steps.iter().enumerate() {
            let told = driver.take(*step, name);
            if let Err(instead) = same(&told, answer) {
                differs(at + 1, format!("{}: not {answer:?}", told.asked), instead);
            }
        }
        let left = found(&folder);
        let wanted = expected(&row.after, &self.outside);
        if left != wanted {
            differs(AFTER, format!("what lies there: not {}", shown(&wanted)), shown(&left));
        }
        assert!(
            found(&self.outside) == expected(&SECRETS, Path::new("")),
            "{}: the outside was changed",
            row.name
        );
        differences
    }
}

fn shown(lies: &BTreeMap<Vec<u8>, Found>) -> String {
    let shown = lies
        .iter()
        .map(|(path, found)| format!("{} {found}", path.escape_ascii()));
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_protocol_is_asked_as_many_rows_as_it_has_words_for() {
    let rows = rows();
    let mut complaints = Vec::new();
    if rows.len() != ROWS {
        complaints.push(format!("the table has {} rows, not {ROWS}", rows.len()));
    }
    for protocol in PROTOCOLS {
        let left_out = rows.iter().filter_map(|row| Some((row.name, row.left_out(protocol)?)));
        let left_out: Vec<_> = left_out.collect();
        let covered = rows.len() - left_out.len();
        let (_, wanted) = COVERED.iter().find(|(known, _)| *known == protocol).unwrap();
        if covered != *wanted {
            complaints.push(format!(
                "{protocol:?} is asked {covered} rows, not {wanted}; left out: {left_out:#?}"
            ));
        }
    }
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|two| two[0] == two[1]);
    complaints.extend(twice.map(|two| format!("two rows are named `{}`", two[0])));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The account of a run, with a folder that it may only read, and its home.
fn prepared(cluster: &Cluster) -> (Account, Ground) {
    static GROUND: OnceLock<()> = OnceLock::new();
    let mut account = Account::new(cluster);
    let folder = format!("/{}/{LOCKED}", account.name);
    account.spec["mounts"] = json!([{"at": format!("/{LOCKED}"), "storage": "files", "folder": folder,
        "grants": [{"allow": ["read", "list"]}]}]);
    account.tell(cluster, 0);
    // Runs share what lies outside.
    GROUND.get_or_init(|| drop(Ground::new(&cluster.path(""), PathBuf::new())));
    let ground = Ground {
        home: account.home.clone(),
        outside: cluster.path("conformance-outside"),
    };
    (account, ground)
}

/// Runs all rows that the protocol has words for, steps going round among the nodes.
fn keeps_the_table(cluster: &Cluster, protocol: Protocol, over: &str, login: impl Fn(&Account, usize) -> Login) {
    let (account, ground) = prepared(cluster);
    let logins: Vec<_> = (0..cluster.nodes.len()).map(|at| login(&account, at)).collect();
    let mut driver = Driver::start(protocol, over, &logins);
    let mut complaints = Vec::new();
    let rows = rows();
    let asked = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.left_out(protocol).is_none());
    for (number, row) in asked {
        let differences = ground.run(&mut driver, (number, row), Told::compare);
        let shown = |one: &Difference| format!("{}: {}, but {}", one.row, one.asked, one.answer);
        complaints.extend(differences.iter().map(shown));
    }
    assert!(complaints.is_empty(), "over {over}:\n{}", complaints.join("\n"));
    cluster.no_panics();
}

#[test]
fn sftp_keeps_the_table_of_operations_on_every_node() {
    let shared = shared();
    keeps_the_table(&shared, Protocol::Sftp, "sftp", |account, at| {
        Login::new(&shared, account, at)
    });
}

#[test]
fn scp_keeps_the_table_of_operations_on_every_node() {
    let shared = shared();
    keeps_the_table(&shared, Protocol::Scp, "scp", |account, at| {
        Login::new(&shared, account, at)
    });
}

#[test]
fn ftp_and_both_kinds_of_ftps_keep_the_table_of_operations_on_every_node() {
    let shared = shared();
    for kind in ["ftp", "ftps", "ftps-implicit"] {
        let service = Service::create_with_tls(&shared, kind, &json!({}));
        keeps_the_table(&shared, Protocol::Ftp, kind, |account, at| {
            service.login(account, at).by_password()
        });
    }
}

#[test]
fn the_file_api_and_webdav_keep_the_table_of_operations_on_every_node() {
    let shared = shared();
    for kind in ["http", "https"] {
        let service = Service::create_with_tls(&shared, kind, &json!({}));
        for face in [Protocol::Http, Protocol::Dav] {
            keeps_the_table(&shared, face, kind, |account, at| {
                service.login(account, at).by_password()
            });
        }
    }
}
