//! Certificates, and how services speak TLS, in format version 1.

use serde::{Deserialize, Serialize};

use super::{names, show_names};
use crate::catalog::{Certificate, CertificateKey, ClientCertificates, Issued, Requested, TlsSettings, TlsVersion};
use crate::clock::UnixMillis;
use crate::x509;

#[derive(Serialize, Deserialize)]
pub(super) struct CertificateV1 {
    issued: Option<IssuedV1>,
    requested: Option<RequestedV1>,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct IssuedV1 {
    chain: Vec<Vec<u8>>,
    key: CertificateKeyV1,
}

#[derive(Serialize, Deserialize)]
struct RequestedV1 {
    request: Vec<u8>,
    key: CertificateKeyV1,
}

#[derive(Serialize, Deserialize)]
struct CertificateKeyV1 {
    public: Vec<u8>,
    sealed_private: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum TlsVersionV1 {
    V12,
    V13,
}

#[derive(Serialize, Deserialize)]
enum ClientCertificatesV1 {
    Off,
    Optional,
    Required,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TlsSettingsV1 {
    certificates: Vec<String>,
    version_min: TlsVersionV1,
    version_max: TlsVersionV1,
    cipher_suites: Vec<String>,
    groups: Vec<String>,
    client_certificates: ClientCertificatesV1,
    authorities: Vec<String>,
}

impl From<&Certificate> for CertificateV1 {
    fn from(certificate: &Certificate) -> Self {
        Self {
            issued: certificate.issued.as_ref().map(|issued| IssuedV1 {
                chain: issued.chain.iter().map(|one| one.der().to_vec()).collect(),
                key: (&issued.key).into(),
            }),
            requested: certificate.requested.as_ref().map(|requested| RequestedV1 {
                request: requested.request.clone(),
                key: (&requested.key).into(),
            }),
            created_at: certificate.created_at.0,
        }
    }
}

impl From<CertificateV1> for Certificate {
    fn from(stored: CertificateV1) -> Self {
        Self {
            issued: stored.issued.map(|issued| Issued {
                chain: issued.chain.iter().map(|der| x509::Certificate::kept(der)).collect(),
                key: issued.key.into(),
            }),
            requested: stored.requested.map(|requested| Requested {
                request: requested.request,
                key: requested.key.into(),
            }),
            created_at: UnixMillis(stored.created_at),
        }
    }
}

impl From<&CertificateKey> for CertificateKeyV1 {
    fn from(key: &CertificateKey) -> Self {
        Self {
            public: key.public.clone(),
            sealed_private: key.sealed_private.clone(),
        }
    }
}

impl From<CertificateKeyV1> for CertificateKey {
    fn from(stored: CertificateKeyV1) -> Self {
        Self {
            public: stored.public,
            sealed_private: stored.sealed_private,
        }
    }
}

impl From<TlsVersion> for TlsVersionV1 {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::V12 => Self::V12,
            TlsVersion::V13 => Self::V13,
        }
    }
}

impl From<TlsVersionV1> for TlsVersion {
    fn from(stored: TlsVersionV1) -> Self {
        match stored {
            TlsVersionV1::V12 => Self::V12,
            TlsVersionV1::V13 => Self::V13,
        }
    }
}

impl From<&TlsSettings> for TlsSettingsV1 {
    fn from(tls: &TlsSettings) -> Self {
        Self {
            certificates: show_names(&tls.certificates),
            version_min: tls.version_min.into(),
            version_max: tls.version_max.into(),
            cipher_suites: tls.cipher_suites.clone(),
            groups: tls.groups.clone(),
            client_certificates: match tls.client_certificates {
                ClientCertificates::Off => ClientCertificatesV1::Off,
                ClientCertificates::Optional => ClientCertificatesV1::Optional,
                ClientCertificates::Required => ClientCertificatesV1::Required,
            },
            authorities: show_names(&tls.authorities),
        }
    }
}

impl TryFrom<TlsSettingsV1> for TlsSettings {
    type Error = String;
    fn try_from(stored: TlsSettingsV1) -> Result<Self, String> {
        Ok(Self {
            certificates: names(stored.certificates)?,
            version_min: stored.version_min.into(),
            version_max: stored.version_max.into(),
            cipher_suites: stored.cipher_suites,
            groups: stored.groups,
            client_certificates: match stored.client_certificates {
                ClientCertificatesV1::Off => ClientCertificates::Off,
                ClientCertificatesV1::Optional => ClientCertificates::Optional,
                ClientCertificatesV1::Required => ClientCertificates::Required,
            },
            authorities: names(stored.authorities)?,
        })
    }
}
