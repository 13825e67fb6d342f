//! Replies of SFTP version 3 as bytes.
//!
//! Requests are read in `wire` itself.

use bytes::{BufMut, Bytes, BytesMut};

use super::{WireAttributes, flag, kind};

/// A name in a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    /// The name, bytes.
    pub name: Bytes,
    /// The line of `ls -l`, for people.
    pub long: Bytes,
    /// Its attributes; all `None` where only the name matters.
    pub attributes: WireAttributes,
}

/// A reply: its first part, and for DATA the bytes of the file, not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Length field, type, id and all else but the body.
    pub head: BytesMut,
    /// The bytes read.
    pub body: Bytes,
}

impl Reply {
    /// Bytes of the whole reply.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Never: a reply has at least its length field.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }
}

/// Status codes of version 3 (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the draft, section 7")]
pub enum Status {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    OpUnsupported = 8,
}

fn reply(kind: u8, id: u32, fields: impl FnOnce(&mut BytesMut), body: Bytes) -> Reply {
    let mut head = BytesMut::with_capacity(64);
    head.put_u32(0);
    head.put_u8(kind);
    head.put_u32(id);
    fields(&mut head);
    let length = (head.len() - 4 + body.len()) as u32;
    head[..4].copy_from_slice(&length.to_be_bytes());
    Reply { head, body }
}

pub(super) fn put_string(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

pub(super) fn put_attributes(out: &mut BytesMut, attributes: &WireAttributes) {
    let flags = attributes.size.map_or(0, |_| flag::SIZE)
        | attributes.owner.map_or(0, |_| flag::OWNER)
        | attributes.permissions.map_or(0, |_| flag::PERMISSIONS)
        | attributes.times.map_or(0, |_| flag::TIMES);
    out.put_u32(flags);
    if let Some(size) = attributes.size {
        out.put_u64(size);
    }
    if let Some((user, group)) = attributes.owner {
        out.put_u32(user);
        out.put_u32(group);
    }
    if let Some(permissions) = attributes.permissions {
        out.put_u32(permissions);
    }
    if let Some((accessed, modified)) = attributes.times {
        out.put_u32(accessed);
        out.put_u32(modified);
    }
}

/// VERSION 3 with the extensions that this server has.
pub fn version() -> Reply {
    reply(
        kind::VERSION,
        3,
        |out| {
            for (name, version) in [
                ("posix-rename@openssh.com", "1"),
                ("statvfs@openssh.com", "2"),
                ("fstatvfs@openssh.com", "2"),
                ("hardlink@openssh.com", "1"),
                ("fsync@openssh.com", "1"),
                ("limits@openssh.com", "1"),
            ] {
                put_string(out, name.as_bytes());
                put_string(out, version.as_bytes());
            }
        },
        Bytes::new(),
    )
}

/// STATUS with a text for people.
pub fn status(id: u32, status: Status, message: &str) -> Reply {
    reply(
        kind::STATUS,
        id,
        |out| {
            out.put_u32(status as u32);
            put_string(out, message.as_bytes());
            put_string(out, b"en");
        },
        Bytes::new(),
    )
}

/// HANDLE.
pub fn handle(id: u32, handle: &[u8]) -> Reply {
    reply(kind::HANDLE, id, |out| put_string(out, handle), Bytes::new())
}

/// DATA; the body is not copied.
pub fn data(id: u32, body: Bytes) -> Reply {
    let length = body.len() as u32;
    reply(kind::DATA, id, |out| out.put_u32(length), body)
}

/// NAME.
pub fn names(id: u32, names: &[NameEntry]) -> Reply {
    reply(
        kind::NAME,
        id,
        |out| {
            out.put_u32(names.len() as u32);
            for entry in names {
                put_string(out, &entry.name);
                put_string(out, &entry.long);
                put_attributes(out, &entry.attributes);
            }
        },
        Bytes::new(),
    )
}

/// ATTRS.
pub fn attributes(id: u32, attributes: &WireAttributes) -> Reply {
    reply(kind::ATTRS, id, |out| put_attributes(out, attributes), Bytes::new())
}

/// EXTENDED_REPLY made of numbers: what limits@ and statvfs@ answer.
pub fn numbers(id: u32, numbers: &[u64]) -> Reply {
    reply(
        kind::EXTENDED_REPLY,
        id,
        |out| numbers.iter().for_each(|number| out.put_u64(*number)),
        Bytes::new(),
    )
}
