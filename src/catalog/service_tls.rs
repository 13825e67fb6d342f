//! How a service speaks TLS: what it shows, what it asks for, which versions, suites and groups it agrees to.
//!
//! Names of suites and groups were judged at the border; the handshake is left to `listener`.

use super::AuthorityKind;
use super::command::Refusal;
use super::view::View;
use crate::ids::Name;

/// How TLS is spoken. A list that is empty is the default's; the manual argues for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates to show: by the name that the client asks for, and the first where none fits.
    pub certificates: Vec<Name>,
    /// The oldest version.
    pub version_min: TlsVersion,
    /// The newest version.
    pub version_max: TlsVersion,
    /// Cipher suites, the preferred one first, by their IANA names.
    pub cipher_suites: Vec<String>,
    /// Key exchange groups, the preferred one first, by their IANA names.
    pub groups: Vec<String>,
    /// Whether clients are asked for certificates.
    pub client_certificates: ClientCertificates,
    /// Authorities whose client certificates are trusted.
    pub authorities: Vec<Name>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            version_min: TlsVersion::V12,
            version_max: TlsVersion::V13,
            cipher_suites: Vec::new(),
            groups: Vec::new(),
            client_certificates: ClientCertificates::Off,
            authorities: Vec::new(),
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, with AEAD and ephemeral key exchange alone.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; one that shows none may go on, one that shows a bad one may not.
    Optional,
    /// Nobody comes in without.
    Required,
}

/// What must hold between services and what they name for TLS: a certificate can be shown, an authority signs what it
/// is trusted for.
pub(super) fn coherent(view: &View) -> Result<(), Refusal> {
    for service in view.services.values() {
        let refuse = |reason: String| {
            let reason = format!("service `{}` {reason}", service.name);
            Err(Refusal::Invalid { reason })
        };
        if service.spec.kind.is_tls() && service.spec.enabled && service.spec.tls.certificates.is_empty() {
            return refuse("has no certificate to show; name one in `tls.certificates`, or switch it off".to_owned());
        }
        for name in &service.spec.tls.certificates {
            let waits = view.certificates.get(name).is_some_and(|it| it.spec.issued.is_none());
            if waits {
                return refuse(format!(
                    "would show certificate `{name}`, which nobody has signed yet; put its signed chain first"
                ));
            }
        }
        let trusted = [
            (&service.spec.tls.authorities, AuthorityKind::TlsClient, "tls-client"),
            (&service.spec.user_authorities, AuthorityKind::SshUser, "ssh-user"),
        ];
        for (names, kind, word) in trusted {
            let other = |name: &&Name| view.authorities.get(*name).is_some_and(|it| it.spec.kind != kind);
            if let Some(name) = names.iter().find(other) {
                return refuse(format!(
                    "would trust authority `{name}` here, which is not of the kind `{word}`"
                ));
            }
        }
    }
    Ok(())
}
