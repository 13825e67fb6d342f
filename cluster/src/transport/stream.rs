//! A long upload: a head of bounded size, then bytes in pieces, never in memory as a whole.
//!
//! What the bytes are is left to the service. On the wire: the head's length (4 bytes, big endian), head, bytes.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use tokio::time::timeout;

use super::{Refusal, limits};

/// Any request body that this room sends.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

/// A body of known bytes.
pub(super) fn whole(bytes: Bytes) -> Outgoing {
    http_body_util::Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The body of an upload: `head`, then all of `pieces`, each made when the peer has room for it.
pub(super) fn upload(head: &[u8], pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Outgoing {
    let mut first = BytesMut::with_capacity(4 + head.len());
    first.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
    first.extend_from_slice(head);
    let first = futures_util::stream::once(std::future::ready(Ok(first.freeze())));
    BodyExt::boxed_unsync(StreamBody::new(first.chain(pieces).map_ok(Frame::data)))
}

/// The rest of an upload, on the receiving side.
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    pending: Bytes,
    bytes_left: u64,
}

impl Incoming {
    /// Reads the head and leaves the rest to be read with [`next`](Self::next).
    pub(super) async fn open(body: hyper::body::Incoming) -> Result<(Bytes, Self), Refusal> {
        let mut incoming = Self {
            body,
            pending: Bytes::new(),
            bytes_left: limits::STREAM_BYTES_MAX,
        };
        let length = incoming.take_exactly(4).await?.get_u32() as usize;
        if length > limits::STREAM_HEAD_BYTES_MAX {
            return Err(Refusal::new(
                413,
                format!("the stream's head has {length} bytes, more than allowed"),
            ));
        }
        let head = incoming.take_exactly(length).await?;
        Ok((head, incoming))
    }

    /// The next bytes, or `None` at the end of a stream that arrived whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if !self.pending.is_empty() {
            return Ok(Some(std::mem::take(&mut self.pending)));
        }
        loop {
            if self.body.is_end_stream() {
                return Ok(None);
            }
            let frame = timeout(limits::STREAM_IDLE_MAX, self.body.frame())
                .await
                .map_err(|_| Refusal::new(408, "the stream stood still for too long"))?;
            let data = match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Refusal::new(400, format!("the stream broke: {error}"))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            if data.is_empty() {
                continue;
            }
            self.bytes_left = self
                .bytes_left
                .checked_sub(data.len() as u64)
                .ok_or_else(|| Refusal::new(413, "the stream is larger than allowed"))?;
            return Ok(Some(data));
        }
    }

    async fn take_exactly(&mut self, bytes: usize) -> Result<Bytes, Refusal> {
        let mut taken = BytesMut::with_capacity(bytes);
        while taken.len() < bytes {
            let mut piece = self
                .next()
                .await?
                .ok_or_else(|| Refusal::new(400, "the stream ended within its head"))?;
            taken.extend_from_slice(&piece.split_to(piece.len().min(bytes - taken.len())));
            self.pending = piece;
        }
        Ok(taken.freeze())
    }
}
