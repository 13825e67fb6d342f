//! Folders as FTP shows them: LIST in the form of `ls -l`, NLST, MLSD's facts. In batches: memory does not grow with
//! the folder.
//!
//! Reading folders is left to `vfs`.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use globset::{GlobBuilder, GlobMatcher};

use super::limits::ENTRIES_PER_STEP;
use super::verbs::Context;
use super::wire::time;
use crate::path::VirtualPath;
use crate::vfs::{Attributes, Entry, FileType, Listing, VfsError, long_line, put_name};

/// How a folder is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As `ls -l` does.
    Long,
    /// Names alone.
    Names,
    /// RFC 3659's facts.
    Facts(Facts),
}

/// Which facts MLST and MLSD show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts([bool; FACTS.len()]);

const FACTS: [&str; 5] = ["type", "size", "modify", "UNIX.mode", "UNIX.owner"];

impl Default for Facts {
    fn default() -> Self {
        Self([true, true, true, true, false])
    }
}

impl Facts {
    /// Those of the names that are known.
    pub fn of(names: &[String]) -> Self {
        Self(FACTS.map(|fact| names.iter().any(|name| name.eq_ignore_ascii_case(fact))))
    }

    /// As FEAT shows them: those that are on with an asterisk.
    pub fn marked(&self) -> String {
        let pairs = FACTS.iter().zip(self.0);
        pairs
            .map(|(fact, on)| format!("{fact}{};", if on { "*" } else { "" }))
            .collect()
    }

    /// Those that are on.
    pub fn shown(&self) -> String {
        let on = FACTS.iter().zip(self.0).filter(|(_, on)| *on);
        on.map(|(fact, _)| format!("{fact};")).collect()
    }
}

/// `type=file;size=3;modify=...; name`.
pub fn facts_line(attributes: &Attributes, facts: Facts, name: &[u8]) -> Vec<u8> {
    let mut line = String::new();
    for (fact, _) in FACTS.iter().zip(facts.0).filter(|(_, on)| *on) {
        let value = match *fact {
            "type" => match attributes.file_type {
                FileType::File => "file".to_owned(),
                FileType::Folder => "dir".to_owned(),
                FileType::Link => "OS.unix=symlink".to_owned(),
                FileType::Other => "OS.unix=other".to_owned(),
            },
            "size" if attributes.file_type != FileType::File => continue,
            "size" => attributes.size.to_string(),
            "modify" => time::show(attributes.modified),
            "UNIX.mode" => format!("{:04o}", attributes.mode & 0o7777),
            _ => attributes.uid.to_string(),
        };
        line.push_str(&format!("{fact}={value};"));
    }
    line.push(' ');
    let mut line = line.into_bytes();
    put_name(&mut line, name);
    line
}

/// The lines of a listing, batch by batch.
pub(super) struct Lines {
    context: Context,
    folder: VirtualPath,
    form: Form,
    source: Source,
    only: Option<GlobMatcher>,
}

enum Source {
    /// A file: LIST and NLST show it by itself.
    One(Option<Entry>),
    Folder(Box<Listing>),
}

impl Lines {
    /// Of a folder, of a file, or of what a pattern in the last part of the path (`*.txt`) matches in its folder.
    pub(super) async fn open(context: &Context, path: &VirtualPath, form: Form) -> Result<Self, VfsError> {
        let (vfs, session) = (&context.vfs, &context.session);
        let lines = |folder: &VirtualPath, source, only| Self {
            context: context.clone(),
            folder: folder.clone(),
            form,
            source,
            only,
        };
        let of_folder = matches!(form, Form::Facts(_));
        let found = if of_folder {
            None
        } else {
            match vfs.attributes(session, path, true).await {
                Ok(attributes) => Some(attributes),
                Err(VfsError::NotFound) => {
                    if let (Some(only), Some(folder)) = (pattern(path), path.parent()) {
                        let listing = vfs.list(session, &folder).await?;
                        return Ok(lines(&folder, Source::Folder(Box::new(listing)), Some(only)));
                    }
                    return Err(VfsError::NotFound);
                }
                // Who may not look may still be told so by the listing itself.
                Err(_) => None,
            }
        };
        if let Some(attributes) = found.filter(|found| found.file_type != FileType::Folder) {
            let name = Bytes::copy_from_slice(path.file_name().unwrap_or_default());
            let folder = path.parent().unwrap_or_else(VirtualPath::root);
            return Ok(lines(&folder, Source::One(Some(Entry { name, attributes })), None));
        }
        let listing = vfs.list(session, path).await?;
        Ok(lines(path, Source::Folder(Box::new(listing)), None))
    }

    /// Further lines, each with its end; none: the end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, VfsError> {
        loop {
            let entries = match &mut self.source {
                Source::One(entry) => entry.take().into_iter().collect(),
                Source::Folder(listing) => listing.next(ENTRIES_PER_STEP).await?,
            };
            if entries.is_empty() {
                return Ok(Vec::new());
            }
            let now = self.context.clock.now();
            let mut lines = Vec::with_capacity(entries.len() * 80);
            for entry in entries {
                let name = Path::new(std::ffi::OsStr::from_bytes(&entry.name));
                let hidden = entry.name.first() == Some(&b'.');
                if self.only.as_ref().is_some_and(|only| hidden || !only.is_match(name)) {
                    continue;
                }
                match self.form {
                    Form::Names => put_name(&mut lines, &entry.name),
                    Form::Facts(facts) => lines.extend(facts_line(&entry.attributes, facts, &entry.name)),
                    Form::Long => {
                        let target = self.target(&entry).await;
                        lines.extend(long_line(&entry, target.as_deref(), now));
                    }
                }
                lines.extend_from_slice(b"\r\n");
            }
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Where a link points, if that may be seen.
    async fn target(&self, entry: &Entry) -> Option<Bytes> {
        if entry.attributes.file_type != FileType::Link {
            return None;
        }
        let path = self.folder.join(&entry.name).ok()?;
        self.context.vfs.read_link(&self.context.session, &path).await.ok()
    }
}

/// The last part of a path as a pattern; `None`: it is none.
fn pattern(path: &VirtualPath) -> Option<GlobMatcher> {
    let name = std::str::from_utf8(path.file_name()?).ok()?;
    if !name.contains(['*', '?', '[']) {
        return None;
    }
    let glob = GlobBuilder::new(name).literal_separator(true).build().ok()?;
    Some(glob.compile_matcher())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn attributes(file_type: FileType, mode: u32) -> Attributes {
        Attributes {
            file_type,
            size: 123,
            mode,
            uid: 1000,
            gid: 100,
            accessed: UnixMillis(0),
            modified: UnixMillis::from_rfc3339("2026-11-23T10:05:00Z").unwrap(),
            links: 1,
            mark: 0,
        }
    }

    #[test]
    fn facts_are_those_that_were_chosen() {
        let chosen = |names: &[&str]| Facts::of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (facts, file_type, expected) in [
            (
                Facts::default(),
                FileType::File,
                "type=file;size=123;modify=20261123100500;UNIX.mode=0644; a b",
            ),
            (
                Facts::default(),
                FileType::Folder,
                "type=dir;modify=20261123100500;UNIX.mode=0644; a b",
            ),
            (chosen(&["SIZE", "unique"]), FileType::File, "size=123; a b"),
            (chosen(&["type"]), FileType::Link, "type=OS.unix=symlink; a b"),
            (chosen(&[]), FileType::File, " a b"),
        ] {
            let line = facts_line(&attributes(file_type, 0o644), facts, b"a b");
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
        assert_eq!(Facts::default().marked(), "type*;size*;modify*;UNIX.mode*;UNIX.owner;");
        assert_eq!(chosen(&["size"]).shown(), "size;");
    }
}
