//! Properties: those that the server knows of a file (RFC 4918, 15; RFC 4331), and those that clients have set.
//!
//! Asking and answering are left to `propfind` and `proppatch`; where a note lies, to the Vfs.

use std::sync::Arc;

use bytes::Bytes;

use super::lock;
use super::xml::{self, DAV, Element, QName};
use crate::catalog::Lock;
use crate::protocols::http::conditions;
use crate::vfs::{Attributes, FileType, Space};

/// The namespace of properties that Windows sets.
pub const WINDOWS: &str = "urn:schemas-microsoft-com:";

/// Properties of WebDAV's own that the server knows, with those that are told only to who asks for them by name.
pub const LIVE: [&str; 9] = [
    "creationdate",
    "displayname",
    "getcontentlength",
    "getcontenttype",
    "getetag",
    "getlastmodified",
    "resourcetype",
    "supportedlock",
    "lockdiscovery",
];

/// Of the room on the storage, of a folder (RFC 4331); told only to who asks for them by name.
pub const QUOTA: [&str; 2] = ["quota-available-bytes", "quota-used-bytes"];

/// A file or folder whose properties are told.
pub struct Subject<'a> {
    /// Its name; empty: the top.
    pub name: &'a [u8],
    /// What is known of it, behind a link.
    pub attributes: &'a Attributes,
    /// The locks that hold on it, with the path of each as the account names it.
    pub locks: &'a [(Arc<Lock>, String)],
    /// The room on its storage.
    pub space: Option<Space>,
    /// What clients have set.
    pub set: &'a [Element],
    /// Now, for what is left of locks.
    pub now: crate::clock::UnixMillis,
}

impl Subject<'_> {
    fn is_folder(&self) -> bool {
        self.attributes.file_type == FileType::Folder
    }

    /// Writes a property; whether there is one of this name.
    pub fn write(&self, name: &QName, out: &mut String) -> bool {
        if name.space == DAV && (LIVE.contains(&&*name.local) || QUOTA.contains(&&*name.local)) {
            let Some(value) = self.live(&name.local) else {
                return false;
            };
            out.push_str(&format!("<D:{0}>{value}</D:{0}>", name.local));
            return true;
        }
        match self.set.iter().find(|element| element.name == *name) {
            Some(element) => {
                element.write(out);
                true
            }
            None => false,
        }
    }

    /// The names of all that it has, those of the quota left out.
    pub fn names(&self) -> Vec<QName> {
        let live = LIVE.iter().filter(|local| self.live(local).is_some());
        let mut names: Vec<QName> = live.map(|local| dav(local)).collect();
        names.extend(self.set.iter().map(|element| element.name.clone()));
        names
    }

    /// The value of a property of WebDAV's own, as XML.
    fn live(&self, local: &str) -> Option<String> {
        let folder = self.is_folder();
        let attributes = self.attributes;
        Some(match local {
            // When it was made is not known on most storages; it was at the latest then.
            "creationdate" => attributes.modified.to_rfc3339(),
            "displayname" => {
                let mut text = String::new();
                xml::escape(&String::from_utf8_lossy(self.name), &mut text);
                text
            }
            "getcontentlength" if !folder => attributes.size.to_string(),
            "getcontenttype" if folder => "httpd/unix-directory".to_owned(),
            "getcontenttype" => "application/octet-stream".to_owned(),
            "getetag" if !folder => {
                let mut text = String::new();
                xml::escape(&conditions::etag(attributes), &mut text);
                text
            }
            "getlastmodified" => conditions::show_date(attributes.modified),
            "resourcetype" if folder => "<D:collection/>".to_owned(),
            "resourcetype" => String::new(),
            "supportedlock" => SUPPORTED_LOCKS.to_owned(),
            "lockdiscovery" => {
                let mut text = String::new();
                for (lock, root) in self.locks {
                    lock::write_active(lock, root, self.now, &mut text);
                }
                text
            }
            "quota-available-bytes" if folder => {
                let space = self.space?;
                space.bavail.saturating_mul(space.frsize).to_string()
            }
            "quota-used-bytes" if folder => {
                let space = self.space?;
                space
                    .blocks
                    .saturating_sub(space.bfree)
                    .saturating_mul(space.frsize)
                    .to_string()
            }
            _ => return None,
        })
    }
}

const SUPPORTED_LOCKS: &str = "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>\
    </D:locktype></D:lockentry><D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype>\
    </D:lockentry>";

/// A name of WebDAV's own.
pub fn dav(local: &str) -> QName {
    QName {
        space: DAV.to_owned(),
        local: local.to_owned(),
    }
}

/// What clients have set, from a file's note; a note that cannot be read is none.
pub fn from_note(note: &[u8]) -> Vec<Element> {
    if note.is_empty() {
        return Vec::new();
    }
    let mut whole = b"<properties>".to_vec();
    whole.extend_from_slice(note);
    whole.extend_from_slice(b"</properties>");
    match xml::parse(&whole) {
        Ok(whole) => whole.elements().cloned().collect(),
        Err(error) => {
            tracing::warn!(reason = error.0, "the properties of a file cannot be read");
            Vec::new()
        }
    }
}

/// The same as a note.
pub fn to_note(set: &[Element]) -> Bytes {
    let mut text = String::new();
    for element in set {
        element.write(&mut text);
    }
    text.into()
}
