//! A service's configuration for handshakes, made of what it shows, what it asks for and what it trusts.

use std::sync::Arc;

use rustls::ServerConfig;

use super::identity::{Chooser, Identity};
use super::tickets::{Sessions, SharedSecret, Tickets};
use super::{algorithms, clients};
use crate::catalog::{Authority, ClientCertificates, TlsSettings};
use crate::clock::Clock;
use crate::ids::Name;
use crate::x509::sha256;

/// What a configuration is made of.
pub struct Ingredients<'a> {
    /// The service's name.
    pub service: &'a Name,
    /// What is spoken inside, the preferred first (ALPN); none: it is not asked.
    pub protocols: &'a [&'a [u8]],
    /// Its settings.
    pub settings: &'a TlsSettings,
    /// The certificates of the settings that could be opened, in their order.
    pub identities: Vec<Arc<Identity>>,
    /// The authorities of the settings.
    pub authorities: Vec<&'a Authority>,
    /// For tickets.
    pub secret: SharedSecret,
    /// For tickets' age.
    pub clock: Clock,
}

/// A configuration, and what the next one keeps of it.
#[derive(Clone)]
pub struct Built {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    trust: [u8; 32],
    sessions: Arc<Sessions>,
}

impl Built {
    /// Makes a configuration. Stored sessions of `former` stay as long as the same is trusted.
    ///
    /// # Errors
    /// A clause that says what is missing.
    pub fn new(ingredients: Ingredients<'_>, former: Option<&Self>) -> Result<Self, String> {
        let settings = ingredients.settings;
        if ingredients.identities.is_empty() {
            return Err("none of its certificates is usable; give it one: argosy certificate create".to_owned());
        }
        let provider = algorithms::provider(settings, &[])
            .map_err(|unfit| format!("its settings cannot be used: `tls.{}` {}", unfit.field, unfit.reason))?;
        let verifier = clients::verifier(settings.client_certificates, &ingredients.authorities, &provider)?;
        let trust = trust(settings.client_certificates, &ingredients.authorities);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&algorithms::versions(settings))
            .map_err(|error| format!("its settings cannot be used: {error}"))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Chooser(ingredients.identities)));
        let sessions = match former {
            Some(former) if former.trust == trust => former.sessions.clone(),
            _ => Arc::new(Sessions::default()),
        };
        config.session_storage = sessions.clone();
        let service = ingredients.service.as_str();
        config.ticketer = Arc::new(Tickets::new(ingredients.secret, ingredients.clock, service, &trust));
        config.alpn_protocols = ingredients.protocols.iter().map(|one| one.to_vec()).collect();
        // The lists are ours, the preferred one first.
        config.ignore_client_order = true;
        Ok(Self {
            config: Arc::new(config),
            trust,
            sessions,
        })
    }
}

/// A digest of what a service trusts: any change of it is another digest.
fn trust(mode: ClientCertificates, authorities: &[&Authority]) -> [u8; 32] {
    let mut bytes = vec![match mode {
        ClientCertificates::Off => 0,
        ClientCertificates::Optional => 1,
        ClientCertificates::Required => 2,
    }];
    if mode == ClientCertificates::Off {
        return sha256(&bytes);
    }
    let mut each: Vec<Vec<u8>> = authorities
        .iter()
        .map(|authority| {
            let mut digests: Vec<Vec<u8>> = Vec::new();
            digests.extend(
                authority
                    .certificates
                    .iter()
                    .map(|one| [&b"c"[..], &sha256(one.der())].concat()),
            );
            digests.extend(
                authority
                    .revocation_lists
                    .iter()
                    .map(|one| [&b"r"[..], &sha256(one.der())].concat()),
            );
            digests.sort();
            digests.push(vec![u8::from(authority.takes_stale_lists)]);
            sha256(&digests.concat()).to_vec()
        })
        .collect();
    each.sort();
    bytes.extend(each.concat());
    sha256(&bytes)
}
