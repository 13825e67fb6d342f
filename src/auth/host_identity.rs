//! What a service shows of itself: host keys, and the certificates that vouch for them.
//!
//! Which key is shown to whom is left to `protocols`; opening sealed keys, to `reconcile`.

use russh::keys::ssh_key::PrivateKey;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, PublicKey};

use super::certificates::{moment, signed_well};
use crate::catalog::limits::KEY_BYTES_MAX;
use crate::clock::UnixMillis;

/// A host key in use.
#[derive(Debug)]
pub struct HostIdentity {
    /// The key pair.
    pub key: PrivateKey,
    /// The certificate of its public half.
    pub certificate: Option<Certificate>,
}

impl HostIdentity {
    /// A key that nobody vouches for.
    pub fn plain(key: PrivateKey) -> Self {
        Self { key, certificate: None }
    }

    /// Reads what the catalog holds: a private key in OpenSSH's PEM form, a certificate as
    /// [`parse_host_certificate`] gives it. A certificate that cannot be read is an error: nothing is left out silently.
    pub fn parse(pem: &str, certificate: Option<&str>) -> Result<Self, String> {
        let key = PrivateKey::from_openssh(pem).map_err(|error| format!("is no OpenSSH private key: {error}"))?;
        let certificate = certificate
            .map(|line| {
                Certificate::from_openssh(line).map_err(|error| format!("has an unreadable certificate: {error}"))
            })
            .transpose()?;
        Ok(Self { key, certificate })
    }

    /// The key's algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// When its certificate ends; `None`: there is none, or it never ends.
    pub fn certified_until(&self) -> Option<UnixMillis> {
        self.certificate
            .as_ref()
            .and_then(|certificate| moment(certificate.valid_before()))
    }
}

/// Reads the line of a `-cert.pub` file that certifies the host key `public` (`algorithm base64`). Gives it without the
/// comment. Refused with the reason: a user's certificate, another key's, one that has ended, a weak or wrong signature.
pub fn parse_host_certificate(line: &str, public: &str, now: UnixMillis) -> Result<String, String> {
    if line.len() > KEY_BYTES_MAX {
        return Err(format!("has {} bytes, over the limit of {KEY_BYTES_MAX}", line.len()));
    }
    let mut certificate = Certificate::from_openssh(line.trim())
        .map_err(|error| format!("is no OpenSSH certificate, one line as in a `-cert.pub` file: {error}"))?;
    if certificate.cert_type() != CertType::Host {
        return Err("is a user's certificate; sign the host key with `ssh-keygen -h`".to_owned());
    }
    let key = PublicKey::from_openssh(public).map_err(|error| format!("belongs to an unreadable host key: {error}"))?;
    if key.key_data() != certificate.public_key() {
        return Err("certifies another key than this host key; sign the `public` that is shown here".to_owned());
    }
    signed_well(&certificate)?;
    if moment(certificate.valid_before()).is_some_and(|end| end <= now) {
        return Err("has ended; sign the host key again".to_owned());
    }
    certificate.set_comment("");
    certificate
        .to_openssh()
        .map(|text| text.trim_end().to_owned())
        .map_err(|error| format!("cannot be written: {error}"))
}
