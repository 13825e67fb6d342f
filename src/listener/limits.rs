//! Bounds of the accept loop.

use std::time::Duration;

/// Connections that the kernel holds before they are accepted.
pub const BACKLOG: u32 = 1024;
/// The wait after a failed accept (no file descriptors left), so that the loop does not spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
