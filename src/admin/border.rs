//! The border to cryptography and key formats: imported key pairs, API tokens.
//!
//! Hashing passwords, making key pairs and judging public keys is left to `auth`, so that what is taken here is what lets in there.

use base64::Engine as _;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::limits;
use crate::auth;
use crate::catalog::PasswordHash;

/// The fingerprint `SHA256:...` of a key in the form `algorithm base64`; what is no key has an empty one.
pub fn fingerprint(key: &str) -> String {
    PublicKey::from_openssh(key)
        .map(|key| key.fingerprint(HashAlg::Sha256).to_string())
        .unwrap_or_default()
}

/// What new host key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyAlgorithm {
    /// The default.
    Ed25519,
    /// For clients that know no elliptic curves.
    Rsa3072,
    /// For the names that FIPS 140-3 approves.
    EcdsaNistP256,
    /// The same, stronger.
    EcdsaNistP384,
    /// The same, the strongest.
    EcdsaNistP521,
}

impl HostKeyAlgorithm {
    /// The words for people.
    pub const WORDS: [&str; 5] = [
        "ed25519",
        "rsa-3072",
        "ecdsa-nistp256",
        "ecdsa-nistp384",
        "ecdsa-nistp521",
    ];

    /// The algorithm that `word` (one of [`WORDS`](Self::WORDS), or the name in an SSH key line) names.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "ed25519" | "ssh-ed25519" => Some(Self::Ed25519),
            "rsa-3072" | "ssh-rsa" | "rsa-sha2-512" => Some(Self::Rsa3072),
            "ecdsa-nistp256" | "ecdsa-sha2-nistp256" => Some(Self::EcdsaNistP256),
            "ecdsa-nistp384" | "ecdsa-sha2-nistp384" => Some(Self::EcdsaNistP384),
            "ecdsa-nistp521" | "ecdsa-sha2-nistp521" => Some(Self::EcdsaNistP521),
            _ => None,
        }
    }
}

/// A host key pair, not sealed yet.
pub struct KeyPair {
    /// `ssh-ed25519`, `rsa-sha2-512` and their kind.
    pub algorithm: String,
    /// `algorithm base64`.
    pub public: String,
    /// OpenSSH PEM.
    pub private: Zeroizing<Vec<u8>>,
}

/// Makes a new key pair. RSA takes about a second.
pub fn generate_host_key(algorithm: HostKeyAlgorithm) -> Result<KeyPair, String> {
    let algorithm = match algorithm {
        HostKeyAlgorithm::Ed25519 => "ssh-ed25519",
        HostKeyAlgorithm::Rsa3072 => "rsa-sha2-512",
        HostKeyAlgorithm::EcdsaNistP256 => "ecdsa-sha2-nistp256",
        HostKeyAlgorithm::EcdsaNistP384 => "ecdsa-sha2-nistp384",
        HostKeyAlgorithm::EcdsaNistP521 => "ecdsa-sha2-nistp521",
    };
    let (public, private) = auth::generate_host_key(algorithm)?;
    Ok(KeyPair {
        algorithm: algorithm.to_owned(),
        public,
        private: Zeroizing::new(private.as_bytes().to_vec()),
    })
}

/// Takes a private key in PEM form (OpenSSH, PKCS#8, PKCS#1), without a passphrase. The reason never repeats it.
pub fn import_host_key(pem: &str) -> Result<KeyPair, String> {
    if pem.len() > limits::PRIVATE_KEY_BYTES_MAX {
        return Err(format!(
            "has {} bytes, over the limit of {}",
            pem.len(),
            limits::PRIVATE_KEY_BYTES_MAX
        ));
    }
    let key = russh::keys::decode_secret_key(pem, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => {
            "is protected by a passphrase; remove it first with `ssh-keygen -p`".to_owned()
        }
        _ => "is not a private key in PEM form (OpenSSH, PKCS#8 or PKCS#1)".to_owned(),
    })?;
    key_pair(&key)
}

fn key_pair(key: &PrivateKey) -> Result<KeyPair, String> {
    let unsupported = |word: &str| Err(format!("is a key of the kind {word}, which cannot be a host key"));
    let algorithm = match key.algorithm() {
        ssh_key::Algorithm::Ed25519 => "ssh-ed25519".to_owned(),
        ssh_key::Algorithm::Rsa { .. } => "rsa-sha2-512".to_owned(),
        algorithm @ ssh_key::Algorithm::Ecdsa { .. } => algorithm.as_str().to_owned(),
        other => return unsupported(other.as_str()),
    };
    let failed = |_| "cannot be written as an OpenSSH key".to_owned();
    let public = PublicKey::new(key.public_key().key_data().clone(), "");
    let public = public.to_openssh().map_err(failed)?;
    // The same rule as for accounts' keys: nothing weak.
    let (public, _) = auth::parse_public_key(&public)?;
    let mut plain = key.clone();
    plain.set_comment("");
    let private = plain.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok(KeyPair {
        algorithm,
        public,
        private: Zeroizing::new(private.as_bytes().to_vec()),
    })
}

/// Takes over a password's hash from another cluster: argon2id in PHC form, at a bounded cost.
pub fn password_hash(text: &str) -> Result<PasswordHash, String> {
    let refused = || "is not a hash that an export has: argon2id in PHC form".to_owned();
    if text.len() > limits::PASSWORD_HASH_BYTES_MAX {
        return Err(refused());
    }
    let parsed = argon2::PasswordHash::new(text).map_err(|_| refused())?;
    let params = argon2::Params::try_from(&parsed).map_err(|_| refused())?;
    if parsed.algorithm != argon2::ARGON2ID_IDENT || parsed.hash.is_none() || parsed.salt.is_none() {
        return Err(refused());
    }
    let (memory, passes, lanes) = limits::PASSWORD_HASH_COST_MAX;
    if params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > lanes {
        return Err("asks for more memory or time than is given to a password".to_owned());
    }
    Ok(PasswordHash(text.to_owned()))
}

/// What every API token begins with, so that scanners of repositories find it.
pub const TOKEN_PREFIX: &str = "argosy_";

/// A new API token: [`TOKEN_PREFIX`] and 256 random bits.
pub fn new_token() -> Result<Zeroizing<String>, String> {
    let secret = Zeroizing::new(random::<32>()?);
    let text = Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*secret));
    Ok(Zeroizing::new(format!("{TOKEN_PREFIX}{}", &*text)))
}

/// SHA-256, by which a token is found.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

/// A hash of `bytes` that is as slow to guess at as a password's: argon2id with 19 MiB and 2 passes.
/// Takes some tens of milliseconds: never call it on an async thread.
pub fn slow_hash(bytes: &[u8], salt: &[u8; 16]) -> Result<[u8; 32], String> {
    let failed = |error: argon2::Error| format!("cannot hash a request: {error}");
    let params = argon2::Params::new(19 * 1024, 2, 1, Some(32)).map_err(failed)?;
    let mut hash = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(bytes, salt, &mut hash)
        .map_err(failed)?;
    Ok(hash)
}

/// `N` random bytes of the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_of_each_kind_can_be_read_again() {
        for (algorithm, word) in [
            (HostKeyAlgorithm::Ed25519, "ssh-ed25519"),
            (HostKeyAlgorithm::Rsa3072, "ssh-rsa"),
            (HostKeyAlgorithm::EcdsaNistP256, "ecdsa-sha2-nistp256"),
            (HostKeyAlgorithm::EcdsaNistP384, "ecdsa-sha2-nistp384"),
            (HostKeyAlgorithm::EcdsaNistP521, "ecdsa-sha2-nistp521"),
        ] {
            let pair = generate_host_key(algorithm).unwrap();
            assert!(pair.public.starts_with(word), "{}", pair.public);
            let again = import_host_key(std::str::from_utf8(&pair.private).unwrap()).unwrap();
            assert_eq!(again.public, pair.public);
            assert!(fingerprint(&pair.public).starts_with("SHA256:"));
        }
    }
}
