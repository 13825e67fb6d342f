//! Version 2: a binary header with addresses and TLVs.
//!
//! TLVs are walked within their bounds and skipped; of them only the checksum is looked at.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Claim, Parsed, ProxyError, canonical};
use crate::listener::limits::PROXY_V2_BYTES_MAX;

/// How a header of version 2 begins.
pub const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const FIXED: usize = 16;
const VERSION: u8 = 0x20;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
/// `PP2_TYPE_CRC32C`.
const TLV_CRC32C: u8 = 0x03;

const TRUNCATED: ProxyError = ProxyError::Malformed("it ends within the addresses or a TLV");

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let (Some(&version_command), Some(&family)) = (bytes.get(12), bytes.get(13)) else {
        return Ok(Parsed::Incomplete);
    };
    let command = version_command & 0x0f;
    if version_command & 0xf0 != VERSION || command > PROXY {
        return Err(ProxyError::Unsupported);
    }
    let Some(length) = bytes.get(14..FIXED) else {
        return Ok(Parsed::Incomplete);
    };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > PROXY_V2_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    let Some(header) = bytes.get(..length) else {
        return Ok(Parsed::Incomplete);
    };
    let claim = if command == LOCAL {
        // The block is to be discarded, whatever it holds.
        Claim::Own
    } else {
        match family {
            UNSPECIFIED => Claim::Own,
            TCP4 => claim_of(header, 4)?,
            TCP6 => claim_of(header, 16)?,
            _ => return Err(ProxyError::Unsupported),
        }
    };
    if matches!(claim, Claim::Client { .. }) {
        let tlvs = FIXED + if family == TCP4 { 12 } else { 36 };
        checked(header, tlvs)?;
    }
    Ok(Parsed::Whole { claim, length })
}

/// Two addresses of `width` bytes and two ports.
fn claim_of(header: &[u8], width: usize) -> Result<Claim, ProxyError> {
    let block = header.get(FIXED..FIXED + 2 * width + 4).ok_or(TRUNCATED)?;
    let (addresses, ports) = block.split_at(2 * width);
    let (source, destination) = addresses.split_at(width);
    let end = |address: &[u8], port: &[u8]| {
        let port = u16::from_be_bytes([port[0], port[1]]);
        let four: Result<[u8; 4], _> = address.try_into();
        let sixteen: Result<[u8; 16], _> = address.try_into();
        match (four, sixteen) {
            (Ok(four), _) => Ok(canonical(SocketAddr::new(Ipv4Addr::from(four).into(), port))),
            (_, Ok(sixteen)) => Ok(canonical(SocketAddr::new(Ipv6Addr::from(sixteen).into(), port))),
            _ => Err(TRUNCATED),
        }
    };
    Ok(Claim::Client {
        source: end(source, &ports[..2])?,
        destination: end(destination, &ports[2..])?,
    })
}

/// Walks the TLVs from `at` to the end, and verifies the checksum if one is there.
fn checked(header: &[u8], mut at: usize) -> Result<(), ProxyError> {
    let mut checksum = None;
    while at < header.len() {
        let fixed = header.get(at..at + 3).ok_or(TRUNCATED)?;
        let length = usize::from(u16::from_be_bytes([fixed[1], fixed[2]]));
        let value = header.get(at + 3..at + 3 + length).ok_or(TRUNCATED)?;
        if fixed[0] == TLV_CRC32C {
            let sum: [u8; 4] = value
                .try_into()
                .map_err(|_| ProxyError::Malformed("the checksum is not of four bytes"))?;
            if checksum.replace((at + 3, u32::from_be_bytes(sum))).is_some() {
                return Err(ProxyError::Malformed("it has two checksums"));
            }
        }
        at += 3 + length;
    }
    let Some((place, said)) = checksum else {
        return Ok(());
    };
    // Over the whole header, with zeros in the checksum's place.
    let sum = crc32c::crc32c(&header[..place]);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    let sum = crc32c::crc32c_append(sum, &header[place + 4..]);
    if sum == said { Ok(()) } else { Err(ProxyError::Checksum) }
}
