//! The border to cryptography and key formats: passwords to hashes, key lines to keys, new key pairs.
//!
//! Thin on purpose: each function can give way to one of `auth`. Verifying is left to `auth`.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use aws_lc_rs::encoding::AsDer;
use base64::Engine as _;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::limits;
use crate::catalog::PasswordHash;
use crate::catalog::limits::KEY_BYTES_MAX;

/// Hashes a password with argon2id (19 MiB, 2 passes, 1 lane; OWASP's first choice) and a random salt.
///
/// Takes some tens of milliseconds: never call it on an async thread.
pub fn hash_password(password: &str) -> Result<PasswordHash, String> {
    let salt: [u8; 16] = random()?;
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| format!("argon2 parameters: {error}"))?;
    let hash: argon2::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| format!("cannot hash a password: {error}"))?;
    Ok(PasswordHash(hash.to_string()))
}

/// Parses a line of an `authorized_keys` or `.pub` file without options: gives `algorithm base64` and the comment.
/// The reason never repeats what was given.
pub fn parse_public_key(line: &str) -> Result<(String, String), String> {
    let line = line.trim();
    if line.len() > KEY_BYTES_MAX {
        return Err(format!("has {} bytes, over the limit of {KEY_BYTES_MAX}", line.len()));
    }
    if line.contains("PRIVATE KEY") {
        return Err("is a private key; give the public one (the `.pub` file) and replace that key pair".to_owned());
    }
    if line.chars().any(char::is_control) {
        return Err("has more than one line or control characters; give one key".to_owned());
    }
    let key = PublicKey::from_openssh(line).map_err(|_| {
        "is not a public key such as `ssh-ed25519 AAAA... comment` (options before it are not supported)".to_owned()
    })?;
    let comment = line.splitn(3, ' ').nth(2).unwrap_or_default().trim().to_owned();
    let plain = PublicKey::new(key.key_data().clone(), "")
        .to_openssh()
        .map_err(|_| "cannot be written as an OpenSSH key".to_owned())?;
    Ok((plain.trim().to_owned(), comment))
}

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
    Rsa4096,
}

impl HostKeyAlgorithm {
    /// The algorithm that `word` (`ed25519`, `rsa-4096`, or the name in an SSH key line) names.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "ed25519" | "ssh-ed25519" => Some(Self::Ed25519),
            "rsa-4096" | "ssh-rsa" | "rsa-sha2-512" => Some(Self::Rsa4096),
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

/// Makes a new key pair. RSA takes up to some seconds.
pub fn generate_host_key(algorithm: HostKeyAlgorithm) -> Result<KeyPair, String> {
    match algorithm {
        HostKeyAlgorithm::Ed25519 => {
            let seed = Zeroizing::new(random::<32>()?);
            key_pair(&PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
        }
        HostKeyAlgorithm::Rsa4096 => {
            let failed = |_| "cannot make an RSA key".to_owned();
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa4096).map_err(failed)?;
            let der = pair.as_der().map_err(failed)?;
            let base64 = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der.as_ref()));
            let pem = Zeroizing::new(format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                &*base64
            ));
            import_host_key(&pem)
        }
    }
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
    let mut plain = key.clone();
    plain.set_comment("");
    let private = plain.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok(KeyPair {
        algorithm,
        public: public.to_openssh().map_err(failed)?.trim().to_owned(),
        private: Zeroizing::new(private.as_bytes().to_vec()),
    })
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
            (HostKeyAlgorithm::Rsa4096, "ssh-rsa"),
        ] {
            let pair = generate_host_key(algorithm).unwrap();
            assert!(pair.public.starts_with(word), "{}", pair.public);
            let again = import_host_key(std::str::from_utf8(&pair.private).unwrap()).unwrap();
            assert_eq!(again.public, pair.public);
            assert!(fingerprint(&pair.public).starts_with("SHA256:"));
        }
    }

    #[test]
    fn a_key_line_is_split_into_key_and_comment() {
        let pair = generate_host_key(HostKeyAlgorithm::Ed25519).unwrap();
        let (key, comment) = parse_public_key(&format!("{} alice on her laptop\n", pair.public)).unwrap();
        assert_eq!(key, pair.public);
        assert_eq!(comment, "alice on her laptop");
        assert_eq!(parse_public_key(&key).unwrap().1, "");
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let private = generate_host_key(HostKeyAlgorithm::Ed25519).unwrap().private;
        let private = String::from_utf8(private.to_vec()).unwrap();
        for (line, word) in [
            ("", "not a public key"),
            ("/etc/passwd", "not a public key"),
            ("ssh-ed25519 ../../planted-secret", "not a public key"),
            ("ssh-ed25519 AAAA\nssh-ed25519 AAAA", "one line"),
            (&*private, "private key"),
            (&"a".repeat(KEY_BYTES_MAX + 1), "limit"),
        ] {
            let reason = parse_public_key(line).unwrap_err();
            assert!(reason.contains(word), "{line}: {reason}");
            assert!(!reason.contains("planted-secret"));
        }
    }

    #[test]
    fn a_password_hash_is_argon2id_and_salted() {
        let first = hash_password("correct horse").unwrap().0;
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert_ne!(first, hash_password("correct horse").unwrap().0);
    }
}
