//! What a connection offers: the names that a service's settings come to, as russh takes them.
//!
//! Which names there are and which policy means which is left to `auth::algorithms`.

use std::borrow::Cow;

use russh::keys::Algorithm;
use russh::{Preferred, cipher, compression, kex, mac};

use crate::auth::algorithms::{List, chosen, signs_as};
use crate::catalog::SshSettings;

/// Always on: extension negotiation, and the strict key exchange that ends the Terrapin attack.
const MARKERS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// What a service offers now.
#[derive(Debug, Clone)]
pub struct Offer {
    /// As russh takes it.
    pub preferred: Preferred,
    signatures: Vec<Algorithm>,
}

impl Offer {
    /// What `settings` come to for a service that shows host keys of these algorithms.
    pub fn new(settings: &SshSettings, host_keys: &[Algorithm]) -> Self {
        let read = |list| -> Vec<Algorithm> {
            let names = chosen(settings, list);
            names.into_iter().filter_map(|name| Algorithm::new(name).ok()).collect()
        };
        let signatures = read(List::Signatures);
        let mut keys = read(List::HostKeys);
        // russh has one list for what host keys sign with and for what it tells clients that they may sign with. A
        // user's algorithm joins it unless a host key would then sign with it against the settings.
        for signature in &signatures {
            let shown = |host_key: &Algorithm| signs_as(host_key.as_str(), signature.as_str());
            if !keys.contains(signature) && !host_keys.iter().any(shown) {
                keys.push(signature.clone());
            }
        }
        let kex = chosen(settings, List::KeyExchanges).into_iter();
        let cipher = chosen(settings, List::Ciphers).into_iter();
        let mac = chosen(settings, List::Macs).into_iter();
        Self {
            preferred: Preferred {
                kex: kex
                    .filter_map(|name| kex::Name::try_from(name).ok())
                    .chain(MARKERS)
                    .collect(),
                key: Cow::Owned(keys),
                host_key_certificates: Cow::Borrowed(&[]),
                cipher: cipher.filter_map(|name| cipher::Name::try_from(name).ok()).collect(),
                mac: mac.filter_map(|name| mac::Name::try_from(name).ok()).collect(),
                compression: Cow::Borrowed(&[compression::NONE]),
            },
            signatures,
        }
    }

    /// Whether a user may sign with `algorithm`.
    pub fn may_sign(&self, algorithm: &Algorithm) -> bool {
        self.signatures.contains(algorithm)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use russh::keys::{EcdsaCurve, HashAlg};

    use super::*;
    use crate::catalog::SshPolicy;

    const POLICIES: [SshPolicy; 4] = [
        SshPolicy::Modern,
        SshPolicy::Standard,
        SshPolicy::Compatible,
        SshPolicy::FipsNames,
    ];

    fn settings(policy: SshPolicy) -> SshSettings {
        SshSettings {
            policy,
            ..SshSettings::default()
        }
    }

    #[test]
    fn russh_knows_every_name_that_can_be_chosen() {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = SshSettings {
            key_exchanges: strings(List::KeyExchanges.known()),
            ciphers: strings(List::Ciphers.known()),
            macs: strings(List::Macs.known()),
            host_key_algorithms: strings(List::HostKeys.known()),
            signature_algorithms: strings(List::Signatures.known()),
            legacy_dsa: true,
            ..SshSettings::default()
        };
        let offer = Offer::new(&all, &[]);
        let of = |names: Vec<&str>, list: List| assert_eq!(names, list.known());
        let kex: Vec<&str> = offer.preferred.kex.iter().map(AsRef::as_ref).collect();
        of(kex[..kex.len() - MARKERS.len()].to_vec(), List::KeyExchanges);
        of(
            offer.preferred.cipher.iter().map(AsRef::as_ref).collect(),
            List::Ciphers,
        );
        of(offer.preferred.mac.iter().map(AsRef::as_ref).collect(), List::Macs);
        assert_eq!(offer.signatures.len(), List::Signatures.known().len() + 1);
        assert!(!offer.signatures.iter().any(|name| matches!(name, Algorithm::Other(_))));
    }

    #[test]
    fn nothing_weak_is_offered() {
        for policy in POLICIES {
            let offer = Offer::new(&settings(policy), &[Algorithm::Ed25519]);
            let preferred = &offer.preferred;
            let kex = preferred.kex.iter().map(AsRef::as_ref);
            let cipher = preferred.cipher.iter().map(AsRef::as_ref);
            let mac = preferred.mac.iter().map(AsRef::as_ref);
            let compression = preferred.compression.iter().map(AsRef::as_ref);
            for name in kex.chain(cipher).chain(mac).chain(compression) {
                let weak = ["sha1", "cbc", "group1-", "group-exchange", "zlib", "md5", "clear"];
                assert!(!weak.iter().any(|weak| name.contains(weak)), "{policy:?}: {name}");
            }
            assert!(preferred.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
            assert!(!offer.may_sign(&Algorithm::Rsa { hash: None }));
            assert!(!offer.may_sign(&Algorithm::Dsa));
            assert!(
                !preferred.key.contains(&Algorithm::Dsa) && !preferred.key.contains(&Algorithm::Rsa { hash: None })
            );
        }
        let mut legacy = settings(SshPolicy::Standard);
        legacy.legacy_dsa = true;
        assert!(Offer::new(&legacy, &[]).may_sign(&Algorithm::Dsa));
    }

    #[test]
    fn a_host_key_never_signs_with_what_only_users_may() {
        let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
        let mut only = settings(SshPolicy::Standard);
        only.host_key_algorithms = vec!["rsa-sha2-512".to_owned(), "ssh-ed25519".to_owned()];
        let ecdsa = Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        };
        let shown = [Algorithm::Rsa { hash: None }, ecdsa.clone()];
        let offer = Offer::new(&only, &shown);
        assert!(offer.preferred.key.contains(&rsa(HashAlg::Sha512)));
        assert!(!offer.preferred.key.contains(&rsa(HashAlg::Sha256)));
        assert!(!offer.preferred.key.contains(&ecdsa));
        assert!(offer.may_sign(&rsa(HashAlg::Sha256)) && offer.may_sign(&ecdsa));
        assert!(
            offer.preferred.key.contains(&Algorithm::SkEd25519),
            "clients learn what they may sign with"
        );
    }
}
