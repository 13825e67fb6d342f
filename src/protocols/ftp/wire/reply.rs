//! Replies: a code and lines, written so that no text from outside can forge a line or a TELNET command.

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 100 to 599.
    pub code: u16,
    /// At least one; the last follows the code.
    lines: Vec<Vec<u8>>,
}

impl Reply {
    /// Of one line; what follows a line break stands on further ones.
    pub fn new(code: u16, text: impl AsRef<[u8]>) -> Self {
        let lines = text.as_ref().split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        Self {
            code,
            lines: lines.collect(),
        }
    }

    /// `first`, then each of `inner` by itself, then `last`.
    pub fn many(code: u16, first: &str, inner: impl IntoIterator<Item = Vec<u8>>, last: &str) -> Self {
        let mut lines = vec![first.as_bytes().to_vec()];
        lines.extend(inner.into_iter().map(|line| [b" ", &line[..]].concat()));
        lines.push(last.as_bytes().to_vec());
        Self { code, lines }
    }

    /// Whether what was asked for was done, or goes on.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// The first line's text, for people.
    pub fn text(&self) -> String {
        let first = self.lines.first().map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(first).into_owned()
    }

    /// As it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let last = self.lines.len().saturating_sub(1);
        for (at, line) in self.lines.iter().enumerate() {
            if at == last {
                bytes.extend_from_slice(format!("{:03} ", self.code).as_bytes());
            } else if at == 0 {
                bytes.extend_from_slice(format!("{:03}-", self.code).as_bytes());
            } else if line.first().is_some_and(u8::is_ascii_digit) {
                // No inner line may look like the last one.
                bytes.push(b' ');
            }
            for byte in line {
                match byte {
                    b'\r' | b'\n' | 0 => bytes.push(b'?'),
                    255 => bytes.extend_from_slice(&[255, 255]),
                    byte => bytes.push(*byte),
                }
            }
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// A path in quotation marks, its own doubled (RFC 959, appendix II).
pub fn quoted(path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in path {
        if *byte == b'"' {
            text.push(b'"');
        }
        text.push(*byte);
    }
    text.push(b'"');
    text
}
