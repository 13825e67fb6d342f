//! Who this node is: its certificate, the cluster's authority, its secrets, join tokens.
//!
//! What a peer may do with its identity is decided in `transport` (membership) and `node` (admission).

pub(crate) mod authority;
pub(crate) mod folder;
pub(crate) mod keyring;
pub(crate) mod limits;
pub(crate) mod token;

pub(crate) use authority::{Authority, NodeKey, node_of_certificate, server_name, sign_request};
pub(crate) use folder::{Identity, KnownPeer, Vault, check_empty};
pub(crate) use keyring::{DataKey, KeyRing, UnsealError, new_data_key};
pub(crate) use token::{JoinToken, secret_hash as token_secret_hash};

use std::fmt;
use std::str::FromStr;

use crate::NodeError;

/// Names one cluster; made at `init`, never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) struct ClusterId(pub(crate) [u8; 16]);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl FromStr for ClusterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        unhex(text).map(Self)
    }
}

/// SHA-256 of a certificate's DER form.
pub(crate) fn fingerprint(der: &[u8]) -> [u8; 32] {
    sha256(der)
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NodeError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| NodeError("the system gave no random bytes; look at the kernel's log".into()))?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The reverse of [`hex`], for exactly `N` bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    if text.len() != N * 2 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(format!("expected {} hexadecimal digits, found {:?}", N * 2, text));
    }
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|e| e.to_string())?;
    }
    Ok(out)
}

/// A node name is 1 to 63 letters, digits, `-`, `_` and `.`, and begins with a letter or a digit.
pub(crate) fn check_node_name(name: &str) -> Result<(), NodeError> {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    let fits = (1..=limits::NODE_NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(good) && name.as_bytes()[0].is_ascii_alphanumeric() {
        return Ok(());
    }
    Err(NodeError(format!(
        "{name:?} cannot be a node's name: use 1 to {} letters, digits, '-', '_' and '.', beginning with a letter or digit",
        limits::NODE_NAME_BYTES_MAX
    )))
}
