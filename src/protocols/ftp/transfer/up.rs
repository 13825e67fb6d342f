//! A data connection to a file: bytes are gathered into large pieces while earlier ones are being written.

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::{Stop, from_network};
use crate::protocols::ftp::data::stream::DataStream;
use crate::protocols::ftp::limits::{TRANSFER_BYTES, WRITE_EARLY_AFTER, WRITE_EARLY_BYTES, WRITES_BEHIND_BYTES_MAX};
use crate::vfs::{Buffers, Chunk, OpenFile, VfsError};

type Write<'a> = Pin<Box<dyn Future<Output = Result<(), VfsError>> + Send + 'a>>;

/// An upload that runs.
pub(super) struct Upload<'a> {
    file: &'a OpenFile,
    buffers: Arc<Buffers>,
    /// Where the next piece goes.
    at: u64,
    received: u64,
    writes: FuturesOrdered<Write<'a>>,
    ascii: bool,
    /// A carriage return that may belong to a line feed.
    held: bool,
}

/// What a reading of the data connection came to.
enum Piece {
    /// More follows.
    More,
    /// It ended as it should.
    End,
}

/// `length` bytes after the first one of `room`, converted; the first one is room for what was held.
pub(super) fn converted<'a>(room: &'a mut [u8], length: usize, held: &mut bool) -> &'a [u8] {
    if *held && length > 0 && room[1] != b'\n' {
        *held = false;
        room[0] = b'\r';
        let more = from_network(&mut room[1..], length, held);
        return &room[..=more];
    }
    let length = from_network(&mut room[1..], length, held);
    &room[1..=length]
}

impl<'a> Upload<'a> {
    pub(super) fn new(file: &'a OpenFile, buffers: Arc<Buffers>, offset: u64, ascii: bool) -> Self {
        Self {
            file,
            buffers,
            at: offset,
            received: 0,
            writes: FuturesOrdered::new(),
            ascii,
            held: false,
        }
    }

    /// Takes everything in and writes it; how many bytes came. What came before a break is written too: who resumes
    /// finds it.
    pub(super) async fn take(&mut self, stream: &mut DataStream, lenient: bool) -> Result<u64, Stop> {
        loop {
            let mut chunk = self.buffers.take(TRANSFER_BYTES);
            let mut filled = 0;
            let piece = self.fill(stream, &mut chunk, &mut filled).await;
            self.received += filled as u64;
            self.write(chunk, filled).await?;
            match piece {
                Ok(Piece::More) => {}
                Ok(Piece::End) => return self.end().await,
                Err(Stop::Connection(error)) if lenient && error.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.end().await;
                }
                Err(stop) => {
                    self.finish().await?;
                    return Err(stop);
                }
            }
        }
    }

    /// Reads until the chunk is full, or is worth a write while nothing more is there.
    async fn fill(&mut self, stream: &mut DataStream, chunk: &mut Chunk, filled: &mut usize) -> Result<Piece, Stop> {
        let mut first_at = None;
        while *filled < TRANSFER_BYTES {
            let worth = *filled >= WRITE_EARLY_BYTES && self.writes.is_empty();
            let due = first_at.map(|at: Instant| at + WRITE_EARLY_AFTER);
            tokio::select! {
                biased;
                read = stream.read(&mut chunk.room()[*filled..]) => match read.map_err(Stop::Connection)? {
                    0 => return Ok(Piece::End),
                    read => {
                        *filled += read;
                        first_at.get_or_insert_with(Instant::now);
                    }
                },
                () = ready(()), if worth => return Ok(Piece::More),
                Some(written) = self.writes.next(), if !self.writes.is_empty() => written?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return Ok(Piece::More),
            }
        }
        Ok(Piece::More)
    }

    /// Begins to write the piece; waits while too much is under way.
    async fn write(&mut self, mut chunk: Chunk, filled: usize) -> Result<(), VfsError> {
        if filled == 0 {
            return Ok(());
        }
        let bytes = if self.ascii {
            let mut room = vec![0];
            room.extend_from_slice(&chunk.room()[..filled]);
            Bytes::copy_from_slice(converted(&mut room, filled, &mut self.held))
        } else {
            chunk.truncate(filled);
            Bytes::from(chunk)
        };
        self.put(bytes).await
    }

    async fn put(&mut self, bytes: Bytes) -> Result<(), VfsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let at = self.at;
        self.at += bytes.len() as u64;
        self.writes.push_back(Box::pin(self.file.write_at(at, bytes)));
        // A write begins when it is polled.
        while let Some(Some(written)) = self.writes.next().now_or_never() {
            written?;
        }
        while self.writes.len() * TRANSFER_BYTES > WRITES_BEHIND_BYTES_MAX {
            if let Some(written) = self.writes.next().await {
                written?;
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<u64, Stop> {
        if std::mem::take(&mut self.held) {
            self.put(Bytes::from_static(b"\r")).await?;
        }
        self.finish().await?;
        Ok(self.received)
    }

    async fn finish(&mut self) -> Result<(), VfsError> {
        while let Some(written) = self.writes.next().await {
            written?;
        }
        Ok(())
    }
}
