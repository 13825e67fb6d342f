//! PKCS#12 (RFC 7292): a private key with its certificates in one file, under a password.
//!
//! What OpenSSL from 3.0 on, Java from 11 on and newer Windows write is read: AES-CBC with PBKDF2 (RFC 8018). The
//! integrity code over the file is not looked at: a wrong password opens nothing, and what was opened is judged as
//! anything that comes in PEM is.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::limits::{PKCS12_ITERATIONS_MAX, PKCS12_PARTS_MAX};
use super::{Pair, import_private, pem};
use crate::x509::limits::CHAIN_MAX;
use crate::x509::{Certificate, der};

const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
/// [0], constructed.
const EXPLICIT: u8 = 0xa0;
/// [0], with the bytes themselves.
const IMPLICIT: u8 = 0x80;

const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const ENCRYPTED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
const KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01";
const SHROUDED_KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
const CERTIFICATE_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
const X509_CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
/// What the pseudo-random functions' ids begin with; the next byte says which.
const HMAC: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02";
/// What AES's ids begin with; the next byte says which.
const AES: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01";

/// Without a known cipher of its time (RC2 with 40 bits is broken in minutes) such a file cannot be read here. The two
/// commands ask for one password each, one after the other.
const OLD: &str = "is locked in the old way of Windows and of OpenSSL before 3.0 (3DES or RC2), which is not read \
    here; write it anew with `openssl pkcs12 -legacy -in OLD.p12 -nodes -out PLAIN.pem && openssl pkcs12 -export \
    -in PLAIN.pem -out NEW.p12 && rm PLAIN.pem`, or have Windows export it as AES256-SHA256";

/// The chain, the certificate of the key first, and the key. The reason, a clause, repeats nothing of them.
pub fn open(file: &[u8], password: &str) -> Result<(Vec<Certificate>, Pair), String> {
    let mut safe = Safe {
        password,
        iterations: 0,
        parts: 0,
        keys: Vec::new(),
        certificates: Vec::new(),
    };
    let whole = der::expect(file, der::SEQUENCE).filter(|whole| whole.rest.is_empty());
    let version = whole.and_then(|whole| der::expect(whole.contents, der::INTEGER));
    let outer = version.and_then(|version| content(version.rest));
    let (DATA, contents) = outer.ok_or_else(form)? else {
        return Err(
            "is PKCS#12 that is signed by a certificate instead of a password, which is not read here".to_owned(),
        );
    };
    let all = der::expect(contents, OCTET_STRING).ok_or_else(form)?;
    each(all.contents, |part| safe.part(part))?;
    let [key] = safe.keys.as_slice() else {
        return Err(format!("holds {} private keys; one is needed", safe.keys.len()));
    };
    let pair = import_private(key).map_err(|reason| format!("holds a private key that {reason}"))?;
    Ok((chain(safe.certificates, &pair.public)?, pair))
}

fn form() -> String {
    "is not a PKCS#12 file in DER form".to_owned()
}

fn locked() -> String {
    "cannot be opened: the password is wrong, or the file is damaged".to_owned()
}

/// A ContentInfo, or a bag: its id, and what stands in its [0].
fn content(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let whole = der::expect(bytes, der::SEQUENCE)?;
    let id = der::expect(whole.contents, OID)?;
    Some((id.contents, der::expect(id.rest, EXPLICIT)?.contents))
}

/// Does `with` each element of a SEQUENCE.
fn each(bytes: &[u8], mut with: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
    let mut rest = der::expect(bytes, der::SEQUENCE).ok_or_else(form)?.contents;
    while !rest.is_empty() {
        let one = der::element(rest).ok_or_else(form)?;
        with(one.whole)?;
        rest = one.rest;
    }
    Ok(())
}

/// The certificate of the key, then each that signed the one before, as far as they are there.
fn chain(mut certificates: Vec<Certificate>, public: &[u8]) -> Result<Vec<Certificate>, String> {
    let own = |one: &Certificate| one.facts().is_some_and(|facts| facts.spki == public);
    let at = certificates.iter().position(own);
    let at = at.ok_or_else(|| "holds no certificate of its private key".to_owned())?;
    let mut chain = vec![certificates.swap_remove(at)];
    while chain.len() < CHAIN_MAX {
        let below = chain.last().and_then(Certificate::facts);
        let Some(below) = below.filter(|below| !below.is_self_issued()) else {
            break;
        };
        let above = |one: &Certificate| one.facts().is_some_and(|facts| facts.subject_der == below.issuer_der);
        let Some(at) = certificates.iter().position(above) else {
            break;
        };
        chain.push(certificates.swap_remove(at));
    }
    Ok(chain)
}

/// What was found so far, and what it has cost.
struct Safe<'a> {
    password: &'a str,
    iterations: u32,
    parts: usize,
    /// In PEM.
    keys: Vec<Zeroizing<String>>,
    certificates: Vec<Certificate>,
}

impl Safe<'_> {
    fn count(&mut self) -> Result<(), String> {
        self.parts += 1;
        match self.parts > PKCS12_PARTS_MAX {
            true => Err(format!("has more than {PKCS12_PARTS_MAX} parts")),
            false => Ok(()),
        }
    }

    fn part(&mut self, part: &[u8]) -> Result<(), String> {
        self.count()?;
        match content(part).ok_or_else(form)? {
            (DATA, contents) => {
                let bags = der::expect(contents, OCTET_STRING).ok_or_else(form)?;
                each(bags.contents, |bag| self.bag(bag))
            }
            (ENCRYPTED_DATA, contents) => {
                // EncryptedData: a version, and an EncryptedContentInfo.
                let info = || {
                    let whole = der::expect(contents, der::SEQUENCE)?;
                    let version = der::expect(whole.contents, der::INTEGER)?;
                    let info = der::expect(version.rest, der::SEQUENCE)?;
                    let id = der::expect(info.contents, OID)?;
                    let algorithm = der::expect(id.rest, der::SEQUENCE)?;
                    Some((algorithm.contents, der::expect(algorithm.rest, IMPLICIT)?.contents))
                };
                let (algorithm, sealed) = info().ok_or_else(form)?;
                let opened = self.unlock(algorithm, sealed)?;
                each(&opened, |bag| self.bag(bag)).map_err(|_| locked())
            }
            _ => Err("has a part that is locked by a certificate instead of a password".to_owned()),
        }
    }

    fn bag(&mut self, bag: &[u8]) -> Result<(), String> {
        self.count()?;
        match content(bag).ok_or_else(form)? {
            (KEY_BAG, key) => {
                self.keys.push(Zeroizing::new(pem::write("PRIVATE KEY", key)));
                Ok(())
            }
            (SHROUDED_KEY_BAG, contents) => {
                let parts = || {
                    let whole = der::expect(contents, der::SEQUENCE)?;
                    let algorithm = der::expect(whole.contents, der::SEQUENCE)?;
                    Some((algorithm.contents, der::expect(algorithm.rest, OCTET_STRING)?.contents))
                };
                let (algorithm, sealed) = parts().ok_or_else(form)?;
                let key = self.unlock(algorithm, sealed)?;
                self.keys.push(Zeroizing::new(pem::write("PRIVATE KEY", &key)));
                Ok(())
            }
            (CERTIFICATE_BAG, contents) => {
                if let Some((X509_CERTIFICATE, value)) = content(contents) {
                    let value = der::expect(value, OCTET_STRING).ok_or_else(form)?;
                    let read = Certificate::read(value.contents);
                    self.certificates
                        .push(read.map_err(|reason| format!("holds a certificate that {reason}"))?);
                }
                Ok(())
            }
            // Revocation lists, secrets, bags in bags: not asked for.
            _ => Ok(()),
        }
    }

    /// Opens what was sealed by an algorithm (AlgorithmIdentifier without its outer form).
    fn unlock(&mut self, algorithm: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let scheme = der::expect(algorithm, OID).ok_or_else(form)?;
        if scheme.contents != PBES2 {
            return Err(OLD.to_owned());
        }
        let other = || "is locked in a way that is not read here; AES with PBKDF2 is".to_owned();
        let lock = Lock::read(scheme.rest).ok_or_else(other)?;
        self.iterations = self.iterations.saturating_add(lock.iterations.get());
        if self.iterations > PKCS12_ITERATIONS_MAX {
            return Err(format!(
                "asks for more than {PKCS12_ITERATIONS_MAX} iterations to derive its keys"
            ));
        }
        let (cipher, length) = match lock.cipher {
            2 => (&AES_128, 16),
            22 => (&AES_192, 24),
            42 => (&AES_256, 32),
            _ => return Err(other()),
        };
        let function = match lock.function {
            7 => pbkdf2::PBKDF2_HMAC_SHA1,
            9 => pbkdf2::PBKDF2_HMAC_SHA256,
            10 => pbkdf2::PBKDF2_HMAC_SHA384,
            11 => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return Err(other()),
        };
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(function, lock.iterations, lock.salt, self.password.as_bytes(), &mut key);
        let mut text = Zeroizing::new(sealed.to_vec());
        let opened = UnboundCipherKey::new(cipher, &key)
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
            .and_then(|key| key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(lock.iv))))
            .map(|opened| opened.len());
        let length = opened.map_err(|_| locked())?;
        text.truncate(length);
        // A wrong password can end in a right padding.
        match der::expect(&text, der::SEQUENCE) {
            Some(whole) if whole.rest.is_empty() => Ok(text),
            _ => Err(locked()),
        }
    }
}

/// The parameters of PBES2.
struct Lock<'a> {
    salt: &'a [u8],
    iterations: NonZeroU32,
    /// The last byte of the pseudo-random function's id.
    function: u8,
    /// The last byte of the cipher's id.
    cipher: u8,
    iv: [u8; 16],
}

impl<'a> Lock<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let whole = der::expect(bytes, der::SEQUENCE)?;
        let derivation = der::expect(whole.contents, der::SEQUENCE)?;
        let encryption = der::expect(derivation.rest, der::SEQUENCE)?;
        let id = der::expect(derivation.contents, OID).filter(|id| id.contents == PBKDF2)?;
        let parameters = der::expect(id.rest, der::SEQUENCE)?;
        let salt = der::expect(parameters.contents, OCTET_STRING)?;
        let count = der::expect(salt.rest, der::INTEGER)?;
        let digits = count.contents.strip_prefix(&[0]).unwrap_or(count.contents);
        let iterations = match digits.len() {
            1..=4 => digits.iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit)),
            _ => u32::MAX,
        };
        // The key's length follows from the cipher.
        let rest = der::expect(count.rest, der::INTEGER).map_or(count.rest, |length| length.rest);
        let function = match der::expect(rest, der::SEQUENCE) {
            Some(function) => last(der::expect(function.contents, OID)?.contents, HMAC)?,
            None => 7,
        };
        let cipher = der::expect(encryption.contents, OID)?;
        let iv = der::expect(cipher.rest, OCTET_STRING)?;
        Some(Self {
            salt: salt.contents,
            iterations: NonZeroU32::new(iterations)?,
            function,
            cipher: last(cipher.contents, AES)?,
            iv: iv.contents.try_into().ok()?,
        })
    }
}

/// The one byte after `prefix`.
fn last(id: &[u8], prefix: &[u8]) -> Option<u8> {
    match id.strip_prefix(prefix)? {
        [last] => Some(*last),
        _ => None,
    }
}
