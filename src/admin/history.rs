//! Reads the history's rows: who changed what, and what the catalog was at a revision.
//!
//! Rows are written by the catalog as it applies; answering them is left to `routes::history`.

use std::collections::BTreeMap;

use argosy_cluster::RowsAsk;

use super::problem::{Problem, ProblemKind};
use super::{AdminApi, limits};
use crate::catalog::history::{ROW_PREFIX, Record, parse_row_key, row_key};
use crate::catalog::stored::decode_record;
use crate::catalog::{Object, ObjectKey, Spec};

/// A record and its place among those of its revision.
pub type Placed = (u32, Record);

/// One read: at most `limit` records from `from` (itself included) on, in the order asked for. Fewer do not mean the
/// end, none does.
pub async fn read(
    api: &AdminApi,
    from: Option<(u64, u32)>,
    limit: usize,
    reverse: bool,
) -> Result<Vec<Placed>, Problem> {
    let ask = RowsAsk {
        prefix: ROW_PREFIX.to_vec(),
        from: from.map(|(revision, index)| row_key(revision, index)),
        limit,
        reverse,
    };
    let rows = api
        .cluster
        .rows(ask)
        .await
        .map_err(|error| Problem::from_read(&error))?;
    let decoded = tokio::task::spawn_blocking(move || {
        rows.into_iter()
            .filter_map(|row| Some((parse_row_key(&row.key)?.1, decode_record(&row.value))))
            .map(|(index, record)| Ok((index, record?)))
            .collect::<Result<Vec<_>, argosy_cluster::CodecError>>()
    });
    decoded
        .await
        .map_err(|_| Problem::new(ProblemKind::Internal, "the node is stopping"))?
        .map_err(|error| Problem::new(ProblemKind::Internal, format!("the history cannot be read: {error}")))
}

/// The oldest revision that is kept; `None`: the history is empty.
pub async fn oldest(api: &AdminApi) -> Result<Option<u64>, Problem> {
    Ok(read(api, None, 1, false)
        .await?
        .first()
        .map(|(_, record)| record.revision))
}

/// The place behind `at`, in the order of reading; `None`: there is none.
pub fn behind(at: (u64, u32), reverse: bool) -> Option<(u64, u32)> {
    let (revision, index) = at;
    if reverse {
        match (index.checked_sub(1), revision.checked_sub(1)) {
            (Some(index), _) => Some((revision, index)),
            (None, Some(revision)) => Some((revision, u32::MAX)),
            (None, None) => None,
        }
    } else {
        Some(
            index
                .checked_add(1)
                .map_or((revision.saturating_add(1), 0), |index| (revision, index)),
        )
    }
}

/// All records of one revision.
pub async fn of_revision(api: &AdminApi, revision: u64) -> Result<Vec<Placed>, Problem> {
    let mut found: Vec<Placed> = Vec::new();
    let mut from = Some((revision, 0));
    while let Some(at) = from {
        let read = read(api, Some(at), limits::HISTORY_READ, false).await?;
        let Some(last) = read.last().map(|(index, record)| (record.revision, *index)) else {
            break;
        };
        found.extend(read.into_iter().filter(|(_, record)| record.revision == revision));
        from = if last.0 == revision { behind(last, false) } else { None };
    }
    if found.is_empty() {
        kept(api, revision).await?;
        let detail = format!("revision {revision} changed no object");
        return Err(Problem::new(ProblemKind::NotFound, detail));
    }
    Ok(found)
}

/// Refuses a revision whose state is not known any more, or not yet.
pub async fn kept(api: &AdminApi, revision: u64) -> Result<(), Problem> {
    let now = api.cluster.view().revision;
    if revision > now {
        let detail = format!("revision {revision} is not made yet; the newest is {now}");
        return Err(Problem::new(ProblemKind::NotFound, detail).with("newest", now));
    }
    match oldest(api).await? {
        Some(oldest) if revision < oldest => {
            let detail = format!("revision {revision} is gone from the history; the oldest that is kept is {oldest}");
            Err(Problem::new(ProblemKind::Gone, detail).with("oldest", oldest))
        }
        _ => Ok(()),
    }
}

/// An object that was changed after a revision.
#[derive(Debug, Clone)]
pub struct Touched {
    /// What it was at that revision; `None`: nothing.
    pub was: Option<Object<Spec>>,
    /// What it is since its last change; `None`: nothing.
    pub now: Option<Object<Spec>>,
    /// The revision of its last change.
    pub changed: u64,
}

/// What was changed after a revision.
pub type Since = BTreeMap<ObjectKey, Touched>;

/// Everything that was changed after `revision`; `only`: these objects, if any are named.
pub async fn since(api: &AdminApi, revision: u64, only: &[ObjectKey]) -> Result<Since, Problem> {
    kept(api, revision).await?;
    let mut found = Since::new();
    let mut from = Some((u64::MAX, u32::MAX));
    while let Some(at) = from {
        let read = read(api, Some(at), limits::HISTORY_READ, true).await?;
        from = read
            .last()
            .and_then(|(index, record)| behind((record.revision, *index), true));
        for (_, record) in read {
            if record.revision <= revision {
                return Ok(found);
            }
            if !only.is_empty() && !only.contains(&record.key) {
                continue;
            }
            found
                .entry(record.key)
                .and_modify(|touched| touched.was = record.before.clone())
                .or_insert(Touched {
                    was: record.before,
                    now: record.after,
                    changed: record.revision,
                });
            if found.len() > crate::catalog::limits::STEPS_MAX {
                let detail = format!(
                    "more than {} objects were changed after revision {revision}; name objects, or go back in steps",
                    crate::catalog::limits::STEPS_MAX
                );
                return Err(Problem::new(ProblemKind::TooLarge, detail));
            }
        }
    }
    Ok(found)
}
