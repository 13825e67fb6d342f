//! SFTP version 3 as bytes: packets to typed requests, replies to bytes (draft-ietf-secsh-filexfer-02 and OpenSSH's
//! PROTOCOL file). No I/O, no decision.
//!
//! What a request does is left to `operations`; when it may run, to `state`.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

pub use extended::{Extended, Named};
pub use reply::*;

use super::limits::{EXTENDED_ATTRIBUTES_MAX, LONG_PACKET_BYTES, PACKET_BYTES_MAX};
use crate::vfs::{Buffers, Chunk};

mod extended;
mod reply;

/// Cuts a byte stream into packets. What a packet needs is set aside only once its length was found acceptable.
#[derive(Debug, Default)]
pub struct Framer {
    length: [u8; 4],
    length_known: usize,
    packet: Assembly,
    missing: usize,
    buffers: Arc<Buffers>,
}

/// A packet of which a part has come.
#[derive(Debug)]
enum Assembly {
    Short(BytesMut),
    /// Long enough for a buffer that is used again, and how much of it has come.
    Long(Chunk, usize),
}

impl Default for Assembly {
    fn default() -> Self {
        Self::Short(BytesMut::new())
    }
}

impl Assembly {
    fn of(length: usize, buffers: &Arc<Buffers>) -> Self {
        if length < LONG_PACKET_BYTES {
            Self::Short(BytesMut::with_capacity(length))
        } else {
            Self::Long(buffers.take(length), 0)
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Short(packet) => packet.extend_from_slice(bytes),
            Self::Long(packet, known) => {
                packet.room()[*known..*known + bytes.len()].copy_from_slice(bytes);
                *known += bytes.len();
            }
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Short(packet) => packet.freeze(),
            Self::Long(packet, _) => packet.into(),
        }
    }
}

/// A length that no packet has; nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLength(
    /// What the length field said.
    pub u32,
);

impl std::fmt::Display for BadLength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a packet of {} bytes; 1 to {PACKET_BYTES_MAX} are accepted", self.0)
    }
}

impl std::error::Error for BadLength {}

impl Framer {
    /// Takes long packets into `buffers`.
    pub fn new(buffers: Arc<Buffers>) -> Self {
        Self {
            buffers,
            ..Self::default()
        }
    }

    /// Takes bytes off `input` up to the end of one packet, and gives it without its length field. `None`: all of
    /// `input` was taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, BadLength> {
        while self.length_known < 4 {
            let Some((first, rest)) = input.split_first() else {
                return Ok(None);
            };
            self.length[self.length_known] = *first;
            self.length_known += 1;
            *input = rest;
            if self.length_known == 4 {
                let length = u32::from_be_bytes(self.length);
                if length == 0 || length as usize > PACKET_BYTES_MAX {
                    return Err(BadLength(length));
                }
                self.missing = length as usize;
                self.packet = Assembly::of(self.missing, &self.buffers);
            }
        }
        let taken = self.missing.min(input.len());
        let (now, rest) = input.split_at(taken);
        self.packet.add(now);
        self.missing -= taken;
        *input = rest;
        if self.missing > 0 {
            return Ok(None);
        }
        self.length_known = 0;
        Ok(Some(std::mem::take(&mut self.packet).finish()))
    }

    /// Bytes set aside for a packet that is not complete.
    pub fn held(&self) -> usize {
        match &self.packet {
            Assembly::Short(packet) => packet.capacity(),
            Assembly::Long(packet, _) => packet.len(),
        }
    }
}

/// Attributes as sent: only what the flags name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the draft, section 5")]
pub struct WireAttributes {
    pub size: Option<u64>,
    pub owner: Option<(u32, u32)>,
    pub permissions: Option<u32>,
    /// Access and modification, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

/// Flags of OPEN (section 6.3).
pub mod open {
    /// Open for reading.
    pub const READ: u32 = 1;
    /// Open for writing.
    pub const WRITE: u32 = 2;
    /// Write at the end.
    pub const APPEND: u32 = 4;
    /// Make it.
    pub const CREAT: u32 = 8;
    /// Empty it.
    pub const TRUNC: u32 = 0x10;
    /// Fail if it exists.
    pub const EXCL: u32 = 0x20;
}

/// A request. Paths and handles are bytes as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the draft, section 6")]
pub enum Request {
    Open {
        path: Bytes,
        flags: u32,
        attributes: WireAttributes,
    },
    Close {
        handle: Bytes,
    },
    Read {
        handle: Bytes,
        offset: u64,
        length: u32,
    },
    Write {
        handle: Bytes,
        offset: u64,
        chunk: Bytes,
    },
    Lstat {
        path: Bytes,
    },
    Fstat {
        handle: Bytes,
    },
    Setstat {
        path: Bytes,
        attributes: WireAttributes,
    },
    Fsetstat {
        handle: Bytes,
        attributes: WireAttributes,
    },
    Opendir {
        path: Bytes,
    },
    Readdir {
        handle: Bytes,
    },
    Remove {
        path: Bytes,
    },
    Mkdir {
        path: Bytes,
        attributes: WireAttributes,
    },
    Rmdir {
        path: Bytes,
    },
    Realpath {
        path: Bytes,
    },
    Stat {
        path: Bytes,
    },
    Rename {
        from: Bytes,
        to: Bytes,
    },
    Readlink {
        path: Bytes,
    },
    /// In OpenSSH's order, which all clients use: the target first.
    Symlink {
        target: Bytes,
        link: Bytes,
    },
    /// posix-rename@openssh.com
    PosixRename {
        from: Bytes,
        to: Bytes,
    },
    /// fsync@openssh.com
    Fsync {
        handle: Bytes,
    },
    /// hardlink@openssh.com
    Hardlink {
        existing: Bytes,
        link: Bytes,
    },
    /// statvfs@openssh.com
    Statvfs {
        path: Bytes,
    },
    /// fstatvfs@openssh.com
    Fstatvfs {
        handle: Bytes,
    },
    /// What version 3 and the draft do not have.
    Extended(Extended),
    /// A packet type or extension that this server does not have.
    Unknown,
}

/// What a packet said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// INIT with the client's version.
    Init {
        /// The highest version that the client speaks.
        version: u32,
    },
    /// A request to be answered under `id`.
    Request {
        /// The client's number for it.
        id: u32,
        /// What it asks for.
        request: Request,
    },
    /// It cannot be read; answered BAD_MESSAGE under `id`, as far as there is one.
    Malformed {
        /// The client's number, or 0.
        id: u32,
    },
}

mod kind {
    pub(super) const INIT: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const SETSTAT: u8 = 9;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const READDIR: u8 = 12;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const RMDIR: u8 = 15;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const READLINK: u8 = 19;
    pub(super) const SYMLINK: u8 = 20;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const EXTENDED_REPLY: u8 = 201;
}

/// Reads one packet as the framer gave it. Bytes after what a request needs are ignored, as OpenSSH does.
pub fn parse(packet: Bytes) -> Packet {
    let mut fields = Fields(packet);
    let Some(kind) = fields.u8() else {
        return Packet::Malformed { id: 0 };
    };
    let Some(id) = fields.u32() else {
        return Packet::Malformed { id: 0 };
    };
    if kind == kind::INIT {
        return Packet::Init { version: id };
    }
    match request(kind, &mut fields) {
        Some(request) => Packet::Request { id, request },
        None => Packet::Malformed { id },
    }
}

fn request(kind: u8, fields: &mut Fields) -> Option<Request> {
    Some(match kind {
        kind::OPEN => Request::Open {
            path: fields.bytes()?,
            flags: fields.u32()?,
            attributes: fields.attributes()?,
        },
        kind::CLOSE => Request::Close {
            handle: fields.bytes()?,
        },
        kind::READ => Request::Read {
            handle: fields.bytes()?,
            offset: fields.u64()?,
            length: fields.u32()?,
        },
        kind::WRITE => Request::Write {
            handle: fields.bytes()?,
            offset: fields.u64()?,
            chunk: fields.bytes()?,
        },
        kind::LSTAT => Request::Lstat { path: fields.bytes()? },
        kind::FSTAT => Request::Fstat {
            handle: fields.bytes()?,
        },
        kind::SETSTAT => Request::Setstat {
            path: fields.bytes()?,
            attributes: fields.attributes()?,
        },
        kind::FSETSTAT => Request::Fsetstat {
            handle: fields.bytes()?,
            attributes: fields.attributes()?,
        },
        kind::OPENDIR => Request::Opendir { path: fields.bytes()? },
        kind::READDIR => Request::Readdir {
            handle: fields.bytes()?,
        },
        kind::REMOVE => Request::Remove { path: fields.bytes()? },
        kind::MKDIR => Request::Mkdir {
            path: fields.bytes()?,
            attributes: fields.attributes()?,
        },
        kind::RMDIR => Request::Rmdir { path: fields.bytes()? },
        kind::REALPATH => Request::Realpath { path: fields.bytes()? },
        kind::STAT => Request::Stat { path: fields.bytes()? },
        kind::RENAME => Request::Rename {
            from: fields.bytes()?,
            to: fields.bytes()?,
        },
        kind::READLINK => Request::Readlink { path: fields.bytes()? },
        kind::SYMLINK => Request::Symlink {
            target: fields.bytes()?,
            link: fields.bytes()?,
        },
        kind::EXTENDED => extended::read(fields)?,
        _ => Request::Unknown,
    })
}

struct Fields(Bytes);

impl Fields {
    fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.u32()? as usize;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn attributes(&mut self) -> Option<WireAttributes> {
        let flags = self.u32()?;
        let mut attributes = WireAttributes::default();
        if flags & flag::SIZE != 0 {
            attributes.size = Some(self.u64()?);
        }
        if flags & flag::OWNER != 0 {
            attributes.owner = Some((self.u32()?, self.u32()?));
        }
        if flags & flag::PERMISSIONS != 0 {
            attributes.permissions = Some(self.u32()?);
        }
        if flags & flag::TIMES != 0 {
            attributes.times = Some((self.u32()?, self.u32()?));
        }
        if flags & flag::EXTENDED != 0 {
            let count = self.u32()?;
            if count > EXTENDED_ATTRIBUTES_MAX {
                return None;
            }
            for _ in 0..count {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(attributes)
    }
}

mod flag {
    pub(super) const SIZE: u32 = 1;
    pub(super) const OWNER: u32 = 2;
    pub(super) const PERMISSIONS: u32 = 4;
    pub(super) const TIMES: u32 = 8;
    pub(super) const EXTENDED: u32 = 0x8000_0000;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
