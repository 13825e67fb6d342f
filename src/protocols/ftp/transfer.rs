//! Transfers: from a file to a data connection and back, in large pieces, several under way at a time.
//!
//! Whether one may begin is left to `state`, what is published to `connection`; files, to `vfs`.

mod down;
mod up;

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::data::stream::{DataStream, Gauge};
use super::data::{self, Direction, Opening, Privacy};
use super::limits::{DATA_CLOSE_MAX, UNIQUE_TRIES};
use super::listing::{Form, Lines};
use super::state::{Transfer, TransferKind};
use super::status;
use super::verbs::Context;
use super::wire::Reply;
use crate::path::VirtualPath;
use crate::session::Session;
use crate::vfs::{Buffers, OpenFile, OpenOptions, VfsError};

/// All that a transfer needs.
pub(super) struct Work {
    pub(super) context: Context,
    pub(super) transfer: Transfer,
    pub(super) opening: Opening,
    /// `None`: the data connection is clear.
    pub(super) privacy: Option<Privacy>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) buffers: Arc<Buffers>,
    /// An upload whose TLS ends without close_notify counts as whole.
    pub(super) lenient: bool,
    /// For the reply that says that it begins.
    pub(super) say: mpsc::Sender<Reply>,
}

/// How a transfer came out.
pub(super) enum Ended {
    /// With this reply.
    Reply(Reply),
    /// All bytes of an upload have come; it is not published yet.
    Received(Received),
}

/// A whole upload that waits to be published.
pub(super) struct Received {
    pub(super) file: OpenFile,
    /// The client said by TLS that this was all: nothing else needs to be asked.
    pub(super) is_sure: bool,
    /// The reply once it is published.
    pub(super) reply: Reply,
}

/// Why a transfer stopped.
enum Stop {
    /// The storage.
    Vfs(VfsError),
    /// The data connection.
    Connection(std::io::Error),
}

impl From<VfsError> for Stop {
    fn from(error: VfsError) -> Self {
        Self::Vfs(error)
    }
}

/// Does a transfer from its beginning to its last byte.
pub(super) async fn run(work: Work) -> Ended {
    let ended = match work.transfer.kind.clone() {
        TransferKind::Retrieve(path) => retrieve(work, &path).await.map(Ended::Reply),
        TransferKind::List { path, form } => list(work, &path, form).await.map(Ended::Reply),
        TransferKind::Store { path, append } => store(work, path, append).await,
        TransferKind::StoreUnique { path } => store_unique(work, path).await,
    };
    ended.unwrap_or_else(Ended::Reply)
}

impl Work {
    fn refusal(&self, error: &VfsError) -> Reply {
        refusal(error, &self.context.session)
    }

    fn stopped(&self, stop: &Stop) -> Reply {
        match stop {
            Stop::Vfs(error) => self.refusal(error),
            Stop::Connection(error) => Reply::new(426, format!("The data connection broke: {}.", error.kind())),
        }
    }

    async fn begin(&self, what: &str) {
        let mode = if self.transfer.ascii { "ASCII" } else { "BINARY" };
        let reply = Reply::new(150, format!("Opening {mode} mode data connection{what}."));
        let _ = self.say.send(reply).await;
    }
}

/// That the session has ended is said once, by the connection: here it is a transfer that was ended.
fn refusal(error: &VfsError, session: &Session) -> Reply {
    match error {
        VfsError::Revoked(_) => Reply::new(426, "The session has ended, and this transfer with it."),
        error => status::refusal(error, session),
    }
}

/// Splits off what `data::connect` consumes.
async fn connected(work: &mut Work) -> Result<data::passive::Given, Reply> {
    let nothing = Opening::Active(([0, 0, 0, 0], 0).into(), [0, 0, 0, 0].into());
    data::connect(std::mem::replace(&mut work.opening, nothing)).await
}

async fn prepared(work: &Work, given: data::passive::Given, direction: Direction) -> Result<DataStream, Reply> {
    data::prepare(given, work.privacy.as_ref(), direction, work.gauge.clone()).await
}

async fn retrieve(mut work: Work, path: &VirtualPath) -> Result<Reply, Reply> {
    let options = OpenOptions {
        read: true,
        ..OpenOptions::default()
    };
    let context = &work.context;
    let opened = context.vfs.open(&context.session, path, &options).await;
    let file = opened.map_err(|error| work.refusal(&error))?;
    let size = file.attributes().await.map_err(|error| work.refusal(&error))?.size;
    let offset = work.transfer.offset;
    if offset > size {
        return Err(Reply::new(
            554,
            format!("The file has {size} bytes; it cannot begin at {offset}."),
        ));
    }
    let given = connected(&mut work).await?;
    work.begin(&format!(" ({} bytes)", size - offset)).await;
    let mut stream = prepared(&work, given, Direction::Down).await?;
    let sent = down::send(&file, &mut stream, offset, work.transfer.ascii).await;
    let sent = match sent {
        Ok(sent) => close(&mut stream).await.map(|()| sent).map_err(Stop::Connection),
        Err(stop) => Err(stop),
    };
    match sent {
        Ok(sent) => {
            file.commit().await.map_err(|error| work.refusal(&error))?;
            linger(stream);
            Ok(Reply::new(226, format!("{sent} bytes were sent.")))
        }
        Err(stop) => Err(work.stopped(&stop)),
    }
}

async fn list(mut work: Work, path: &VirtualPath, form: Form) -> Result<Reply, Reply> {
    let opened = Lines::open(&work.context, path, form).await;
    let mut lines = opened.map_err(|error| work.refusal(&error))?;
    let given = connected(&mut work).await?;
    work.begin("").await;
    let mut stream = prepared(&work, given, Direction::Down).await?;
    let listed = async {
        loop {
            let batch = lines.next().await?;
            if batch.is_empty() {
                return close(&mut stream).await.map_err(Stop::Connection);
            }
            stream.write_all(&batch).await.map_err(Stop::Connection)?;
        }
    };
    let listed = listed.await;
    match listed {
        Ok(()) => {
            linger(stream);
            Ok(Reply::new(226, "The listing was sent."))
        }
        Err(stop) => Err(work.stopped(&stop)),
    }
}

/// How STOR and APPE open a file: a new or emptied one is staged, one that goes on is written in place.
fn storing(append: bool, offset: u64) -> OpenOptions {
    OpenOptions {
        write: true,
        append,
        create: offset == 0,
        truncate: !append && offset == 0,
        ..OpenOptions::default()
    }
}

async fn store(mut work: Work, path: VirtualPath, append: bool) -> Result<Ended, Reply> {
    let given = connected(&mut work).await?;
    let options = storing(append, work.transfer.offset);
    let context = &work.context;
    let opened = context.vfs.open(&context.session, &path, &options).await;
    let file = opened.map_err(|error| work.refusal(&error))?;
    let offset = work.transfer.offset;
    if offset > 0 {
        let size = file.attributes().await.map_err(|error| work.refusal(&error))?.size;
        if offset > size {
            return Err(Reply::new(
                554,
                format!("The file has {size} bytes; it cannot go on at {offset}."),
            ));
        }
    }
    work.begin("").await;
    receive(work, file, given, "").await
}

async fn store_unique(mut work: Work, path: VirtualPath) -> Result<Ended, Reply> {
    let given = connected(&mut work).await?;
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: true,
        exclusive: true,
        ..OpenOptions::default()
    };
    for _ in 0..UNIQUE_TRIES {
        let path = unique(&path).ok_or_else(|| Reply::new(553, "No unique name can be made of this."))?;
        let context = &work.context;
        match context.vfs.open(&context.session, &path, &options).await {
            Err(VfsError::Exists) => {}
            Err(error) => return Err(work.refusal(&error)),
            Ok(file) => {
                let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).into_owned();
                // The form that RFC 1123, 4.1.2.9 asks for.
                let _ = work.say.send(Reply::new(150, format!("FILE: {name}"))).await;
                return receive(work, file, given, &format!(" FILE: {name}")).await;
            }
        }
    }
    Err(Reply::new(450, "No unique name was found; try again."))
}

fn unique(path: &VirtualPath) -> Option<VirtualPath> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let name = format!(".{:016x}", u64::from_le_bytes(random));
    let name = [path.file_name().unwrap_or(b"upload"), name.as_bytes()].concat();
    path.parent().unwrap_or_else(VirtualPath::root).join(&name).ok()
}

/// Takes all bytes of an upload in. Nothing is published here.
async fn receive(work: Work, file: OpenFile, given: data::passive::Given, named: &str) -> Result<Ended, Reply> {
    let mut stream = prepared(&work, given, Direction::Up).await?;
    let offset = work.transfer.offset;
    let mut upload = up::Upload::new(&file, work.buffers.clone(), offset, work.transfer.ascii);
    let received = upload.take(&mut stream, work.lenient).await;
    drop(upload);
    let received = received.map_err(|stop| work.stopped(&stop))?;
    let is_sure = stream.tls().is_some();
    if let Some(announced) = work.transfer.announced.filter(|_| !is_sure)
        && announced != received
        && announced != offset + received
    {
        let text = format!("{announced} bytes were announced and {received} came: nothing was published.");
        return Err(Reply::new(426, text));
    }
    if is_sure {
        // The client waits for our own close_notify; whether it takes it changes nothing for the file.
        let _ = close(&mut stream).await;
    }
    Ok(Ended::Received(Received {
        file,
        is_sure,
        reply: Reply::new(226, format!("{received} bytes are stored.{named}")),
    }))
}

/// Says that this was all. A client that knows the size may close before it reads our close_notify, which then meets a
/// reset: it has everything all the same, for all was sent before.
async fn close(stream: &mut DataStream) -> std::io::Result<()> {
    stream.flush().await?;
    let closed = timeout(DATA_CLOSE_MAX, stream.shutdown()).await.unwrap_or(Ok(()));
    if stream.tls().is_some() { Ok(()) } else { closed }
}

/// Keeps a private connection until the client has ended it too: closed before, its own close_notify would meet a
/// reset, which can take away what it has not read yet.
fn linger(mut stream: DataStream) {
    if stream.tls().is_none() {
        return;
    }
    tokio::spawn(async move {
        let mut rest = [0; 64];
        let ended = async {
            while tokio::io::AsyncReadExt::read(&mut stream, &mut rest)
                .await
                .is_ok_and(|read| read > 0)
            {}
        };
        let _ = timeout(DATA_CLOSE_MAX, ended).await;
    });
}

/// Publishes an upload.
pub(super) async fn publish(received: Received, session: &Session) -> Reply {
    match received.file.commit().await {
        Ok(()) => received.reply,
        Err(error) => refusal(&error, session),
    }
}

/// Line feeds of the file as the network has them (RFC 959, 3.1.1.1); those that have their carriage return keep it.
fn to_network(bytes: &[u8], last: &mut u8) -> Bytes {
    let mut lines = Vec::with_capacity(bytes.len() + bytes.len() / 16 + 16);
    for byte in bytes {
        if *byte == b'\n' && *last != b'\r' {
            lines.push(b'\r');
        }
        lines.push(*byte);
        *last = *byte;
    }
    lines.into()
}

/// Ends of lines of the network as the file has them, in place; `held`: a carriage return that came last and may
/// belong to a line feed. Gives the new length.
fn from_network(bytes: &mut [u8], length: usize, held: &mut bool) -> usize {
    let mut to = 0;
    for at in 0..length {
        let byte = bytes[at];
        if std::mem::take(held) && byte != b'\n' {
            // There is room: the carriage return itself was left out before.
            bytes[to] = b'\r';
            to += 1;
        }
        if byte == b'\r' {
            *held = true;
        } else {
            bytes[to] = byte;
            to += 1;
        }
    }
    to
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As an upload does it, one byte of room before each piece.
    fn received(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut held, mut all) = (false, Vec::new());
        for piece in pieces {
            let mut room = vec![0];
            room.extend_from_slice(piece);
            all.extend(up::converted(&mut room, piece.len(), &mut held));
        }
        if held {
            all.push(b'\r');
        }
        all
    }

    #[test]
    fn ends_of_lines_are_converted_over_the_border_of_two_pieces() {
        for (pieces, expected) in [
            (&[&b"a\r\nb\r\n"[..]][..], &b"a\nb\n"[..]),
            (&[b"a\r", b"\nb"], b"a\nb"),
            (&[b"a\r", b"b"], b"a\rb"),
            (&[b"a\r", b"\r", b"\n"], b"a\r\n"),
            (&[b"a\r"], b"a\r"),
            (&[b"\n\n"], b"\n\n"),
            (&[b"\r", b"x", b"\r\n"], b"\rx\n"),
        ] {
            assert_eq!(received(pieces), expected, "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_unix_ends_of_lines_comes_back_as_it_went(text in "[a-z\n ]{0,300}", at in 1usize..50) {
            let mut last = 0;
            let sent: Vec<u8> = text
                .as_bytes()
                .chunks(at)
                .flat_map(|piece| to_network(piece, &mut last).to_vec())
                .collect();
            let pieces: Vec<&[u8]> = sent.chunks(at + 1).collect();
            prop_assert_eq!(received(&pieces), text.as_bytes());
        }
    }
}
