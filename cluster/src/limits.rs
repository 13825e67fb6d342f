//! Every bound of this crate, with its unit and its reason.

use std::time::Duration;

/// The largest encoded command, in bytes. An `apply` of some thousand objects fits; a file does not.
pub const COMMAND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many request ids the state remembers.
pub const REQUEST_IDS_MAX: u64 = 1_000_000;
/// How long a request is retried by ourselves before it is answered as unknown.
pub const RETRY_MAX: Duration = Duration::from_secs(60);
