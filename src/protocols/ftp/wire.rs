//! Bytes of the control connection to lines, lines to commands, replies to bytes. Nothing is decided here.
//!
//! What a command means is left to `state` and `verbs`.

pub mod address;
pub mod command;
pub mod reply;
pub mod time;

use bytes::{Buf, BytesMut};

use super::limits::{LINE_BYTES_MAX, LINE_DISCARD_BYTES_MAX};

pub use command::{Command, Unread};
pub use reply::Reply;

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Its bytes, without its end and without TELNET's commands.
    Whole(Vec<u8>),
    /// It was longer than [`LINE_BYTES_MAX`] and is gone.
    TooLong,
    /// It held a NUL.
    Nul,
}

/// A line went on and on; nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endless;

/// Cuts what comes into lines, at most [`LINE_BYTES_MAX`] of it held.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes at the beginning that hold no end of a line.
    searched: usize,
    /// Bytes dropped of a line that is too long.
    dropped: usize,
}

impl Framer {
    /// Takes in what came.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets what came and was not taken out: it was sent before TLS began, perhaps by somebody else.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line, if it has come.
    ///
    /// # Errors
    /// A line has no end within [`LINE_DISCARD_BYTES_MAX`].
    pub fn next_line(&mut self) -> Result<Option<Line>, Endless> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| end + self.searched) else {
            self.searched = self.buffer.len();
            if self.searched >= LINE_BYTES_MAX {
                self.dropped += self.searched;
                self.buffer.clear();
                self.searched = 0;
            }
            if self.dropped > LINE_DISCARD_BYTES_MAX {
                return Err(Endless);
            }
            return Ok(None);
        };
        self.searched = 0;
        let line = self.buffer.split_to(end + 1);
        if self.buffer.is_empty() {
            // An idle connection holds nothing.
            self.buffer = BytesMut::new();
        }
        let too_long = std::mem::take(&mut self.dropped) > 0 || line.len() > LINE_BYTES_MAX;
        Ok(Some(if too_long { Line::TooLong } else { whole(&line) }))
    }
}

fn whole(line: &[u8]) -> Line {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = without_telnet(line.strip_suffix(b"\r").unwrap_or(line));
    if line.contains(&0) {
        Line::Nul
    } else {
        Line::Whole(line)
    }
}

/// TELNET's escape byte (RFC 854). Clients send `IAC IP IAC DM` before ABOR; a doubled one is the byte itself.
const IAC: u8 = 255;

/// The line without TELNET's commands (RFC 959, 4.1.3).
fn without_telnet(mut line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    while line.has_remaining() {
        let byte = line.get_u8();
        if byte != IAC {
            plain.push(byte);
            continue;
        }
        match line.first() {
            Some(&IAC) => {
                plain.push(IAC);
                line.advance(1);
            }
            // WILL, WONT, DO, DONT and their option.
            Some(251..=254) => line.advance(line.len().min(2)),
            Some(_) => line.advance(1),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
