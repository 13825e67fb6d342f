//! A certificate: its bytes, and the facts that are asked of it, read once.

use std::sync::{Arc, OnceLock};

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::limits::{CERTIFICATE_BYTES_MAX, NAME_BYTES_MAX, NAMES_MAX};
use super::{der, name, signature};
use crate::clock::UnixMillis;

/// A certificate in DER. Two are the same if their bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    facts: OnceLock<Option<Arc<Facts>>>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is, as [`name::show`] writes it.
    pub subject: String,
    /// The same in DER.
    pub subject_der: Vec<u8>,
    /// Who signed it, as [`name::show`] writes it.
    pub issuer: String,
    /// The same in DER.
    pub issuer_der: Vec<u8>,
    /// Its serial number, big endian, as it stands there.
    pub serial: Vec<u8>,
    /// Its alternative names, as [`name::alternative`] writes them.
    pub names: Vec<String>,
    /// From then on it holds.
    pub not_before: UnixMillis,
    /// Until then it holds, this second included.
    pub not_after: UnixMillis,
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether it may be shown by a server; a certificate that names no purpose may.
    pub for_servers: bool,
    /// Whether it may be shown by a client; a certificate that names no purpose may.
    pub for_clients: bool,
}

/// What kind of key a SubjectPublicKeyInfo holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with so many bits.
    Rsa(usize),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// Another.
    Other,
}

impl KeyKind {
    /// The kind of the key `spki` (SubjectPublicKeyInfo in DER).
    pub fn of(spki: &[u8]) -> Self {
        const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
        const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
        const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
        match signature::public_key(spki) {
            Some((P256, _)) => Self::P256,
            Some((P384, _)) => Self::P384,
            Some((ED25519, _)) => Self::Ed25519,
            Some((algorithm, key)) if algorithm.starts_with(RSA) => {
                let modulus = der::expect(key, der::SEQUENCE).and_then(|key| der::expect(key.contents, der::INTEGER));
                let bits = modulus.map_or(0, |modulus| {
                    let digits: &[u8] = modulus.contents.strip_prefix(&[0]).unwrap_or(modulus.contents);
                    let unused = digits.first().map_or(0, |first| first.leading_zeros() as usize);
                    digits.len() * 8 - unused
                });
                Self::Rsa(bits)
            }
            _ => Self::Other,
        }
    }

    /// For people and the API: `rsa-3072`, `ecdsa-p256`, `ecdsa-p384`, `ed25519`.
    pub fn word(self) -> String {
        match self {
            Self::Rsa(bits) => format!("rsa-{bits}"),
            Self::P256 => "ecdsa-p256".to_owned(),
            Self::P384 => "ecdsa-p384".to_owned(),
            Self::Ed25519 => "ed25519".to_owned(),
            Self::Other => "unknown".to_owned(),
        }
    }
}

impl Certificate {
    /// Keeps bytes that were read once already; of bytes that are no certificate nothing is known.
    pub fn kept(der: &[u8]) -> Self {
        Self {
            der: der.into(),
            facts: OnceLock::new(),
        }
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// A clause that says what is wrong: `is not a certificate`.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let facts = Facts::read(der)?;
        let certificate = Self::kept(der);
        let _ = certificate.facts.set(Some(Arc::new(facts)));
        Ok(certificate)
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What it says; `None`: it was never read, and cannot be.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts
            .get_or_init(|| Facts::read(&self.der).ok().map(Arc::new))
            .as_deref()
    }
}

impl Facts {
    fn read(der: &[u8]) -> Result<Self, String> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(format!(
                "has {} bytes, over the limit of {CERTIFICATE_BYTES_MAX} for a certificate",
                der.len()
            ));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| "is not a certificate".to_owned())?;
        if !rest.is_empty() {
            return Err("has bytes after the certificate".to_owned());
        }
        let mut names = Vec::new();
        if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
            names.extend(alternative.value.general_names.iter().filter_map(name::alternative));
        }
        let (subject, issuer) = (name::show(parsed.subject()), name::show(parsed.issuer()));
        let long = |name: &String| name.len() > NAME_BYTES_MAX;
        if names.len() > NAMES_MAX || names.iter().any(long) || long(&subject) || long(&issuer) {
            return Err(format!(
                "has more than {NAMES_MAX} alternative names, or one of over {NAME_BYTES_MAX} bytes"
            ));
        }
        let (mut for_servers, mut for_clients) = (true, true);
        for extension in parsed.extensions() {
            if let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension() {
                for_servers = usage.any || usage.server_auth;
                for_clients = usage.any || usage.client_auth;
            }
        }
        let moment = |time: x509_parser::time::ASN1Time| UnixMillis(time.timestamp().saturating_mul(1000));
        Ok(Self {
            subject,
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer,
            issuer_der: parsed.issuer().as_raw().to_vec(),
            serial: parsed.raw_serial().to_vec(),
            names,
            not_before: moment(parsed.validity().not_before),
            not_after: moment(parsed.validity().not_after),
            fingerprint: super::sha256(der),
            spki: parsed.public_key().raw.to_vec(),
            is_ca: parsed.is_ca(),
            for_servers,
            for_clients,
        })
    }

    /// Whether its issuer is itself.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let subject = self.facts().map(|facts| facts.subject.as_str());
        f.debug_tuple("Certificate").field(&subject).finish()
    }
}
