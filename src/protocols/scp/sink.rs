//! `scp -t`: takes files from the peer.
//!
//! What a record asks for is left to `state`. A file is staged and gets its name only once all of its bytes are here
//! and the peer has said that they are right.

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::glob::{self, Allowance};
use super::input::{Answer, Input};
use super::limits::{SKIPPED_BYTES_MAX, WRITES_MAX};
use super::state::{File, Folder, Sink, Step, Target};
use super::wire::{self, ERROR};
use super::words::Word;
use super::{Channel, Context, Stop, end, status};
use crate::path::VirtualPath;
use crate::vfs::{AttributeChange, FileType, OpenFile, OpenOptions, VfsError};

/// The program's flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    pub(super) recursive: bool,
    pub(super) preserve: bool,
    pub(super) into_folder: bool,
}

/// Runs the program; what it ends with.
pub(super) async fn run<C: Channel>(context: &Context, channel: &C, flags: Flags, target: &Word) -> u32 {
    let mut taking = Taking {
        context,
        channel,
        input: Input::new(channel),
        preserve: flags.preserve,
        errors: 0,
    };
    let result = taking.all(flags, target).await;
    end(channel, result, taking.errors).await
}

struct Taking<'a, C> {
    context: &'a Context,
    channel: &'a C,
    input: Input<'a, C>,
    preserve: bool,
    errors: u64,
}

impl<C: Channel> Taking<'_, C> {
    async fn all(&mut self, flags: Flags, target: &Word) -> Result<(), Stop> {
        let target = self.target(flags, target).await?;
        let mut state = Sink::new(target, flags.recursive, flags.preserve);
        self.ok().await?;
        while let Some(line) = self.input.line().await? {
            let record =
                wire::parse(&line).map_err(|malformed| Stop::Broken(format!("protocol error: {malformed}")))?;
            match state.take(record) {
                Step::Answer => self.ok().await?,
                Step::Noted => self.errors += 1,
                Step::Refuse { name, reason } => self.refuse(&name, &reason).await?,
                Step::Take(file) => self.file(&file).await?,
                Step::Enter(folder) => match self.enter(&folder).await {
                    Ok(is_new) => {
                        state.entered(Folder { is_new, ..folder });
                        self.ok().await?;
                    }
                    Err(error) => self.refuse_for(&folder.path, &error).await?,
                },
                Step::Leave(folder) => match self.leave(&folder).await {
                    Ok(()) => self.ok().await?,
                    Err(error) => self.refuse_for(&folder.path, &error).await?,
                },
                Step::End(None) => return Err(Stop::Gone),
                Step::End(Some(reason)) => return Err(Stop::Broken(format!("protocol error: {reason}"))),
            }
        }
        // It went away inside of a folder: not all of it can be here.
        self.errors += u64::from(state.is_inside());
        Ok(())
    }

    async fn target(&self, flags: Flags, word: &Word) -> Result<Target, Stop> {
        let broken = |name: &[u8], text: &str| {
            let line = status::line("scp", name, text);
            // The program's name is put before it once more.
            Stop::Broken(String::from_utf8_lossy(&line[5..line.len() - 1]).into_owned())
        };
        let _held = self.channel.hold(0);
        let mut allowance = Allowance::default();
        let paths = glob::expand(self.context, word, &mut allowance).await;
        let paths = paths.map_err(|error| broken(&word.bytes, &status::text(&error)))?;
        let [sent] = paths.as_slice() else {
            return Err(broken(&word.bytes, "ambiguous target: more than one path matches"));
        };
        let path = VirtualPath::parse(sent).map_err(|error| broken(sent, &error.to_string()))?;
        let found = self.context.vfs.attributes(&self.context.session, &path, true).await;
        let is_folder = found.is_ok_and(|found| found.file_type == FileType::Folder);
        if flags.into_folder && !is_folder {
            return Err(broken(sent, &status::text(&VfsError::NotFolder)));
        }
        Ok(Target {
            path,
            is_folder,
            named_as_folder: sent.last() == Some(&b'/'),
        })
    }

    async fn ok(&self) -> Result<(), Stop> {
        Ok(self.channel.send(Bytes::from_static(&[wire::OK])).await?)
    }

    async fn refuse(&mut self, name: &[u8], reason: &str) -> Result<(), Stop> {
        self.errors += 1;
        let line = status::line("scp", name, reason);
        Ok(self.channel.send(wire::refusal(ERROR, &line).into()).await?)
    }

    async fn refuse_for(&mut self, path: &VirtualPath, error: &VfsError) -> Result<(), Stop> {
        self.context.note(error);
        self.refuse(path.as_bytes(), &status::text(error)).await
    }

    /// Makes a folder, or finds that it is there; whether it is new.
    async fn enter(&self, folder: &Folder) -> Result<bool, VfsError> {
        let Context { vfs, session } = self.context;
        let _held = self.channel.hold(0);
        let mode = folder.mode_at_first(self.preserve);
        match vfs.attributes(session, &folder.path, true).await {
            Ok(found) if found.file_type == FileType::Folder => Ok(false),
            Ok(_) => Err(VfsError::NotFolder),
            Err(VfsError::NotFound) => match vfs.make_folder(session, &folder.path, Some(mode)).await {
                // Somebody else was faster.
                Err(VfsError::Exists) => Ok(false),
                made => made.map(|()| true),
            },
            Err(error) => Err(error),
        }
    }

    /// Gives a folder what could not be given while it was being filled. One that was there before keeps its mode
    /// unless the client sends its own (`-p`), as with OpenSSH.
    async fn leave(&self, folder: &Folder) -> Result<(), VfsError> {
        let _held = self.channel.hold(0);
        let mode = folder.mode_at_last(self.preserve);
        let is_due = folder.is_new && mode != folder.mode_at_first(self.preserve);
        let change = AttributeChange {
            mode: (self.preserve || is_due).then_some(mode),
            times: folder.times.map(|times| (times.accessed, times.modified)),
            ..AttributeChange::default()
        };
        if change == AttributeChange::default() {
            return Ok(());
        }
        let Context { vfs, session } = self.context;
        vfs.set_attributes(session, &folder.path, &change).await
    }

    /// Takes one file, or says why not.
    async fn file(&mut self, file: &File) -> Result<(), Stop> {
        let opened = self.open(file).await;
        let open = match opened {
            Ok(open) => open,
            Err(error) => return self.refuse_for(&file.path, &error).await,
        };
        self.ok().await?;
        let received = self.bytes(&open, file.size).await?;
        let answer = self.input.answer().await?;
        let result = match (received, answer) {
            (Err(error), _) => Err(error),
            (Ok(()), Answer::Ok) => self.publish(open, file).await,
            (Ok(()), Answer::Refused) => {
                self.throw_away(open).await;
                let text = "not published: the other side could not read all of it";
                return self.refuse(file.path.as_bytes(), text).await;
            }
            (Ok(()), Answer::Fatal) => return Err(Stop::Gone),
        };
        match result {
            Ok(()) => self.ok().await,
            Err(error) => self.refuse_for(&file.path, &error).await,
        }
    }

    async fn open(&self, file: &File) -> Result<OpenFile, VfsError> {
        let _held = self.channel.hold(0);
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Some(file.mode),
            ..OpenOptions::default()
        };
        let open = self
            .context
            .vfs
            .open(&self.context.session, &file.path, &options)
            .await?;
        open.announce(file.size).await?;
        Ok(open)
    }

    /// Writes what arrives, a few pieces at a time. What cannot be written is taken all the same, so that the copy can
    /// go on with the next file, unless that would be very much.
    async fn bytes(&mut self, open: &OpenFile, size: u64) -> Result<Result<(), VfsError>, Stop> {
        let mut offset = 0;
        let mut gone = false;
        let mut failed: Option<VfsError> = None;
        let mut writing = FuturesUnordered::new();
        while offset < size {
            if failed.is_some() && size - offset > SKIPPED_BYTES_MAX {
                break;
            }
            let received = tokio::select! {
                Some(written) = writing.next(), if !writing.is_empty() => {
                    failed = failed.or(Result::err(written));
                    continue;
                }
                received = self.input.some(size - offset), if writing.len() < WRITES_MAX => received,
            };
            let Some(chunk) = received else {
                gone = true;
                break;
            };
            let length = chunk.len() as u64;
            if failed.is_none() {
                writing.push(write(self.channel, open, offset, chunk));
            }
            offset += length;
        }
        while let Some(written) = writing.next().await {
            failed = failed.or(written.err());
        }
        if gone {
            // What has arrived is written all the same: where it is kept, somebody may go on with it.
            return Err(Stop::Gone);
        }
        match failed {
            Some(error) if offset < size => {
                self.context.note(&error);
                Err(Stop::Broken(format!(
                    "{}; too much is left to go on",
                    status::text(&error)
                )))
            }
            Some(error) => Ok(Err(error)),
            None => Ok(Ok(())),
        }
    }

    async fn publish(&self, open: OpenFile, file: &File) -> Result<(), VfsError> {
        let _held = self.channel.hold(0);
        let change = AttributeChange {
            mode: self.preserve.then_some(file.mode),
            times: file.times.map(|times| (times.accessed, times.modified)),
            ..AttributeChange::default()
        };
        if change != AttributeChange::default() {
            open.set_attributes(&change).await?;
        }
        open.commit().await
    }

    /// Ends an upload of which it is not known which bytes are right: none is kept for somebody to go on with.
    async fn throw_away(&self, open: OpenFile) {
        let _held = self.channel.hold(0);
        let nothing = AttributeChange {
            size: Some(0),
            ..AttributeChange::default()
        };
        let _ = open.set_attributes(&nothing).await;
    }
}

async fn write<C: Channel>(channel: &C, open: &OpenFile, offset: u64, chunk: Bytes) -> Result<(), VfsError> {
    let _held = channel.hold(0);
    open.write_at(offset, chunk).await
}
