//! History rows in format version 1.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{KeyV1, ObjectV1};
use crate::catalog::history::Record;
use crate::clock::UnixMillis;

#[derive(Serialize, Deserialize)]
pub(in crate::catalog::stored) struct RecordV1 {
    revision: u64,
    actor: String,
    from: Option<IpAddr>,
    at: i64,
    key: KeyV1,
    before: Option<ObjectV1>,
    after: Option<ObjectV1>,
}

impl From<&Record> for RecordV1 {
    fn from(record: &Record) -> Self {
        Self {
            revision: record.revision,
            actor: record.actor.clone(),
            from: record.from,
            at: record.at.0,
            key: (&record.key).into(),
            before: record.before.as_ref().map(ObjectV1::from),
            after: record.after.as_ref().map(ObjectV1::from),
        }
    }
}

impl TryFrom<RecordV1> for Record {
    type Error = String;
    fn try_from(stored: RecordV1) -> Result<Self, String> {
        Ok(Self {
            revision: stored.revision,
            actor: stored.actor,
            from: stored.from,
            at: UnixMillis(stored.at),
            key: stored.key.try_into()?,
            before: stored.before.map(TryInto::try_into).transpose()?,
            after: stored.after.map(TryInto::try_into).transpose()?,
        })
    }
}
