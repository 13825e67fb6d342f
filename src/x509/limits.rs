//! Bounds of certificates and revocation lists.

/// Bytes of one certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// Certificates in one chain.
pub const CHAIN_MAX: usize = 8;
/// Alternative names that are read of a certificate; one that has more is refused.
pub const NAMES_MAX: usize = 200;
/// Bytes of one name, written out.
pub const NAME_BYTES_MAX: usize = 1024;
/// Bytes of one revocation list.
pub const REVOCATION_BYTES_MAX: usize = 1024 * 1024;
/// The fewest and the most bits of an RSA key.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
