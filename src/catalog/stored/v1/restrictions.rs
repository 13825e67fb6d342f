//! Restrictions and patterns in format version 1.

use serde::{Deserialize, Serialize};

use super::all;
use crate::catalog::pattern::{Scope, Syntax};
use crate::catalog::{Hours, Pattern, Restrictions};

#[derive(Serialize, Deserialize)]
pub(super) struct RestrictionsV1 {
    upload_bytes_max: Option<u64>,
    files_allowed: Vec<PatternV1>,
    files_denied: Vec<PatternV1>,
    hours: Vec<HoursV1>,
    session_upload_rate: Option<u64>,
    session_download_rate: Option<u64>,
    upload_rate: Option<u64>,
    download_rate: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct HoursV1 {
    days: u8,
    from_minute: u16,
    to_minute: u16,
    zone: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PatternV1 {
    regex: bool,
    source: String,
}

impl From<&Pattern> for PatternV1 {
    fn from(pattern: &Pattern) -> Self {
        Self {
            regex: pattern.syntax() == Syntax::Regex,
            source: pattern.source().to_owned(),
        }
    }
}

impl PatternV1 {
    pub(super) fn pattern(self, scope: Scope) -> Result<Pattern, String> {
        let syntax = if self.regex { Syntax::Regex } else { Syntax::Glob };
        Pattern::parse(syntax, scope, &self.source).map_err(|reason| format!("the pattern `{}` {reason}", self.source))
    }
}

impl From<&Restrictions> for RestrictionsV1 {
    fn from(restrictions: &Restrictions) -> Self {
        let hours = |hours: &Hours| HoursV1 {
            days: hours.days,
            from_minute: hours.from_minute,
            to_minute: hours.to_minute,
            zone: hours.zone.clone(),
        };
        Self {
            upload_bytes_max: restrictions.upload_bytes_max,
            files_allowed: restrictions.files_allowed.iter().map(PatternV1::from).collect(),
            files_denied: restrictions.files_denied.iter().map(PatternV1::from).collect(),
            hours: restrictions.hours.iter().map(hours).collect(),
            session_upload_rate: restrictions.session_upload_rate,
            session_download_rate: restrictions.session_download_rate,
            upload_rate: restrictions.upload_rate,
            download_rate: restrictions.download_rate,
        }
    }
}

impl TryFrom<RestrictionsV1> for Restrictions {
    type Error = String;
    fn try_from(stored: RestrictionsV1) -> Result<Self, String> {
        let file = |pattern: PatternV1| pattern.pattern(Scope::FileName);
        let hours = |hours: HoursV1| Hours {
            days: hours.days,
            from_minute: hours.from_minute,
            to_minute: hours.to_minute,
            zone: hours.zone,
        };
        Ok(Self {
            upload_bytes_max: stored.upload_bytes_max,
            files_allowed: all(stored.files_allowed, file)?,
            files_denied: all(stored.files_denied, file)?,
            hours: stored.hours.into_iter().map(hours).collect(),
            session_upload_rate: stored.session_upload_rate,
            session_download_rate: stored.session_download_rate,
            upload_rate: stored.upload_rate,
            download_rate: stored.download_rate,
        })
    }
}
