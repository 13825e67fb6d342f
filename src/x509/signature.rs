//! Who signed a certificate or a revocation list, by the algorithms that rustls takes.

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::der::{self, SEQUENCE};

/// Whether `signed` (a certificate or a revocation list in DER) bears a signature by the key `spki`
/// (SubjectPublicKeyInfo in DER).
///
/// # Errors
/// A clause: `is signed with an algorithm that ...`, `is not signed by ...`.
pub fn is_signed_by(signed: &[u8], spki: &[u8]) -> Result<(), String> {
    let broken = || "is cut or broken".to_owned();
    let outer = der::expect(signed, SEQUENCE).ok_or_else(broken)?;
    let message = der::expect(outer.contents, SEQUENCE).ok_or_else(broken)?;
    let algorithm = der::expect(message.rest, SEQUENCE).ok_or_else(broken)?;
    let signature = der::bit_string(algorithm.rest).ok_or_else(broken)?;
    let (key_algorithm, key) = public_key(spki).ok_or_else(broken)?;
    let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let of_signature =
        |candidate: &&&dyn SignatureVerificationAlgorithm| candidate.signature_alg_id().as_ref() == algorithm.contents;
    if !known.iter().any(|candidate| of_signature(&candidate)) {
        return Err(
            "is signed with an algorithm that is too weak or not known; sign with SHA-256 or better and RSA, ECDSA \
             or Ed25519"
                .to_owned(),
        );
    }
    let holds = known
        .iter()
        .filter(of_signature)
        .filter(|candidate| candidate.public_key_alg_id().as_ref() == key_algorithm)
        .any(|candidate| candidate.verify_signature(key, message.whole, signature).is_ok());
    holds
        .then_some(())
        .ok_or_else(|| "is not signed by that key".to_owned())
}

/// The algorithm (the contents of its SEQUENCE) and the key itself.
pub(super) fn public_key(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let outer = der::expect(spki, SEQUENCE)?;
    let algorithm = der::expect(outer.contents, SEQUENCE)?;
    Some((algorithm.contents, der::bit_string(algorithm.rest)?))
}
