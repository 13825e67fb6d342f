//! Version 1: one line of text, `PROXY TCP4 192.0.2.1 198.51.100.1 56324 22`.
//!
//! Version 2 is left to `v2`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Claim, Parsed, ProxyError, V1_SIGNATURE, canonical};
use crate::listener::limits::PROXY_V1_BYTES_MAX;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let within = &bytes[..bytes.len().min(PROXY_V1_BYTES_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if within.len() < PROXY_V1_BYTES_MAX {
            Ok(Parsed::Incomplete)
        } else {
            Err(ProxyError::TooLong)
        };
    };
    let line = within
        .get(V1_SIGNATURE.len()..end)
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(ProxyError::Malformed("the line is not text"))?;
    let claim = claim(line)?;
    Ok(Parsed::Whole { claim, length: end + 2 })
}

fn claim(line: &str) -> Result<Claim, ProxyError> {
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Ok(Claim::Own);
    }
    let mut next = || words.next().ok_or(ProxyError::Malformed("the line has too few words"));
    let (source, destination) = (next()?, next()?);
    let (source_port, destination_port) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(ProxyError::Malformed("the line has too many words"));
    }
    let (source, destination) = (address(family, source)?, address(family, destination)?);
    Ok(Claim::Client {
        source: canonical(SocketAddr::new(source, source_port)),
        destination: canonical(SocketAddr::new(destination, destination_port)),
    })
}

fn address(family: &str, word: &str) -> Result<IpAddr, ProxyError> {
    let malformed = ProxyError::Malformed("an address is not of its family");
    match family {
        "TCP4" => word.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| malformed),
        "TCP6" => word.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| malformed),
        _ => Err(ProxyError::Malformed("the family is none of TCP4, TCP6, UNKNOWN")),
    }
}

/// Digits alone, without leading zeros, as the specification wants them.
fn port(word: &str) -> Result<u16, ProxyError> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    let number = plain.then(|| word.parse().ok()).flatten();
    number.ok_or(ProxyError::Malformed("a port is not a number from 0 to 65535"))
}
