//! Limits on what an account or a service may be used for: when, how much, which files, how fast.
//!
//! Holding them is left to `auth`, `vfs` and the protocols.

use super::pattern::Pattern;
use super::rare::Usual;

/// What is limited for an account, or for everybody at a service. Where both say something, both hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Bytes of one uploaded file; `None`: no limit.
    pub upload_bytes_max: Option<u64>,
    /// Only files whose name matches one of these may be uploaded, downloaded or renamed to; empty: all.
    pub files_allowed: Vec<Pattern>,
    /// Files whose name matches one of these may not; wins over the former.
    pub files_denied: Vec<Pattern>,
    /// When signing in and staying is possible; empty: always.
    pub hours: Vec<Hours>,
    /// Bytes a second that one session may send; `None`: no limit.
    pub session_upload_rate: Option<u64>,
    /// Bytes a second that one session may receive; `None`: no limit.
    pub session_download_rate: Option<u64>,
    /// Bytes a second that all sessions together may send on one node; `None`: no limit.
    pub upload_rate: Option<u64>,
    /// Bytes a second that all sessions together may receive on one node; `None`: no limit.
    pub download_rate: Option<u64>,
}

impl Usual for Restrictions {
    fn usual() -> &'static Self {
        static NONE: Restrictions = Restrictions {
            upload_bytes_max: None,
            files_allowed: Vec::new(),
            files_denied: Vec::new(),
            hours: Vec::new(),
            session_upload_rate: None,
            session_download_rate: None,
            upload_rate: None,
            download_rate: None,
        };
        &NONE
    }
}

/// Hours of some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Bit 0 is Monday, bit 6 Sunday: the day on which the hours begin. Not 0.
    pub days: u8,
    /// Minutes after midnight, 0 to 1439.
    pub from_minute: u16,
    /// Minutes after midnight, 1 to 1440, not included. Before `from_minute`: they end on the next day.
    pub to_minute: u16,
    /// IANA time zone, such as `Europe/Berlin`.
    pub zone: String,
}
