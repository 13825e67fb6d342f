//! Bounds of what is replicated; each keeps one object well below the largest command.

/// Authorized keys of an account.
pub const KEYS_MAX: usize = 100;
/// Further mounts of an account.
pub const MOUNTS_MAX: usize = 100;
/// Grants of a mount.
pub const GRANTS_MAX: usize = 200;
/// Source networks of an account.
pub const SOURCES_MAX: usize = 200;
/// Bytes of a key's line.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a comment or a banner.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Puts and deletes in one transaction.
pub const STEPS_MAX: usize = 10_000;
/// Per-node differences of an object.
pub const OVERRIDES_MAX: usize = 32;
