//! Who signed a certificate or a revocation list, by the algorithms that rustls takes.

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::der::{self, SEQUENCE};

const BROKEN: &str = "is cut or broken";
const WEAK: &str = "is signed with an algorithm that is too weak or not known; sign with SHA-256 or better and RSA, \
    ECDSA or Ed25519";

/// What was signed, by which algorithm, and the signature.
struct Signed<'a> {
    message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let outer = der::expect(bytes, SEQUENCE)?;
        let message = der::expect(outer.contents, SEQUENCE)?;
        let algorithm = der::expect(message.rest, SEQUENCE)?;
        Some(Self {
            message: message.whole,
            algorithm: algorithm.contents,
            signature: der::bit_string(algorithm.rest)?,
        })
    }

    /// The known ways to verify it; none: its algorithm is weak or not known.
    fn ways(&self) -> impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm> {
        let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        known
            .iter()
            .copied()
            .filter(|way| way.signature_alg_id().as_ref() == self.algorithm)
    }
}

/// Whether `signed` (a certificate or a revocation list in DER) is signed by an algorithm that clients take, by
/// whomever.
///
/// # Errors
/// A clause: `is signed with an algorithm that ...`.
pub fn is_soundly_signed(signed: &[u8]) -> Result<(), String> {
    let signed = Signed::read(signed).ok_or(BROKEN)?;
    signed.ways().next().map(|_| ()).ok_or_else(|| WEAK.to_owned())
}

/// Whether `signed` (a certificate or a revocation list in DER) bears a signature by the key `spki`
/// (SubjectPublicKeyInfo in DER).
///
/// # Errors
/// A clause: `is signed with an algorithm that ...`, `is not signed by ...`.
pub fn is_signed_by(signed: &[u8], spki: &[u8]) -> Result<(), String> {
    is_soundly_signed(signed)?;
    let signed = Signed::read(signed).ok_or(BROKEN)?;
    let (key_algorithm, key) = public_key(spki).ok_or(BROKEN)?;
    let holds = signed
        .ways()
        .filter(|way| way.public_key_alg_id().as_ref() == key_algorithm)
        .any(|way| way.verify_signature(key, signed.message, signed.signature).is_ok());
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
