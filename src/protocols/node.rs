//! What every service needs from its node, and how a session begins on one: by the same code, with the same events,
//! whatever is spoken.
//!
//! Proving who somebody is, is left to `auth`; what only one protocol needs, to that protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use super::held::{EndedWebSessions, Locks};
use crate::auth::Authenticator;
use crate::catalog::{Object, Service, ViewSource};
use crate::clock::Clock;
use crate::events::{Event, Journal};
use crate::ids::{Name, SessionId};
use crate::listener::tls::SharedSecret;
use crate::listener::{PermitLimits, Terms};
use crate::session::{LimitReached, NewSession, Principal, Registered, Registry};
use crate::vfs::Vfs;

/// The node, as its services see it.
#[derive(Clone)]
pub struct Node {
    /// This node's name.
    pub name: String,
    /// The latest view.
    pub views: ViewSource,
    /// Where sessions are kept.
    pub registry: Arc<Registry>,
    /// The files.
    pub vfs: Vfs,
    /// Where events go.
    pub journal: Journal,
    /// Now.
    pub clock: Clock,
    /// Who verifies proofs; one for all services.
    pub authenticator: Authenticator,
    /// What all nodes derive alike.
    pub secret: SharedSecret,
    /// Locks that hold on every node.
    pub locks: Arc<dyn Locks>,
    /// Web sessions that their people ended.
    pub ended: Arc<dyn EndedWebSessions>,
}

/// Who comes in, and how.
pub struct Arrival<'a> {
    /// Who was proven.
    pub principal: Principal,
    /// The client.
    pub peer: SocketAddr,
    /// By which service.
    pub service: &'a Name,
    /// Its settings, as the connection has them.
    pub settings: &'a Service,
    /// For events and lists.
    pub protocol: &'static str,
    /// By which proof, for events.
    pub method: &'static str,
}

/// Why there is no session.
#[derive(Debug)]
pub enum NotBegun {
    /// The one answer for all refusals; why is for the journal.
    Refused(String),
    /// The proof was good and a limit was not: that is told.
    TooMany(LimitReached),
}

impl Node {
    /// The settings of a service now; `None` once it was removed.
    pub fn settings(&self, service: &Name) -> Option<Arc<Object<Service>>> {
        (self.views)().services.get(service).cloned()
    }

    /// What a service with these settings demands of connections here.
    pub fn terms(&self, settings: &Service) -> Terms {
        Terms {
            unauthenticated: PermitLimits {
                all: settings.unauthenticated_max,
                per_address: settings.unauthenticated_per_address_max,
            },
            connections_per_address_max: settings.connections_per_address_max,
            proxy_networks: settings.proxy_networks_on(&self.name).to_vec(),
            sources: settings.sources.clone(),
        }
    }

    /// Registers the session first and judges it again after, so that no revocation falls between.
    ///
    /// # Errors
    /// A limit is reached, or what was proven holds no more.
    pub fn begin(&self, arrival: Arrival<'_>) -> Result<Registered, NotBegun> {
        let Arrival {
            principal,
            peer,
            service,
            settings,
            protocol,
            method,
        } = arrival;
        let account_max = (self.views)()
            .account(principal.account.as_str())
            .and_then(|account| account.spec.sessions_max);
        let mut id = [0; 16];
        let random = aws_lc_rs::rand::fill(&mut id);
        random.map_err(|_| NotBegun::Refused("the random generator failed".to_owned()))?;
        let new = NewSession {
            principal,
            service: service.clone(),
            protocol,
            peer,
            started_at: self.clock.now(),
            account_max,
            service_max: settings.sessions_max,
        };
        let registered = self.registry.register(SessionId(u128::from_le_bytes(id)), new);
        let registered = registered.map_err(NotBegun::TooMany)?;
        let session = registered.session();
        let judged = self.authenticator.judge_new(session, &self.name);
        judged.map_err(|reason| NotBegun::Refused(reason.to_string()))?;
        self.journal.record(Event::LoginAccepted {
            account: session.account().clone(),
            peer,
            service: service.clone(),
            protocol,
            method,
            session: session.id,
        });
        Ok(registered)
    }

    /// Records that a session has ended.
    pub fn ended(&self, registered: &Registered, reason: String) {
        let session = registered.session();
        let (bytes_in, bytes_out) = session.bytes();
        self.journal.record(Event::SessionEnded {
            account: session.account().clone(),
            peer: session.peer,
            protocol: session.protocol(),
            session: session.id,
            reason,
            bytes_in,
            bytes_out,
        });
    }
}
