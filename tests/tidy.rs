//! The house rules that a compiler does not keep: who imports whom, how long files are, which words do not stand here.
//!
//! Formatting and lints are left to rustfmt and clippy.

use std::path::{Path, PathBuf};

use crate::rig::repository;

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
    ("catalog", &["ids", "path", "clock"]),
    ("events", &["ids", "path", "clock"]),
    ("session", &["ids", "clock", "catalog"]),
    ("access", &["ids", "path", "clock", "catalog", "session"]),
    ("auth", &["ids", "clock", "catalog", "session"]),
    (
        "vfs",
        &["ids", "path", "clock", "catalog", "session", "access", "events"],
    ),
    ("listener", &["ids", "clock", "catalog", "session", "events"]),
    (
        "protocols",
        &[
            "ids", "path", "clock", "catalog", "session", "auth", "vfs", "listener", "events",
        ],
    ),
    (
        "reconcile",
        &[
            "ids",
            "clock",
            "catalog",
            "session",
            "auth",
            "events",
            "listener",
            "protocols",
            "access",
        ],
    ),
    (
        "admin",
        &[
            "ids", "path", "clock", "config", "catalog", "session", "auth", "access", "events",
        ],
    ),
    ("cli", &["ids", "path", "clock", "config", "catalog", "admin", "node"]),
    (
        "node",
        &[
            "ids",
            "path",
            "clock",
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
];

/// What may not stand in the files of a room, and why.
const ABSENCES: &[(&str, &[&str], &str)] = &[
    (
        "src/catalog",
        &["std::fs", "tokio::", "SystemTime", "std::net::Tcp", "HashMap", "rand"],
        "the catalog is pure",
    ),
    (
        "src/access.rs",
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

struct Source {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl Source {
    /// Without what only tests compile.
    fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\n").next().unwrap_or_default()
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let in_tests =
            self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.contains("/testing/");
        in_tests
            || name == "tests.rs"
            || name == "testing.rs"
            || name.ends_with("_tests.rs")
            || name.starts_with("test_")
    }

    /// The modules that lead to it, from the crate's root.
    fn module(&self) -> Vec<&str> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<_> = inside.split('/').collect();
        if parts.last().is_some_and(|last| *last == "mod" || *last == "lib") {
            parts.pop();
        }
        parts
    }
}

/// All files with these endings below `folders`.
fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| repository().join(folder)).collect();
    while let Some(path) = open.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "__pycache__"].contains(&name.as_str()) {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let path = path.strip_prefix(repository()).unwrap().to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "nothing was found below {folders:?}");
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first names of a path's rest: one, or several in braces.
fn heads(rest: &str) -> Vec<&str> {
    let Some(inside) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(word(inside[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The rooms that a file names, by `crate::` or by climbing to the crate's root.
fn rooms(source: &Source) -> Vec<String> {
    let climb = "super::".repeat(source.module().len());
    let mut found = Vec::new();
    for line in code(source.product()).split(['\n', ';']) {
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().next_back();
            rest = &rest[at + "crate::".len()..];
            if !before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
                found.extend(heads(rest).into_iter().map(str::to_owned));
            }
        }
        if let Some(at) = line.find(&climb).filter(|_| !climb.is_empty()) {
            found.extend(heads(&line[at + climb.len()..]).into_iter().map(str::to_owned));
        }
    }
    found.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    found
}

/// The text without comments; a `use` over several lines is one.
fn code(text: &str) -> String {
    let mut lines = String::new();
    let mut in_use = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        in_use |= line.starts_with("use ") || line.starts_with("pub use ");
        lines += line;
        in_use &= !line.ends_with(';');
        lines.push(if in_use { ' ' } else { '\n' });
    }
    lines
}

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
            if known && named != *room && !allowed.contains(&named.as_str()) {
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
        let script = source.text.starts_with("#!/");
        if !script && !source.text.starts_with(opening) {
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

#[test]
fn the_table_reads_imports_as_they_are_written() {
    let read = |path: &str, text: &str| {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        rooms(&source)
    };
    assert_eq!(read("src/vfs/list.rs", "use crate::session::Session;\n"), ["session"]);
    assert_eq!(
        read(
            "src/vfs/mod.rs",
            "use crate::{\n    ids::Name,\n    path::{A, B},\n};\n"
        ),
        ["ids", "path"]
    );
    assert_eq!(read("src/session.rs", "let x = super::access::decide();\n"), ["access"]);
    assert_eq!(read("src/vfs/mod.rs", "use super::events::Event;\n"), ["events"]);
    assert_eq!(
        read(
            "src/vfs/list.rs",
            "use super::open::Open;\nuse super::super::admin::Api;\n"
        ),
        ["admin"]
    );
    assert_eq!(
        read(
            "src/vfs/list.rs",
            "// crate::admin\n#[cfg(test)]\nmod t { use crate::admin; }\n"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        read("src/vfs/list.rs", "argosy_cluster::x(); my_crate::y();\n"),
        Vec::<String>::new()
    );
}
