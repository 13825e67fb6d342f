//! SSH with the SFTP subsystem, on russh: one object per service, live in its settings and host keys.
//!
//! Accepting connections is left to `listener`, proofs to `auth`, SFTP itself to `sftp`.

pub mod algorithms;
mod connection;
mod handler;
mod limits;
mod line;
mod login;

use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::Config;
use russh::{MethodKind, MethodSet, SshId};

use crate::auth::Authenticator;
use crate::catalog::{Service, ViewSource};
use crate::clock::Clock;
use crate::events::Journal;
use crate::ids::Name;
use crate::listener::{Accepted, PermitLimits, Serve, Serving, Terms};
use crate::session::Registry;
use crate::vfs::Vfs;

use super::sftp::flow::{NodeFlow, WINDOW_INITIAL};

/// Gives the host keys that are shown now, the most preferred first; read at each accept.
pub type HostKeySource = Arc<dyn Fn() -> Arc<Vec<PrivateKey>> + Send + Sync>;

/// What an SSH service needs from the node.
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
    /// What all connections hold; one for all services.
    pub flow: Arc<NodeFlow>,
}

/// One service of the kind `sftp`.
pub struct SshService {
    name: Name,
    node: Dependencies,
    host_keys: HostKeySource,
}

impl SshService {
    /// The service `name` of the catalog; its settings are read from the view at each accept.
    pub fn new(name: Name, node: Dependencies, host_keys: HostKeySource) -> Arc<Self> {
        Arc::new(Self { name, node, host_keys })
    }

    /// The settings now; `None` once the service was removed.
    fn settings(&self) -> Option<Service> {
        let view = (self.node.views)();
        view.services.get(&self.name).map(|object| object.spec.clone())
    }
}

impl Serve for SshService {
    fn terms(&self) -> Result<Terms, String> {
        let settings = self.settings().ok_or("the service was removed")?;
        if (self.host_keys)().is_empty() {
            return Err("the service has no host key".to_owned());
        }
        Ok(Terms {
            unauthenticated: PermitLimits {
                all: settings.unauthenticated_max,
                per_address: settings.unauthenticated_per_address_max,
            },
            connections_per_address_max: settings.connections_per_address_max,
            proxy_networks: settings.proxy_networks_on(&self.node.node).to_vec(),
            sources: settings.sources,
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

/// The methods that are offered.
fn methods() -> MethodSet {
    MethodSet::from(
        &[
            MethodKind::PublicKey,
            MethodKind::Password,
            MethodKind::KeyboardInteractive,
        ][..],
    )
}

/// russh's configuration of one connection.
fn config(settings: &Service, host_keys: &[PrivateKey]) -> Config {
    let seconds = |number: u32| (number > 0).then(|| Duration::from_secs(number.into()));
    Config {
        server_id: SshId::Standard("SSH-2.0-Argosy".into()),
        methods: methods(),
        // The wait after failed tries is our own, by address and account.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: host_keys.to_vec(),
        window_size: WINDOW_INITIAL,
        maximum_packet_size: limits::PACKET_BYTES,
        event_buffer_size: limits::MESSAGES_MAX,
        preferred: algorithms::preferred(),
        // The question for the methods (`none`) counts as a try.
        max_auth_attempts: settings.login_attempts_max.saturating_add(1) as usize,
        // The exact idle time is kept by `connection`; this one also ends a write that the peer does not take.
        inactivity_timeout: seconds(settings.idle_seconds).map(|idle| idle + Duration::from_secs(5)),
        keepalive_interval: seconds(settings.keepalive_seconds),
        keepalive_max: limits::KEEPALIVES_MAX,
        nodelay: true,
        ..Config::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
