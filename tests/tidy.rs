//! The house rules that a compiler does not keep: who imports whom, how long files are, which words do not stand here.
//!
//! Formatting and lints are left to rustfmt and clippy.

mod reading;

use std::path::Path;

use crate::rig::repository;
use reading::{code, rooms, sources, word};

/// The longest file, in lines.
const LINES_MAX: usize = 500;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, usize, &str)] = &[];

/// Who may import whom inside `src/`; the house's own table. A room that is not here may import nothing.
const IMPORTS: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("path", &[]),
    ("clock", &[]),
    ("config", &[]),
    ("x509", &["ids", "clock"]),
    ("catalog", &["ids", "path", "clock", "x509"]),
    ("events", &["ids", "path", "clock"]),
    ("session", &["ids", "clock", "x509", "catalog"]),
    ("access", &["ids", "path", "clock", "catalog", "session"]),
    ("auth", &["ids", "clock", "x509", "catalog", "session"]),
    (
        "vfs",
        &["ids", "path", "clock", "catalog", "session", "access", "events"],
    ),
    ("listener", &["ids", "clock", "x509", "catalog", "session", "events"]),
    (
        "protocols",
        &[
            "ids", "path", "clock", "catalog", "session", "auth", "vfs", "listener", "events", "x509",
        ],
    ),
    (
        "reconcile",
        &[
            "ids",
            "clock",
            "x509",
            "catalog",
            "session",
            "auth",
            "events",
            "listener",
            "protocols",
            "access",
            "x509",
        ],
    ),
    (
        "admin",
        &[
            "ids", "path", "clock", "x509", "config", "catalog", "session", "auth", "access", "events", "listener",
        ],
    ),
    (
        "cli",
        &[
            "ids",
            "path",
            "clock",
            "x509",
            "config",
            "catalog",
            "auth",
            "reconcile",
            "admin",
            "node",
        ],
    ),
    (
        "node",
        &[
            "ids",
            "path",
            "clock",
            "x509",
            "config",
            "catalog",
            "session",
            "auth",
            "access",
            "vfs",
            "listener",
            "protocols",
            "reconcile",
            "admin",
            "events",
        ],
    ),
    ("main", &["cli"]),
    ("manual", &[]),
    ("planted", &[]),
];

/// What may not stand in the files of a room, and why.
const ABSENCES: &[(&str, &[&str], &str)] = &[
    (
        "src/catalog",
        &["std::fs", "tokio::", "SystemTime", "std::net::Tcp", "HashMap", "rand"],
        "the catalog is pure",
    ),
    (
        "src/access",
        &["std::fs", "tokio::", "SystemTime"],
        "decisions are pure",
    ),
    (
        "src/protocols",
        &[
            "std::fs",
            "tokio::fs",
            "rustix::fs",
            "crate::access",
            "catalog::Command",
            "argosy_cluster",
        ],
        "protocols reach files by the Vfs alone, and change nothing in the catalog",
    ),
    (
        "src/events",
        &["crate::vfs", "crate::admin", "crate::protocols", "argosy_cluster"],
        "events call no one",
    ),
    (
        "src",
        &["sled::", "raft_log::", "openraft::"],
        "nobody but the cluster crate knows the store",
    ),
    (
        "cluster/src",
        &["argosy::", "catalog::", "VirtualPath"],
        "the cluster knows no account and no file",
    ),
];

/// Parts of names that say nothing.
const EMPTY_WORDS: &[&str] = &[
    "manager", "helper", "helpers", "util", "utils", "common", "misc", "info",
];

#[track_caller]
fn none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

#[test]
fn rooms_import_only_whom_they_may() {
    let mut complaints = Vec::new();
    for source in sources(&["src"], &[".rs"]).iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let Some(room) = module.first() else { continue };
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| name == room) else {
            complaints.push(format!("{}: the room `{room}` is not in the table", source.path));
            continue;
        };
        for named in rooms(source) {
            let known = IMPORTS.iter().any(|(name, _)| *name == named);
            // What is planted may be asked about everywhere, behind its feature: that is a rule of its own.
            if known && named != *room && named != "planted" && !allowed.contains(&named.as_str()) {
                complaints.push(format!("{}: `{room}` may not import `{named}`", source.path));
            }
        }
    }
    none(&complaints, "who may import whom");
}

#[test]
fn protocols_do_not_know_one_another() {
    let mut complaints = Vec::new();
    for source in sources(&["src"], &[".rs"])
        .iter()
        .filter(|source| source.path.starts_with("src/protocols/"))
    {
        let module = source.module();
        let Some(own) = module.get(1) else { continue };
        for line in code(source.product()).lines() {
            let Some(at) = line.find("protocols::") else { continue };
            let other = word(&line[at + "protocols::".len()..]);
            let hosts = *own == "ssh" && ["sftp", "scp"].contains(&other);
            let known = repository().join("src/protocols").join(other).is_dir();
            if other != *own && known && !hosts {
                complaints.push(format!("{}: `{own}` knows `{other}`", source.path));
            }
        }
    }
    none(&complaints, "only ssh hosts sftp and scp");
}

#[test]
fn what_must_be_absent_is_absent() {
    let all = sources(&["src", "cluster/src"], &[".rs"]);
    let mut complaints = Vec::new();
    for (room, words, reason) in ABSENCES {
        for source in all
            .iter()
            .filter(|source| source.path.starts_with(room) && !source.is_test())
        {
            let code = code(source.product());
            let found = words.iter().filter(|word| holds(&code, word));
            complaints.extend(found.map(|word| format!("{}: `{word}` ({reason})", source.path)));
        }
    }
    none(&complaints, "absences");
}

#[test]
fn planted_bugs_stand_behind_their_feature() {
    let behind = "#[cfg(feature = \"planted\")]";
    // Constants without the feature.
    let free = ["use crate::planted::{self, Bug};", "planted::is(", "planted::is_each("];
    let mut complaints = Vec::new();
    let all = sources(&["src", "cluster/src"], &[".rs"]);
    for source in all
        .iter()
        .filter(|source| !source.is_test() && !source.path.ends_with("/planted.rs"))
    {
        let lines: Vec<_> = source.product().lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let named = code.contains("planted::") || code.contains("mod planted");
            let free = source.path.starts_with("cluster/") && free.iter().any(|free| code.contains(free));
            let covered = lines[at.saturating_sub(3)..at].contains(&behind) || *line == "mod planted;";
            if named && !free && !covered {
                complaints.push(format!("{}:{}: `{line}`", source.path, at + 1));
            }
        }
    }
    none(&complaints, "bugs are compiled for the harness only");
}

#[test]
fn the_program_under_test_has_no_planted_bug() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_argosy")).unwrap();
    let holds = |text: &str| program.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("publishing the upload"), "texts are found in it");
    assert!(!holds("ARGOSY_PLANTED"));
}

/// Whether `word` stands there, and not as the end of a longer name.
fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[test]
fn files_are_short_and_begin_with_what_they_are_for() {
    let mut complaints = Vec::new();
    for source in sources(&["src", "cluster", "chaos", "tests"], &[".rs", ".py"]) {
        let lines = source.text.lines().count();
        let max = LONGER
            .iter()
            .find(|(path, ..)| *path == source.path)
            .map_or(LINES_MAX, |(_, max, _)| *max);
        if lines > max {
            complaints.push(format!("{}: {lines} lines, {max} are allowed", source.path));
        }
        let opening = if source.path.ends_with(".rs") { "//! " } else { "\"\"\"" };
        let exempt = source.text.starts_with("#!/") || (source.is_test() && !source.path.starts_with("tests/"));
        if !exempt && !source.text.starts_with(opening) {
            complaints.push(format!("{}: the first line does not say what it is for", source.path));
        }
    }
    none(&complaints, "files");
    for (path, _, reason) in LONGER {
        assert!(
            repository().join(path).exists(),
            "{path} ({reason}) is gone: take it from the list"
        );
    }
}

#[test]
fn nothing_outside_of_tests_panics_on_purpose() {
    let words = [
        ".unwrap()",
        ".expect(",
        ".unwrap_err()",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
    ];
    let mut complaints = Vec::new();
    for source in sources(&["src", "cluster/src", "chaos/src"], &[".rs"])
        .iter()
        .filter(|source| !source.is_test())
    {
        for (number, line) in source.product().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = words.iter().filter(|word| code.contains(*word));
            complaints.extend(found.map(|word| format!("{}:{}: `{word}`", source.path, number + 1)));
        }
    }
    none(&complaints, "a node does not end by a panic");
}

#[test]
fn names_say_something() {
    let mut complaints = Vec::new();
    for source in sources(&["src", "cluster", "chaos", "tests"], &[".rs", ".py"]) {
        let stem = Path::new(&source.path)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if EMPTY_WORDS.contains(&stem.as_str()) {
            complaints.push(format!("{}: the file's name", source.path));
        }
        for line in source.text.lines().map(str::trim_start) {
            for keyword in ["struct ", "enum ", "trait ", "mod ", "fn "] {
                let declared = line
                    .trim_start_matches("pub ")
                    .trim_start_matches("pub(super) ")
                    .trim_start_matches("pub(crate) ");
                let Some(rest) = declared.strip_prefix(keyword) else {
                    continue;
                };
                let name = word(rest);
                let parts = parts_of(name);
                if parts.iter().any(|part| EMPTY_WORDS.contains(&part.as_str())) {
                    complaints.push(format!("{}: `{name}`", source.path));
                }
            }
        }
    }
    none(&complaints, "names that say nothing");
}

/// The words of a name in either case style, lower case.
fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character.is_uppercase() {
            parts.push(String::new());
        }
        if character != '_' {
            parts.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn the_repository_speaks_of_the_product_only() {
    let words = [
        concat!("cla", "ude"),
        concat!("anthr", "opic"),
        concat!("chat", "gpt"),
        concat!("co", "pilot"),
        concat!("sub", "agent"),
        concat!("/wo", "rk/"),
        concat!("issue", " #"),
        concat!("issues", "/"),
        concat!("issue", " 2"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    let endings = [
        ".rs", ".py", ".md", ".toml", ".sh", ".yml", ".yaml", "run", "sftp", "enforced",
    ];
    let folders = [
        "src",
        "cluster",
        "chaos",
        "tests",
        "ansible",
        ".ci",
        "README.md",
        "Cargo.toml",
    ];
    let folders: Vec<_> = folders
        .into_iter()
        .filter(|folder| repository().join(folder).exists())
        .collect();
    let mut complaints = Vec::new();
    for source in sources(&folders, &endings) {
        for (number, line) in source.text.lines().enumerate() {
            let found = words
                .iter()
                .filter(|word| line.contains(*word) || line.to_lowercase().contains(*word));
            complaints.extend(found.map(|word| format!("{}:{}: `{word}`", source.path, number + 1)));
        }
    }
    none(&complaints, "words that do not stand here");
}
