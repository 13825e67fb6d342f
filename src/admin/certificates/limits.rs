//! Bounds of what is taken and made here.

/// Bytes of a chain in PEM: every certificate at its limit, in base64 with its lines.
pub const CHAIN_TEXT_BYTES_MAX: usize =
    crate::x509::limits::CHAIN_MAX * crate::x509::limits::CERTIFICATE_BYTES_MAX * 3 / 2;
/// Bytes of a revocation list in PEM.
pub const REVOCATION_TEXT_BYTES_MAX: usize = crate::x509::limits::REVOCATION_BYTES_MAX * 3 / 2;
/// Bytes of all revocation lists of one authority, in DER: it must fit into one change.
pub const REVOCATIONS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a PKCS#12 file in base64.
pub const PKCS12_TEXT_BYTES_MAX: usize = 256 * 1024;
/// Iterations that deriving all keys of a PKCS#12 file may take: about a second.
pub const PKCS12_ITERATIONS_MAX: u32 = 4_000_000;
/// Parts and bags of a PKCS#12 file.
pub const PKCS12_PARTS_MAX: usize = 64;
/// Names in a certificate or a request that is made here.
pub const NAMES_MAX: usize = 50;
/// Days that a self-signed certificate holds, at most.
pub const SELF_SIGNED_DAYS_MAX: u32 = 3_650;
/// Days that it holds unless told otherwise.
pub const SELF_SIGNED_DAYS: u32 = 365;
/// How far a certificate's beginning may lie ahead: clocks differ.
pub const AHEAD_MILLIS_MAX: i64 = 5 * 60 * 1000;
