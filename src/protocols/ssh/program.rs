//! A program on a channel: starts what `scp` offers, carries its bytes, and ends the channel as a program ends.
//!
//! Which programs there are is left to `scp`. No process is started, and there is no shell.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use russh::ChannelId;
use russh::server::Handle;

use super::handler::ChannelOutlet;
use super::intake::Intake;
use super::limits::TEXT_BYTES_MAX;
use crate::protocols::scp::{self, Channel, Context, Gone, Program, Refused};
use crate::protocols::sftp::Outlet;
use crate::protocols::sftp::flow::{Flow, Held, Reading};

/// A program's channel.
pub(super) struct ProgramChannel {
    pub(super) outlet: ChannelOutlet,
    pub(super) intake: Arc<Intake>,
    pub(super) flow: Arc<Flow>,
}

/// What is done for the peer at the moment.
pub(super) struct Serving {
    _held: Held,
    _reading: Option<Reading>,
}

impl Channel for ProgramChannel {
    type Held = Serving;

    async fn receive(&self) -> Option<Bytes> {
        self.intake.take().await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.outlet.send(bytes).await.map_err(|_| Gone)
    }

    async fn complain(&self, text: Bytes) -> Result<(), Gone> {
        self.outlet.complain(text).await.map_err(|_| Gone)
    }

    fn hold(&self, bytes: usize) -> Serving {
        Serving {
            // One at least: who is served is not idle.
            _held: self.flow.hold(1),
            _reading: (bytes > 0).then(|| self.flow.read(bytes as u64)),
        }
    }

    fn is_crowded(&self) -> bool {
        self.flow.reads_are_scarce()
    }
}

/// Runs `program` to its end, and ends the channel.
pub(super) async fn run(program: Program, context: Context, channel: ProgramChannel) {
    let session = context.session.id;
    let running = AssertUnwindSafe(scp::run(program, context, &channel)).catch_unwind();
    let status = running.await.unwrap_or_else(|_| {
        tracing::error!(%session, "a program's channel panicked; only it has ended");
        1
    });
    channel.intake.close();
    end(&channel.outlet.handle, channel.outlet.channel, status).await;
}

/// Says that a program has ended.
pub(super) async fn end(handle: &Handle, channel: ChannelId, status: u32) {
    let _ = handle.exit_status_request(channel, status).await;
    let _ = handle.eof(channel).await;
    let _ = handle.close(channel).await;
}

/// The text of a refusal, for the peer's terminal.
pub(super) fn refusal(refused: &Refused) -> Bytes {
    let mut text = refused.text.clone();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text.push_str("\r\n");
    text.into()
}
