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

    /// The next line without its end; `None`: the peer sends no more. A line without an end is no line, and who leaves
    /// within one is gone.
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
        if line.is_empty() { Ok(None) } else { Err(Stop::Gone) }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::protocols::scp::Gone;

    /// A peer that has sent all that it will.
    struct Sent(Mutex<VecDeque<Bytes>>);

    impl Sent {
        fn new<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
            Self(Mutex::new(pieces.into_iter().map(Bytes::copy_from_slice).collect()))
        }
    }

    impl Channel for Sent {
        type Held = ();

        async fn receive(&self) -> Option<Bytes> {
            self.0.lock().unwrap().pop_front()
        }

        async fn send(&self, _bytes: Bytes) -> Result<(), Gone> {
            Err(Gone)
        }

        async fn complain(&self, _text: Bytes) -> Result<(), Gone> {
            Err(Gone)
        }

        fn hold(&self, _bytes: usize) {}

        fn is_crowded(&self) -> bool {
            false
        }
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn lines_bytes_and_answers_come_in_their_order() {
        block(async {
            let channel = Sent::new([&b"C06"[..], b"44 3 a\nab", b"c\0\x01no", b" room\n\x02\nE\n"]);
            let mut input = Input::new(&channel);
            assert_eq!(input.line().await.ok().unwrap().unwrap(), b"C0644 3 a");
            assert_eq!(input.some(3).await.unwrap(), &b"ab"[..]);
            assert_eq!(input.some(1).await.unwrap(), &b"c"[..]);
            for expected in [Answer::Ok, Answer::Refused, Answer::Fatal] {
                assert_eq!(input.answer().await.ok().unwrap(), expected);
            }
            assert_eq!(input.line().await.ok().unwrap().unwrap(), b"E");
            assert!(input.line().await.ok().unwrap().is_none());
            assert!(input.some(1).await.is_none());
            assert!(matches!(input.answer().await, Err(Stop::Gone)));
        });
    }

    #[test]
    fn a_line_has_a_bound_and_an_end() {
        block(async {
            let longest = [vec![b'n'; LINE_BYTES_MAX - 1], b"\n".to_vec()].concat();
            let channel = Sent::new([&longest[..]]);
            let line = Input::new(&channel).line().await.ok().unwrap();
            assert_eq!(line.unwrap().len(), LINE_BYTES_MAX - 1);
            for piece in [1, 1_000, LINE_BYTES_MAX] {
                let endless = vec![b'n'; LINE_BYTES_MAX];
                let channel = Sent::new(endless.chunks(piece));
                assert!(matches!(Input::new(&channel).line().await, Err(Stop::Broken(_))));
            }
            let channel = Sent::new([&b"C0644 1 a"[..]]);
            assert!(matches!(Input::new(&channel).line().await, Err(Stop::Gone)));
        });
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(
            lines in prop::collection::vec("[a-z]{0,20}", 0..10),
            cut in 1_usize..50,
        ) {
            let sent: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let channel = Sent::new(sent.as_bytes().chunks(cut));
            let found: Vec<_> = block(async {
                let mut input = Input::new(&channel);
                let mut found = Vec::new();
                while let Some(line) = input.line().await.ok().flatten() {
                    found.push(String::from_utf8(line).unwrap());
                }
                found
            });
            prop_assert_eq!(found, lines);
        }
    }
}
