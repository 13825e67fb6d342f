//! Every bound of this room, with its unit and its reason.

use std::time::Duration;

/// Every node's port for other nodes.
pub const PEER_PORT: u16 = 7401;
/// Every node's port for the admin API.
pub const ADMIN_PORT: u16 = 7443;
/// Every node's port for SFTP.
pub const SFTP_PORT: u16 = 7422;
/// Every node's port for FTP in clear.
pub const FTP_PORT: u16 = 7421;
/// Every node's port for FTP with AUTH TLS.
pub const FTPS_PORT: u16 = 7420;
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
/// How long one client of a partner may take.
pub const CLIENT_MAX: Duration = Duration::from_secs(30);
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
/// How much a proxy carries at once, in bytes: about what a packet of a virtual link holds.
pub const PROXY_PIECE_BYTES: usize = 16 * 1024;
/// How often a proxy looks whether a cut link works again.
pub const PROXY_LOOK_EVERY: Duration = Duration::from_millis(5);
/// After how long a lost packet is sent again, as the kernel's shortest.
pub const RESEND_AFTER: Duration = Duration::from_millis(200);
/// The file system of a node's data folder, in bytes, where it is to be filled: the log and its reserve fit well.
pub const NODE_DISK_BYTES: u64 = 1024 * 1024 * 1024;
/// The file system of the storage, in bytes, where it is to be filled: larger than all that a run uploads.
pub const STORAGE_DISK_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// How often a member's removal is asked for before the run is given up: one that takes long is to be asked for again.
pub const REMOVAL_TRIES_MAX: u32 = 3;
/// How long a change of the configuration may take at one node.
pub const CHANGE_MAX: Duration = Duration::from_secs(10);
/// How long strace may take to hold a process.
pub const TRACED_MAX: Duration = Duration::from_secs(10);
/// How long an unfinished file of a node is waited for, for it may be finished just now.
pub const LEFT_OVER_MAX: Duration = Duration::from_secs(10);
/// How often is looked whether a node serves again.
pub const PROBE_EVERY: Duration = Duration::from_millis(100);
/// How long an election may take before a fault for the leader strikes some node.
pub const LEADER_MAX: Duration = Duration::from_secs(5);
/// How long a node's status may take: a node asks members that don't answer for 2 s.
pub const STATUS_MAX: Duration = Duration::from_secs(3);
/// Of a hundred parts of the processors, so many may other work have, or promises about time are not judged.
pub const OTHERS_MAX: u64 = 25;
/// Over so many seconds what others had is measured.
pub const OTHERS_SECONDS: usize = 5;
