//! Every bound of this room, with its unit and its reason.

use std::time::Duration;

/// Every node's port for other nodes.
pub const PEER_PORT: u16 = 7401;
/// Every node's port for the admin API.
pub const ADMIN_PORT: u16 = 7443;
/// Every node's port for SFTP.
pub const SFTP_PORT: u16 = 7422;
/// How long a node may take to be ready.
pub const START_MAX: Duration = Duration::from_secs(40);
/// How long a client waits for one answer.
pub const ANSWER_MAX: Duration = Duration::from_millis(1_500);
/// How long a connection may take.
pub const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How many changes of a node's history are read at once.
pub const HISTORY_PAGE: u64 = 1_000;
/// How many pages a history may have: the product keeps 10,000 changes.
pub const HISTORY_PAGES_MAX: u64 = 100;
/// How long a page may take.
pub const PAGE_MAX: Duration = Duration::from_secs(10);
/// How often a write is asked, with one request id.
pub const TRIES_MAX: u32 = 4;
/// How many operations a register gets before the next is used.
pub const OPERATIONS_PER_KEY: u64 = 150;
/// How long one SFTP client may take.
pub const SFTP_MAX: Duration = Duration::from_secs(30);
/// The largest uploaded file, in bytes.
pub const FILE_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// How often the oracle looks at every node.
pub const WATCH_EVERY: Duration = Duration::from_millis(250);
/// How long all nodes may take to come to the same end.
pub const SETTLE_MAX: Duration = Duration::from_secs(20);
/// How long a disabled account's session may live on nodes that the leader reaches: the promise, and what a client and
/// a busy machine need to notice.
pub const REVOKED_MAX: Duration = Duration::from_millis(1_000);
/// For longer than this the machine itself may not stand still, or promises about time are not judged.
pub const STALL_MAX: Duration = Duration::from_millis(300);
