//! Tables over PKCS#12 files, as OpenSSL has written them. Chains and keys are judged in the shapes' tests.

use super::*;

const CERTIFICATE: &str = include_str!("fixtures/c.pem");
const AUTHORITY: &str = include_str!("fixtures/ca.pem");
const NEW: &[u8] = include_bytes!("fixtures/new.p12");

#[test]
fn a_pkcs12_file_gives_its_chain_in_order_and_its_key() {
    let (own, above) = (
        pem::certificates(CERTIFICATE).unwrap(),
        pem::certificates(AUTHORITY).unwrap(),
    );
    let (chain, pair) = pkcs12::open(NEW, "secret").unwrap();
    assert_eq!(chain, [own[0].clone(), above[0].clone()]);
    assert_eq!(pair.public, own[0].facts().unwrap().spki);
    // Without a password, for who moves it by other safe ways.
    let (chain, pair) = pkcs12::open(include_bytes!("fixtures/open.p12"), "").unwrap();
    assert_eq!(
        (chain, pair.public),
        (own.clone(), own[0].facts().unwrap().spki.clone())
    );
}

#[test]
fn a_pkcs12_file_that_cannot_be_opened_says_why() {
    let check = |file: &[u8], password: &str, expected: &str| match pkcs12::open(file, password) {
        Err(reason) => assert!(reason.contains(expected), "{reason}"),
        Ok(_) => panic!("{expected}: it was opened"),
    };
    check(NEW, "wrong", "the password is wrong");
    check(NEW, "", "the password is wrong");
    check(include_bytes!("fixtures/old.p12"), "secret", "-legacy");
    check(b"", "secret", "not a PKCS#12 file");
    check(CERTIFICATE.as_bytes(), "secret", "not a PKCS#12 file");
    check(&NEW[..NEW.len() - 1], "secret", "not a PKCS#12 file");
    check(&[NEW, &[0]].concat(), "secret", "not a PKCS#12 file");
    let certificate = pem::certificates(CERTIFICATE).unwrap();
    check(certificate[0].der(), "secret", "not a PKCS#12 file");
}

#[test]
fn a_damaged_pkcs12_file_is_refused_or_gives_the_same_key() {
    let (_, whole) = pkcs12::open(NEW, "secret").unwrap();
    for at in 0..NEW.len() {
        let mut damaged = NEW.to_vec();
        damaged[at] ^= 0x01;
        // More rounds than these are only slow.
        if let Ok((_, pair)) = pkcs12::open(&damaged, "secret") {
            assert_eq!(pair.public, whole.public, "byte {at}");
        }
    }
}
