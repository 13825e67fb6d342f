//! What the peer sends, taken out as lines, single bytes and the bytes of files.
//!
//! What a line means is left to `wire`.

use bytes::{Buf, Bytes};

use super::limits::LINE_BYTES_MAX;
use super::wire::{self, ERROR, Malformed};
use super::{Channel, Stop};

/// The peer's bytes, in the order of their arrival.
pub(super) struct Input<'a, C> {
    channel: &'a C,
    rest: Bytes,
}

/// What the side that takes files says to a record or to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// All is well.
    Ok,
    /// It refuses this one.
    Refused,
    /// It gives up.
    Fatal,
}

impl<'a, C: Channel> Input<'a, C> {
    pub(super) fn new(channel: &'a C) -> Self {
        Self {
            channel,
            rest: Bytes::new(),
        }
    }

    /// Waits until there is something; `false`: the peer sends no more.
    async fn fill(&mut self) -> bool {
        while self.rest.is_empty() {
            match self.channel.receive().await {
                Some(received) => self.rest = received,
                None => return false,
            }
        }
        true
    }

    /// The next byte; `None`: the peer sends no more.
    async fn byte(&mut self) -> Option<u8> {
        self.fill().await.then(|| self.rest.get_u8())
    }

    /// At most `max` bytes, at least one; `None`: the peer sends no more.
    pub(super) async fn some(&mut self, max: u64) -> Option<Bytes> {
        if !self.fill().await {
            return None;
        }
        let length = usize::try_from(max).map_or(self.rest.len(), |max| max.min(self.rest.len()));
        Some(self.rest.split_to(length))
    }

    /// The next line without its end; `None`: the peer sends no more. A line without an end counts for nothing.
    pub(super) async fn line(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let mut line = Vec::new();
        while self.fill().await {
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(self.rest.len());
            if line.len() + length >= LINE_BYTES_MAX {
                return Err(Stop::Broken(Malformed::TooLong.to_string()));
            }
            line.extend_from_slice(&self.rest[..length]);
            self.rest.advance(length + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Result<Answer, Stop> {
        let answer = match self.byte().await.ok_or(Stop::Gone)? {
            wire::OK => return Ok(Answer::Ok),
            ERROR => Answer::Refused,
            _ => Answer::Fatal,
        };
        // The text is for people at the other end.
        self.line().await?;
        Ok(answer)
    }
}
