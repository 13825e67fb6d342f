//! A certificate revocation list (RFC 5280, section 5): its bytes, and the facts that are asked of it, read once.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::limits::REVOCATION_BYTES_MAX;
use super::name;
use crate::clock::UnixMillis;

/// A revocation list in DER. Two are the same if their bytes are.
#[derive(Clone)]
pub struct RevocationList {
    der: Arc<[u8]>,
    facts: OnceLock<Option<Arc<RevocationFacts>>>,
}

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationFacts {
    /// Who signed it, as [`name::show`] writes it.
    pub issuer: String,
    /// The same in DER.
    pub issuer_der: Vec<u8>,
    /// Its number, big endian, without leading zeros; `None`: it has none.
    pub number: Option<Vec<u8>>,
    /// When it was made.
    pub this_update: UnixMillis,
    /// When the next was promised; `None`: never.
    pub next_update: Option<UnixMillis>,
    /// The serial numbers that it names, as they stand there.
    pub serials: BTreeSet<Vec<u8>>,
}

impl RevocationList {
    /// Keeps bytes that were read once already; of bytes that are no list nothing is known.
    pub fn kept(der: &[u8]) -> Self {
        Self {
            der: der.into(),
            facts: OnceLock::new(),
        }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// A clause that says what is wrong: `is not a certificate revocation list`.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let facts = RevocationFacts::read(der)?;
        let list = Self::kept(der);
        let _ = list.facts.set(Some(Arc::new(facts)));
        Ok(list)
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What it says; `None`: it was never read, and cannot be.
    pub fn facts(&self) -> Option<&RevocationFacts> {
        self.facts
            .get_or_init(|| RevocationFacts::read(&self.der).ok().map(Arc::new))
            .as_deref()
    }

    /// Whether it revokes the certificate of this issuer (in DER) and serial number. A list that cannot be read
    /// revokes everything.
    pub fn revokes(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.facts()
            .is_none_or(|facts| facts.issuer_der == issuer && facts.serials.contains(serial))
    }
}

impl RevocationFacts {
    fn read(der: &[u8]) -> Result<Self, String> {
        if der.len() > REVOCATION_BYTES_MAX {
            return Err(format!(
                "has {} bytes, over the limit of {REVOCATION_BYTES_MAX} for a revocation list",
                der.len()
            ));
        }
        let (rest, parsed) =
            CertificateRevocationList::from_der(der).map_err(|_| "is not a certificate revocation list".to_owned())?;
        if !rest.is_empty() {
            return Err("has bytes after the revocation list".to_owned());
        }
        let moment = |time: x509_parser::time::ASN1Time| UnixMillis(time.timestamp().saturating_mul(1000));
        let serials = parsed
            .iter_revoked_certificates()
            .map(|revoked| revoked.raw_serial().to_vec());
        Ok(Self {
            issuer: name::show(parsed.issuer()),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            number: parsed.crl_number().map(|number| number.to_bytes_be()),
            this_update: moment(parsed.last_update()),
            next_update: parsed.next_update().map(moment),
            serials: serials.collect(),
        })
    }

    /// Whether it is newer than `other`: by its number, and where one has none by when it was made.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        match (&self.number, &other.number) {
            (Some(ours), Some(theirs)) => (ours.len(), ours) > (theirs.len(), theirs),
            _ => self.this_update > other.this_update,
        }
    }
}

impl PartialEq for RevocationList {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for RevocationList {}

impl std::fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let issuer = self.facts().map(|facts| facts.issuer.as_str());
        f.debug_tuple("RevocationList").field(&issuer).finish()
    }
}
