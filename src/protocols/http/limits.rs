//! Bounds of HTTP; each stands here with its unit and its reason.
//!
//! What an administrator can set is in the service's settings.

use std::time::Duration;

/// Bytes of a request's head, its target included.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Requests at one time on one connection of HTTP/2.
pub const STREAMS_MAX: u32 = 100;
/// Bytes that one stream of HTTP/2 may have on its way to us before they are read.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for a whole connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes of a body that is JSON.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one read of a file for an answer, and of one write of an upload.
pub const TRANSFER_BYTES: usize = 256 * 1024;
/// Reads of a file that run at one time once the storage is seen to wait.
pub const READS_AHEAD: usize = 4;
/// Writes of an upload that wait for the storage, each of at most twice [`TRANSFER_BYTES`].
pub const WRITES_BEHIND_MAX: usize = 16;
/// Bytes of an upload's body that are read after it was refused, so that the client hears the answer instead of a
/// broken connection.
pub const DISCARD_BYTES_MAX: usize = 1024 * 1024;
/// How long a refused body is read for that.
pub const DISCARD_WAIT: Duration = Duration::from_secs(5);
/// Ranges of one request; with more the whole file is sent, as RFC 9110, 14.2 allows.
pub const RANGES_MAX: usize = 16;
/// A session that nothing was asked in for so long ends; the next request begins another.
pub const KEPT_IDLE: Duration = Duration::from_secs(60);
/// How often sessions without requests are looked for.
pub const KEPT_LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a connection is looked at.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Entries of one page of a folder, unless asked for fewer or more.
pub const PAGE_ENTRIES: usize = 1_000;
/// The most entries of one page.
pub const PAGE_ENTRIES_MAX: usize = 10_000;
/// Entries of a folder that are asked for at one time.
pub const ENTRIES_PER_STEP: usize = 512;
/// Bytes of a checksum's answer.
pub const CHECKSUM_BYTES_MAX: usize = 64;
/// Entries that one request removes or copies with their folders.
pub const TREE_ENTRIES_MAX: usize = 100_000;
/// How deep such a tree may be.
pub const TREE_DEPTH_MAX: usize = 64;
/// Bytes of what a client says of an upload in steps.
pub const NOTE_BYTES_MAX: usize = 8 * 1024;
/// How long an upload in steps is kept after its last change.
pub const UPLOAD_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long the end of a connection waits for the peer's own.
pub const LINGER_MAX: Duration = Duration::from_secs(1);
/// Bytes that are thrown away meanwhile.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a cookie that is looked at.
pub const COOKIE_BYTES_MAX: usize = 1024;
/// Bytes of a form that a page sends.
pub const FORM_BYTES_MAX: usize = 16 * 1024;
/// Entries of a folder that a page shows sorted; of larger ones it shows pages by name.
pub const SORTED_ENTRIES_MAX: usize = 50_000;
/// Rows of one page.
pub const PAGE_ROWS: usize = 500;
/// Bytes of a filter that is looked at.
pub const FILTER_BYTES_MAX: usize = 255;
/// Sessions that an account's own page lists.
pub const SESSIONS_SHOWN_MAX: usize = 100;
/// How often sessions of web sessions that have ended are looked for.
pub const ENDED_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of the XML that asks for properties or a lock.
pub const XML_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the XML that sets properties.
pub const XML_CHANGE_BYTES_MAX: usize = 256 * 1024;
/// How deep its elements may be.
pub const XML_DEPTH_MAX: usize = 64;
/// Properties that one request names.
pub const PROPERTIES_MAX: usize = 256;
/// Conditions of one `If` header.
pub const IF_CONDITIONS_MAX: usize = 128;
/// Entries of a tree whose refusals are listed in an answer; with more the request stops there.
pub const FAILURES_MAX: usize = 1_000;
/// An upload of WebDAV that took longer than this asks for locks once more before its end.
pub const UPLOAD_LONG: Duration = Duration::from_secs(1);
/// Seconds that a lock holds unless the client asks for fewer or more.
pub const LOCK_SECONDS: u32 = 600;
/// The most seconds that a lock holds before it must be renewed.
pub const LOCK_SECONDS_MAX: u32 = 3600;
