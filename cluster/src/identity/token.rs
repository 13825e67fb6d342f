//! Join tokens: what a new node is given so that it can find the cluster, know it, and be let in once.
//!
//! Whether a token is still good is the replicated state's word; only a hash of the secret is kept there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{ClusterId, limits, sha256};
use crate::NodeError;

const PREFIX: &str = "argosy-join-";
const VERSION: u8 = 1;

/// A parsed join token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JoinToken {
    /// The cluster that it opens.
    pub(crate) cluster: ClusterId,
    /// SHA-256 of the authority's certificate: the joiner trusts no other.
    pub(crate) authority: [u8; 32],
    /// Names the token; not secret.
    pub(crate) id: [u8; 16],
    /// Proves that the holder was given it.
    pub(crate) secret: Zeroizing<[u8; 32]>,
    /// Members to ask, in this order.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("cluster", &self.cluster)
            .field("id", &super::hex(&self.id))
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// What the cluster keeps of a token's secret.
pub(crate) fn secret_hash(secret: &[u8; 32]) -> [u8; 32] {
    sha256(secret)
}

impl JoinToken {
    /// The text that is printed and pasted.
    pub(crate) fn print(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.cluster.0);
        bytes.extend_from_slice(&self.authority);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret[..]);
        let addresses = &self.addresses[..self.addresses.len().min(limits::TOKEN_ADDRESSES_MAX)];
        bytes.push(u8::try_from(addresses.len()).unwrap_or(0));
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes[..])))
    }

    /// Parses what a person pasted; surrounding white space is forgiven. The text is never part of the error.
    pub(crate) fn parse(text: &str) -> Result<Self, NodeError> {
        let refused = |why: &str| NodeError(format!("this is not a join token: {why}"));
        let text = text.trim();
        if text.len() > limits::TOKEN_CHARS_MAX {
            return Err(refused("it is too long"));
        }
        let encoded = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| refused("it does not begin with \"argosy-join-\""))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| refused("a character was changed or lost; copy it again, whole"))?;
        let (body, sum) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| refused("it is cut off; copy it again, whole"))?;
        if body.first().is_some_and(|version| *version != VERSION) {
            return Err(refused(
                "it was made by a newer release; install that release here first",
            ));
        }
        if crc32c::crc32c(body) != u32::from_be_bytes(*sum) {
            return Err(refused("a character was changed or lost; copy it again, whole"));
        }
        Self::read(&mut Reader(&body[1..])).ok_or_else(|| refused("its content is malformed; make a new one"))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let cluster = ClusterId(reader.take()?);
        let (authority, id) = (reader.take()?, reader.take()?);
        let secret = Zeroizing::new(reader.take()?);
        let [count] = reader.take()?;
        if !(1..=limits::TOKEN_ADDRESSES_MAX).contains(&usize::from(count)) {
            return None;
        }
        let addresses = (0..count).map(|_| reader.address()).collect::<Option<Vec<_>>>()?;
        reader.0.is_empty().then_some(Self {
            cluster,
            authority,
            id,
            secret,
            addresses,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.take::<1>()? {
            [4] => IpAddr::from(self.take::<4>()?),
            [6] => IpAddr::from(self.take::<16>()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(self.take()?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            cluster: ClusterId([1; 16]),
            authority: [2; 32],
            id: [3; 16],
            secret: Zeroizing::new([0x5a; 32]),
            addresses: vec!["10.0.0.1:7400".parse().unwrap(), "[fd00::1]:7401".parse().unwrap()],
        }
    }

    #[test]
    fn a_printed_token_parses_to_itself() {
        let token = token();
        assert_eq!(
            JoinToken::parse(&format!(" {}\n", token.print().as_str())).unwrap(),
            token
        );
    }

    #[test]
    fn a_changed_cut_or_foreign_token_is_refused() {
        let good = token().print();
        let check = |text: &str| assert!(JoinToken::parse(text).is_err(), "{text}");
        check("");
        check("argosy-join-");
        check("join me");
        check(&"argosy-join-A".repeat(200));
        for length in 0..good.len() {
            check(&good[..length]);
        }
        for at in PREFIX.len()..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            check(std::str::from_utf8(&changed).unwrap());
        }
        check(
            &JoinToken {
                addresses: vec![],
                ..token()
            }
            .print(),
        );
    }

    #[test]
    fn no_more_than_eight_addresses_are_printed() {
        let many = JoinToken {
            addresses: vec!["10.0.0.1:1".parse().unwrap(); 20],
            ..token()
        };
        assert_eq!(
            JoinToken::parse(&many.print()).unwrap().addresses.len(),
            limits::TOKEN_ADDRESSES_MAX
        );
    }

    #[test]
    fn neither_debug_nor_errors_show_the_secret() {
        let shown = format!("{:?}", token());
        assert!(!shown.contains("5a5a") && !shown.contains("90, 90"), "{shown}");
        let mut text = token().print().to_string();
        text.pop();
        let error = JoinToken::parse(&text).unwrap_err().to_string();
        assert!(!error.contains(&text[20..60]), "{error}");
    }
}
