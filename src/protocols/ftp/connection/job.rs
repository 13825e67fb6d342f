//! What runs beside the control connection: one thing at a time.

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Next;
use crate::catalog::FtpSettings;
use crate::protocols::ftp::data::stream::Gauge;
use crate::protocols::ftp::limits::{RATE_SECONDS, WATCH_EVERY};
use crate::protocols::ftp::transfer::Ended;
use crate::protocols::ftp::verbs::Done;
use crate::protocols::ftp::wire::Reply;
use crate::session::Principal;

/// What came of a job.
pub(super) enum Outcome {
    /// Of a sign-in: who was claimed, and who it is or why not.
    Proven(String, Result<Principal, String>),
    /// Of the search for the address that PASV tells.
    Address(Result<Ipv4Addr, Reply>),
    /// Of a question to the Vfs.
    Task(Done),
    /// Of a transfer.
    Transfer(Ended),
    /// Of the end of an upload.
    Published(Reply),
}

/// What the client may do about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes move: ABOR ends it and it is answered.
    Transfer,
    /// ABOR ends it.
    Question,
    /// It is waited for.
    Short,
}

/// What runs.
pub(super) struct Job {
    work: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    kind: Kind,
    said: Option<mpsc::Receiver<Reply>>,
    watch: Option<Watch>,
}

/// What is seen of a transfer from outside.
struct Watch {
    gauge: Arc<Gauge>,
    looked_at: Instant,
    /// When bytes were seen to move, or it was not the client who had to move.
    moved_at: Instant,
    bytes: u64,
    /// Bytes and seconds in which the client had the next move, for the rate.
    window: (u64, u32),
}

impl Job {
    pub(super) fn new(kind: Kind, work: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self {
            work: Box::pin(work),
            kind,
            said: None,
            watch: None,
        }
    }

    pub(super) fn watched(self, gauge: Arc<Gauge>, said: mpsc::Receiver<Reply>) -> Self {
        let now = Instant::now();
        Self {
            said: Some(said),
            watch: Some(Watch {
                gauge,
                looked_at: now,
                moved_at: now,
                bytes: 0,
                window: (0, 0),
            }),
            ..self
        }
    }

    /// Whether bytes move.
    pub(super) fn is_transfer(&self) -> bool {
        self.kind == Kind::Transfer
    }

    /// Whether ABOR ends it.
    pub(super) fn may_end(&self) -> bool {
        self.kind != Kind::Short
    }

    /// Bytes that have moved.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.watch.as_ref().map(|watch| watch.gauge.bytes())
    }

    pub(super) fn look_at(&self) -> Instant {
        match &self.watch {
            Some(watch) => watch.looked_at + WATCH_EVERY,
            None => Instant::now() + Duration::from_secs(3600),
        }
    }

    /// What it says before its end, all of it, and then its end.
    pub(super) async fn next(&mut self) -> Next {
        let said = &mut self.said;
        let saying = async {
            match said {
                Some(said) => said.recv().await,
                None => None,
            }
        };
        tokio::select! {
            biased;
            Some(reply) = saying => Next::Say(reply),
            outcome = &mut self.work => {
                Next::Done(outcome)
            }
        }
    }

    /// What was said and not heard before the end.
    pub(super) fn unheard(&mut self) -> Option<Reply> {
        self.said.as_mut().and_then(|said| said.try_recv().ok())
    }

    /// Why the transfer must end, if it moves nothing or too little.
    pub(super) fn stalled(&mut self, settings: &FtpSettings, now: Instant) -> Option<String> {
        let watch = self.watch.as_mut()?;
        watch.looked_at = now;
        let bytes = watch.gauge.bytes();
        let moved = bytes - watch.bytes;
        watch.bytes = bytes;
        if moved > 0 || !watch.gauge.is_waiting() {
            watch.moved_at = now;
        }
        let idle = Duration::from_secs(settings.data_idle_seconds.into());
        if !idle.is_zero() && watch.moved_at + idle <= now {
            return Some(format!("nothing moved for {} seconds", idle.as_secs()));
        }
        if settings.minimum_rate == 0 {
            return None;
        }
        if watch.gauge.is_waiting() || moved > 0 {
            watch.window = (watch.window.0 + moved, watch.window.1 + 1);
        }
        if watch.window.1 < RATE_SECONDS {
            return None;
        }
        let rate = watch.window.0 / u64::from(watch.window.1);
        watch.window = (0, 0);
        (rate < settings.minimum_rate).then(|| {
            let least = settings.minimum_rate;
            format!("the transfer moves {rate} bytes a second, fewer than the {least} that it must")
        })
    }
}
