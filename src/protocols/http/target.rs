//! What a request asks for: percent-encoded bytes to a path, and its query. Pure.
//!
//! Which face serves it is left to the router.

use std::borrow::Cow;

use crate::path::{PathError, VirtualPath};

/// Why a target names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTarget {
    /// `%` without two hexadecimal digits after it.
    Encoding,
    /// An encoded `/`: it would be a part of a name to us and a separator to somebody on the way.
    Slash,
    /// A part that is `.` or `..`, encoded or not: whoever sends one means another place than he names.
    Dots,
    /// Not a path of ours.
    Path(PathError),
}

impl std::fmt::Display for BadTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encoding => f.write_str("a `%` in the path is not followed by two hexadecimal digits"),
            Self::Slash => f.write_str("the path holds an encoded slash, which no name can have"),
            Self::Dots => f.write_str("the path has a part that is `.` or `..`; name the place itself"),
            Self::Path(error) => write!(f, "the path cannot be: {error}"),
        }
    }
}

/// A path as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The path.
    pub path: VirtualPath,
    /// It ended with `/`.
    pub as_folder: bool,
}

impl Target {
    /// Reads what stands in a request after a face's own prefix: empty, or `/` and parts.
    pub fn parse(encoded: &str) -> Result<Self, BadTarget> {
        let mut bytes = Vec::with_capacity(encoded.len() + 1);
        for part in encoded.split('/').filter(|part| !part.is_empty()) {
            let part = decode(part)?;
            if part.contains(&b'/') {
                return Err(BadTarget::Slash);
            }
            if matches!(&*part, b"." | b"..") {
                return Err(BadTarget::Dots);
            }
            bytes.push(b'/');
            bytes.extend_from_slice(&part);
        }
        Ok(Self {
            path: VirtualPath::parse(&bytes).map_err(BadTarget::Path)?,
            as_folder: encoded.is_empty() || encoded.ends_with('/'),
        })
    }
}

/// RFC 3986, 2.1; `+` is itself.
pub fn decode(encoded: &str) -> Result<Cow<'_, [u8]>, BadTarget> {
    if !encoded.contains('%') {
        return Ok(Cow::Borrowed(encoded.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(BadTarget::Encoding);
        };
        bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
    }
    Ok(Cow::Owned(bytes))
}

/// The bytes of a path as they stand in a link: everything but unreserved characters and `/` is encoded.
pub fn encode(path: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(path.len());
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    text
}

/// The parameters of a query, in their order; `+` stands for a space there.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    /// Reads `a=b&c`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadTarget> {
        let mut all = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decode(&text.replace('+', " ")).map(Cow::into_owned);
            all.push((String::from_utf8_lossy(&plain(name)?).into_owned(), plain(value)?));
        }
        Ok(Self(all))
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }

    /// The first name that is none of `known`.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        let unknown = self.0.iter().find(|(name, _)| !known.contains(&&**name));
        unknown.map(|(name, _)| &**name)
    }

    /// Whether `name` stands there and is not `false` or `0`.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, b"false" | b"0"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_path_however_it_is_written() {
        for (encoded, path, as_folder) in [
            ("", &b"/"[..], true),
            ("/", b"/", true),
            ("/a", b"/a", false),
            ("//a//b/", b"/a/b", true),
            ("/a%20b+c", b"/a b+c", false),
            ("/%c3%a9%FF", b"/\xc3\xa9\xff", false),
            ("/..;/x", b"/..;/x", false),
            ("/...", b"/...", false),
            ("/a%5c..%5cb", b"/a\\..\\b", false),
        ] {
            let target = Target::parse(encoded).unwrap();
            assert_eq!(
                (target.path.as_bytes(), target.as_folder),
                (path, as_folder),
                "{encoded}"
            );
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (encoded, expected) in [
            ("/../etc", BadTarget::Dots),
            ("/a/%2e%2E/b", BadTarget::Dots),
            ("/a/.%2e", BadTarget::Dots),
            ("/./a", BadTarget::Dots),
            ("/a%2fb", BadTarget::Slash),
            ("/..%2f..%2fetc", BadTarget::Slash),
            ("/a%2", BadTarget::Encoding),
            ("/a%zz", BadTarget::Encoding),
            ("/a%00b", BadTarget::Path(PathError::Nul)),
        ] {
            assert_eq!(Target::parse(encoded), Err(expected), "{encoded}");
        }
        assert!(Target::parse(&format!("/{}", "a".repeat(256))).is_err());
    }

    #[test]
    fn encoding_and_decoding_are_inverse() {
        let all: Vec<u8> = (0..=255).filter(|byte| *byte != 0 && *byte != b'/').collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(encode(b"/a b/\xff"), "/a%20b/%FF");
    }

    #[test]
    fn a_query_is_read_as_forms_send_it() {
        let query = Query::parse(Some("a=1&b=x+y%2B&a=2&c")).unwrap();
        assert_eq!(query.get("b"), Some(&b"x y+"[..]));
        assert_eq!(query.get("a"), Some(&b"1"[..]));
        assert!(query.is_set("c") && !query.is_set("d"));
        assert_eq!(query.unknown(&["a", "b"]), Some("c"));
        assert!(Query::parse(Some("a=%")).is_err());
    }
}
