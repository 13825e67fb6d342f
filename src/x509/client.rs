//! A client's certificate after a handshake: what an account is found by, and what its session is judged by.
//!
//! Judging is left to `auth`.

use super::Certificate;
use crate::clock::UnixMillis;
use crate::ids::Name;

/// A certificate that a client has shown in a handshake, with the way from it to an authority that was trusted then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is: `CN=alice,O=Example,C=DE`.
    pub subject: String,
    /// Its alternative names: `email:alice@example.org`, `dns:...`, `uri:...`, `ip:...`, `upn:...`.
    pub names: Vec<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Who signed it: `CN=Example CA,O=Example,C=DE`.
    pub issuer: String,
    /// The authority (an object's name) that it leads to.
    pub authority: Name,
    /// SHA-256 of that authority's certificate.
    pub anchor: [u8; 32],
    /// The certificates below the authority's, the client's own first: issuer in DER, and serial number.
    pub path: Vec<(Vec<u8>, Vec<u8>)>,
    /// From then on all of `path` hold.
    pub not_before: UnixMillis,
    /// Until then all of `path` hold.
    pub not_after: UnixMillis,
}

impl ClientCertificate {
    /// Finds the way from the certificates that a client has shown, its own first, to one of `anchors` (an authority's
    /// name and one of its certificates). Each on the way must be signed by the next; who may sign was judged in the
    /// handshake.
    ///
    /// # Errors
    /// A clause: `the certificate ...`.
    pub fn find<'a>(
        shown: &[Certificate],
        anchors: impl Iterator<Item = (&'a Name, &'a Certificate)> + Clone,
    ) -> Result<Self, String> {
        let unreadable = || "the certificate cannot be read".to_owned();
        let own = shown.first().and_then(Certificate::facts).ok_or_else(unreadable)?;
        let mut path = Vec::new();
        let (mut not_before, mut not_after) = (own.not_before, own.not_after);
        let mut last = shown.first().ok_or_else(unreadable)?;
        for _ in 0..super::limits::CHAIN_MAX {
            let facts = last.facts().ok_or_else(unreadable)?;
            path.push((facts.issuer_der.clone(), facts.serial.clone()));
            not_before = not_before.max(facts.not_before);
            not_after = not_after.min(facts.not_after);
            let signed_by = |candidate: &Certificate| {
                candidate.facts().is_some_and(|signer| {
                    signer.subject_der == facts.issuer_der && super::is_signed_by(last.der(), &signer.spki).is_ok()
                })
            };
            // An authority's certificate may be shown, and trusted, as it is.
            let anchor = anchors.clone().find(|(_, anchor)| *anchor == last || signed_by(anchor));
            if let Some((authority, anchor)) = anchor {
                return Ok(Self {
                    subject: own.subject.clone(),
                    names: own.names.clone(),
                    fingerprint: own.fingerprint,
                    serial: super::hex(&own.serial),
                    issuer: own.issuer.clone(),
                    authority: authority.clone(),
                    anchor: super::sha256(anchor.der()),
                    path,
                    not_before,
                    not_after,
                });
            }
            let mut above = shown.iter().skip(1).take(super::limits::CHAIN_MAX);
            let next = above.find(|next| next.facts().is_some_and(|facts| facts.is_ca) && signed_by(next));
            last = next.ok_or_else(|| "the certificate leads to no authority that the service trusts".to_owned())?;
        }
        Err("the certificate's chain is too long".to_owned())
    }

    /// The fingerprint in hexadecimal.
    pub fn fingerprint_hex(&self) -> String {
        super::hex(&self.fingerprint)
    }
}
