//! The ways to ask for a step: a script per protocol, what the protocol has no word for, and its words for a refusal.
//!
//! A further protocol comes in here: its script, what it lacks, its code for each [`Why`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::step::{Answer, At, Content, Entry, Kind, Step, Why};
use crate::rig::Login;
use crate::rig::stream::Talk;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Sftp,
    Scp,
    /// With TLS or without.
    Ftp,
    /// The file API, with TLS or without.
    Http,
    /// The same with WebDAV.
    Dav,
}

/// All of them.
pub const PROTOCOLS: [Protocol; 5] = [
    Protocol::Sftp,
    Protocol::Scp,
    Protocol::Ftp,
    Protocol::Http,
    Protocol::Dav,
];

/// The codes by which SFTP, FTP and HTTP refuse, and the words that say why in at least one protocol. SCP has words alone.
const REASONS: [(Why, u64, u64, u64, &[&str]); 9] = [
    // Its words in SCP begin with those of a denial.
    (Why::Outside, 3, 550, 403, &["leads out"]),
    (Why::Absent, 2, 550, 404, &["no such file or", "is missing; make"]),
    (
        Why::Exists,
        4,
        550,
        409,
        &["name exists", "file exists", "at the target already"],
    ),
    (Why::Denied, 3, 550, 403, &["may not", "permission denied"]),
    (
        Why::IsFolder,
        4,
        550,
        409,
        &["is a folder", "is a directory", "not a regular file"],
    ),
    (Why::NoFolder, 2, 550, 404, &["is no folder", "not a directory"]),
    (Why::NotEmpty, 4, 550, 409, &["not empty"]),
    (Why::BadName, 4, 553, 422, &["is longer than", "keeps for itself"]),
    (Why::IntoItself, 8, 504, 422, &["into itself"]),
];

impl Protocol {
    fn script(self) -> &'static str {
        match self {
            Self::Sftp => "conformance_sftp.py",
            Self::Scp => "conformance_scp.py",
            Self::Ftp => "conformance_ftp.py",
            Self::Http => "conformance_http.py",
            Self::Dav => "conformance_dav.py",
        }
    }

    /// Why the protocol cannot ask for a step; `None`: it can.
    pub fn lacks(self, step: Step) -> Option<&'static str> {
        let (path, to) = step.paths();
        let in_lines = [Some(path), to].into_iter().flatten().any(|path| path.contains(&b'\n'));
        let is_back = |path: At| path.split(|byte| *byte == b'/').any(|part| part == b"..");
        let goes_back = [Some(path), to].into_iter().flatten().any(is_back);
        match (self, step) {
            (Self::Scp | Self::Ftp, _) if in_lines => Some("it speaks in lines: no name holds the end of one"),
            (Self::Ftp, Step::RenameNew(..)) => Some("RNTO replaces what has the name"),
            (Self::Ftp, Step::Link(..)) => Some("it makes no links"),
            (
                Self::Scp,
                Step::PutAt(..)
                | Step::Append(..)
                | Step::GetFrom(..)
                | Step::Rename(..)
                | Step::RenameNew(..)
                | Step::Delete(_)
                | Step::RemoveFolder(_)
                | Step::ListLong(_)
                | Step::SetModified(..)
                | Step::SetMode(..)
                | Step::Link(..),
            ) => Some("it copies whole files and trees, and nothing else"),
            (Self::Http | Self::Dav, _) if goes_back => {
                Some("clients take out two dots; sent all the same they are refused")
            }
            (Self::Http | Self::Dav, Step::PutAt(..) | Step::Append(..)) => Some("a file is written whole"),
            (Self::Dav, Step::RemoveFolder(_)) => Some("DELETE removes a folder with all that is in it"),
            (Self::Dav, Step::Mode(_) | Step::SetMode(..)) => Some("it knows no permission bits"),
            (Self::Dav, Step::Hash(_)) => Some("it knows no checksums"),
            (Self::Http | Self::Dav, Step::ListLong(_)) => Some("its lists are for programs alone"),
            (Self::Http | Self::Dav, Step::Link(..)) => Some("it makes no links"),
            (Self::Scp, Step::MakeNewFolder(_)) => Some("a folder that is there is entered"),
            _ => None,
        }
    }

    /// The code for a refusal, where there is one for each.
    pub fn code(self, why: Why) -> Option<u64> {
        let (_, sftp, ftp, http, _) = REASONS.iter().find(|(known, ..)| *known == why).unwrap();
        match self {
            Self::Sftp => Some(*sftp),
            Self::Ftp => Some(*ftp),
            Self::Http => Some(*http),
            // Its codes say how the request went wrong rather than why.
            Self::Scp | Self::Dav => None,
        }
    }
}

/// Why, by the words of a refusal.
fn told(text: &str) -> Option<Why> {
    let text = text.to_lowercase();
    let said = |(.., words): &&(Why, u64, u64, u64, &[&str])| words.iter().any(|word| text.contains(word));
    REASONS.iter().find(said).map(|(why, ..)| *why)
}

/// Signed-in clients of one protocol, one at each node; steps go round among them.
pub struct Driver {
    /// The protocol.
    pub protocol: Protocol,
    clients: Vec<Talk>,
    turn: usize,
    folder: tempfile::TempDir,
}

impl Driver {
    /// Signs in by each login; `over` is the kind of an FTP service.
    pub fn start(protocol: Protocol, over: &str, logins: &[Login]) -> Self {
        let start = |login: &Login| login.talk(protocol.script(), json!({"over": over}));
        let mut clients: Vec<_> = logins.iter().map(start).collect();
        for client in &mut clients {
            client.expect("started");
        }
        Self {
            protocol,
            clients,
            turn: 0,
            folder: crate::rig::folder(),
        }
    }

    /// Does a step on the next node; what was answered.
    pub fn take(&mut self, step: Step, folder: &str) -> Told {
        let into = self.folder.path().join("got");
        let line = written(step, folder, &self.folder.path().join("source"), &into);
        let at = self.turn % self.clients.len();
        self.turn += 1;
        self.clients[at].say(&line.to_string());
        let answer = self.clients[at].expect("answer")["answer"].clone();
        Told {
            protocol: self.protocol,
            asked: line.to_string(),
            answer,
            into,
        }
    }
}

/// A line for a script.
fn written(step: Step, folder: &str, source: &Path, into: &Path) -> Value {
    let of = |at: &[u8]| json!(one_a_byte(&placed(at, folder)));
    let (path, to) = step.paths();
    let mut line = json!({"path": of(path)});
    let mut set = |name: &str, value: Value| line[name] = value;
    let send = |content: Content| {
        std::fs::write(source, content.bytes()).unwrap();
        json!(source)
    };
    if let Some(to) = to {
        set("to", of(to));
    }
    let name = match step {
        Step::Put(_, content)
        | Step::PutDated(_, content, _)
        | Step::PutAt(_, _, content)
        | Step::Append(_, content) => {
            set("source", send(content));
            match step {
                Step::PutDated(_, _, time) => {
                    set("time", json!(time));
                    "put_dated"
                }
                Step::PutAt(_, offset, _) => {
                    set("offset", json!(offset));
                    "put_at"
                }
                Step::Append(..) => "append",
                _ => "put",
            }
        }
        Step::Get(_) => {
            set("into", json!(into));
            "get"
        }
        Step::GetFrom(_, offset) => {
            set("into", json!(into));
            set("offset", json!(offset));
            "get_from"
        }
        Step::SetModified(_, time) => {
            set("time", json!(time));
            "set_modified"
        }
        Step::SetMode(_, mode) => {
            set("mode", json!(mode));
            "set_mode"
        }
        Step::Link(_, target) => {
            set("target", json!(one_a_byte(&in_folder(target, folder))));
            "link"
        }
        Step::Rename(..) => "rename",
        Step::RenameNew(..) => "rename_new",
        Step::Delete(_) => "delete",
        Step::MakeFolder(_) => "make_folder",
        Step::MakeNewFolder(_) => "make_new_folder",
        Step::RemoveFolder(_) => "remove_folder",
        Step::List(_) => "list",
        Step::ListLong(_) => "list_long",
        Step::Names(_) => "names",
        Step::Stat(_) => "stat",
        Step::Modified(_) => "modified",
        Step::Mode(_) => "mode",
        Step::Hash(_) => "hash",
    };
    set("do", json!(name));
    line
}

/// From the account's root.
fn placed(at: &[u8], folder: &str) -> Vec<u8> {
    let at = in_folder(at, folder);
    match at.first() {
        Some(b'/') => at,
        _ => [b"/", folder.as_bytes(), b"/", &at].concat(),
    }
}

/// With the folder's name for `{}`.
fn in_folder(at: &[u8], folder: &str) -> Vec<u8> {
    match at.windows(2).position(|two| two == b"{}") {
        Some(place) => [&at[..place], folder.as_bytes(), &at[place + 2..]].concat(),
        None => at.to_vec(),
    }
}

/// A text with one character for each byte.
fn one_a_byte(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// What a client was answered.
pub struct Told {
    /// As the script was told it.
    pub asked: String,
    protocol: Protocol,
    answer: Value,
    into: PathBuf,
}

impl Told {
    /// Whether it is this; else in short what it is.
    pub fn compare(&self, expected: &Answer) -> Result<(), String> {
        if let Answer::Refused(why) = expected {
            return self.refused(*why);
        }
        let wanted = match expected {
            Answer::Got(content) if !self.answer["got"].is_null() => {
                let got = std::fs::read(&self.into).unwrap();
                return if got == content.bytes() {
                    Ok(())
                } else {
                    Err(format!("{} other bytes", got.len()))
                };
            }
            Answer::Done => json!({"done": true}),
            Answer::Got(_) => json!({"got": true}),
            Answer::Entries(entries) => {
                let entry = |(name, kind, size): &Entry| json!([one_a_byte(name), word(*kind), size]);
                json!({"entries": entries.iter().map(entry).collect::<Vec<_>>()})
            }
            Answer::NamesAre(names) => json!({"names": names.iter().map(|name| one_a_byte(name)).collect::<Vec<_>>()}),
            Answer::Is(kind, size) => json!({"is": [word(*kind), size]}),
            Answer::Time(time) => json!({"time": time}),
            Answer::HasMode(mode) => json!({"mode": mode}),
            Answer::HashOf(content) => json!({"hash": argosy::x509::hex(&argosy::x509::sha256(&content.bytes()))}),
            Answer::Refused(_) => unreachable!(),
        };
        if sorted(&self.answer) == sorted(&wanted) {
            Ok(())
        } else {
            Err(self.shown())
        }
    }

    /// The code and the words must say why, both.
    fn refused(&self, why: Why) -> Result<(), String> {
        let text = self.answer["refused"][1].as_str().unwrap_or_default();
        let by_code = self
            .protocol
            .code(why)
            .is_none_or(|code| self.answer["refused"][0] == code);
        if by_code && told(text) == Some(why) {
            Ok(())
        } else {
            Err(self.shown())
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<u64> {
        self.answer["refused"][0].as_u64()
    }

    /// In short.
    pub fn shown(&self) -> String {
        self.answer.to_string()
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Link => "link",
    }
}

/// Folders have no order.
fn sorted(answer: &Value) -> BTreeMap<String, Value> {
    let fields = answer.as_object().cloned().unwrap_or_default();
    let by_name = |(name, value): (String, Value)| match value {
        Value::Array(mut list) if name == "entries" || name == "names" => {
            list.sort_by_key(Value::to_string);
            (name, Value::Array(list))
        }
        value => (name, value),
    };
    fields.into_iter().map(by_name).collect()
}
