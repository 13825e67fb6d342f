//! Tables over what is brought: PKCS#12 files as OpenSSL has written them, keys, PEM, chains.

use super::*;
use crate::x509::{Certificate, testing};

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

/// The commands of the refusal, with the passwords that they would ask for.
#[test]
fn an_old_pkcs12_file_is_refused_with_commands_that_do_make_it_readable() {
    let Err(reason) = pkcs12::open(include_bytes!("fixtures/old.p12"), "secret") else {
        panic!("it was opened");
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("OLD.p12"), include_bytes!("fixtures/old.p12")).unwrap();
    let commands = reason.split('`').nth(1).unwrap();
    let commands = commands
        .replacen("pkcs12 -legacy", "pkcs12 -passin pass:secret -legacy", 1)
        .replacen("pkcs12 -export", "pkcs12 -passout pass:new -export", 1);
    let mut shell = std::process::Command::new("sh");
    let done = shell
        .args(["-c", &commands])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!folder.path().join("PLAIN.pem").exists(), "the key lies in the open");
    let new = std::fs::read(folder.path().join("NEW.p12")).unwrap();
    let (chain, pair) = pkcs12::open(&new, "new").unwrap();
    assert_eq!(pair.public, chain[0].facts().unwrap().spki);
}

const RSA: (&str, &str) = (
    include_str!("../../x509/fixtures/rsa.pem"),
    include_str!("../../x509/fixtures/rsa.key"),
);
const WEAK: (&str, &str) = (
    include_str!("../../x509/fixtures/weak.pem"),
    include_str!("../../x509/fixtures/weak.key"),
);
const P521: (&str, &str) = (
    include_str!("../../x509/fixtures/p521.pem"),
    include_str!("../../x509/fixtures/p521.key"),
);

#[test]
fn a_private_key_is_taken_if_it_is_one_strong_and_open() {
    let check = |text: &str, expected: Option<&str>| match (import_private(text), expected) {
        (Ok(_), None) => {}
        (Err(reason), Some(word)) => {
            assert!(reason.contains(word), "{reason}");
            assert!(!reason.contains("planted"), "{reason}");
        }
        (found, _) => panic!("{:?}, expected {expected:?}", found.err()),
    };
    let section = |label: &str| format!("-----BEGIN {label}-----\nplanted\n-----END {label}-----\n");
    check(RSA.1, None);
    check(&format!("{}{}", RSA.0, RSA.1), None);
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ed25519"] {
        let pair = issue::generate(algorithm).unwrap().pair().unwrap();
        check(std::str::from_utf8(&pair.private).unwrap(), None);
    }
    check(WEAK.1, Some("RSA from 2048 bits"));
    check(P521.1, Some("is a key of a kind that is not taken"));
    check(RSA.0, Some("is not a private key"));
    check("planted", Some("is not a private key"));
    check("", Some("is not a private key"));
    check(&section("PRIVATE KEY"), Some("is not a"));
    check(&section("ENCRYPTED PRIVATE KEY"), Some("openssl pkey"));
    check(&section("OPENSSH PRIVATE KEY"), Some("is an SSH key"));
    check(&"planted ".repeat(100_000), Some("over the limit"));
    assert!(issue::generate("rsa-1024").is_err_and(|reason| reason.contains("must be one of")));
}

#[test]
fn certificates_are_read_from_pem_but_never_beside_a_private_key() {
    let check = |text: &str, expected: Result<usize, &str>| match (pem::certificates(text), expected) {
        (Ok(found), Ok(count)) => assert_eq!(found.len(), count),
        (Err(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
        (found, _) => panic!("{found:?}, expected {expected:?}"),
    };
    check(RSA.0, Ok(1));
    check(&format!("subject=CN = x\n\n{}\r\n{}", RSA.0, WEAK.0), Ok(2));
    check(&format!("{}{}", RSA.0, RSA.1), Err("private key"));
    check(&RSA.0.repeat(9), Err("over the limit of 8"));
    check("", Err("holds no certificate"));
    check("-----BEGIN CERTIFICATE-----\n", Err(""));
    check(&RSA.0.replace("-----END", "----END"), Err(""));
    check(&RSA.0.replace("MII", "M!I"), Err(""));
    check(
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        Err("number 1"),
    );
    check(&"x".repeat(limits::CHAIN_TEXT_BYTES_MAX + 1), Err("over the limit"));
}

#[test]
fn a_revocation_list_is_read_from_pem_and_from_base64() {
    use base64::Engine as _;
    let authority = testing::issuer("Example CA");
    let list = testing::revoking(&authority, 5, &[7]);
    let pem = pem::write("X509 CRL", list.der());
    let bare = base64::engine::general_purpose::STANDARD.encode(list.der());
    for text in [&pem, &bare, &bare.replace('A', "A\n")] {
        assert_eq!(pem::revocation_list(text).unwrap(), list);
    }
    for (text, word) in [
        (RSA.0.to_owned(), "holds no revocation list"),
        (format!("{pem}{pem}"), "more than one"),
        (String::new(), "is not a certificate revocation list"),
        ("!".to_owned(), "neither PEM nor base64"),
        ("x".repeat(limits::REVOCATION_TEXT_BYTES_MAX + 1), "over the limit"),
    ] {
        let reason = pem::revocation_list(&text).unwrap_err();
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn a_chain_is_taken_in_its_order_in_its_days_with_its_key_and_for_servers() {
    let top = testing::issuer("Top");
    let middle = testing::issuer_below(&top, "Middle");
    let namesake = testing::issuer_below(&top, "Middle");
    let own = |change: fn(&mut rcgen::CertificateParams)| testing::issued(&middle, "files.example.org", change);
    let good = own(|_| {});
    let key = |made: &testing::Made| made.certificate.facts().unwrap().spki.clone();
    let (above, root) = (testing::anchor(&middle), testing::anchor(&top));
    let one = good.certificate.clone();
    let with = |made: &testing::Made| (vec![made.certificate.clone(), above.clone()], key(made));
    let for_clients = own(|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]);
    let for_both = own(|params| {
        use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        params.extended_key_usages = vec![ServerAuth, ClientAuth];
    });
    let expired = own(|params| params.not_after = rcgen::date_time_ymd(2029, 12, 31));
    let early = own(|params| params.not_before = rcgen::date_time_ymd(2030, 1, 2));
    let other = own(|_| {});
    let fixture = |text: &str| {
        let read = pem::certificates(text).unwrap().remove(0);
        let public = read.facts().unwrap().spki.clone();
        (vec![read], public)
    };
    let sha1 = pem::certificates(include_str!("../../x509/fixtures/sha1.pem")).unwrap();
    let now = crate::clock::UnixMillis::from_rfc3339("2030-01-01T00:00:00Z").unwrap();
    let check = |(chain, public): (Vec<Certificate>, Vec<u8>), expected: Option<&str>| match (
        chain::check(&chain, &public, now),
        expected,
    ) {
        (Ok(()), None) => {}
        (Err(reason), Some(word)) => assert!(reason.contains(word), "{reason}"),
        (found, _) => panic!("{found:?}, expected {expected:?}"),
    };
    check((vec![one.clone()], key(&good)), None);
    check(with(&good), None);
    check(with(&for_both), None);
    check((vec![one.clone(), above.clone(), root.clone()], key(&good)), None);
    check(fixture(RSA.0), None);
    // An authority that signed itself needs no signature of another, also an old one.
    check((sha1.clone(), sha1[0].facts().unwrap().spki.clone()), None);

    check((Vec::new(), key(&good)), Some("is empty"));
    check((vec![Certificate::kept(b"x")], key(&good)), Some("cannot be read"));
    check((vec![one.clone()], key(&other)), Some("does not belong to the key"));
    let turned = (vec![above.clone(), one.clone()], key(&good));
    check(turned, Some("the key belongs to certificate 2"));
    let (a, b, c) = (one.clone(), root.clone(), above.clone());
    check(
        (vec![a, b, c], key(&good)),
        Some("signed by certificate 3, which must follow it"),
    );
    check(
        (vec![one.clone(), root.clone()], key(&good)),
        Some("is out of order: certificate 1"),
    );
    let by_namesake = (vec![one.clone(), testing::anchor(&namesake)], key(&good));
    check(by_namesake, Some("although certificate 2 has its issuer's name"));
    let no_authority = (vec![one.clone(), other.certificate.clone()], key(&good));
    check(no_authority, Some("but it is no authority's"));
    check(with(&for_clients), Some("leaves out serverAuth"));
    check(with(&expired), Some("has expired at 2029-12-31"));
    check(with(&early), Some("is not valid before 2030-01-02"));
    check(
        fixture(include_str!("../../x509/fixtures/sha1-leaf.pem")),
        Some("too weak"),
    );
    check(fixture(WEAK.0), Some("1024 bits"));
    check(fixture(P521.0), Some("is a key of a kind that is not taken"));
}
