//! Opens, moves and closes ports as the view's services say. Sessions that run outlive a port that moves; those of a
//! service that is switched off, or of a node that stops, are drained.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use super::host_keys;
use super::limits;
use super::tls::Handshakes;
use crate::auth::HostIdentity;
use crate::catalog::{ServiceKind, View};
use crate::events::{Event, Journal};
use crate::ids::Name;
use crate::listener::{Remaining, TlsSource};

/// A service's host keys as they are now; read at each new connection.
pub type HostKeySource = Arc<ArcSwap<Vec<Arc<HostIdentity>>>>;

/// What was opened of the catalog's sealed keys.
pub struct Opened<'a> {
    /// Host keys, by name.
    pub host_keys: &'a host_keys::Opened,
    /// Configurations for TLS.
    pub handshakes: &'a Handshakes,
}

/// What a port shows; each is read at each new connection.
#[derive(Clone)]
pub struct Material {
    /// Host keys (SSH).
    pub host_keys: HostKeySource,
    /// The configuration of its handshakes (TLS).
    pub tls: TlsSource,
}

/// Opens a port for a service.
pub trait Opener: Send + Sync {
    /// Binds `address` and accepts until the result is closed.
    fn open(
        &self,
        service: Name,
        kind: ServiceKind,
        address: SocketAddr,
        material: Material,
    ) -> BoxFuture<'_, Result<Box<dyn OpenPort>, String>>;
}

/// A port that accepts.
pub trait OpenPort: Send {
    /// Stops accepting; resolves when the port is free again, with the connections that run on.
    fn close(self: Box<Self>) -> BoxFuture<'static, Remaining>;
}

struct Port {
    kind: ServiceKind,
    address: SocketAddr,
    keys: HostKeySource,
    shown: Vec<Arc<HostIdentity>>,
    open: Box<dyn OpenPort>,
}

/// The ports of this node.
pub struct Ports {
    opener: Arc<dyn Opener>,
    journal: Journal,
    node: String,
    service_address: IpAddr,
    open: BTreeMap<Name, Port>,
    /// Connections of ports that were closed, by service; each has at least one, so sessions bound them.
    former: Vec<(Name, Remaining)>,
    failed: BTreeMap<Name, (SocketAddr, String)>,
}

impl Ports {
    /// With no port open.
    pub fn new(opener: Arc<dyn Opener>, journal: Journal, node: String, service_address: IpAddr) -> Self {
        Self {
            opener,
            journal,
            node,
            service_address,
            open: BTreeMap::new(),
            former: Vec::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Compares all ports once; gives what could not be opened, by service. A service without an opened host key is
    /// not opened: nobody could prove who it is.
    pub async fn pass(&mut self, view: &View, opened: &Opened<'_>) -> BTreeMap<String, String> {
        let (node, address) = (self.node.clone(), self.service_address);
        let is_wanted = |name: &Name| {
            view.services
                .get(name)
                .is_some_and(|it| it.spec.endpoint(&node, address).is_some())
        };
        self.failed.retain(|name, _| is_wanted(name));
        let wanted = self.wanted(view, opened);
        let gone: Vec<Name> = self
            .open
            .iter()
            .filter(|(name, port)| wanted.get(*name).is_none_or(|wanted| !port.is_as(wanted)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.close(&name, "the service was changed").await;
        }
        self.drain_off(view);
        for (name, wanted) in wanted {
            match self.open.get_mut(&name) {
                Some(port) => {
                    if !wanted.keys.is_empty() || !wanted.kind.is_ssh() {
                        self.failed.remove(&name);
                    }
                    port.show(wanted.keys);
                }
                None => self.open(name, wanted).await,
            }
        }
        let failure = |(name, (_, reason)): (&Name, &(SocketAddr, String))| (format!("service/{name}"), reason.clone());
        self.failed.iter().map(failure).collect()
    }

    /// Closes every port and drains their connections, each service's within its own time and all within
    /// [`limits::STOP_DRAIN_MAX`].
    pub async fn close_all(&mut self, view: &View, reason: &str) {
        for name in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&name, reason).await;
        }
        for (name, remaining) in &self.former {
            remaining.drain(drain_time(view, name).min(limits::STOP_DRAIN_MAX));
        }
        for (_, remaining) in self.former.drain(..) {
            remaining.ended().await;
        }
    }

    /// Drains what is left of services that are off here. A removed service has no time to give.
    fn drain_off(&mut self, view: &View) {
        self.former.retain(|(_, remaining)| !remaining.is_empty());
        for (name, remaining) in &self.former {
            let is_on = view
                .services
                .get(name)
                .is_some_and(|service| service.spec.is_enabled_on(&self.node));
            if !is_on {
                remaining.drain(drain_time(view, name));
            }
        }
    }

    fn wanted(&mut self, view: &View, opened: &Opened<'_>) -> BTreeMap<Name, Wanted> {
        let mut wanted = BTreeMap::new();
        for (name, object) in &view.services {
            let Some(address) = object.spec.endpoint(&self.node, self.service_address) else {
                continue;
            };
            let keys: Vec<_> = object
                .spec
                .host_keys
                .iter()
                .filter_map(|key| opened.host_keys.get(key).cloned())
                .collect();
            let kind = object.spec.kind;
            if keys.is_empty() && kind.is_ssh() {
                let reason = "none of its host keys is usable; give it one: argosy host-key create".to_owned();
                self.fail(name, address, reason);
                if !self.open.contains_key(name) {
                    continue;
                }
            }
            let tls = opened.handshakes.source(name);
            let it = Wanted {
                kind,
                address,
                keys,
                tls,
            };
            wanted.insert(name.clone(), it);
        }
        wanted
    }

    async fn open(&mut self, name: Name, wanted: Wanted) {
        let Wanted {
            kind,
            address,
            keys,
            tls,
        } = wanted;
        let source: HostKeySource = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let material = Material {
            host_keys: source.clone(),
            tls,
        };
        match self.opener.open(name.clone(), kind, address, material).await {
            Ok(open) => {
                tracing::info!(service = %name, %address, "a port is open");
                self.journal.record(Event::ServiceOpened {
                    service: name.clone(),
                    address,
                });
                self.failed.remove(&name);
                let mut port = Port {
                    kind,
                    address,
                    keys: source,
                    shown: Vec::new(),
                    open,
                };
                port.show(keys);
                self.open.insert(name, port);
            }
            Err(reason) => self.fail(&name, address, reason),
        }
    }

    /// Notes a failure; says it once, not at every pass.
    fn fail(&mut self, name: &Name, address: SocketAddr, reason: String) {
        let now = (address, reason);
        if self.failed.get(name) != Some(&now) {
            tracing::error!(service = %name, %address, reason = %now.1, "a port cannot be opened");
            self.journal.record(Event::ServiceFailed {
                service: name.clone(),
                address,
                reason: now.1.clone(),
            });
            self.failed.insert(name.clone(), now);
        }
    }

    async fn close(&mut self, name: &Name, reason: &str) {
        if let Some(port) = self.open.remove(name) {
            let remaining = port.open.close().await;
            self.former.push((name.clone(), remaining));
            tracing::info!(service = %name, address = %port.address, reason, "a port is closed");
            let event = Event::ServiceClosed {
                service: name.clone(),
                address: port.address,
                reason: reason.to_owned(),
            };
            self.journal.record(event);
        }
    }
}

/// A port as the view has it.
struct Wanted {
    kind: ServiceKind,
    address: SocketAddr,
    keys: Vec<Arc<HostIdentity>>,
    tls: TlsSource,
}

impl Port {
    fn is_as(&self, wanted: &Wanted) -> bool {
        self.kind == wanted.kind && self.address == wanted.address
    }

    /// Shows these keys to connections from now on; no key at all keeps the former ones.
    fn show(&mut self, keys: Vec<Arc<HostIdentity>>) {
        let same = keys.len() == self.shown.len() && keys.iter().zip(&self.shown).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same && !keys.is_empty() {
            self.keys.store(Arc::new(keys.clone()));
            self.shown = keys;
        }
    }
}

/// What the connections of a service get to end by themselves; nothing if it was removed.
fn drain_time(view: &View, name: &Name) -> Duration {
    let seconds = view.services.get(name).map_or(0, |service| service.spec.drain_seconds);
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::catalog::{Object, Service};
    use crate::clock::UnixMillis;

    #[derive(Default)]
    struct World {
        open: Arc<Mutex<BTreeMap<SocketAddr, HostKeySource>>>,
        taken: Mutex<Vec<SocketAddr>>,
    }

    struct Opened1(SocketAddr, Arc<Mutex<BTreeMap<SocketAddr, HostKeySource>>>);

    impl OpenPort for Opened1 {
        fn close(self: Box<Self>) -> BoxFuture<'static, Remaining> {
            Box::pin(async move {
                self.1.lock().unwrap().remove(&self.0);
                Remaining::none()
            })
        }
    }

    impl Opener for World {
        fn open(
            &self,
            _service: Name,
            _kind: ServiceKind,
            address: SocketAddr,
            material: Material,
        ) -> BoxFuture<'_, Result<Box<dyn OpenPort>, String>> {
            Box::pin(async move {
                if self.taken.lock().unwrap().contains(&address) {
                    return Err("the address is in use".to_owned());
                }
                assert!(
                    self.open.lock().unwrap().insert(address, material.host_keys).is_none(),
                    "opened twice"
                );
                Ok(Box::new(Opened1(address, self.open.clone())) as Box<dyn OpenPort>)
            })
        }
    }

    fn view(services: &[(&str, Service)]) -> View {
        let mut view = View::default();
        for (text, service) in services {
            let name = Name::parse(text).unwrap();
            let object = Object {
                name: name.clone(),
                spec: service.clone(),
                revision: 1,
                changed_by: String::new(),
                changed_at: UnixMillis(0),
            };
            view.services.insert(name, Arc::new(object));
        }
        view
    }

    fn key(seed: u8) -> Arc<HostIdentity> {
        let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
        Arc::new(HostIdentity::plain(pair.into()))
    }

    fn no_handshakes() -> Handshakes {
        let unseal = Arc::new(|_, _| Box::pin(std::future::pending()) as _);
        Handshakes::new(unseal, Arc::new(|_| None), crate::clock::Clock::system())
    }

    #[tokio::test]
    async fn ports_follow_the_view_and_a_taken_one_is_reported_until_it_is_free() {
        let world = Arc::new(World::default());
        let node = "node-1".to_owned();
        let mut ports = Ports::new(world.clone(), Journal::default(), node, "127.0.0.1".parse().unwrap());
        let main = Name::parse("main").unwrap();
        let (keys, none) = ([(main.clone(), key(1))].into(), no_handshakes());
        let keys = Opened {
            host_keys: &keys,
            handshakes: &none,
        };
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = |world: &World| world.open.lock().unwrap().keys().copied().collect::<Vec<_>>();

        let first = view(&[("sftp", Service::sftp(22, vec![main.clone()]))]);
        assert_eq!(ports.pass(&first, &keys).await, BTreeMap::new());
        assert_eq!(addresses(&world), [at(22)]);
        assert_eq!(ports.pass(&first, &keys).await, BTreeMap::new());

        let before = world.open.lock().unwrap()[&at(22)].load_full();
        let rotated = [(main.clone(), key(2))].into();
        let rotated = Opened {
            host_keys: &rotated,
            handshakes: &none,
        };
        ports.pass(&first, &rotated).await;
        assert!(
            !Arc::ptr_eq(&world.open.lock().unwrap()[&at(22)].load()[0], &before[0]),
            "a new key is shown on the same port"
        );

        world.taken.lock().unwrap().push(at(23));
        let moved = view(&[("sftp", Service::sftp(23, vec![main.clone()]))]);
        let failures = ports.pass(&moved, &keys).await;
        assert_eq!(failures["service/sftp"], "the address is in use");
        world.taken.lock().unwrap().clear();
        assert_eq!(ports.pass(&moved, &keys).await, BTreeMap::new());
        assert_eq!(addresses(&world), [at(23)]);

        let mut off = Service::sftp(23, vec![main]);
        off.enabled = false;
        ports.pass(&view(&[("sftp", off)]), &keys).await;
        assert_eq!(addresses(&world), []);
    }

    #[tokio::test]
    async fn a_service_without_a_usable_host_key_stays_closed_and_says_so() {
        let world = Arc::new(World::default());
        let node = "node-1".to_owned();
        let mut ports = Ports::new(world.clone(), Journal::default(), node, "127.0.0.1".parse().unwrap());
        let (keys, none) = (BTreeMap::new(), no_handshakes());
        let opened = Opened {
            host_keys: &keys,
            handshakes: &none,
        };
        let failures = ports
            .pass(&view(&[("sftp", Service::sftp(22, Vec::new()))]), &opened)
            .await;
        assert!(failures["service/sftp"].contains("host key"));
        assert!(world.open.lock().unwrap().is_empty());
    }
}
