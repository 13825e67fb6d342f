use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::listener::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

fn client(source: &str, destination: &str) -> Claim {
    Claim::Client {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// A header of version 2 with any content.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    header.extend(block);
    header
}

const BLOCK4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0, 22];

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut tlv = vec![kind];
    tlv.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    tlv.extend(value);
    tlv
}

/// With a right checksum as its last TLV.
fn summed(tlvs: &[u8]) -> Vec<u8> {
    let mut header = v2(1, 0x11, &[&BLOCK4[..], tlvs, &tlv(3, &[0; 4])].concat());
    let sum = crc32c::crc32c(&header).to_be_bytes();
    let place = header.len() - 4;
    header[place..].copy_from_slice(&sum);
    header
}

fn check(bytes: &[u8], expected: Result<Claim, ProxyError>) {
    let parsed = parse(bytes).map(|parsed| match parsed {
        Parsed::Whole { claim, length } => {
            assert_eq!(length, bytes.len(), "{}", bytes.escape_ascii());
            claim
        }
        Parsed::Incomplete => panic!("incomplete: {}", bytes.escape_ascii()),
    });
    assert_eq!(parsed, expected, "{}", bytes.escape_ascii());
    // Whatever comes after a header changes nothing of it.
    if let Ok(claim) = expected {
        let more = [bytes, b"SSH-2.0-x\r\n"].concat();
        let length = bytes.len();
        assert_eq!(parse(&more), Ok(Parsed::Whole { claim, length }));
        for end in 0..length {
            assert_eq!(parse(&bytes[..end]), Ok(Parsed::Incomplete), "{end} bytes");
        }
    }
}

#[test]
fn headers_of_version_1_are_read_strictly() {
    let malformed = |what| Err(ProxyError::Malformed(what));
    let too_long = format!("PROXY TCP6 {} ::1 1 2\r\n", "0".repeat(107));
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(PROXY_V1_BYTES_MAX - 16));
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 22\r\n",
            Ok(client("192.0.2.1:56324", "198.51.100.1:22")),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n",
            Ok(client("[2001:db8::1]:0", "[2001:db8::2]:65535")),
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n",
            Ok(client("192.0.2.1:5", "[::1]:6")),
        ),
        ("PROXY UNKNOWN\r\n", Ok(Claim::Own)),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Ok(Claim::Own)),
        (&longest, Ok(Claim::Own)),
        (&too_long, Err(ProxyError::TooLong)),
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            malformed("the line has too few words"),
        ),
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            malformed("the line has too many words"),
        ),
        (
            "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
            malformed("a port is not a number from 0 to 65535"),
        ),
        (
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            malformed("an address is not of its family"),
        ),
        (
            "PROXY TCP6 192.0.2.1 ::2 1 2\r\n",
            malformed("an address is not of its family"),
        ),
        (
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            malformed("an address is not of its family"),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            malformed("a port is not a number from 0 to 65535"),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            malformed("a port is not a number from 0 to 65535"),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            malformed("a port is not a number from 0 to 65535"),
        ),
        (
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            malformed("the family is none of TCP4, TCP6, UNKNOWN"),
        ),
        ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Err(ProxyError::Missing)),
        ("SSH-2.0-OpenSSH_9.9\r\n", Err(ProxyError::Missing)),
    ] {
        check(line.as_bytes(), expected);
    }
    check(b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n", malformed("the line is not text"));
}

#[test]
fn headers_of_version_2_are_read_within_their_bounds() {
    let good = client("192.0.2.1:56324", "198.51.100.1:22");
    let mut block6 = [0; 36];
    block6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    block6[15] = 1;
    block6[26..32].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    block6[35] = 22;
    let truncated = Err(ProxyError::Malformed("it ends within the addresses or a TLV"));
    let with = |tlvs: &[u8]| v2(1, 0x11, &[&BLOCK4[..], tlvs].concat());
    let mut wrong_version = v2(1, 0x11, &BLOCK4);
    wrong_version[12] = 0x11;
    let mut wrong_sum = summed(&tlv(1, b"ssh"));
    wrong_sum[31] ^= 1;
    for (bytes, expected) in [
        (v2(1, 0x11, &BLOCK4), Ok(good)),
        (v2(1, 0x21, &block6), Ok(client("[2001:db8::1]:0", "10.0.0.1:22"))),
        (v2(0, 0x00, &[]), Ok(Claim::Own)),
        (v2(0, 0x11, &BLOCK4), Ok(Claim::Own)),
        (v2(0, 0x77, &[1, 2, 3]), Ok(Claim::Own)),
        (v2(1, 0x00, &[9; 7]), Ok(Claim::Own)),
        (with(&tlv(4, &[0; 200])), Ok(good)),
        (with(&[tlv(0xea, b"vpce"), tlv(4, &[])].concat()), Ok(good)),
        (summed(&[]), Ok(good)),
        (summed(&tlv(1, b"ssh")), Ok(good)),
        (wrong_sum, Err(ProxyError::Checksum)),
        (with(&tlv(3, &[0; 4])), Err(ProxyError::Checksum)),
        (
            with(&tlv(3, &[0; 3])),
            Err(ProxyError::Malformed("the checksum is not of four bytes")),
        ),
        (
            with(&[tlv(3, &[0; 4]), tlv(3, &[0; 4])].concat()),
            Err(ProxyError::Malformed("it has two checksums")),
        ),
        (with(&[4]), truncated),
        (with(&[4, 0, 2, 1]), truncated),
        (v2(1, 0x11, &BLOCK4[..11]), truncated),
        (v2(1, 0x21, &BLOCK4), truncated),
        (v2(1, 0x12, &BLOCK4), Err(ProxyError::Unsupported)),
        (v2(1, 0x31, &[0; 216]), Err(ProxyError::Unsupported)),
        (v2(2, 0x11, &BLOCK4), Err(ProxyError::Unsupported)),
        (wrong_version, Err(ProxyError::Unsupported)),
        (v2(1, 0x11, &[0; PROXY_V2_BYTES_MAX]), Err(ProxyError::TooLong)),
    ] {
        check(&bytes, expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_header_never_claims_more_than_is_there(tail in vec(any::<u8>(), 0..300), kind in 0..3_u8) {
        let bytes = match kind {
            0 => tail,
            1 => [V1_SIGNATURE, &tail].concat(),
            _ => [V2_SIGNATURE, &tail].concat(),
        };
        if let Ok(Parsed::Whole { length, .. }) = parse(&bytes) {
            prop_assert!(length <= bytes.len());
            prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
        }
    }

    #[test]
    fn every_pair_of_addresses_survives_both_versions(
        six in any::<bool>(), a in any::<[u8; 16]>(), b in any::<[u8; 16]>(), ports in any::<(u16, u16)>(),
        tlvs in vec((any::<u8>().prop_filter("the checksum", |kind| *kind != 3), vec(any::<u8>(), 0..40)), 0..5),
    ) {
        let four = |it: [u8; 16]| std::net::Ipv4Addr::from([it[0], it[1], it[2], it[3]]);
        let (source, destination): (std::net::IpAddr, std::net::IpAddr) =
            if six { (a.into(), b.into()) } else { (four(a).into(), four(b).into()) };
        let claim = Claim::Client {
            source: SocketAddr::new(source.to_canonical(), ports.0),
            destination: SocketAddr::new(destination.to_canonical(), ports.1),
        };
        let family = if six { "TCP6" } else { "TCP4" };
        let line = format!("PROXY {family} {source} {destination} {} {}\r\n", ports.0, ports.1);
        prop_assert_eq!(parse(line.as_bytes()), Ok(Parsed::Whole { claim, length: line.len() }));
        let width = if six { 16 } else { 4 };
        let mut block = [&a[..width], &b[..width], &ports.0.to_be_bytes(), &ports.1.to_be_bytes()].concat();
        for (kind, value) in tlvs {
            block.extend(tlv(kind, &value));
        }
        let header = v2(1, if six { 0x21 } else { 0x11 }, &block);
        prop_assert_eq!(parse(&header), Ok(Parsed::Whole { claim, length: header.len() }));
    }

    #[test]
    fn one_changed_bit_of_a_summed_header_is_never_believed(bit in 0..8_u8, at in 16..50_usize) {
        let mut header = summed(&tlv(1, b"some-protocol-name!"));
        prop_assume!(at < header.len());
        header[at] ^= 1 << bit;
        let is_refused = parse(&header).is_err();
        // The one thing that a changed bit may do unseen is to turn the checksum's own type into another.
        let sum_type = header.len() - 7;
        prop_assert!(is_refused || at == sum_type);
    }
}
