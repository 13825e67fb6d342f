//! One control connection from its first byte to its last: lines in, replies out, one job at a time, and the end,
//! which comes from the client, from a limit, or from whoever closes the session.
//!
//! What a command means is left to `state`; what a job does, to `verbs`, `login` and `transfer`.

mod answer;
mod control;
mod job;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::{Instant, sleep_until};

use super::FtpService;
use super::data::passive::Lease;
use super::limits::QUEUE_MAX;
use super::state::{Policy, State, Tls};
use super::status::sentence;
use super::wire::{Line, Reply};
use crate::catalog::{Object, Service, ServiceKind};
use crate::events::Event;
use crate::listener::{Accepted, Drain, Permit, contains};
use crate::session::{CloseReason, Principal, Registered};
use crate::x509::ClientCertificate;

use control::Control;
use job::{Job, Outcome};

/// Why a connection ends, for the journal.
type Reason = String;

/// A control connection.
struct Connection {
    service: Arc<FtpService>,
    settings: Arc<Object<Service>>,
    peer: SocketAddr,
    /// The address that the client came to.
    local: IpAddr,
    /// The networks of balancers, if the connection came with a PROXY header.
    balancers: Option<Arc<[IpNet]>>,
    control: Control,
    state: State,
    /// Tells the TLS sessions of this connection from all others.
    mark: [u8; 16],
    lines: VecDeque<Line>,
    job: Option<Job>,
    lease: Option<Lease>,
    registered: Option<Registered>,
    permit: Option<Permit>,
    drain: Drain,
    /// Until then what runs may go on.
    drained_at: Option<Instant>,
    /// Somebody must have signed in by then.
    grace_at: Instant,
    active_at: Instant,
    /// What the client has shown in the handshake of the control connection.
    certificate: Option<Arc<ClientCertificate>>,
    /// What was proven so far, where that is not enough.
    proven: Option<Principal>,
    attempts: u32,
    bad_lines: u32,
    /// The client has sent QUIT, and may close when it likes.
    quits: bool,
    /// The client has closed its side.
    gone: bool,
}

/// What happens next.
enum Next {
    /// The job is done.
    Done(Outcome),
    /// The job has something to say before it is done.
    Say(Reply),
    /// Bytes came; none: the client has closed.
    Read(std::io::Result<usize>),
    /// The session was closed.
    Closed(CloseReason),
    /// The service or the node ends; what runs has until then.
    Drained(Instant),
    /// A deadline may have passed.
    Tick,
}

/// Serves one connection.
pub(super) async fn serve(service: Arc<FtpService>, settings: Arc<Object<Service>>, accepted: Accepted) {
    let peer = accepted.peer;
    let refused = |reason: String| {
        service.node.journal.record(Event::ConnectionRefused {
            peer,
            service: service.name.clone(),
            reason,
        });
    };
    let Some(mut connection) = Connection::new(&service, settings, accepted) else {
        return refused("the random generator failed, or the connection is gone".to_owned());
    };
    if connection.settings.spec.kind == ServiceKind::FtpsImplicit
        && let Err(reason) = connection.secure().await
    {
        return refused(format!("no TLS: {reason}"));
    }
    let reason = match connection.greet().await {
        Ok(()) => connection.run().await,
        Err(reason) => reason,
    };
    // What runs ends before its session does.
    connection.job = None;
    match connection.registered.take() {
        Some(registered) => service.node.ended(&registered, reason),
        None => refused(reason),
    }
}

impl Connection {
    fn new(service: &Arc<FtpService>, settings: Arc<Object<Service>>, accepted: Accepted) -> Option<Self> {
        let mut mark = [0; 16];
        aws_lc_rs::rand::fill(&mut mark).ok()?;
        let spec = &settings.spec;
        let networks = spec.proxy_networks_on(&service.node.name);
        let from = accepted.stream.socket().peer_addr().ok()?;
        let balancers = contains(networks, from.ip()).then(|| networks.into());
        let policy = Policy {
            tls: match (spec.kind, &service.tls) {
                (ServiceKind::FtpsImplicit, _) => Tls::Implicit,
                (_, Some(source)) if spec.kind == ServiceKind::Ftps || source().is_ok() => Tls::Explicit,
                _ => Tls::Absent,
            },
            require_tls_control: spec.ftp.require_tls_control && spec.kind != ServiceKind::Ftp,
            require_tls_data: spec.ftp.require_tls_data && spec.kind != ServiceKind::Ftp,
            active: spec.ftp.active,
            peer: accepted.peer.ip(),
        };
        Some(Self {
            service: service.clone(),
            peer: accepted.peer,
            local: accepted.local.ip().to_canonical(),
            balancers,
            control: Control::new(accepted.stream),
            state: State::new(policy),
            mark,
            lines: VecDeque::new(),
            job: None,
            lease: None,
            registered: None,
            permit: Some(accepted.permit),
            drain: accepted.drain,
            drained_at: None,
            grace_at: accepted.at + Duration::from_secs(spec.login_grace_seconds.into()),
            active_at: Instant::now(),
            certificate: None,
            proven: None,
            attempts: 0,
            bad_lines: 0,
            quits: false,
            gone: false,
            settings,
        })
    }

    /// `ftp` or `ftps`, as the control connection is now.
    fn protocol(&self) -> &'static str {
        if self.state.is_secure() { "ftps" } else { "ftp" }
    }

    async fn greet(&mut self) -> Result<(), Reason> {
        let banner = self.settings.spec.banner.trim_end();
        let text = if banner.is_empty() { "Argosy" } else { banner };
        self.say(&Reply::new(220, text.replace("\r\n", "\n"))).await
    }

    async fn say(&mut self, reply: &Reply) -> Result<(), Reason> {
        self.control.say(reply).await
    }

    /// Says why it ends; whether the client hears it changes nothing.
    async fn goodbye(&mut self, reason: &str) -> Reason {
        let _ = self.say(&Reply::new(421, sentence(reason))).await;
        self.control.close().await;
        reason.to_owned()
    }

    /// Until the end; gives its reason.
    async fn run(&mut self) -> Reason {
        loop {
            if let Err(reason) = self.answer_all().await {
                return reason;
            }
            if self.gone && self.job.is_none() {
                return "the client ended the connection".to_owned();
            }
            let next = self.next().await;
            if let Err(reason) = self.meet(next).await {
                return reason;
            }
        }
    }

    /// When something has to be looked at even if nothing happens.
    fn look_at(&self) -> Instant {
        let idle = self.settings.spec.idle_seconds;
        let far = Instant::now() + Duration::from_secs(3600);
        let mut at = match (&self.registered, &self.job) {
            (None, _) => self.grace_at,
            (Some(_), Some(job)) => job.look_at(),
            (Some(_), None) if idle > 0 => self.active_at + Duration::from_secs(idle.into()),
            (Some(_), None) => far,
        };
        if let Some(drained_at) = self.drained_at {
            at = at.min(drained_at);
        }
        at
    }

    async fn next(&mut self) -> Next {
        let look_at = self.look_at();
        let session = self.registered.as_ref().map(|registered| registered.session().clone());
        let closed = async {
            match session {
                Some(session) => session.closed().await,
                None => std::future::pending().await,
            }
        };
        let reads = !self.gone && self.lines.len() < QUEUE_MAX;
        let is_draining = self.drained_at.is_some();
        let (job, control, drain) = (&mut self.job, &mut self.control, &mut self.drain);
        let working = async {
            match job {
                Some(job) => job.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = closed => Next::Closed(reason),
            next = working => next,
            read = control.read(), if reads => Next::Read(read),
            until = drain.begun(), if !is_draining => Next::Drained(until),
            () = sleep_until(look_at) => Next::Tick,
        }
    }

    async fn meet(&mut self, next: Next) -> Result<(), Reason> {
        match next {
            Next::Done(outcome) => self.done(outcome).await,
            Next::Say(reply) => self.say(&reply).await,
            Next::Read(read) => self.received(read).await,
            Next::Closed(reason) => Err(self.closed(&reason).await),
            Next::Drained(until) => {
                self.drained_at = Some(until);
                self.end_drained().await
            }
            Next::Tick => self.tick().await,
        }
    }

    /// Ends at once if nothing runs and the service ends.
    async fn end_drained(&mut self) -> Result<(), Reason> {
        if self.drained_at.is_none() || self.job.is_some() {
            return Ok(());
        }
        Err(self.goodbye("the service is closing; sign in again later").await)
    }

    /// What the client is told of a closed session: no detail of what an administrator changed.
    async fn closed(&mut self, reason: &CloseReason) -> Reason {
        self.stop_job("the session was closed").await;
        let told = match reason {
            CloseReason::Revoked(_) => "your access was changed; the session was closed".to_owned(),
            other => other.to_string(),
        };
        self.goodbye(&told).await;
        reason.to_string()
    }

    /// Ends what runs; a transfer is answered.
    async fn stop_job(&mut self, why: &str) {
        if let Some(job) = self.job.take() {
            let answers = job.is_transfer();
            drop(job);
            if answers {
                let _ = self.say(&Reply::new(426, sentence(why))).await;
            }
        }
        self.active_at = Instant::now();
    }

    async fn tick(&mut self) -> Result<(), Reason> {
        let now = Instant::now();
        if self.drained_at.is_some_and(|until| until <= now) {
            self.stop_job("the service is closing").await;
            return self.end_drained().await;
        }
        if self.registered.is_none() {
            if self.grace_at <= now {
                return Err(self.goodbye("no login in time").await);
            }
            return Ok(());
        }
        if let Some(job) = &mut self.job {
            if let Some(why) = job.stalled(&self.settings.spec.ftp, now) {
                self.stop_job(&why).await;
            }
            return Ok(());
        }
        let idle = Duration::from_secs(self.settings.spec.idle_seconds.into());
        if !idle.is_zero() && self.active_at + idle <= now {
            return Err(self.goodbye("the session was idle for too long").await);
        }
        Ok(())
    }
}
