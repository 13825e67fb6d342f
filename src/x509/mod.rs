//! X.509: certificates and revocation lists as the facts that are asked of them, and who signed them. Pure.
//!
//! Whom a certificate lets in is left to `auth`; which are shown and asked for in a handshake, to `listener`.

mod certificate;
mod client;
pub mod der;
pub mod limits;
pub mod name;
mod revocation;
mod signature;
#[cfg(test)]
#[allow(clippy::unwrap_used, missing_docs)]
pub mod testing;

pub use certificate::{Certificate, Facts, KeyKind};
pub use client::ClientCertificate;
pub use revocation::{RevocationFacts, RevocationList};
pub use signature::{is_signed_by, is_soundly_signed};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

/// Bytes in hexadecimal, as fingerprints and serial numbers are written here: small letters, no colons.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fingerprint (SHA-256) as people write it: hexadecimal, with colons or without, with `SHA256:` before it or not.
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let text = text
        .get(..7)
        .filter(|prefix| prefix.eq_ignore_ascii_case("sha256:"))
        .map_or(text, |_| &text[7..]);
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
