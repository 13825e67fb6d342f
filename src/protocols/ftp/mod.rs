//! FTP and FTPS: plain, explicit (AUTH TLS) and implicit, one engine for the three.
//!
//! `wire` turns bytes into commands, `state` and `verbs` decide, `connection` carries, `data` and `transfer` move
//! bytes. Accepting connections is left to `listener`, proofs to `auth`, files to `vfs`.

mod connection;
mod data;
pub mod limits;
pub mod listing;
mod login;
pub mod state;
pub mod status;
mod transfer;
mod verbs;
pub mod wire;

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::catalog::{Object, Service, ServiceKind, ViewSource};
use crate::clock::Clock;
use crate::events::Journal;
use crate::ids::Name;
use crate::listener::{Accepted, PermitLimits, Serve, Serving, Terms};
use crate::session::Registry;
use crate::vfs::{Buffers, Vfs};

pub use data::passive::Passive;

/// The TLS of a service as it is now, read at each handshake; `Err` says why there is none.
pub type TlsSource = Arc<dyn Fn() -> Result<Arc<rustls::ServerConfig>, String> + Send + Sync>;

/// What an FTP service needs from the node.
#[derive(Clone)]
pub struct Dependencies {
    /// This node's name.
    pub node: String,
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
    /// The ports of passive data connections; one for all services.
    pub passive: Arc<Passive>,
    /// For bytes on their way; one for all services.
    pub buffers: Arc<Buffers>,
}

/// One service of the kinds `ftp`, `ftps` and `ftps-implicit`.
pub struct FtpService {
    name: Name,
    node: Dependencies,
    /// `None`: the service has no certificate.
    tls: Option<TlsSource>,
}

impl FtpService {
    /// The service `name` of the catalog; its settings are read from the view at each accept.
    pub fn new(name: Name, node: Dependencies, tls: Option<TlsSource>) -> Arc<Self> {
        Arc::new(Self { name, node, tls })
    }

    /// The settings now; `None` once the service was removed.
    fn settings(&self) -> Option<Arc<Object<Service>>> {
        (self.node.views)().services.get(&self.name).cloned()
    }
}

impl Serve for FtpService {
    fn terms(&self) -> Result<Terms, String> {
        let settings = self.settings().ok_or("the service was removed")?;
        let settings = &settings.spec;
        if settings.kind != ServiceKind::Ftp {
            match &self.tls {
                None => return Err("the service has no certificate".to_owned()),
                Some(source) => source().map(drop)?,
            }
        }
        Ok(Terms {
            unauthenticated: PermitLimits {
                all: settings.unauthenticated_max,
                per_address: settings.unauthenticated_per_address_max,
            },
            connections_per_address_max: settings.connections_per_address_max,
            proxy_networks: settings.proxy_networks_on(&self.node.node).to_vec(),
            sources: settings.sources.clone(),
        })
    }

    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
        Box::pin(async move {
            if let Some(settings) = self.settings() {
                connection::serve(self, settings, accepted).await;
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
