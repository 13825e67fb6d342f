//! Facts in the past tense: one closed enum, numbered, written to this node's journal before the reply.
//!
//! Metrics and handlers read the journal; nobody is called from here.

mod journal;
pub mod limits;
mod line;
pub mod tally;

use std::net::SocketAddr;

pub use journal::{Journal, JournalError};
pub use tally::Tally;

use crate::clock::UnixMillis;
use crate::ids::{Name, SessionId};
use crate::path::VirtualPath;

/// What happened. A number never changes its meaning.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields carry the names used in the journal")]
pub enum Event {
    /// 1. A node began to serve.
    NodeStarted { version: &'static str },
    /// 2. A node ended in order.
    NodeStopped { reason: String },
    /// 10. A login was accepted.
    LoginAccepted {
        account: Name,
        peer: SocketAddr,
        service: Name,
        protocol: &'static str,
        method: &'static str,
        session: SessionId,
    },
    /// 11. A login was refused; `account` is what the peer claimed, bounded.
    LoginRefused {
        account: String,
        peer: SocketAddr,
        service: Name,
        protocol: &'static str,
        method: &'static str,
        reason: String,
    },
    /// 12. A session ended.
    SessionEnded {
        account: Name,
        peer: SocketAddr,
        protocol: &'static str,
        session: SessionId,
        reason: String,
        bytes_in: u64,
        bytes_out: u64,
    },
    /// 13. A connection was refused or ended before a login.
    ConnectionRefused {
        peer: SocketAddr,
        service: Name,
        reason: String,
    },
    /// 14. A connection was refused by a ban of its address.
    ConnectionBanned {
        peer: SocketAddr,
        service: Name,
        reason: String,
    },
    /// 20 and on. An operation on a file or folder was done, or was refused.
    FileOperation(FileOperation),
    /// 40. The catalog was changed through this node.
    CatalogChanged {
        actor: String,
        from: String,
        revision: u64,
        objects: Vec<String>,
    },
    /// 41. A change was refused.
    ChangeRefused {
        actor: String,
        from: String,
        reason: String,
    },
    /// 42. A join token was asked for; `failed`: why none was issued. The token itself is in no event.
    JoinTokenIssued {
        actor: String,
        from: String,
        valid_seconds: u64,
        failed: Option<String>,
    },
    /// 43. The removal of a node was asked for; `failed`: why it was not done, or not as far as is known.
    NodeRemoved {
        actor: String,
        from: String,
        target: String,
        failed: Option<String>,
    },
    /// 44. Moving the leadership was asked for; `failed`: why it was not moved, or not as far as is known.
    LeadershipMoved {
        actor: String,
        from: String,
        target: String,
        failed: Option<String>,
    },
    /// 45. The close of a session was asked for; `target` is its node, where one was found to have it.
    SessionCloseAsked {
        actor: String,
        from: String,
        session: String,
        target: Option<String>,
        failed: Option<String>,
    },
    /// 50. A port was opened.
    ServiceOpened { service: Name, address: SocketAddr },
    /// 51. A port was closed.
    ServiceClosed {
        service: Name,
        address: SocketAddr,
        reason: String,
    },
    /// 52. A port could not be opened.
    ServiceFailed {
        service: Name,
        address: SocketAddr,
        reason: String,
    },
    /// 55. This node began to keep a ban.
    BanBegan {
        ban: Name,
        /// A network or an account.
        target: String,
        reason: String,
        until: Option<UnixMillis>,
        automatic: bool,
    },
    /// 56. This node keeps a ban no more.
    BanEnded {
        ban: Name,
        target: String,
        reason: &'static str,
    },
    /// 57. A certificate of a service or of a trusted authority, or a revocation list, ends in so many days, or has (0).
    CertificateExpiring {
        /// `certificate`, `authority` or `revocation-list`.
        what: &'static str,
        /// Of the certificate or the authority in the catalog.
        name: Name,
        subject: String,
        not_after: UnixMillis,
        days: u32,
    },
    /// 58. A newer revocation list could not be fetched, or was not fit; told once until it succeeds.
    RevocationFetchFailed {
        authority: Name,
        url: String,
        reason: String,
    },
    /// 60. A storage could not be used as it should.
    StorageUnhealthy { storage: Name, reason: String },
}

/// One operation of one session on one path.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields carry the names used in the journal")]
pub struct FileOperation {
    pub verb: FileVerb,
    pub account: Name,
    pub peer: SocketAddr,
    pub protocol: &'static str,
    pub session: SessionId,
    pub path: VirtualPath,
    /// The second path of a rename or link.
    pub target: Option<VirtualPath>,
    /// Bytes moved, for transfers.
    pub bytes: u64,
    /// Milliseconds from open to close, for transfers.
    pub millis: u64,
    /// `None`: done; else why not.
    pub refused: Option<String>,
}

/// What was done to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum FileVerb {
    Uploaded = 20,
    Downloaded = 21,
    Listed = 22,
    Renamed = 23,
    Deleted = 24,
    FolderMade = 25,
    FolderRemoved = 26,
    AttributesSet = 27,
    Linked = 28,
    UploadAborted = 29,
    Opened = 30,
}
