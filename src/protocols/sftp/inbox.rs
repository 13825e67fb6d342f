//! Where the SSH side puts what a channel received, and the worker takes packets out. Putting never waits.
//!
//! How much may be inside is left to `flow`, which slows the peer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::flow::{Flow, Held};
use super::limits::QUEUED_OVERHEAD_BYTES;
use super::wire::Framer;

/// A packet and what it counts for.
#[derive(Debug)]
pub struct Queued {
    /// The packet, without its length field.
    pub packet: Bytes,
    /// Counts until the request is done.
    pub held: Held,
}

/// What the worker finds.
#[derive(Debug)]
pub enum Next {
    /// A packet.
    Packet(Queued),
    /// Nothing yet.
    Nothing,
    /// The peer sends no more.
    Ended,
    /// The peer sent what cannot be understood.
    Broken(String),
}

/// Packets between the SSH side and the worker.
#[derive(Debug)]
pub struct Inbox {
    flow: Arc<Flow>,
    inside: Mutex<Inside>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    framer: Framer,
    queue: VecDeque<Queued>,
    end: Option<Option<String>>,
}

impl Inbox {
    /// An empty one, counted in `flow`.
    pub fn new(flow: Arc<Flow>) -> Arc<Self> {
        let framer = Framer::new(flow.buffers().clone());
        Arc::new(Self {
            flow,
            inside: Mutex::new(Inside {
                framer,
                ..Inside::default()
            }),
            arrived: Notify::new(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the channel received.
    pub fn put(&self, mut received: &[u8]) {
        let mut inside = self.lock();
        let mut arrived = false;
        while inside.end.is_none() {
            match inside.framer.next(&mut received) {
                Ok(Some(packet)) => {
                    let held = self.flow.hold(packet.len() as u64 + QUEUED_OVERHEAD_BYTES);
                    inside.queue.push_back(Queued { packet, held });
                    arrived = true;
                }
                Ok(None) => break,
                Err(error) => {
                    inside.end = Some(Some(error.to_string()));
                    arrived = true;
                }
            }
        }
        drop(inside);
        if arrived {
            self.arrived.notify_one();
        }
    }

    /// The peer sends no more.
    pub fn end(&self) {
        self.lock().end.get_or_insert(None);
        self.arrived.notify_one();
    }

    /// The next packet, if there is one.
    pub fn take(&self) -> Next {
        let mut inside = self.lock();
        match (inside.queue.pop_front(), &inside.end) {
            (Some(queued), _) => Next::Packet(queued),
            (None, None) => Next::Nothing,
            (None, Some(None)) => Next::Ended,
            (None, Some(Some(reason))) => Next::Broken(reason.clone()),
        }
    }

    /// Resolves once something was put in since the last time.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}
