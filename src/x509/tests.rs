//! Tables over names, fingerprints, certificates, revocation lists and the way from a certificate to an authority.

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, SerialNumber, date_time_ymd};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::testing::{Issuer, anchor, issued, issuer, issuer_below, params, revoking};
use super::*;
use crate::ids::Name;

fn fixture(pem: &str) -> Certificate {
    Certificate::read(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

fn sha1() -> Certificate {
    fixture(include_str!("fixtures/sha1.pem"))
}

fn facts(certificate: &Certificate) -> &Facts {
    certificate.facts().unwrap()
}

#[test]
fn a_subject_has_one_spelling_however_it_is_written() {
    let check = |text: &str, expected: Result<&str, &str>| match (name::canonical(text), expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
        (Err(reason), Err(word)) => assert!(reason.contains(word), "{text}: {reason}"),
        (found, _) => panic!("{text}: {found:?}"),
    };
    check("CN=alice", Ok("CN=alice"));
    check("cn = alice , o= Example Ltd ,C=DE", Ok("CN=alice,O=Example Ltd,C=DE"));
    check("EMAILADDRESS=a@example.org", Ok("emailAddress=a@example.org"));
    check("CN=Alice,O=EXAMPLE", Ok("CN=Alice,O=EXAMPLE"));
    check("C=DE,CN=alice", Ok("C=DE,CN=alice"));
    check(r"CN=Smith\, John,O=x", Ok(r"CN=Smith\, John,O=x"));
    check(r"CN=a\ ", Ok(r"CN=a\ "));
    check("1.2.3.4=x", Ok("1.2.3.4=x"));
    check("alice", Err("is not a subject"));
    check("", Err("is not a subject"));
    check("CN=", Err("without a type or without a value"));
    check("=alice", Err("without a type or without a value"));
    check("CN=alice,,O=x", Err("is not a subject"));
}

#[test]
fn an_alternative_name_has_one_spelling_however_it_is_written() {
    let check = |text: &str, expected: Option<&str>| {
        let found = name::canonical_alternative(text).ok();
        assert_eq!(found.as_deref(), expected, "{text:?}");
    };
    check("dns:Files.Example.ORG", Some("dns:files.example.org"));
    check("DNS: a.example ", Some("dns:a.example"));
    check("dns:*.example.org", Some("dns:*.example.org"));
    check("email:Alice@Example.ORG", Some("email:Alice@example.org"));
    check("uri:urn:Alice", Some("uri:urn:Alice"));
    check("ip:2001:DB8:0::1", Some("ip:2001:db8::1"));
    check("upn:Alice@corp", Some("upn:Alice@corp"));
    for bad in [
        "alice",
        "dns:",
        "dns: ",
        "mail:a@b",
        "ip:a.example",
        "dns:a\0b",
        "uri:a\nb",
        "",
    ] {
        check(bad, None);
    }
}

#[test]
fn a_fingerprint_is_read_as_people_write_it() {
    let digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let colons: Vec<&str> = (0..32).map(|at| &digits[at * 2..at * 2 + 2]).collect();
    let check = |text: &str, is_one: bool| {
        let found = parse_fingerprint(text).map(|found| hex(&found));
        assert_eq!(found.as_deref(), is_one.then_some(digits), "{text:?}");
    };
    check(digits, true);
    check(&digits.to_ascii_uppercase(), true);
    check(&colons.join(":"), true);
    check(&format!(" SHA256:{digits}\n"), true);
    check(&format!("sha256:{}", colons.join(":")), true);
    check(&digits[2..], false);
    check(&format!("{digits}00"), false);
    check(&digits.replace("00", "0g"), false);
    check(&digits.replace("00", "+0"), false);
    check(&format!("sha1:{digits}"), false);
    check("é", false);
    check("", false);
}

#[test]
fn a_certificate_says_what_stands_in_it() {
    let authority = issuer("Example CA");
    let made = issued(&authority, "x", |params| {
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CountryName, "DE");
        subject.push(DnType::OrganizationName, " Smith, Son & \"Co\" ");
        subject.push(DnType::CommonName, "alice\0.example.org\n");
        let text = |text: &str| text.try_into().unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName(text("Files.Example.ORG")),
            SanType::DnsName(text("a\0.example.org")),
            SanType::DnsName(text("*.example.org")),
            SanType::Rfc822Name(text("Alice@Example.ORG")),
            SanType::URI(text("urn:alice")),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        params.serial_number = Some(SerialNumber::from_slice(&[0x7f, 0, 1]));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let found = facts(&made.certificate);
    // The order is the certificate's, the most special part first; what is no plain character is escaped.
    assert_eq!(
        found.subject,
        r#"O=\ Smith\, Son & \"Co\"\ ,C=DE,CN=alice\00.example.org\0a"#
    );
    assert_eq!(name::canonical(&found.subject).unwrap(), found.subject);
    assert_eq!(
        found.names,
        [
            "dns:files.example.org",
            "dns:a\0.example.org",
            "dns:*.example.org",
            "email:Alice@example.org",
            "uri:urn:alice",
            "ip:192.0.2.7",
            "ip:2001:db8::1"
        ]
    );
    assert_eq!(found.issuer, "CN=Example CA");
    assert_eq!(hex(&found.serial), "7f0001");
    assert_eq!(found.fingerprint, sha256(made.certificate.der()));
    assert_eq!(
        (found.for_clients, found.for_servers, found.is_ca),
        (true, false, false)
    );
    assert_eq!(found.not_before.to_rfc3339(), "2020-01-01T00:00:00.000Z");
    assert_eq!(found.not_after.to_rfc3339(), "2090-01-01T00:00:00.000Z");
    assert!(!found.is_self_issued());
    let above = anchor(&authority);
    let above = facts(&above);
    assert!(above.is_ca && above.is_self_issued() && above.for_clients && above.for_servers);
    // As directories of Microsoft write it.
    let upn = fixture(include_str!("fixtures/upn.pem"));
    assert_eq!(facts(&upn).names, ["upn:alice@example.org"]);
}

#[test]
fn keys_are_told_by_their_kind_and_length() {
    let of = |certificate: Certificate| KeyKind::of(&facts(&certificate).spki);
    let generated = |algorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        of(Certificate::read(params("x").self_signed(&key).unwrap().der()).unwrap())
    };
    for (found, expected, word) in [
        (generated(&rcgen::PKCS_ECDSA_P256_SHA256), KeyKind::P256, "ecdsa-p256"),
        (generated(&rcgen::PKCS_ECDSA_P384_SHA384), KeyKind::P384, "ecdsa-p384"),
        (generated(&rcgen::PKCS_ED25519), KeyKind::Ed25519, "ed25519"),
        (
            of(fixture(include_str!("fixtures/rsa.pem"))),
            KeyKind::Rsa(2048),
            "rsa-2048",
        ),
        (
            of(fixture(include_str!("fixtures/weak.pem"))),
            KeyKind::Rsa(1024),
            "rsa-1024",
        ),
        (
            of(fixture(include_str!("fixtures/p521.pem"))),
            KeyKind::Other,
            "unknown",
        ),
    ] {
        assert_eq!((found, found.word().as_str()), (expected, word));
    }
    assert_eq!(KeyKind::of(b""), KeyKind::Other);
}

#[test]
fn what_is_no_certificate_and_no_list_is_refused() {
    let authority = issuer("Example CA");
    let (certificate, list) = (anchor(&authority), revoking(&authority, 1, &[7]));
    let mut many = params("x");
    let name = |at: usize| SanType::DnsName(format!("{at}.example").try_into().unwrap());
    many.subject_alt_names = (0..=limits::NAMES_MAX).map(name).collect();
    let many = many.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let with = |bytes: &[u8], rest: &[u8]| [bytes, rest].concat();
    for (bytes, word) in [
        (Vec::new(), "is not a certificate"),
        (b"-----BEGIN CERTIFICATE-----".to_vec(), "is not a certificate"),
        (certificate.der()[1..].to_vec(), "is not a certificate"),
        (
            certificate.der()[..certificate.der().len() - 1].to_vec(),
            "is not a certificate",
        ),
        (with(certificate.der(), b"\0"), "bytes after the certificate"),
        (vec![0x30; limits::CERTIFICATE_BYTES_MAX + 1], "over the limit"),
        (list.der().to_vec(), "is not a certificate"),
    ] {
        let reason = Certificate::read(&bytes).unwrap_err();
        assert!(reason.contains(word), "{reason}");
    }
    assert!(Certificate::read(many.der()).unwrap_err().contains("alternative names"));
    for (bytes, word) in [
        (Vec::new(), "is not a certificate revocation list"),
        (certificate.der().to_vec(), "is not a certificate revocation list"),
        (
            list.der()[..list.der().len() - 1].to_vec(),
            "is not a certificate revocation list",
        ),
        (with(list.der(), b"\0"), "bytes after the revocation list"),
        (vec![0x30; limits::REVOCATION_BYTES_MAX + 1], "over the limit"),
    ] {
        let reason = RevocationList::read(&bytes).unwrap_err();
        assert!(reason.contains(word), "{reason}");
    }
    // What is kept unread and cannot be read says nothing, and revokes everything.
    assert!(Certificate::kept(b"x").facts().is_none());
    assert!(RevocationList::kept(b"x").revokes(b"anybody", b"\x01"));
}

#[test]
fn a_list_revokes_the_serial_numbers_of_its_own_issuer() {
    let (ours, theirs) = (issuer("Ours"), issuer("Theirs"));
    let list = revoking(&ours, 3, &[7, 300]);
    let name_of = |issuer: &Issuer| facts(&anchor(issuer)).subject_der.clone();
    for (issuer, serial, revoked) in [
        (&ours, &[7][..], true),
        (&ours, &[1, 44], true),
        (&ours, &[44], false),
        (&ours, &[0, 7], false),
        (&ours, &[], false),
        (&theirs, &[7], false),
    ] {
        assert_eq!(list.revokes(&name_of(issuer), serial), revoked, "{serial:?}");
    }
    let found = list.facts().unwrap();
    assert_eq!(
        (found.issuer.as_str(), found.number.as_deref()),
        ("CN=Ours", Some(&[3][..]))
    );
    assert_eq!(found.next_update.unwrap().to_rfc3339(), "2090-01-01T00:00:00.000Z");
    assert!(is_signed_by(list.der(), &facts(&anchor(&ours)).spki).is_ok());
    assert!(is_signed_by(list.der(), &facts(&anchor(&theirs)).spki).is_err());
}

#[test]
fn a_list_is_newer_by_its_number_however_many_bytes_that_has() {
    let authority = issuer("Example CA");
    let of = |number: u64| revoking(&authority, number, &[]).facts().unwrap().clone();
    for (one, other, newer) in [
        (2, 1, true),
        (1, 1, false),
        (1, 2, false),
        (256, 255, true),
        (255, 256, false),
    ] {
        assert_eq!(of(one).is_newer_than(&of(other)), newer, "{one} {other}");
    }
    // One of the two without a number: by when it was made.
    let (mut old, new) = (of(9), of(1));
    old.number = None;
    assert!(!new.is_newer_than(&old), "made at the same time");
    old.this_update.0 -= 1;
    assert!(new.is_newer_than(&old) && !old.is_newer_than(&new));
}

#[test]
fn a_signature_holds_by_its_own_key_over_its_own_bytes_and_a_sound_algorithm() {
    let (ours, namesake) = (issuer("Example CA"), issuer("Example CA"));
    let made = issued(&ours, "alice", |_| {});
    let der = made.certificate.der();
    let mut changed = der.to_vec();
    let at = der.len() / 3;
    changed[at] ^= 1;
    let spki = |issuer: &Issuer| facts(&anchor(issuer)).spki.clone();
    let old = sha1();
    for (signed, key, expected) in [
        (der, spki(&ours), Ok(())),
        (der, spki(&namesake), Err("is not signed by that key")),
        (&changed[..], spki(&ours), Err("")),
        (&der[..at], spki(&ours), Err("is cut or broken")),
        (b"", spki(&ours), Err("is cut or broken")),
        (der, b"no key".to_vec(), Err("is cut or broken")),
        (old.der(), facts(&old).spki.clone(), Err("too weak or not known")),
    ] {
        match (is_signed_by(signed, &key), expected) {
            (Ok(()), Ok(())) => {}
            (Err(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
            (found, _) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

/// What is found of these certificates with these authorities, by name.
fn found(shown: &[Certificate], anchors: &[(&str, Certificate)]) -> Result<ClientCertificate, String> {
    let names: Vec<Name> = anchors.iter().map(|(name, _)| Name::parse(name).unwrap()).collect();
    let anchors = names.iter().zip(anchors.iter().map(|(_, anchor)| anchor));
    ClientCertificate::find(shown, anchors)
}

#[test]
fn the_way_to_an_authority_is_found_in_whatever_order_certificates_are_shown() {
    let top = issuer("Top");
    let middle = issuer_below(&top, "Middle");
    let other = issuer("Other");
    let alice = issued(&middle, "alice", |params| params.not_after = date_time_ymd(2030, 1, 1)).certificate;
    let (above, roots) = (anchor(&middle), [("other", anchor(&other)), ("top", anchor(&top))]);
    for shown in [
        vec![alice.clone(), above.clone()],
        vec![alice.clone(), anchor(&other), above.clone()],
        vec![alice.clone(), anchor(&top), above.clone(), above.clone()],
    ] {
        let way = found(&shown, &roots).unwrap();
        assert_eq!((way.subject.as_str(), way.authority.as_str()), ("CN=alice", "top"));
        assert_eq!(way.anchor, sha256(anchor(&top).der()));
        assert_eq!(way.path.len(), 2, "its own and the middle one");
        assert_eq!(way.not_after.to_rfc3339(), "2030-01-01T00:00:00.000Z");
        assert_eq!(way.fingerprint_hex(), hex(&sha256(alice.der())));
    }
    // The nearest authority that is trusted ends the way.
    let way = found(
        &[alice.clone(), above.clone()],
        &[("middle", above.clone()), roots[1].clone()],
    )
    .unwrap();
    assert_eq!((way.authority.as_str(), way.path.len()), ("middle", 1));
    // A certificate may be trusted as it is.
    let way = found(std::slice::from_ref(&alice), &[("alice", alice.clone())]).unwrap();
    assert_eq!(way.authority.as_str(), "alice");
}

#[test]
fn a_certificate_that_leads_to_no_authority_is_refused() {
    let top = issuer("Top");
    let (middle, namesake) = (issuer_below(&top, "Middle"), issuer("Top"));
    let alice = issued(&middle, "alice", |_| {}).certificate;
    let trusted = [("top", anchor(&top))];
    let no_way = "leads to no authority";
    let refused = |shown: &[Certificate], anchors: &[(&str, Certificate)], word: &str| {
        let reason = found(shown, anchors).unwrap_err();
        assert!(reason.contains(word), "{reason}");
    };
    refused(&[], &trusted, "cannot be read");
    refused(&[Certificate::kept(b"x")], &trusted, "cannot be read");
    refused(std::slice::from_ref(&alice), &trusted, no_way);
    refused(&[alice.clone(), anchor(&middle)], &[], no_way);
    refused(&[alice.clone(), anchor(&middle)], &[("top", anchor(&namesake))], no_way);
    // Who is no authority signs for nobody, whatever name it has.
    let bob = issued(&top, "bob", |_| {});
    let bobs = params("bob");
    let by_bob = rcgen::Issuer::from_params(&bobs, &bob.key);
    let key = KeyPair::generate().unwrap();
    let eve = params("eve").signed_by(&key, &by_bob).unwrap();
    let eve = Certificate::read(eve.der()).unwrap();
    assert!(is_signed_by(eve.der(), &facts(&bob.certificate).spki).is_ok());
    refused(&[eve, bob.certificate], &trusted, no_way);
    // Nor does a chain go on for ever.
    let mut chain = vec![issuer_below(&top, "1")];
    for _ in 0..=limits::CHAIN_MAX {
        chain.push(issuer_below(chain.last().unwrap(), "x"));
    }
    let mut shown: Vec<_> = chain.iter().map(anchor).collect();
    shown.reverse();
    assert!(found(&shown, &trusted).is_err());
}
