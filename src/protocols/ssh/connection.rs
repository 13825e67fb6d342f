//! One connection from its first byte to its last: sign-in time, idle time, and the end, which comes from the peer,
//! from a limit, or from whoever closes the session.
//!
//! What is said on it is left to `handler`.

use std::sync::Arc;
use std::time::Duration;

use russh::Disconnect;
use russh::server::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::handler::Connection;
use super::limits::{CUT_WAIT, DRAIN_QUIET, GOODBYE, ORDERS_MAX};
use super::line::{Line, Socket};
use super::{Ready, SshService};
use crate::events::Event;
use crate::listener::Accepted;
use crate::protocols::sftp::flow::Flow;
use crate::session::{CloseReason, Registered};

/// What the handler tells the connection.
pub(super) enum Order {
    /// Somebody signed in.
    SignedIn(Registered),
    /// The peer takes nothing of what it asked for.
    Stalled,
}

/// Cuts the line when dropped, so that no task outlives its connection.
struct CutAtEnd(Arc<Line>);

impl Drop for CutAtEnd {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Why a connection ends.
struct Ending {
    /// What the peer is told; `None`: it is gone.
    farewell: Option<(Disconnect, String)>,
    /// For the journal.
    reason: String,
}

impl Ending {
    fn by_us(code: Disconnect, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            farewell: Some((code, text.clone())),
            reason: text,
        }
    }

    /// What the peer is told of a closed session: no detail of what an administrator changed.
    fn closed(reason: &CloseReason) -> Self {
        let text = match reason {
            CloseReason::Revoked(_) => "Your access was changed; the session was closed.".to_owned(),
            other => other.to_string(),
        };
        Self {
            farewell: Some((Disconnect::ByApplication, text)),
            reason: reason.to_string(),
        }
    }
}

/// Serves one connection.
pub(super) async fn serve(service: Arc<SshService>, ready: Arc<Ready>, accepted: Accepted) {
    let settings = ready.service();
    let grace = accepted.at + Duration::from_secs(settings.login_grace_seconds.into());
    let (orders, inbox) = mpsc::channel(ORDERS_MAX);
    let (line, flow) = (Line::new(), Flow::new(service.flow.clone()));
    let _cut = CutAtEnd(line.clone());
    let handler = Connection::new(
        service.clone(),
        ready.clone(),
        &accepted,
        line.clone(),
        flow.clone(),
        orders,
    );
    let Accepted {
        stream,
        peer,
        permit,
        mut drain,
        ..
    } = accepted;
    let socket = Socket::new(stream, line.clone(), flow.clone());
    let started = tokio::select! {
        started = timeout_at(grace, russh::server::run_stream(ready.config.clone(), socket, handler)) => started,
        _ = drain.begun() => return refused(&service, peer, "the service is closing".to_owned()),
    };
    let mut running = match started {
        Ok(Ok(running)) => running,
        failed => {
            let reason = match failed {
                Ok(Err(error)) => format!("no SSH handshake: {error}"),
                _ => "no SSH handshake in time".to_owned(),
            };
            refused(&service, peer, reason);
            return;
        }
    };
    let handle = running.handle();
    let mut state = State {
        line: line.clone(),
        flow,
        idle: settings.idle_seconds,
        grace,
        permit: Some(permit),
        drain,
        registered: None,
        orders: inbox,
    };
    let ending = tokio::select! {
        result = &mut running => Ending {
            farewell: None,
            reason: match result {
                Ok(()) => "the client ended the connection".to_owned(),
                Err(russh::Error::Join(_)) => {
                    tracing::error!(%peer, "an SSH connection panicked; only it has ended");
                    "the server failed".to_owned()
                }
                Err(error) => format!("the connection broke: {error}"),
            },
        },
        ending = state.watch() => ending,
    };
    if let Some((code, text)) = ending.farewell {
        let gone = timeout(GOODBYE, async {
            say_goodbye(&handle, code, text).await;
            let _ = (&mut running).await;
        })
        .await;
        line.cut();
        if gone.is_err() {
            let _ = timeout(CUT_WAIT, &mut running).await;
        }
    }
    state.collect();
    match &state.registered {
        Some(registered) => service.node.ended(registered, ending.reason),
        None => refused(&service, peer, ending.reason),
    }
}

async fn say_goodbye(handle: &Handle, code: Disconnect, text: String) {
    let _ = handle.disconnect(code, text, String::new()).await;
}

/// What is watched over while the connection runs.
struct State {
    line: Arc<Line>,
    flow: Arc<Flow>,
    /// Seconds; 0: never.
    idle: u32,
    grace: Instant,
    permit: Option<crate::listener::Permit>,
    drain: crate::listener::Drain,
    registered: Option<Registered>,
    orders: mpsc::Receiver<Order>,
}

impl State {
    /// Resolves when the connection has to end.
    async fn watch(&mut self) -> Ending {
        let mut draining = None;
        loop {
            let session = self.registered.as_ref().map(|registered| registered.session().clone());
            let signed_in = session.is_some();
            let closed = async {
                match session {
                    Some(session) => session.closed().await,
                    None => std::future::pending().await,
                }
            };
            let idle_at = self.line.last_active() + Duration::from_secs(self.idle.into());
            // Told to end: at once when nobody signed in or nothing moves, else at the deadline.
            let quiet_at = self.line.last_active() + DRAIN_QUIET;
            let quiet_at = draining.map(|until: Instant| if signed_in { until.min(quiet_at) } else { quiet_at });
            tokio::select! {
                reason = closed => return Ending::closed(&reason),
                until = self.drain.begun(), if draining.is_none() => draining = Some(until),
                () = sleep_until(quiet_at.unwrap_or(idle_at)), if quiet_at.is_some() => {
                    let is_over = draining.is_some_and(|until| until <= Instant::now());
                    if signed_in && !is_over && self.flow.is_busy() {
                        self.line.touch();
                    } else if is_over || self.line.last_active() + DRAIN_QUIET <= Instant::now() {
                        return Ending::by_us(Disconnect::ByApplication, "the service is closing; sign in again later");
                    }
                }
                Some(order) = self.orders.recv() => match order {
                    Order::SignedIn(registered) => {
                        self.line.touch();
                        self.registered = Some(registered);
                        self.permit = None;
                    }
                    Order::Stalled => {
                        return Ending::by_us(Disconnect::ByApplication, "the client took nothing for too long");
                    }
                },
                () = sleep_until(self.grace), if !signed_in => {
                    return Ending::by_us(Disconnect::ByApplication, "no login in time");
                }
                () = sleep_until(idle_at), if signed_in && self.idle > 0 => {
                    // A request that runs is no idleness.
                    if self.flow.is_busy() {
                        self.line.touch();
                    } else if self.line.last_active() + Duration::from_secs(self.idle.into()) <= Instant::now() {
                        return Ending::by_us(Disconnect::ByApplication, "the session was idle for too long");
                    }
                }
            }
        }
    }

    /// Takes in a login that was accepted in the connection's last moment, so that its end is recorded.
    fn collect(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            if let Order::SignedIn(registered) = order {
                self.registered = Some(registered);
            }
        }
    }
}

fn refused(service: &SshService, peer: std::net::SocketAddr, reason: String) {
    service.node.journal.record(Event::ConnectionRefused {
        peer,
        service: service.name.clone(),
        reason,
    });
}
