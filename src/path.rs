//! The one path type that clients can name: absolute, normalised once, bytes.
//!
//! Where a path leads on a storage is left to `vfs`; whether it may be touched, to `access`.

use std::fmt;

use bytes::Bytes;

/// The longest virtual path, in bytes (Linux's PATH_MAX).
pub const PATH_BYTES_MAX: usize = 4096;
/// The longest component, in bytes (NAME_MAX of the usual file systems).
pub const COMPONENT_BYTES_MAX: usize = 255;

/// An absolute path in an account's virtual tree: starts with `/`, no empty, `.` or `..` component, no NUL, no
/// trailing `/` (but for the root itself). Any other byte is ordinary, the backslash included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(Bytes);

/// Why bytes are no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It holds a NUL byte.
    Nul,
    /// It is longer than [`PATH_BYTES_MAX`].
    TooLong,
    /// A component is longer than [`COMPONENT_BYTES_MAX`].
    ComponentTooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul => f.write_str("the path holds a NUL byte"),
            Self::TooLong => write!(f, "the path is longer than {PATH_BYTES_MAX} bytes"),
            Self::ComponentTooLong => write!(f, "a part of the path is longer than {COMPONENT_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for PathError {}

impl VirtualPath {
    /// `/`.
    pub fn root() -> Self {
        Self(Bytes::from_static(b"/"))
    }

    /// Normalises what a client sent. A relative path starts at `base`; `.` and empty components vanish; `..` drops
    /// the component before it and stops at the root, as in a changed root.
    pub fn resolve(base: &Self, sent: &[u8]) -> Result<Self, PathError> {
        if sent.contains(&0) {
            return Err(PathError::Nul);
        }
        if sent.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let mut parts: Vec<&[u8]> = if sent.first() == Some(&b'/') {
            Vec::new()
        } else {
            base.components().collect()
        };
        for part in sent.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                _ if part.len() > COMPONENT_BYTES_MAX => return Err(PathError::ComponentTooLong),
                _ => parts.push(part),
            }
        }
        Self::from_parts(&parts)
    }

    /// [`resolve`](Self::resolve) from the root.
    pub fn parse(sent: &[u8]) -> Result<Self, PathError> {
        Self::resolve(&Self::root(), sent)
    }

    fn from_parts(parts: &[&[u8]]) -> Result<Self, PathError> {
        let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>().max(1));
        for part in parts {
            joined.push(b'/');
            joined.extend_from_slice(part);
        }
        if joined.is_empty() {
            joined.push(b'/');
        }
        if joined.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self(joined.into()))
    }

    /// The bytes, `/` first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The components, outermost first; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// The last component; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The folder that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(if cut == 0 {
            Self::root()
        } else {
            Self(self.0.slice(..cut))
        })
    }

    /// The path of `component` in this folder. `component` must be one name: no `/`, not `.`, `..` or empty.
    pub fn join(&self, component: &[u8]) -> Result<Self, PathError> {
        Self::resolve(self, component)
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.below(ancestor).is_some()
    }

    /// What is left of this path below `ancestor`, without a leading `/`; empty where they are equal.
    pub fn below(&self, ancestor: &Self) -> Option<&[u8]> {
        if ancestor.is_root() {
            return Some(&self.0[1..]);
        }
        match self.0.strip_prefix(ancestor.as_bytes())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }
}

impl fmt::Display for VirtualPath {
    /// Lossy and with control characters escaped: for logs and messages, never for a decision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in String::from_utf8_lossy(&self.0).chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, sent: &[u8], expected: &[u8]) {
        let base = VirtualPath::parse(base.as_bytes()).unwrap();
        assert_eq!(VirtualPath::resolve(&base, sent).unwrap().as_bytes(), expected);
    }

    #[test]
    fn a_path_is_normalised_as_in_a_changed_root() {
        check("/", b"", b"/");
        check("/", b"a", b"/a");
        check("/a/b", b"c", b"/a/b/c");
        check("/a/b", b"/c", b"/c");
        check("/a/b", b"..", b"/a");
        check("/", b"../../../etc/passwd", b"/etc/passwd");
        check("/", b"/a/./b//c/", b"/a/b/c");
        check("/", b"/a/..\\..\\b", b"/a/..\\..\\b");
        check("/", b"/..;/x", b"/..;/x");
        check("/", b"/\xff\xfe\n", b"/\xff\xfe\n");
    }

    #[test]
    fn a_path_with_a_nul_or_over_a_limit_is_refused() {
        assert_eq!(VirtualPath::parse(b"/a\0b"), Err(PathError::Nul));
        assert_eq!(VirtualPath::parse(&[b'a'; 256]), Err(PathError::ComponentTooLong));
        assert_eq!(VirtualPath::parse(&b"a/".repeat(3000)), Err(PathError::TooLong));
    }

    #[test]
    fn a_neighbour_with_the_same_prefix_is_not_within() {
        let path = |text: &str| VirtualPath::parse(text.as_bytes()).unwrap();
        assert!(path("/a/b").is_within(&path("/a")));
        assert!(path("/a").is_within(&path("/a")));
        assert!(!path("/ab").is_within(&path("/a")));
        assert_eq!(path("/a/b/c").below(&path("/a")), Some(&b"b/c"[..]));
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a").parent(), Some(VirtualPath::root()));
    }
}
