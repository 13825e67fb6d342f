//! Where the SSH side puts the bytes that a program's channel received, and the program takes them out. Putting never
//! waits.
//!
//! How much may be inside is left to `sftp::flow`, which slows the peer; packets of SFTP have an inbox of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::limits::{PIECE_BYTES, PIECE_BYTES_SMALL};
use crate::protocols::sftp::flow::{Flow, Held};
use crate::vfs::Chunk;

/// Bytes on their way, in pieces that are as long as they can be: one write of a file each.
#[derive(Debug)]
pub(super) struct Intake {
    flow: Arc<Flow>,
    inside: Mutex<Inside>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    full: VecDeque<Piece>,
    filling: Option<Piece>,
    ended: bool,
}

/// A buffer, counted whole for as long as any of it is used.
#[derive(Debug)]
struct Piece {
    chunk: Chunk,
    filled: usize,
    _held: Held,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.chunk.as_ref()[..self.filled]
    }
}

impl Piece {
    fn new(flow: &Arc<Flow>, received: usize) -> Self {
        let size = if received < PIECE_BYTES_SMALL {
            PIECE_BYTES_SMALL
        } else {
            PIECE_BYTES
        };
        Self {
            chunk: flow.buffers().take(size),
            filled: 0,
            _held: flow.hold(size as u64),
        }
    }

    /// Takes what fits; the rest.
    fn fill<'a>(&mut self, received: &'a [u8]) -> &'a [u8] {
        let room = &mut self.chunk.room()[self.filled..];
        let (fits, rest) = received.split_at(received.len().min(room.len()));
        room[..fits.len()].copy_from_slice(fits);
        self.filled += fits.len();
        rest
    }

    fn is_full(&self) -> bool {
        self.filled == self.chunk.len()
    }
}

impl Intake {
    /// An empty one, counted in `flow`.
    pub(super) fn new(flow: Arc<Flow>) -> Arc<Self> {
        Arc::new(Self {
            flow,
            inside: Mutex::default(),
            arrived: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the channel received.
    pub(super) fn put(&self, mut received: &[u8]) {
        let mut inside = self.lock();
        if inside.ended {
            return;
        }
        while !received.is_empty() {
            let mut piece = match inside.filling.take() {
                Some(piece) => piece,
                None => Piece::new(&self.flow, received.len()),
            };
            received = piece.fill(received);
            if piece.is_full() {
                inside.full.push_back(piece);
            } else {
                inside.filling = Some(piece);
            }
        }
        drop(inside);
        self.arrived.notify_one();
    }

    /// The peer sends no more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    /// Nobody takes any more: what is inside is let go of, and so is what still comes.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        *inside = Inside {
            ended: true,
            ..Inside::default()
        };
    }

    /// The next bytes; `None`: the peer sends no more. Waits; what is not waited for to the end loses nothing.
    pub(super) async fn take(&self) -> Option<Bytes> {
        loop {
            {
                let mut inside = self.lock();
                let next = inside.full.pop_front();
                if let Some(piece) = next.or_else(|| inside.filling.take()) {
                    return Some(Bytes::from_owner(piece));
                }
                if inside.ended {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocols::sftp::flow::NodeFlow;

    fn intake() -> (Arc<Intake>, Arc<Flow>) {
        let flow = Flow::new(Arc::new(NodeFlow::default()));
        (Intake::new(flow.clone()), flow)
    }

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_whatever_their_pieces() {
        let (intake, flow) = intake();
        let mut expected = Vec::new();
        for (number, length) in [1, 5, 40_000, 300_000, 0, 3, 700_000].into_iter().enumerate() {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + number) as u8).collect();
            intake.put(&bytes);
            expected.extend_from_slice(&bytes);
        }
        intake.end();
        intake.put(b"too late");
        let mut found = Vec::new();
        while let Some(bytes) = intake.take().await {
            assert!(flow.is_busy());
            found.extend_from_slice(&bytes);
        }
        assert!(found == expected);
        assert!(!flow.is_busy(), "nothing is held any more");
    }

    #[tokio::test]
    async fn what_comes_after_the_programs_end_is_held_by_nobody() {
        let (intake, flow) = intake();
        intake.put(&[0; 300_000]);
        intake.close();
        intake.put(b"more");
        assert!(!flow.is_busy());
        assert_eq!(intake.take().await, None);
    }

    #[tokio::test]
    async fn many_small_packets_count_for_the_memory_that_they_take() {
        let (intake, flow) = intake();
        for _ in 0..PIECE_BYTES_SMALL * 2 {
            intake.put(b"x");
        }
        assert_eq!(intake.lock().full.len(), 2);
        let first = intake.take().await.unwrap();
        assert_eq!(first.len(), PIECE_BYTES_SMALL);
        drop(first);
        assert!(flow.is_busy());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_bytes_and_by_the_end() {
        let (intake, _) = intake();
        let waiting = intake.clone();
        let taken = tokio::spawn(async move { (waiting.take().await, waiting.take().await) });
        tokio::task::yield_now().await;
        intake.put(b"a");
        tokio::time::sleep(Duration::from_millis(1)).await;
        intake.end();
        let (first, second) = taken.await.unwrap();
        assert_eq!(first.unwrap(), &b"a"[..]);
        assert_eq!(second, None);
    }
}
