//! Every bound of this room, with its unit and its reason.

/// The longest node name, in bytes: it fits a DNS label.
pub const NODE_NAME_BYTES_MAX: usize = 63;
/// The longest join token, in characters: eight IPv6 addresses need about 400.
pub const TOKEN_CHARS_MAX: usize = 1024;
/// How many addresses a join token names.
pub const TOKEN_ADDRESSES_MAX: usize = 8;
/// The largest identity file or certificate that is read, in bytes.
pub const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// The largest secret file that is read, in bytes: two keys and thousands of data keys.
pub const SECRET_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How many data keys a node keeps: one is made at each removal of a node.
pub const DATA_KEYS_MAX: usize = 4096;
/// How many members a joiner remembers as its first contacts.
pub const KNOWN_PEERS_MAX: usize = 64;
/// The largest certificate signing request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 4096;
