//! Replication over the transport: one long conversation with each member, in which appends go out and answers come
//! back.
//!
//! What an append says is left to `raft`, connections to `transport`. Each message begins with a byte that says
//! whether its leader has heard a quorum within one election timeout.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, unfold};
use tokio::time::{Instant, timeout};

use super::limits;
use super::link::{APPENDS, raft_error};
use super::running::Node;
use crate::limits::APPEND_MAX;
use crate::raft::{Appends, CallError, CoreError, Replies, Rpc};
use crate::transport::{Client, Lane, Messages, Outgoings};
use crate::{NodeId, StateMachine};

/// Since when each append is under way.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<VecDeque<Instant>>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries `appends` to `node` and gives the answers; see [`PeerTransport::appends`](crate::raft::PeerTransport).
pub(super) fn ask(
    client: Arc<Client>,
    node: NodeId,
    (appends, confirmed): (Appends, impl Fn() -> bool + Send + 'static),
    connect_max: Duration,
) -> Replies {
    let under_way = UnderWay::default();
    let sent = under_way.clone();
    let messages = appends.map(move |append| {
        sent.lock().push_back(Instant::now());
        let mut message = BytesMut::with_capacity(1 + append.len());
        message.put_u8(u8::from(confirmed()));
        message.put_slice(&append);
        message.freeze()
    });
    // What is to be sent waits where a member could not be reached lately, so it must be asked for first.
    let begin = async move {
        let mut messages = messages.boxed();
        let first = messages.next().await?;
        let messages = futures_util::stream::iter([first]).chain(messages);
        let lane = (node, Lane::Consensus);
        let begun = client.converse(lane, APPENDS, messages, connect_max, APPEND_MAX).await;
        Some(begun.map_err(raft_error))
    };
    let replies = futures_util::stream::once(begin).flat_map(move |begun| match begun {
        None => futures_util::stream::empty().boxed(),
        Some(Err(error)) => futures_util::stream::iter([Err(error)]).boxed(),
        Some(Ok(messages)) => read(messages, under_way.clone()),
    });
    replies.boxed()
}

/// The answers as they come; an append that waits too long for its own breaks the conversation.
fn read(messages: Messages, under_way: UnderWay) -> Replies {
    let next = |state: Option<(Messages, UnderWay)>| async move {
        let (mut messages, under_way) = state?;
        loop {
            let why = match timeout(limits::APPEND_LOOK_EVERY, messages.next()).await {
                Ok(Ok(Some(reply))) => {
                    under_way.lock().pop_front();
                    return Some((Ok(reply), Some((messages, under_way))));
                }
                Ok(Ok(None)) if under_way.lock().is_empty() => return None,
                Ok(Ok(None)) => "the conversation was ended".to_owned(),
                Ok(Err(why)) => why,
                Err(_) => {
                    let oldest = under_way.lock().front().copied();
                    if oldest.is_none_or(|since| since.elapsed() < APPEND_MAX) {
                        continue;
                    }
                    "no answer in time".to_owned()
                }
            };
            return Some((Err(CallError::Broken(why)), None));
        }
    };
    unfold(Some((messages, under_way)), next).boxed()
}

/// Answers the appends of a leader, in order. Several are taken in at once: they share what they wait for.
pub(super) fn answer<M: StateMachine>(node: Arc<Node<M>>, messages: Messages) -> Outgoings {
    let listener = Listener {
        node,
        messages,
        handled: FuturesOrdered::new(),
        ended: false,
    };
    unfold(Some(listener), |listener| async move {
        let mut listener = listener?;
        let reply = listener.next().await?;
        Some((reply, Some(listener)))
    })
    .boxed()
}

struct Listener<M: StateMachine> {
    node: Arc<Node<M>>,
    messages: Messages,
    handled: FuturesOrdered<futures_util::future::BoxFuture<'static, Result<Bytes, CoreError>>>,
    ended: bool,
}

impl<M: StateMachine> Listener<M> {
    /// The next answer; `None` ends the conversation.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let room = !self.ended && self.handled.len() < limits::APPENDS_HANDLED_MAX;
            tokio::select! {
                Some(reply) = self.handled.next() => {
                    return reply
                        .inspect_err(|error| tracing::debug!(%error, "an append is not answered"))
                        .ok();
                }
                message = self.messages.next(), if room => match message {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => self.ended = true,
                    Err(error) => {
                        tracing::debug!(error, "a leader's conversation ended");
                        return None;
                    }
                },
                else => return None,
            }
        }
    }

    fn take(&mut self, mut message: Bytes) {
        let confirmed = message.first() == Some(&1);
        message.advance(message.len().min(1));
        if confirmed {
            self.node.confirmed_leader_was_heard();
        }
        let node = self.node.clone();
        self.handled
            .push_back(Box::pin(async move { node.core.handle(Rpc::Append, message).await }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::identity::{Authority, ClusterId, NodeKey, sign_request};
    use crate::transport::{Credentials, PeerTable};

    /// Were it not so, an unreachable member would be tried again and again without the pause that stands before what
    /// is to be sent.
    #[tokio::test]
    async fn a_member_is_not_tried_before_there_is_something_to_send() {
        let cluster = ClusterId([4; 16]);
        let authority = Authority::generate(cluster).unwrap();
        let key = NodeKey::generate().unwrap();
        let credentials = Credentials {
            cluster,
            certificate: sign_request(&authority, cluster, NodeId(1), &key.request().unwrap()).unwrap(),
            authority: authority.certificate().clone(),
            key: key.to_pkcs8().to_vec().into(),
        };
        let (_peers, table) = watch::channel(Arc::new(PeerTable::new()));
        let client = Arc::new(Client::new(&credentials, table).unwrap());
        let (say, said) = mpsc::channel::<Bytes>(1);
        let appends = unfold(said, |mut said| async move { Some((said.recv().await?, said)) }).boxed();
        let mut replies = ask(client, NodeId(2), (appends, || false), Duration::from_secs(5));
        assert!(replies.next().now_or_never().is_none());
        say.send(Bytes::from_static(b"entries")).await.unwrap();
        assert!(matches!(replies.next().await, Some(Err(CallError::Unreachable(_)))));
        assert!(replies.next().await.is_none());
    }
}
