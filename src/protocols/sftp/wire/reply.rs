//! Replies of SFTP version 3 as bytes.
//!
//! Requests are read in `wire` itself.

use bytes::{BufMut, Bytes, BytesMut};

use super::extended::ANNOUNCED;
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

/// A reply as it goes to the client, its length field first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Everything but DATA; several are sent together.
    Words(BytesMut),
    /// DATA: bytes of a file behind their [`data_head`], in the buffer into which they were read.
    Data(Bytes),
}

impl Reply {
    /// Bytes of the whole reply.
    #[expect(clippy::len_without_is_empty, reason = "a reply has at least its length field")]
    pub fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Data(data) => data.len(),
        }
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

fn reply(kind: u8, id: u32, fields: impl FnOnce(&mut BytesMut)) -> Reply {
    let mut reply = BytesMut::with_capacity(64);
    reply.put_u32(0);
    reply.put_u8(kind);
    reply.put_u32(id);
    fields(&mut reply);
    let length = (reply.len() - 4) as u32;
    reply[..4].copy_from_slice(&length.to_be_bytes());
    Reply::Words(reply)
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
    reply(kind::VERSION, 3, |out| {
        for (name, version) in ANNOUNCED {
            put_string(out, name.as_bytes());
            put_string(out, version.as_bytes());
        }
    })
}

/// STATUS with a text for people.
pub fn status(id: u32, status: Status, message: &str) -> Reply {
    reply(kind::STATUS, id, |out| {
        out.put_u32(status as u32);
        put_string(out, message.as_bytes());
        put_string(out, b"en");
    })
}

/// HANDLE.
pub fn handle(id: u32, handle: &[u8]) -> Reply {
    reply(kind::HANDLE, id, |out| put_string(out, handle))
}

/// Bytes of DATA before those of the file.
pub const DATA_HEAD_BYTES: usize = 13;

/// The start of DATA that carries `length` bytes of a file.
pub fn data_head(id: u32, length: usize) -> [u8; DATA_HEAD_BYTES] {
    let mut head = [0; DATA_HEAD_BYTES];
    let mut out = &mut head[..];
    out.put_u32((length + DATA_HEAD_BYTES - 4) as u32);
    out.put_u8(kind::DATA);
    out.put_u32(id);
    out.put_u32(length as u32);
    head
}

/// NAME.
pub fn names(id: u32, names: &[NameEntry]) -> Reply {
    reply(kind::NAME, id, |out| {
        out.put_u32(names.len() as u32);
        for entry in names {
            put_string(out, &entry.name);
            put_string(out, &entry.long);
            put_attributes(out, &entry.attributes);
        }
    })
}

/// ATTRS.
pub fn attributes(id: u32, attributes: &WireAttributes) -> Reply {
    reply(kind::ATTRS, id, |out| put_attributes(out, attributes))
}

/// EXTENDED_REPLY made of numbers: what limits@ and statvfs@ answer.
pub fn numbers(id: u32, numbers: &[u64]) -> Reply {
    reply(kind::EXTENDED_REPLY, id, |out| {
        numbers.iter().for_each(|number| out.put_u64(*number));
    })
}

/// EXTENDED_REPLY made of strings and of bytes up to its end.
pub fn strings(id: u32, strings: &[&[u8]], rest: &[u8]) -> Reply {
    reply(kind::EXTENDED_REPLY, id, |out| {
        strings.iter().for_each(|string| put_string(out, string));
        out.put_slice(rest);
    })
}

/// Strings one after the other, as one of the strings of a reply.
pub fn concatenated<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    strings.for_each(|string| put_string(&mut out, string));
    out.freeze()
}
