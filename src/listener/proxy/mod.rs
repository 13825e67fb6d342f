//! The PROXY protocol, versions 1 and 2 (the HAProxy specification, 2020/03/05): bytes to a header, pure.
//!
//! Who may send one, and reading it from a socket, are left to [`header`](super::header).

mod v1;
mod v2;

use std::net::SocketAddr;

pub use v2::SIGNATURE as V2_SIGNATURE;

/// How a header of version 1 begins.
pub const V1_SIGNATURE: &[u8] = b"PROXY ";

/// What a header says of the connection behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The balancer speaks for itself (a health check), or does not know for whom: the socket's own addresses count.
    Own,
    /// The balancer speaks for a client.
    Client {
        /// Where the client is; an IPv4 address never comes as a mapped IPv6 one.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
}

/// How far the bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// So far it could be a header; more bytes are needed.
    Incomplete,
    /// A whole header; the connection's own bytes begin at `length`.
    Whole {
        /// What it says.
        claim: Claim,
        /// Its bytes.
        length: usize,
    },
}

/// Why a header is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyError {
    /// The first bytes are no header.
    Missing,
    /// It is longer than its limit.
    TooLong,
    /// It breaks the specification; the text says where.
    Malformed(&'static str),
    /// It is for something other than TCP over IP, or of another version.
    Unsupported,
    /// Its checksum is wrong.
    Checksum,
    /// The connection ended within it.
    Ended,
    /// It did not come in time.
    Late,
    /// A client that is no trusted balancer sent one.
    Stranger,
}

impl ProxyError {
    /// All kinds, for metrics.
    pub const WORDS: [&'static str; 8] = [
        "missing",
        "too-long",
        "malformed",
        "unsupported",
        "checksum",
        "ended",
        "late",
        "stranger",
    ];

    /// Its kind in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too-long",
            Self::Malformed(_) => "malformed",
            Self::Unsupported => "unsupported",
            Self::Checksum => "checksum",
            Self::Ended => "ended",
            Self::Late => "late",
            Self::Stranger => "stranger",
        }
    }
}

impl std::fmt::Display for ProxyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "no PROXY header came from a network that must send one; switch it on in the balancer, or take its \
                 network out of the service's `proxy_networks`",
            ),
            Self::TooLong => f.write_str("the PROXY header is longer than its limit"),
            Self::Malformed(what) => write!(f, "the PROXY header is malformed: {what}"),
            Self::Unsupported => f.write_str("the PROXY header is of an unknown version, or not for TCP over IP"),
            Self::Checksum => f.write_str("the checksum of the PROXY header is wrong"),
            Self::Ended => f.write_str("the connection ended within the PROXY header"),
            Self::Late => f.write_str("the PROXY header did not come in time"),
            Self::Stranger => f.write_str(
                "a PROXY header came from an address that is not trusted to send one; if it is a balancer's, add its \
                 network to the service's `proxy_networks`",
            ),
        }
    }
}

impl std::error::Error for ProxyError {}

/// Reads a header from the first bytes of a connection. Bytes after it are not looked at. Never asks for more once
/// what is there cannot become a header, so that a peer that speaks something else is refused at once.
///
/// # Errors
/// The bytes are no header, or one that must not be believed.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    if begins(bytes, V2_SIGNATURE) {
        v2::parse(bytes)
    } else if begins(bytes, V1_SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(ProxyError::Missing)
    }
}

/// Whether what is there so far may begin with `signature`.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let length = bytes.len().min(signature.len());
    bytes[..length] == signature[..length]
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
