//! Reads the repository's files as the house rules see them: without tests and comments, with the rooms they name.

use std::path::PathBuf;

use crate::rig::repository;

/// A file of the repository.
pub struct Source {
    /// Relative to the repository.
    pub path: String,
    pub text: String,
}

impl Source {
    /// Without what only tests compile.
    pub fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\n").next().unwrap_or_default()
    }

    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let in_tests = self.path.starts_with("tests/")
            || self.path.starts_with("cluster/src/sim/")
            || self.path.contains("/tests/")
            || self.path.contains("/testing/");
        in_tests
            || name == "tests.rs"
            || name == "testing.rs"
            || name.ends_with("_tests.rs")
            || name.starts_with("test_")
    }

    /// The modules that lead to it, from the crate's root.
    pub fn module(&self) -> Vec<&str> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<_> = inside.split('/').collect();
        if parts.last().is_some_and(|last| *last == "mod" || *last == "lib") {
            parts.pop();
        }
        parts
    }
}

/// All files with these endings below `folders`.
pub fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
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

pub fn word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first names of a path's rest: one, or several in braces.
pub fn heads(rest: &str) -> Vec<&str> {
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
pub fn rooms(source: &Source) -> Vec<String> {
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
pub fn code(text: &str) -> String {
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
