//! `scp -f`: gives files to the peer.
//!
//! How a record is written is left to `wire`, which paths a pattern stands for, to `glob`.

use bytes::Bytes;

use super::glob::{self, Allowance};
use super::input::{Answer, Input};
use super::limits::{DEPTH_MAX, ENTRIES_PER_BATCH, READ_BYTES, READ_BYTES_CROWDED, SKIPPED_BYTES_MAX};
use super::wire::{self, ERROR, Record, Times};
use super::words::Word;
use super::{Channel, Context, Stop, end, status};
use crate::path::VirtualPath;
use crate::vfs::{Attributes, FileType, Listing, OpenFile, OpenOptions, VfsError};

/// Runs the program with its flags `-r` and `-p`; what it ends with.
pub(super) async fn run<C: Channel>(
    context: &Context,
    channel: &C,
    (recursive, preserve): (bool, bool),
    paths: &[Word],
) -> u32 {
    let mut giving = Giving {
        context,
        channel,
        input: Input::new(channel),
        recursive,
        preserve,
        errors: 0,
    };
    let result = giving.all(paths).await;
    end(channel, result, giving.errors).await
}

/// A folder that is being sent.
struct Walk {
    path: VirtualPath,
    listing: Listing,
    /// Entries that were read and not sent yet, the next one last.
    batch: Vec<Bytes>,
    /// It was reached by a symbolic link, or lies below one that was.
    linked: bool,
}

struct Giving<'a, C> {
    context: &'a Context,
    channel: &'a C,
    input: Input<'a, C>,
    recursive: bool,
    preserve: bool,
    errors: u64,
}

impl<C: Channel> Giving<'_, C> {
    async fn all(&mut self, words: &[Word]) -> Result<(), Stop> {
        if self.input.answer().await? == Answer::Fatal {
            return Err(Stop::Gone);
        }
        let mut allowance = Allowance::default();
        for word in words {
            let expanded = {
                let _held = self.channel.hold(0);
                glob::expand(self.context, word, &mut allowance).await
            };
            match expanded {
                Ok(paths) => {
                    for path in paths {
                        self.named(&path).await?;
                    }
                }
                Err(error) => self.fail_for(&word.bytes, &error).await?,
            }
        }
        Ok(())
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), Stop> {
        Ok(self.channel.send(bytes.into()).await?)
    }

    /// Tells of one thing that is not sent.
    async fn fail(&mut self, name: &[u8], text: &str) -> Result<(), Stop> {
        self.errors += 1;
        let line = status::line("scp", name, text);
        self.send(wire::refusal(ERROR, &line)).await
    }

    async fn fail_for(&mut self, name: &[u8], error: &VfsError) -> Result<(), Stop> {
        self.context.note(error);
        self.fail(name, &status::text(error)).await
    }

    /// Sends a record; whether the peer takes it.
    async fn offer(&mut self, record: &Record) -> Result<bool, Stop> {
        self.send(wire::write(record)).await?;
        self.accepted().await
    }

    async fn accepted(&mut self) -> Result<bool, Stop> {
        match self.input.answer().await? {
            Answer::Ok => Ok(true),
            Answer::Refused => {
                self.errors += 1;
                Ok(false)
            }
            Answer::Fatal => Err(Stop::Gone),
        }
    }

    async fn offer_times(&mut self, attributes: &Attributes) -> Result<bool, Stop> {
        if !self.preserve {
            return Ok(true);
        }
        let times = Times {
            modified: attributes.modified,
            accessed: attributes.accessed,
        };
        self.offer(&Record::Times(times)).await
    }

    async fn look(&self, path: &VirtualPath) -> Result<Attributes, VfsError> {
        let _held = self.channel.hold(0);
        self.context.vfs.attributes(&self.context.session, path, true).await
    }

    /// Sends what the client has named, a tree if it is one.
    async fn named(&mut self, sent: &[u8]) -> Result<(), Stop> {
        let path = match VirtualPath::parse(sent) {
            Ok(path) => path,
            Err(error) => return self.fail(sent, &error.to_string()).await,
        };
        let mut stack = Vec::new();
        if let Some(walk) = self.entry(path, false, 0).await? {
            stack.push(walk);
        }
        while let Some(walk) = stack.last_mut() {
            let next = match walk.batch.pop() {
                Some(name) => Ok(Some(name)),
                None => self.more(walk).await,
            };
            match next {
                Ok(Some(name)) => {
                    let (path, linked) = (walk.path.join(&name), walk.linked);
                    let depth = stack.len();
                    match path {
                        Ok(path) => stack.extend(self.entry(path, linked, depth).await?),
                        Err(error) => self.fail(&name, &error.to_string()).await?,
                    }
                }
                ended => {
                    if let Err(error) = ended {
                        let path = walk.path.clone();
                        self.fail_for(path.as_bytes(), &error).await?;
                    }
                    stack.pop();
                    self.offer(&Record::Leave).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads on in a folder.
    async fn more(&self, walk: &mut Walk) -> Result<Option<Bytes>, VfsError> {
        let _held = self.channel.hold(0);
        let entries = walk.listing.next(ENTRIES_PER_BATCH).await?;
        walk.batch = entries.into_iter().rev().map(|entry| entry.name).collect();
        Ok(walk.batch.pop())
    }

    /// Sends a file, or the beginning of a folder, which is then to be walked through.
    async fn entry(&mut self, path: VirtualPath, linked: bool, depth: usize) -> Result<Option<Walk>, Stop> {
        let attributes = match self.look(&path).await {
            Ok(attributes) => attributes,
            Err(error) => {
                self.fail_for(path.as_bytes(), &error).await?;
                return Ok(None);
            }
        };
        match attributes.file_type {
            FileType::File => {
                self.file(&path).await?;
                Ok(None)
            }
            FileType::Folder if self.recursive => self.folder(path, &attributes, linked, depth).await,
            _ => {
                self.fail(path.as_bytes(), "not a regular file").await?;
                Ok(None)
            }
        }
    }

    async fn folder(
        &mut self,
        path: VirtualPath,
        attributes: &Attributes,
        linked: bool,
        depth: usize,
    ) -> Result<Option<Walk>, Stop> {
        let is_link = depth > 0 && self.is_link(&path).await;
        let Some(name) = path.file_name().map(<[u8]>::to_vec) else {
            let text = "the topmost folder has no name to be copied under: name what is in it, such as '*'";
            self.fail(b"/", text).await?;
            return Ok(None);
        };
        if depth >= DEPTH_MAX {
            let text = format!("over {DEPTH_MAX} folders within one another");
            self.fail(path.as_bytes(), &text).await?;
            return Ok(None);
        }
        // One that leads back to where it lies would be copied for ever.
        if is_link && linked {
            let text = "a link to a folder below another link to a folder is not followed";
            self.fail(path.as_bytes(), text).await?;
            return Ok(None);
        }
        let opened = {
            let _held = self.channel.hold(0);
            self.context.vfs.list(&self.context.session, &path).await
        };
        let listing = match opened {
            Ok(listing) => listing,
            Err(error) => {
                self.fail_for(path.as_bytes(), &error).await?;
                return Ok(None);
            }
        };
        let record = Record::Folder {
            mode: attributes.mode,
            name,
        };
        let taken = self.offer_times(attributes).await? && self.offer(&record).await?;
        Ok(taken.then(|| Walk {
            path,
            listing,
            batch: Vec::new(),
            linked: linked || is_link,
        }))
    }

    async fn is_link(&self, path: &VirtualPath) -> bool {
        let Context { vfs, session } = self.context;
        let found = vfs.attributes(session, path, false).await;
        found.is_ok_and(|found| found.file_type == FileType::Link)
    }

    async fn file(&mut self, path: &VirtualPath) -> Result<(), Stop> {
        let opened = self.open(path).await;
        let (open, attributes) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.fail_for(path.as_bytes(), &error).await,
        };
        let record = Record::File {
            mode: attributes.mode,
            size: attributes.size,
            name: path.file_name().unwrap_or_default().to_vec(),
        };
        if !(self.offer_times(&attributes).await? && self.offer(&record).await?) {
            return Ok(());
        }
        let sent = self.bytes(&open, attributes.size).await?;
        let ended = match sent {
            Ok(()) => open.commit().await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => self.send(vec![wire::OK]).await?,
            Err(error) => self.fail_for(path.as_bytes(), &error).await?,
        }
        self.accepted().await?;
        Ok(())
    }

    async fn open(&self, path: &VirtualPath) -> Result<(OpenFile, Attributes), VfsError> {
        let _held = self.channel.hold(0);
        let options = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        let open = self.context.vfs.open(&self.context.session, path, &options).await?;
        let attributes = open.attributes().await?;
        Ok((open, attributes))
    }

    /// Sends exactly `size` bytes, the next piece being read while one is sent. What cannot be read is sent as zeros,
    /// so that the copy can go on, and is told after; unless that would be very much.
    async fn bytes(&mut self, open: &OpenFile, size: u64) -> Result<Result<(), VfsError>, Stop> {
        let mut offset = 0;
        let mut next = self.piece(open, offset, size).await;
        while offset < size {
            let piece = match next {
                Ok(piece) => piece,
                Err(error) => return self.zeros(size - offset, error).await.map(Err),
            };
            offset += piece.len() as u64;
            let (sent, read) = tokio::join!(self.channel.send(piece), self.piece(open, offset, size));
            sent?;
            next = read;
        }
        Ok(Ok(()))
    }

    /// The piece at `offset`; of what lies beyond `size` nothing.
    async fn piece(&self, open: &OpenFile, offset: u64, size: u64) -> Result<Bytes, VfsError> {
        if offset >= size {
            return Ok(Bytes::new());
        }
        let most = if self.channel.is_crowded() {
            READ_BYTES_CROWDED
        } else {
            READ_BYTES
        };
        let length = usize::try_from(size - offset).map_or(most, |left| left.min(most));
        let _held = self.channel.hold(length);
        let piece = open.read_at(offset, length).await?;
        if piece.is_empty() {
            return Err(VfsError::Unsupported(
                "the file became shorter while it was sent".to_owned(),
            ));
        }
        Ok(piece)
    }

    async fn zeros(&self, mut left: u64, error: VfsError) -> Result<VfsError, Stop> {
        if left > SKIPPED_BYTES_MAX || matches!(error, VfsError::Revoked(_)) {
            self.context.note(&error);
            let text = format!("{}; the file is not whole", status::text(&error));
            self.channel.complain(status::line("scp", b"", &text).into()).await?;
            // Within a file the protocol has no word for it: the end itself must say so.
            return Err(Stop::Gone);
        }
        let zeros = Bytes::from(vec![0; READ_BYTES_CROWDED]);
        while left > 0 {
            let length = left.min(zeros.len() as u64);
            self.channel
                .send(zeros.slice(..usize::try_from(length).unwrap_or(0)))
                .await?;
            left -= length;
        }
        Ok(error)
    }
}
