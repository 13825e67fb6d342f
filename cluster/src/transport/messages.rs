//! A conversation: messages of bounded size in both directions of one request, as they come.
//!
//! What they say is left to the service. On the wire: each message's length (4 bytes, big endian), then its bytes.

use std::convert::Infallible;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::limits;
use super::stream::Outgoing;

/// Messages on their way out.
pub(crate) type Outgoings = BoxStream<'static, Bytes>;

/// What answers a conversation.
pub(super) type Answers = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

fn framed(message: &Bytes) -> Frame<Bytes> {
    let mut out = BytesMut::with_capacity(4 + message.len());
    // No message is made so large; a false length would break the conversation, nothing else.
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    Frame::data(out.freeze())
}

/// The body of a request that carries `messages`.
pub(super) fn asking(messages: impl Stream<Item = Bytes> + Send + 'static) -> Outgoing {
    let frames = messages.map(|message| Ok::<_, io::Error>(framed(&message)));
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// The body of an answer that carries `messages`.
pub(super) fn answering(messages: Outgoings) -> Answers {
    StreamBody::new(messages.map(|message| Ok(framed(&message))).boxed())
}

/// Messages that come in.
pub(crate) struct Messages {
    body: hyper::body::Incoming,
    held: BytesMut,
}

impl Messages {
    pub(super) fn new(body: hyper::body::Incoming) -> Self {
        Self {
            body,
            held: BytesMut::new(),
        }
    }

    /// The next message, or `None` at an end in good order. How long the peer may be silent is left to the caller:
    /// dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            if let Some(message) = self.take_whole()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None if self.held.is_empty() => return Ok(None),
                None => return Err("it ended within a message".to_owned()),
                Some(Err(error)) => return Err(format!("it broke: {error}")),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.held.extend_from_slice(&piece);
                    }
                }
            }
        }
    }

    fn take_whole(&mut self) -> Result<Option<Bytes>, String> {
        let Some(length) = self.held.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > limits::BODY_BYTES_MAX {
            return Err(format!("a message of {length} bytes is larger than allowed"));
        }
        if self.held.len() < 4 + length {
            return Ok(None);
        }
        self.held.advance(4);
        Ok(Some(self.held.split_to(length).freeze()))
    }
}
