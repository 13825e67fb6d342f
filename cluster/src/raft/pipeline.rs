//! Replication as a stream: appends go to a member while those before them are still on their way to its disk.
//!
//! Few at a time: what comes meanwhile then travels together, which costs both sides less than each alone. Carrying
//! the bytes is left to the transport; what to send and what an answer means, to openraft.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use openraft::AsyncRuntime;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use tokio::sync::{Semaphore, oneshot};

use super::convert;
use super::network::{Appends, CallError, Replies, rpc_error};
use super::types::{LogId, TypeConfig};
use crate::envelope::wire::{AppendReplyV1, Framed};
use crate::limits::APPENDS_UNDER_WAY_MAX;

/// What openraft wants to know of each append.
pub(super) type Results<'s, RT> = BoxStream<'s, Result<StreamAppendResult<TypeConfig<RT>>, RPCError<TypeConfig<RT>>>>;

/// What was sent and is not answered yet. Dropping it ends the sending.
pub(super) struct UnderWay {
    shared: Arc<Shared>,
    _sending: oneshot::Sender<()>,
}

struct Shared {
    /// What comes before each append's entries, and what is its last.
    ranges: Mutex<VecDeque<(Option<LogId>, Option<LogId>)>>,
    /// Places for further ones.
    places: Semaphore,
}

impl Shared {
    fn ranges(&self) -> MutexGuard<'_, VecDeque<(Option<LogId>, Option<LogId>)>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests as bytes, each taken from `input` only once there is a place for it.
pub(super) fn begin<RT, S>(input: S) -> (Appends, UnderWay)
where
    RT: AsyncRuntime,
    S: Stream<Item = AppendEntriesRequest<TypeConfig<RT>>> + Send + Unpin + 'static,
{
    let shared = Arc::new(Shared {
        ranges: Mutex::default(),
        places: Semaphore::new(APPENDS_UNDER_WAY_MAX),
    });
    let (sending, ended) = oneshot::channel();
    let next = |(mut input, shared): (S, Arc<Shared>)| async move {
        shared.places.acquire().await.ok()?.forget();
        let request = input.next().await?;
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        shared.ranges().push_back((request.prev_log_id, last));
        Some((convert::append_out(&request).encode(), (input, shared)))
    };
    let appends = futures_util::stream::unfold((input, shared.clone()), next).take_until(ended);
    let under_way = UnderWay {
        shared,
        _sending: sending,
    };
    (Box::pin(appends), under_way)
}

/// What the answers mean; ends after the first that is not a success.
pub(super) fn results<'s, RT: AsyncRuntime>(replies: Replies, under_way: UnderWay) -> Results<'s, RT> {
    let next = |state: Option<(Replies, UnderWay)>| async move {
        let (mut replies, under_way) = state?;
        let reply = replies.next().await?;
        let range = under_way.shared.ranges().pop_front();
        under_way.shared.places.add_permits(1);
        let (result, goes_on) = judge(reply, range);
        Some((result, goes_on.then_some((replies, under_way))))
    };
    Box::pin(futures_util::stream::unfold(Some((replies, under_way)), next))
}

#[expect(clippy::type_complexity, reason = "openraft's own nesting")]
fn judge<RT: AsyncRuntime>(
    reply: Result<Bytes, CallError>,
    range: Option<(Option<LogId>, Option<LogId>)>,
) -> (
    Result<StreamAppendResult<TypeConfig<RT>>, RPCError<TypeConfig<RT>>>,
    bool,
) {
    let broken = |reason: &str| RPCError::Network(NetworkError::new(&CallError::Broken(reason.to_owned())));
    let reply = match reply.map(|reply| AppendReplyV1::decode(&reply)) {
        Err(error) => return (Err(rpc_error(error)), false),
        Ok(Err(error)) => return (Err(RPCError::Network(NetworkError::new(&error))), false),
        Ok(Ok(reply)) => reply,
    };
    let Some((previous, last)) = range else {
        return (Err(broken("an answer came to what was not asked")), false);
    };
    match (reply, previous) {
        (AppendReplyV1::Success, _) => (Ok(Ok(last)), true),
        (AppendReplyV1::Partial(upto), _) => {
            let upto = upto.as_ref().map(convert::log_id_in);
            (Ok(Ok(upto)), upto == last)
        }
        (AppendReplyV1::Conflict, Some(previous)) => (Ok(Err(StreamAppendError::Conflict(previous))), false),
        (AppendReplyV1::Conflict, None) => (Err(broken("a conflict with the log's very beginning")), false),
        (AppendReplyV1::HigherVote(vote), _) => {
            (Ok(Err(StreamAppendError::HigherVote(convert::vote_in(&vote)))), false)
        }
    }
}
