//! The border to X.509: PEM and PKCS#12 in, keys, self-signed certificates and requests made, chains judged.
//!
//! What of a certificate is asked later stands in `x509`; sealing keys is left to the shapes.

pub mod chain;
pub mod issue;
pub mod limits;
pub mod pem;
pub mod pkcs12;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::x509::KeyKind;

/// A private key with its public half.
pub struct Pair {
    /// SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
    /// The private key in PEM.
    pub private: Zeroizing<Vec<u8>>,
}

/// Takes a private key in PEM form (PKCS#8, PKCS#1, SEC1), without a passphrase. The reason, a clause, never repeats it.
pub fn import_private(pem: &str) -> Result<Pair, String> {
    if pem.len() > crate::admin::limits::PRIVATE_KEY_BYTES_MAX {
        return Err(format!(
            "has {} bytes, over the limit of {}",
            pem.len(),
            crate::admin::limits::PRIVATE_KEY_BYTES_MAX
        ));
    }
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("is protected by a passphrase; remove it first with `openssl pkey -in FILE`".to_owned());
    }
    if pem.contains("BEGIN OPENSSH PRIVATE KEY") {
        return Err("is an SSH key; a TLS key in PEM form is needed (PKCS#8, PKCS#1 or SEC1)".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "is not a private key in PEM form (PKCS#8, PKCS#1 or SEC1)".to_owned())?;
    let public = public_of(&key)?;
    let private = match &key {
        PrivateKeyDer::Pkcs1(der) => pem::write("RSA PRIVATE KEY", der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(der) => pem::write("EC PRIVATE KEY", der.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(der) => pem::write("PRIVATE KEY", der.secret_pkcs8_der()),
        _ => return Err("is a private key of a form that is not known here".to_owned()),
    };
    Ok(Pair {
        public,
        private: Zeroizing::new(private.into_bytes()),
    })
}

/// The public half of a key that is strong enough and of a kind that handshakes are made with.
fn public_of(key: &PrivateKeyDer<'_>) -> Result<Vec<u8>, String> {
    let signing = any_supported_type(key).map_err(|_| {
        "is not a key that TLS is served with; RSA from 2048 bits, ECDSA on P-256 or P-384, and Ed25519 are".to_owned()
    })?;
    let public = signing
        .public_key()
        .ok_or_else(|| "has no public half that can be told".to_owned())?
        .to_vec();
    strong(KeyKind::of(&public))?;
    Ok(public)
}

/// Whether handshakes are made with keys of this kind.
pub fn strong(kind: KeyKind) -> Result<(), String> {
    match kind {
        KeyKind::P256 | KeyKind::P384 | KeyKind::Ed25519 => Ok(()),
        KeyKind::Rsa(bits) if crate::x509::limits::RSA_BITS.contains(&bits) => Ok(()),
        KeyKind::Rsa(bits) => Err(format!(
            "is an RSA key of {bits} bits; from {} to {} are taken",
            crate::x509::limits::RSA_BITS.start(),
            crate::x509::limits::RSA_BITS.end()
        )),
        KeyKind::Other => {
            Err("is a key of a kind that is not taken; RSA, ECDSA on P-256 or P-384, and Ed25519 are".to_owned())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
