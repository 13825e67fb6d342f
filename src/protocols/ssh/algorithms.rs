//! Which algorithms are offered, the preferred ones first, and why.
//!
//! Nothing with SHA-1, CBC, NIST curves in the key exchange, or a MAC over plain text. Classic Diffie-Hellman is left
//! out: a peer that has not signed in makes the server pay for it (CVE-2002-20001). X25519 alone is for clients older
//! than the post-quantum hybrid.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// AES-128-GCM first: the fastest of the safe ones on every processor with AES instructions.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];

/// Host keys are shown in this order as far as there are any; the list is also what users may sign with.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
    Algorithm::SkEd25519,
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
];

/// What a connection offers.
pub fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Whether a user may sign with `algorithm`: RSA only with SHA-2.
pub fn may_sign(algorithm: &Algorithm) -> bool {
    KEYS.contains(algorithm)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weak_is_offered() {
        let preferred = preferred();
        let names: Vec<String> = preferred
            .kex
            .iter()
            .map(|name| name.as_ref().to_owned())
            .chain(preferred.cipher.iter().map(|name| name.as_ref().to_owned()))
            .chain(preferred.mac.iter().map(|name| name.as_ref().to_owned()))
            .chain(preferred.compression.iter().map(|name| name.as_ref().to_owned()))
            .collect();
        for name in names {
            let weak = ["sha1", "cbc", "group1-", "group14", "nistp", "zlib", "md5", "clear"]
                .iter()
                .any(|weak| name.contains(weak));
            assert!(!weak, "{name}");
        }
        assert!(preferred.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
        assert!(!may_sign(&Algorithm::Rsa { hash: None }));
        assert!(!may_sign(&Algorithm::Dsa));
        assert!(may_sign(&Algorithm::Ed25519));
    }
}
