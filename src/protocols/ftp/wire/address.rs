//! Addresses of data connections as PORT, PASV, EPRT and EPSV write them (RFC 959; RFC 2428).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// `h1,h2,h3,h4,p1,p2` in decimal; each from 0 to 255.
pub fn parse_port(text: &[u8]) -> Option<SocketAddrV4> {
    let text = std::str::from_utf8(text).ok()?;
    let numbers = text.trim().split(',').map(number::<u8>);
    let numbers: [u8; 6] = numbers.collect::<Option<Vec<_>>>()?.try_into().ok()?;
    let [a, b, c, d, high, low] = numbers;
    Some(SocketAddrV4::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}

/// As [`parse_port`] reads it.
pub fn show_port(address: SocketAddrV4) -> String {
    let [a, b, c, d] = address.ip().octets();
    let [high, low] = address.port().to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

/// An address family as RFC 2428 numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 1.
    V4,
    /// 2.
    V6,
}

impl Family {
    /// Of an address; a mapped one is IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// By its number; `None`: there is no such one here.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1" => Some(Self::V4),
            "2" => Some(Self::V6),
            _ => None,
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

/// What EPRT names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// This.
    Address(SocketAddr),
    /// An address of a family that is not known.
    Family,
}

/// `|family|address|port|`, with any printable delimiter.
pub fn parse_extended(text: &[u8]) -> Option<Extended> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let delimiter = text.chars().next().filter(char::is_ascii_graphic)?;
    let parts: Vec<&str> = text.split(delimiter).collect();
    let ["", family, address, port, ""] = parts[..] else {
        return None;
    };
    let port = number::<u16>(port)?;
    if !family.bytes().all(|byte| byte.is_ascii_digit()) || family.is_empty() {
        return None;
    }
    let address = match Family::parse(family) {
        None => return Some(Extended::Family),
        Some(Family::V4) => IpAddr::V4(address.parse::<Ipv4Addr>().ok()?),
        Some(Family::V6) => IpAddr::V6(address.parse::<Ipv6Addr>().ok()?),
    };
    Some(Extended::Address(SocketAddr::new(address.to_canonical(), port)))
}

/// A decimal number without a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn port_takes_six_numbers_and_nothing_else() {
        for (text, expected) in [
            ("10,0,0,1,4,1", Some("10.0.0.1:1025")),
            ("255,255,255,255,255,255", Some("255.255.255.255:65535")),
            (" 1,2,3,4,5,6 ", Some("1.2.3.4:1286")),
            ("1,2,3,4,5", None),
            ("1,2,3,4,5,6,7", None),
            ("256,2,3,4,5,6", None),
            ("-1,2,3,4,5,6", None),
            ("+1,2,3,4,5,6", None),
            ("1,2,,4,5,6", None),
            ("a,b,c,d,e,f", None),
            ("", None),
        ] {
            let found = parse_port(text.as_bytes());
            assert_eq!(found.map(|found| found.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn eprt_takes_both_families_and_names_an_unknown_one() {
        for (text, expected) in [
            ("|1|10.0.0.1|1025|", Some("10.0.0.1:1025")),
            ("|2|2001:db8::1|5282|", Some("[2001:db8::1]:5282")),
            ("!1!10.0.0.1!1025!", Some("10.0.0.1:1025")),
            ("|2|::ffff:10.0.0.1|1025|", Some("10.0.0.1:1025")),
            ("|3|x|1025|", Some("family")),
            ("|1|2001:db8::1|5282|", None),
            ("|2|10.0.0.1|5282|", None),
            ("|1|10.0.0.1|65536|", None),
            ("|1|10.0.0.1|1025", None),
            ("||10.0.0.1|1025|", None),
            ("|1|localhost|1025|", None),
            ("", None),
        ] {
            let found = parse_extended(text.as_bytes()).map(|found| match found {
                Extended::Address(address) => address.to_string(),
                Extended::Family => "family".to_owned(),
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
