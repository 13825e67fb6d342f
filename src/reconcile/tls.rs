//! Keeps what services need for TLS: the catalog's sealed keys opened once per change, and a configuration for each
//! service, built anew when something that it is made of has changed. Nothing that runs is touched.
//!
//! What a configuration holds is left to `listener::tls`; checking a session's certificate again, to `sessions`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::host_keys::Unseal;
use super::limits;
use crate::catalog::certificate::context;
use crate::catalog::{Certificate, Service, ServiceKind, TlsSettings, View};
use crate::clock::Clock;
use crate::ids::Name;
use crate::listener::TlsSource;
use crate::listener::tls::{Built, Identity, Ingredients, SharedSecret};

/// The configuration of each service that has certificates, or why it has none.
type Current = BTreeMap<Name, Result<Arc<rustls::ServerConfig>, String>>;

/// What a configuration was made of: the kind of the service, settings, certificates and authorities with the revisions of their last change.
type Recipe = (ServiceKind, TlsSettings, Vec<(Name, u64)>, Vec<(Name, u64)>);

struct Opened {
    revision: u64,
    identity: Arc<Identity>,
}

struct Made {
    recipe: Recipe,
    built: Result<Built, String>,
}

/// Keeps configurations as the view has them.
pub struct Handshakes {
    unseal: Unseal,
    secret: SharedSecret,
    clock: Clock,
    opened: BTreeMap<Name, Opened>,
    made: BTreeMap<Name, Made>,
    current: Arc<ArcSwap<Current>>,
}

impl Handshakes {
    /// With nothing opened yet. `secret` derives the keys of tickets.
    pub fn new(unseal: Unseal, secret: SharedSecret, clock: Clock) -> Self {
        Self {
            unseal,
            secret,
            clock,
            opened: BTreeMap::new(),
            made: BTreeMap::new(),
            current: Arc::default(),
        }
    }

    /// Where the service's handshakes find their configuration.
    pub fn source(&self, service: &Name) -> TlsSource {
        let (current, service) = (self.current.clone(), service.clone());
        Arc::new(move || match current.load().get(&service) {
            Some(Ok(config)) => Ok(config.clone()),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("the service has no certificate".to_owned()),
        })
    }

    /// Opens new and changed keys and builds what has changed; gives what failed.
    pub async fn pass(&mut self, view: &View) -> BTreeMap<String, String> {
        let mut failures = self.open_all(view).await;
        self.made
            .retain(|name, _| view.services.get(name).is_some_and(|it| speaks_tls(&it.spec)));
        let mut changed = false;
        for (name, object) in &view.services {
            if !speaks_tls(&object.spec) {
                continue;
            }
            let recipe = self.recipe(&object.spec, view);
            if self.made.get(name).is_none_or(|made| made.recipe != recipe) {
                let built = self.build(name, &object.spec, view);
                if let Err(reason) = &built {
                    tracing::error!(service = %name, %reason, "a service cannot speak TLS");
                }
                self.made.insert(name.clone(), Made { recipe, built });
                changed = true;
            }
            if let Some(Err(reason)) = self.made.get(name).map(|made| &made.built) {
                failures.insert(format!("service/{name}"), reason.clone());
            }
        }
        if changed || self.made.len() != self.current.load().len() {
            self.publish();
        }
        failures
    }

    /// What TLS of a service is made of now. A certificate that could not be opened stands with the form in use.
    fn recipe(&self, service: &Service, view: &View) -> Recipe {
        let settings = &service.tls;
        let certificates = settings.certificates.iter();
        let certificates = certificates.filter_map(|name| Some((name.clone(), self.opened.get(name)?.revision)));
        let authorities = settings.authorities.iter();
        let authorities = authorities.filter_map(|name| Some((name.clone(), view.authorities.get(name)?.revision)));
        let (certificates, authorities) = (certificates.collect(), authorities.collect());
        (service.kind, settings.clone(), certificates, authorities)
    }

    fn build(&self, name: &Name, service: &Service, view: &View) -> Result<Built, String> {
        let settings = &service.tls;
        let identities = settings.certificates.iter();
        let identities = identities.filter_map(|name| Some(self.opened.get(name)?.identity.clone()));
        let authorities = settings.authorities.iter();
        let ingredients = Ingredients {
            service: name,
            protocols: spoken_inside(service.kind),
            settings,
            identities: identities.collect(),
            authorities: authorities
                .filter_map(|name| Some(&view.authorities.get(name)?.spec))
                .collect(),
            secret: self.secret.clone(),
            clock: self.clock.clone(),
        };
        let former = self.made.get(name).and_then(|made| made.built.as_ref().ok());
        Built::new(ingredients, former)
    }

    fn publish(&self) {
        let config = |made: &Made| {
            made.built
                .as_ref()
                .map(|built| built.config.clone())
                .map_err(Clone::clone)
        };
        let all = self.made.iter().map(|(name, made)| (name.clone(), config(made)));
        self.current.store(Arc::new(all.collect()));
    }

    /// A certificate that fails to open keeps its former form in use until it does.
    async fn open_all(&mut self, view: &View) -> BTreeMap<String, String> {
        self.opened.retain(|name, _| view.certificates.contains_key(name));
        let mut failures = BTreeMap::new();
        for (name, object) in &view.certificates {
            let known = self.opened.get(name).map(|opened| opened.revision);
            if object.spec.issued.is_none() || known == Some(object.revision) {
                continue;
            }
            match self.open(name, &object.spec).await {
                Ok(identity) => {
                    let opened = Opened {
                        revision: object.revision,
                        identity: Arc::new(identity),
                    };
                    self.opened.insert(name.clone(), opened);
                }
                Err(reason) => {
                    tracing::error!(certificate = %name, %reason, "a certificate cannot be opened");
                    failures.insert(format!("certificate/{name}"), reason);
                }
            }
        }
        failures
    }

    async fn open(&self, name: &Name, certificate: &Certificate) -> Result<Identity, String> {
        let Some(issued) = &certificate.issued else {
            return Err("nobody has signed it yet".to_owned());
        };
        let opening = (self.unseal)(context(name), issued.key.sealed_private.clone());
        let secret = match tokio::time::timeout(limits::UNSEAL_WAIT, opening).await {
            Ok(opened) => opened?,
            Err(_) => {
                return Err(format!(
                    "no answer within {:?} from the members that hold its data key",
                    limits::UNSEAL_WAIT
                ));
            }
        };
        Identity::open(&issued.chain, &secret)
    }
}

/// What handshakes agree upon (ALPN).
fn spoken_inside(kind: ServiceKind) -> &'static [&'static [u8]] {
    match kind {
        ServiceKind::Https => &[b"h2", b"http/1.1"],
        _ => &[],
    }
}

/// Whether handshakes are made: always where nothing else is spoken, and where there is something to show.
fn speaks_tls(service: &Service) -> bool {
    match service.kind {
        ServiceKind::Sftp | ServiceKind::Http => false,
        ServiceKind::Ftp => !service.tls.certificates.is_empty(),
        ServiceKind::Ftps | ServiceKind::FtpsImplicit | ServiceKind::Https => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
