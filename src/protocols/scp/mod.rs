//! What runs on an exec request: scp as it was before it became SFTP (`scp -O`, `scp -t`, `scp -f`), and the commands
//! by which transfer clients compare hashes. Nothing else, and never a shell.
//!
//! The channel itself is left to `ssh`; files, to `vfs`. One command runs at a time in one channel.

pub mod command;
mod glob;
mod hash;
mod input;
pub mod limits;
mod sink;
mod source;
pub mod state;
pub mod status;
pub mod wire;
pub mod words;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::session::Session;
use crate::vfs::{Vfs, VfsError};

pub use command::{Program, Refused};

/// What copies are called in sessions and events.
const COPY: &str = "scp";
/// What the other programs are called there.
const EXEC: &str = "exec";

/// The peer, or its connection, is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A channel, as a program sees it: standard input, output and error.
pub trait Channel: Send + Sync + 'static {
    /// Says that something is done for the peer, until it is dropped.
    type Held: Send;

    /// What the peer sent next; `None`: it sends no more.
    fn receive(&self) -> impl Future<Output = Option<Bytes>> + Send;
    /// Sends; waits while the peer takes nothing.
    fn send(&self, bytes: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Sends to the peer's standard error.
    fn complain(&self, text: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Notes that the peer is being served, with so many bytes in memory.
    fn hold(&self, bytes: usize) -> Self::Held;
    /// Whether the node holds so much that little must do.
    fn is_crowded(&self) -> bool;
}

/// Who asks whom.
#[derive(Clone)]
pub struct Context {
    /// The files.
    pub vfs: Vfs,
    /// Who asks.
    pub session: Arc<Session>,
}

impl Context {
    /// Notes in the log what the peer is not told.
    fn note(&self, error: &VfsError) {
        if let VfsError::Io(what) = error {
            tracing::warn!(session = %self.session.id, account = %self.session.account(), what, "a storage failed");
        }
    }
}

/// Why a program ends before its end.
enum Stop {
    /// The peer, or its connection, is gone.
    Gone,
    /// The text is for the peer.
    Broken(String),
}

/// What a program ends with that could not do all.
const FAILED: u32 = 1;

/// Ends scp: with what stopped it, told where somebody listens, or with whether there were errors.
async fn end<C: Channel>(channel: &C, result: Result<(), Stop>, errors: u64) -> u32 {
    match result {
        Ok(()) if errors == 0 => 0,
        Err(Stop::Broken(reason)) => {
            let line = status::line("scp", b"", &reason);
            let _ = channel.send(wire::refusal(wire::FATAL, &line).into()).await;
            FAILED
        }
        Ok(()) | Err(Stop::Gone) => FAILED,
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl Program {
    /// What sessions and events call what it speaks.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Sink { .. } | Self::Source { .. } => COPY,
            Self::Hash { .. } => EXEC,
        }
    }
}

/// Runs a program to its end; what it ends with. Dropping the future drops all open files: an upload is interrupted.
pub async fn run<C: Channel>(program: Program, context: Context, channel: &C) -> u32 {
    let context = Context {
        vfs: context.vfs.speaking(program.protocol()),
        ..context
    };
    match program {
        Program::Sink {
            recursive,
            preserve,
            into_folder,
            target,
        } => {
            let flags = sink::Flags {
                recursive,
                preserve,
                into_folder,
            };
            sink::run(&context, channel, flags, &target).await
        }
        Program::Source {
            recursive,
            preserve,
            paths,
        } => source::run(&context, channel, (recursive, preserve), &paths).await,
        Program::Hash {
            name,
            hash,
            binary,
            paths,
        } => {
            let command = hash::Command { name, hash, binary };
            hash::run(&context, channel, &command, &paths).await.unwrap_or(FAILED)
        }
    }
}
