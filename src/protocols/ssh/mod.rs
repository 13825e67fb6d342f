//! SSH with the SFTP subsystem and scp, on russh: one object per service, live in its settings and host keys.
//!
//! Accepting connections is left to `listener`, proofs to `auth`, SFTP itself to `sftp`, programs to `scp`.

pub mod algorithms;
mod connection;
mod handler;
mod intake;
mod limits;
mod line;
mod login;
mod program;
mod proving;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, SshId};

use algorithms::Offer;

use crate::auth::{self, HostIdentity, Missing};
use crate::catalog::{Object, Service};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::listener::{Accepted, Serve, Serving, Terms};

use super::Node;
use super::sftp::flow::{NodeFlow, WINDOW_INITIAL};

/// Gives the host keys that are shown now, the most preferred first; read at each accept.
pub type HostKeySource = Arc<dyn Fn() -> Arc<Vec<Arc<HostIdentity>>> + Send + Sync>;

/// One service of the kind `sftp`.
pub struct SshService {
    name: Name,
    node: Node,
    /// What all connections hold; one for all services.
    flow: Arc<NodeFlow>,
    host_keys: HostKeySource,
    ready: ArcSwapOption<Ready>,
}

/// What new connections start from, made once per change of the settings or the host keys. Connections that run keep
/// theirs: a change disturbs none of them.
struct Ready {
    settings: Arc<Object<Service>>,
    host_keys: Arc<Vec<Arc<HostIdentity>>>,
    /// When a certificate among them ends, after which it is shown no more.
    until: Option<UnixMillis>,
    offer: Offer,
    config: Arc<Config>,
    /// Why no connection can be served.
    unfit: Option<String>,
}

impl Ready {
    fn new(settings: Arc<Object<Service>>, host_keys: Arc<Vec<Arc<HostIdentity>>>, now: UnixMillis) -> Self {
        let algorithms: Vec<_> = host_keys.iter().map(|identity| identity.algorithm()).collect();
        let offer = Offer::new(&settings.spec.ssh, &algorithms);
        let is_current = |identity: &&Arc<HostIdentity>| identity.certified_until().is_none_or(|end| now < end);
        let certificates = host_keys.iter().filter(is_current);
        let config = Config {
            keys: host_keys.iter().map(|identity| identity.key.clone()).collect(),
            certificates: certificates
                .filter_map(|identity| identity.certificate.clone())
                .collect(),
            preferred: offer.preferred.clone(),
            ..config(&settings.spec)
        };
        let ends = host_keys.iter().filter_map(|identity| identity.certified_until());
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let unfit = if names.is_empty() {
            Some("the service has no host key".to_owned())
        } else {
            let checked = auth::algorithms::check(&settings.spec.ssh, &names).err();
            checked.map(|unfit| format!("the service's `ssh.{}` {}", unfit.field, unfit.reason))
        };
        Self {
            unfit,
            until: ends.filter(|end| now < *end).min(),
            config: Arc::new(config),
            settings,
            host_keys,
            offer,
        }
    }

    /// The settings that these connections have.
    fn service(&self) -> &Service {
        &self.settings.spec
    }
}

impl SshService {
    /// The service `name` of the catalog; its settings are read from the view at each accept.
    pub fn new(name: Name, node: Node, flow: Arc<NodeFlow>, host_keys: HostKeySource) -> Arc<Self> {
        Arc::new(Self {
            name,
            node,
            flow,
            host_keys,
            ready: ArcSwapOption::empty(),
        })
    }

    /// What a connection that comes now starts from; `None` once the service was removed.
    fn ready(&self) -> Option<Arc<Ready>> {
        let (settings, host_keys, now) = (
            self.node.settings(&self.name)?,
            (self.host_keys)(),
            self.node.clock.now(),
        );
        if let Some(ready) = &*self.ready.load()
            && Arc::ptr_eq(&ready.settings, &settings)
            && Arc::ptr_eq(&ready.host_keys, &host_keys)
            && ready.until.is_none_or(|end| now < end)
        {
            return Some(ready.clone());
        }
        let ready = Arc::new(Ready::new(settings, host_keys, now));
        self.ready.store(Some(ready.clone()));
        Some(ready)
    }
}

impl Serve for SshService {
    fn terms(&self) -> Result<Terms, String> {
        let ready = self.ready().ok_or("the service was removed")?;
        if let Some(reason) = &ready.unfit {
            return Err(reason.clone());
        }
        Ok(self.node.terms(ready.service()))
    }

    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
        Box::pin(async move {
            if let Some(ready) = self.ready() {
                connection::serve(self, ready, accepted).await;
            }
        })
    }
}

/// The methods that are offered, or after a first proof those of what is missing.
fn methods(missing: Option<Missing>) -> MethodSet {
    let all = [
        MethodKind::PublicKey,
        MethodKind::Password,
        MethodKind::KeyboardInteractive,
    ];
    MethodSet::from(match missing {
        None => &all[..],
        Some(Missing::Key) => &all[..1],
        Some(Missing::Password) => &all[1..],
    })
}

/// russh's configuration but for what depends on host keys.
fn config(settings: &Service) -> Config {
    // Never more than 1 GiB: so many packets under one key are safe with every cipher that can be chosen.
    let rekey_bytes = settings.ssh.rekey_bytes.min(limits::REKEY_BYTES_MAX) as usize;
    let seconds = |number: u32| (number > 0).then(|| Duration::from_secs(number.into()));
    Config {
        server_id: SshId::Standard("SSH-2.0-Argosy".into()),
        methods: methods(None),
        // The wait after failed tries is our own, by address and account.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        limits: Limits {
            rekey_write_limit: rekey_bytes,
            rekey_read_limit: rekey_bytes,
            rekey_time_limit: Duration::from_secs(settings.ssh.rekey_seconds.into()),
        },
        window_size: WINDOW_INITIAL,
        maximum_packet_size: limits::PACKET_BYTES,
        event_buffer_size: limits::MESSAGES_MAX,
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
