//! SFTP version 3 on one channel: a worker takes packets, runs requests side by side, and sends the replies.
//!
//! The channel itself is left to `ssh`; files, to `vfs`. The worker may wait for the peer; the SSH side never waits
//! for the worker, so the two cannot lock each other up.

mod extensions;
pub mod flow;
pub mod inbox;
pub mod limits;
mod listing;
mod operations;
pub mod state;
pub mod status;
pub mod wire;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::clock::Clock;
use crate::session::Session;
use crate::vfs::Vfs;

use flow::{Flow, Held};
use inbox::{Inbox, Next, Queued};
use operations::{Context, Done, Open, Opens};
use state::{Footprint, HandleId, Handles};
use wire::{Extended, Named, Packet, Reply, Request, Status};

/// The peer, or its connection, is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Where replies go.
pub trait Outlet: Send + 'static {
    /// Sends; waits while the peer takes nothing.
    fn send(&self, chunk: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// How a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The peer said that it sends no more, and everything was answered.
    Finished,
    /// The peer sent what cannot be understood; the text says what.
    Broken(String),
    /// The peer, or its connection, is gone.
    Gone,
}

/// One SFTP channel.
pub struct Channel<O> {
    /// The files.
    pub vfs: Vfs,
    /// Who asks.
    pub session: Arc<Session>,
    /// For the dates of listings.
    pub clock: Clock,
    /// What the peer sends.
    pub inbox: Arc<Inbox>,
    /// What the connection may hold.
    pub flow: Arc<Flow>,
    /// Where replies go.
    pub outlet: O,
    /// Bytes of the largest SSH packet that the peer takes, so that replies fill packets.
    pub packet_bytes: usize,
    /// The peer names the link first in SYMLINK, as the draft says, and not the target first, as OpenSSH does and
    /// nearly everybody after it.
    pub link_first: bool,
}

/// Whether a client that shows this SSH version sends SYMLINK's arguments in the draft's order. These do so unless the
/// server calls itself OpenSSH.
pub fn sends_link_first(version: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"AsyncSSH", b"WinSCP"];
    names
        .iter()
        .any(|name| version.windows(name.len()).any(|part| part == *name))
}

/// A request that runs.
struct Finished {
    token: u64,
    opens: bool,
    done: Done,
    _held: Held,
}

type Running = FuturesUnordered<Pin<Box<dyn Future<Output = Finished> + Send>>>;

/// A request that was read and may have to wait.
struct Waiting {
    token: u64,
    id: u32,
    request: Request,
    held: Held,
}

struct Worker<O> {
    channel: Channel<O>,
    context: Context,
    handles: Handles<Open>,
    running: Running,
    footprints: Vec<(u64, Footprint)>,
    waiting: Option<Waiting>,
    opening: usize,
    /// Bytes of READs that run or whose reply has not been sent.
    reading_bytes: u64,
    reads: HashMap<u64, u64>,
    /// The number of the last packet taken; each has exactly one reply.
    taken: u64,
    /// The number of the last packet whose reply was released for sending.
    answered: u64,
    /// Replies that wait for the one of an earlier packet: some clients lose replies that come out of order.
    early: BTreeMap<u64, Reply>,
    initialised: bool,
    /// Replies that can be sent, and their bytes.
    replies: Vec<Reply>,
    reply_bytes: usize,
}

/// Serves the channel until the peer ends it. Dropping the future drops all open files: uploads are interrupted.
pub async fn serve<O: Outlet>(channel: Channel<O>) -> Ended {
    let context = Context {
        vfs: channel.vfs.clone(),
        session: channel.session.clone(),
        clock: channel.clock.clone(),
        link_first: channel.link_first,
    };
    Worker {
        channel,
        context,
        handles: Handles::default(),
        running: FuturesUnordered::new(),
        footprints: Vec::new(),
        waiting: None,
        opening: 0,
        reading_bytes: 0,
        reads: HashMap::new(),
        taken: 0,
        answered: 0,
        early: BTreeMap::new(),
        initialised: false,
        replies: Vec::new(),
        reply_bytes: 0,
    }
    .work()
    .await
}

/// Why the worker stopped starting requests.
enum Pause {
    /// Nothing has arrived.
    Empty,
    /// A request waits for one that runs.
    Busy,
    /// The channel ends once all that runs is answered.
    Ends(Ended),
}

impl<O: Outlet> Worker<O> {
    async fn work(mut self) -> Ended {
        loop {
            let pause = self.start_all();
            if self.send_replies().await.is_err() {
                return Ended::Gone;
            }
            match pause {
                Pause::Ends(ended) if self.running.is_empty() => return ended,
                Pause::Empty => {
                    tokio::select! {
                        Some(finished) = self.running.next() => self.finish(finished),
                        () = self.channel.inbox.arrived() => {}
                    }
                }
                Pause::Busy | Pause::Ends(_) => {
                    if let Some(finished) = self.running.next().await {
                        self.finish(finished);
                    }
                }
            }
            // What is ready is sent together, unless it is much: a buffer that is sent at once is used again at once.
            while self.reply_bytes < limits::GATHER_BYTES
                && let Some(Some(finished)) = self.running.next().now_or_never()
            {
                self.finish(finished);
            }
        }
    }

    /// Starts what may run, in the order received.
    fn start_all(&mut self) -> Pause {
        loop {
            let waiting = match self.waiting.take() {
                Some(waiting) => waiting,
                None => match self.channel.inbox.take() {
                    Next::Packet(queued) => match self.read(queued) {
                        Ok(Some(waiting)) => waiting,
                        Ok(None) => continue,
                        Err(ended) => return Pause::Ends(ended),
                    },
                    Next::Nothing => return Pause::Empty,
                    Next::Ended => return Pause::Ends(Ended::Finished),
                    Next::Broken(reason) => return Pause::Ends(Ended::Broken(reason)),
                },
            };
            let handles = &self.handles;
            let footprint = Footprint::of(&waiting.request, |id| {
                matches!(handles.get(id), Some(Open::File { appends: true, .. }))
            });
            if !self.may_start(&waiting.request, footprint) {
                self.waiting = Some(waiting);
                return Pause::Busy;
            }
            self.start(waiting, footprint);
        }
    }

    /// Reads a packet; what is answered on the spot gives nothing to start.
    fn read(&mut self, queued: Queued) -> Result<Option<Waiting>, Ended> {
        self.taken += 1;
        let token = self.taken;
        match wire::parse(queued.packet) {
            Packet::Init { version } if version >= 3 => {
                self.initialised = true;
                self.answer(token, wire::version());
                Ok(None)
            }
            Packet::Init { version } => Err(Ended::Broken(format!(
                "the client speaks SFTP version {version}; this server speaks version 3"
            ))),
            _ if !self.initialised => Err(Ended::Broken("the client sent a request before INIT".to_owned())),
            Packet::Malformed { id } => {
                self.answer(
                    token,
                    wire::status(id, Status::BadMessage, "the request cannot be read"),
                );
                Ok(None)
            }
            Packet::Request { id, request } => Ok(Some(Waiting {
                token,
                id,
                request,
                held: queued.held,
            })),
        }
    }

    fn may_start(&self, request: &Request, footprint: Footprint) -> bool {
        if self.running.len() >= limits::RUNNING_MAX || self.early.len() >= limits::EARLY_MAX {
            return false;
        }
        if let Request::Read { length, .. } = request {
            let allowed = if self.channel.flow.reads_are_scarce() {
                0
            } else {
                limits::READ_AHEAD_BYTES_MAX
            };
            let bytes = u64::from(*length.min(&limits::TRANSFER_BYTES_MAX));
            if self.reading_bytes > 0 && self.reading_bytes + bytes > allowed {
                return false;
            }
        }
        !self.footprints.iter().any(|(_, running)| footprint.waits_for(*running))
    }

    fn start(&mut self, waiting: Waiting, footprint: Footprint) {
        let Waiting {
            token,
            id,
            request,
            held,
        } = waiting;
        let opens = matches!(request, Request::Open { .. } | Request::Opendir { .. });
        if opens && self.handles.count() + self.opening >= limits::HANDLES_MAX {
            self.answer(token, operations::too_many_handles(id));
            return;
        }
        self.opening += usize::from(opens);
        let open = self.open_of(&request);
        let mut reading = None;
        if let Request::Read { length, .. } = &request {
            let bytes = u64::from(*length.min(&limits::TRANSFER_BYTES_MAX));
            self.reading_bytes += bytes;
            self.reads.insert(token, bytes);
            reading = Some(self.channel.flow.read(bytes));
        }
        self.footprints.push((token, footprint));
        let performed = operations::perform(self.context.clone(), id, request, open, reading);
        self.running.push(Box::pin(async move {
            Finished {
                token,
                opens,
                done: performed.await,
                _held: held,
            }
        }));
    }

    /// What the request's handles name; CLOSE takes it out at once, so that nothing can use it any more.
    fn open_of(&mut self, request: &Request) -> Opens {
        if let Request::Close { handle } = request {
            let open = HandleId::from_bytes(handle).and_then(|id| self.handles.remove(id));
            return Opens { open, to: None };
        }
        let get = |handle: &Bytes| self.handles.get(HandleId::from_bytes(handle)?).cloned();
        let handle = match request {
            Request::Read { handle, .. }
            | Request::Write { handle, .. }
            | Request::Fstat { handle }
            | Request::Fsetstat { handle, .. }
            | Request::Fsync { handle }
            | Request::Fstatvfs { handle }
            | Request::Readdir { handle }
            | Request::Extended(
                Extended::CopyData { from: handle, .. }
                | Extended::CheckFile {
                    file: Named::Handle(handle),
                    ..
                }
                | Extended::Md5Hash {
                    file: Named::Handle(handle),
                    ..
                },
            ) => handle,
            _ => return Opens::default(),
        };
        let to = match request {
            Request::Extended(Extended::CopyData { to, .. }) => get(to),
            _ => None,
        };
        Opens { open: get(handle), to }
    }

    fn finish(&mut self, finished: Finished) {
        let token = finished.token;
        self.opening -= usize::from(finished.opens);
        self.footprints.retain(|(running, _)| *running != token);
        let reply = match finished.done {
            Done::Reply(reply) => reply,
            Done::Opened(id, open) => match self.handles.insert(open) {
                Ok(handle) => wire::handle(id, &handle.to_bytes()),
                Err(_) => operations::too_many_handles(id),
            },
        };
        self.answer(token, reply);
    }

    /// Releases the replies in the order of their requests.
    fn answer(&mut self, token: u64, reply: Reply) {
        self.early.insert(token, reply);
        while let Some(reply) = self.early.remove(&(self.answered + 1)) {
            self.answered += 1;
            if let Some(bytes) = self.reads.remove(&self.answered) {
                self.reading_bytes -= bytes;
            }
            self.reply_bytes += reply.len();
            self.replies.push(reply);
        }
    }

    /// Sends what is ready: short replies together, a long one from the buffer in which it lies.
    async fn send_replies(&mut self) -> Result<(), Gone> {
        let mut gathered = BytesMut::new();
        self.reply_bytes = 0;
        let Channel {
            outlet, packet_bytes, ..
        } = &self.channel;
        let mut replies = self.replies.drain(..).peekable();
        while let Some(reply) = replies.next() {
            let alone = gathered.is_empty() && replies.peek().is_none();
            match reply {
                Reply::Words(words) if gathered.is_empty() => gathered = words,
                Reply::Words(words) => gathered.extend_from_slice(&words),
                // Together they fill packets; by itself each would leave one nearly empty.
                Reply::Data(data) if data.len() < 2 * packet_bytes && !alone => {
                    gathered.extend_from_slice(&data);
                }
                Reply::Data(data) => {
                    if !gathered.is_empty() {
                        outlet.send(std::mem::take(&mut gathered).freeze()).await?;
                    }
                    outlet.send(data).await?;
                }
            }
            if gathered.len() >= limits::GATHER_BYTES {
                outlet.send(std::mem::take(&mut gathered).freeze()).await?;
            }
        }
        if !gathered.is_empty() {
            outlet.send(gathered.freeze()).await?;
        }
        Ok(())
    }
}
