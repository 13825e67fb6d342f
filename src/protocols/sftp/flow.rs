//! How much a connection, and the node, may hold of what peers sent and of what they asked for.
//!
//! russh tops a channel's window up by itself as soon as half of it is used. So a connection that holds too much is
//! told a tiny window (see [`Flow::window`]) and is read slowly ([`Gate::Slow`]): requests trickle, window
//! adjustments of the peer still come through, and nothing can lock up. At the hard bound reading stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use crate::vfs::Buffers;

/// Window of a new channel, in bytes.
pub const WINDOW_INITIAL: u32 = 2 * 1024 * 1024;
/// Window while the connection is at ease, in bytes.
pub const WINDOW_FULL: u32 = 8 * 1024 * 1024;
/// Window while it is strained, in bytes: enough to notice when it is at ease again.
pub const WINDOW_STRAINED: u32 = 64;
/// Bytes held at which a connection is strained.
pub const HELD_HIGH: u64 = 4 * 1024 * 1024;
/// Bytes held at which it is at ease again.
pub const HELD_LOW: u64 = 2 * 1024 * 1024;
/// Bytes held at which reading stops.
pub const HELD_MAX: u64 = 24 * 1024 * 1024;
/// Bytes held by all connections of the node at which each is strained at [`HELD_HIGH_CROWDED`].
pub const NODE_HELD_HIGH: u64 = 512 * 1024 * 1024;
/// Bytes held at which a connection is strained while the node is crowded.
pub const HELD_HIGH_CROWDED: u64 = 512 * 1024;
/// Bytes being read for all connections at which each is allowed one read at a time.
pub const NODE_READING_HIGH: u64 = 256 * 1024 * 1024;

/// What all connections of a node hold.
#[derive(Debug, Default)]
pub struct NodeFlow {
    held: AtomicU64,
    reading: AtomicU64,
    /// For what peers send.
    buffers: Arc<Buffers>,
}

/// How a connection's socket is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// As fast as it comes.
    Open,
    /// A little at a time.
    Slow,
    /// Not now.
    Shut,
}

/// What one connection holds.
#[derive(Debug)]
pub struct Flow {
    held: AtomicU64,
    strained: AtomicBool,
    node: Arc<NodeFlow>,
    reader: AtomicWaker,
}

/// Bytes held; given back when dropped.
#[derive(Debug)]
pub struct Held {
    flow: Arc<Flow>,
    bytes: u64,
}

/// Bytes being read from files; given back when dropped.
#[derive(Debug)]
pub struct Reading {
    node: Arc<NodeFlow>,
    bytes: u64,
}

impl Flow {
    /// Of a new connection.
    pub fn new(node: Arc<NodeFlow>) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicU64::new(0),
            strained: AtomicBool::new(false),
            node,
            reader: AtomicWaker::new(),
        })
    }

    /// The buffers for long packets.
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.node.buffers
    }

    /// Notes that `bytes` of the peer's are held.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Held {
        let held = self.held.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let node = self.node.held.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let high = if node >= NODE_HELD_HIGH {
            HELD_HIGH_CROWDED
        } else {
            HELD_HIGH
        };
        if held >= high {
            self.strained.store(true, Ordering::Release);
        }
        Held {
            flow: self.clone(),
            bytes,
        }
    }

    /// Notes that `bytes` are being read for the peer.
    pub fn read(&self, bytes: u64) -> Reading {
        self.node.reading.fetch_add(bytes, Ordering::AcqRel);
        Reading {
            node: self.node.clone(),
            bytes,
        }
    }

    /// Whether the node is so busy reading that one read at a time must do.
    pub fn reads_are_scarce(&self) -> bool {
        self.node.reading.load(Ordering::Acquire) >= NODE_READING_HIGH
    }

    /// Whether a request of the peer is waiting or being done.
    pub fn is_busy(&self) -> bool {
        self.held.load(Ordering::Acquire) > 0
    }

    /// The window to grant next.
    pub fn window(&self) -> u32 {
        if self.strained.load(Ordering::Acquire) {
            WINDOW_STRAINED
        } else {
            WINDOW_FULL
        }
    }

    /// How the socket is read now. `waker` is woken when it may be read faster.
    pub fn gate(&self, waker: &Waker) -> Gate {
        if !self.strained.load(Ordering::Acquire) {
            return Gate::Open;
        }
        self.reader.register(waker);
        if !self.strained.load(Ordering::Acquire) {
            Gate::Open
        } else if self.held.load(Ordering::Acquire) >= HELD_MAX {
            Gate::Shut
        } else {
            Gate::Slow
        }
    }

    fn release(&self, bytes: u64) {
        let before = self.held.fetch_sub(bytes, Ordering::AcqRel);
        self.node.held.fetch_sub(bytes, Ordering::AcqRel);
        let left = before - bytes;
        let crowded = self.node.held.load(Ordering::Acquire) >= NODE_HELD_HIGH;
        let low = if crowded { HELD_HIGH_CROWDED / 2 } else { HELD_LOW };
        let relieved = left <= low && self.strained.swap(false, Ordering::AcqRel);
        if relieved || (before >= HELD_MAX && left < HELD_MAX) {
            self.reader.wake();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.flow.release(self.bytes);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.node.reading.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
