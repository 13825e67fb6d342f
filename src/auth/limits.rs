//! Bounds of the proofs: queues, tables, sizes.

/// Threads that hash passwords, apart from every other pool.
pub const VERIFY_THREADS: usize = 2;
/// Verifications that wait, in all.
pub const VERIFY_QUEUE_MAX: usize = 256;
/// Verifications that wait for one address.
pub const VERIFY_QUEUE_PER_ADDRESS_MAX: usize = 16;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Proofs that are remembered.
pub const VERIFIED_MAX: usize = 10_000;
/// Seconds that a proof is remembered.
pub const VERIFIED_SECONDS: u64 = 300;
/// Addresses and accounts whose failures are remembered.
pub const FAILURES_MAX: usize = 100_000;
/// Characters of a claimed account name that are kept.
pub const CLAIM_CHARS_MAX: usize = 128;
/// Bits of an RSA key of a user, at least.
pub const RSA_BITS_MIN: u32 = 2048;
/// Bits of an RSA key, at most: checking a signature must stay cheap.
pub const RSA_BITS_MAX: u32 = 16_384;
/// Principals of a user's certificate.
pub const CERTIFICATE_PRINCIPALS_MAX: usize = 256;
/// Bytes of a principal or of the id of a user's certificate.
pub const CERTIFICATE_TEXT_BYTES_MAX: usize = 1024;
/// Memory that one verification may take, in KiB; a stored hash that asks for more is refused.
pub const HASH_MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Memory of a new hash, in KiB (OWASP's second recommendation).
pub const HASH_MEMORY_KIB: u32 = 19 * 1024;
/// Passes of a new hash.
pub const HASH_PASSES: u32 = 2;
/// Lanes of a new hash.
pub const HASH_LANES: u32 = 1;
/// Addresses from which accounts signed in, that are remembered.
pub const KNOWN_MAX: usize = 50_000;
/// Seconds that they are.
pub const KNOWN_SECONDS: u64 = 24 * 3600;
/// The longest that the answer to a failed login waits for the leader's count, besides its delay.
pub const TALLY_WAIT: std::time::Duration = std::time::Duration::from_secs(1);
