//! Passwords: hashing with argon2id, checking against a stored hash, and the digest that a session remembers.
//!
//! Where the work runs is left to `pool`.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};

use super::limits::{HASH_LANES, HASH_MEMORY_KIB, HASH_MEMORY_KIB_MAX, HASH_PASSES, PASSWORD_BYTES_MAX};
use crate::catalog::PasswordHash;

/// Random bytes from the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the random generator failed".to_owned())?;
    Ok(bytes)
}

/// Hashes a new password with argon2id; takes some 20 ms and [`HASH_MEMORY_KIB`] KiB, so call it off the async
/// threads. Empty and over-long passwords are refused with the reason.
pub fn hash_password(password: &str) -> Result<PasswordHash, String> {
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!(
            "the password has {} bytes, over the limit of {PASSWORD_BYTES_MAX}",
            password.len()
        ));
    }
    let params = Params::new(HASH_MEMORY_KIB, HASH_PASSES, HASH_LANES, None).map_err(|error| error.to_string())?;
    let salt: [u8; 16] = random()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| PasswordHash(hash.to_string()))
        .map_err(|error| format!("the password could not be hashed: {error}"))
}

/// Whether `password` is the one behind the PHC string `hash`. A hash that is not argon2id, or asks for more than
/// [`HASH_MEMORY_KIB_MAX`], matches nothing.
pub(super) fn matches(password: &[u8], hash: &str) -> bool {
    let Ok(parsed) = argon2::PasswordHash::new(hash) else {
        return false;
    };
    let Ok(params) = Params::try_from(&parsed) else {
        return false;
    };
    parsed.algorithm == ARGON2ID_IDENT
        && params.m_cost() <= HASH_MEMORY_KIB_MAX
        && Argon2::default().verify_password(password, &parsed).is_ok()
}

/// SHA-256 of a stored hash: what a session keeps of the password that let it in.
pub fn digest(hash: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, hash.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(matches(b"correct horse", &hash.0));
        assert!(!matches(b"correct horsf", &hash.0));
        assert!(!matches(b"", &hash.0));
    }

    #[test]
    fn a_password_out_of_bounds_is_refused_with_the_reason() {
        assert!(hash_password("").unwrap_err().contains("empty"));
        assert!(hash_password(&"a".repeat(1025)).unwrap_err().contains("1024"));
    }

    #[test]
    fn a_hash_of_another_kind_or_of_absurd_cost_matches_nothing() {
        for hash in [
            "",
            "$1$abc$def",
            "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI",
        ] {
            assert!(!matches(b"x", hash), "{hash}");
        }
    }
}
