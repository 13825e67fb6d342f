//! Reading the machine's stored rows by key: bounded, and off the async threads.
//!
//! What the rows mean is left to the machine.

use std::io;
use std::ops::{Bound, Range};
use std::sync::Arc;

use super::running::Node;
use super::{Row, RowsAsk};
use crate::limits::{ROWS_READ_BYTES_MAX, ROWS_READ_MAX};
use crate::raft::{AppliedStore, MACHINE_ROWS, OnDisk, Rows, on_disk, stub};
use crate::{ReadError, StateMachine};

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::rows`](crate::Cluster::rows).
    pub(super) async fn rows(&self, ask: RowsAsk) -> Result<Vec<Row>, ReadError> {
        let (rows, store) = (self.core.rows(), self.core.applied_store());
        let reading = tokio::task::spawn_blocking(move || read(&rows, &ask, on_disk::<M>, &*store));
        let failed = |error: &dyn std::fmt::Display| ReadError {
            reason: format!("rows cannot be read from the disk of this node: {error}"),
        };
        let read = reading.await.map_err(|error| failed(&error))?;
        read.map_err(|error| failed(&error))
    }
}

fn read(rows: &Rows, ask: &RowsAsk, on_disk: OnDisk, store: &dyn AppliedStore) -> io::Result<Vec<Row>> {
    let Range { start, end } = range(ask);
    if start >= end {
        return Ok(Vec::new());
    }
    let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&start), Bound::Excluded(&end));
    let found = rows.range::<_, [u8]>(bounds);
    let value = |key: &[u8], stands: &Arc<[u8]>| {
        if !on_disk(key) {
            return Ok(Some(stands.clone()));
        }
        // A row that was removed since this picture of the state was made is left out.
        let value = store.value(key)?;
        Ok(value.filter(|value| **stands == stub(key, value)))
    };
    if ask.reverse {
        take(found.rev(), ask.limit, value)
    } else {
        take(found, ask.limit, value)
    }
}

fn take<'a>(
    found: impl Iterator<Item = (&'a Arc<[u8]>, &'a Arc<[u8]>)>,
    limit: usize,
    value: impl Fn(&[u8], &Arc<[u8]>) -> io::Result<Option<Arc<[u8]>>>,
) -> io::Result<Vec<Row>> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for (key, stands) in found {
        if taken.len() >= limit.min(ROWS_READ_MAX) {
            break;
        }
        let Some(value) = value(key, stands)? else { continue };
        bytes += key.len() + value.len();
        if bytes > ROWS_READ_BYTES_MAX && !taken.is_empty() {
            break;
        }
        taken.push(Row {
            key: key[1..].to_vec(),
            value: value.to_vec(),
        });
    }
    Ok(taken)
}

/// The stored keys that are asked for.
fn range(ask: &RowsAsk) -> Range<Vec<u8>> {
    let stored = |key: &[u8]| [&[MACHINE_ROWS], key].concat();
    let mut start = stored(&ask.prefix);
    let mut end = after_all(&start);
    match &ask.from {
        None => {}
        Some(from) if ask.reverse => {
            // The smallest key after `from` itself.
            let mut beyond = stored(from);
            beyond.push(0);
            end = end.min(beyond);
        }
        Some(from) => start = start.max(stored(from)),
    }
    start..end
}

/// The smallest key after all that begin with `prefix`. The machine's own first byte is not 255, so there is one.
fn after_all(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sim::MemoryStore;

    fn sample() -> Rows {
        let keys: [&[u8]; 9] = [
            b"la",
            b"ma",
            b"mh\x01",
            b"mh\x02",
            b"mh\x02\x00",
            b"mh\x03",
            b"mh\xff\xff",
            b"mi",
            b"na",
        ];
        keys.map(|key| (Arc::<[u8]>::from(key), Arc::<[u8]>::from(key)))
            .into_iter()
            .collect()
    }

    fn check(prefix: &[u8], from: Option<&[u8]>, limit: usize, reverse: bool, expected: &[&[u8]]) {
        let ask = RowsAsk {
            prefix: prefix.to_vec(),
            from: from.map(<[u8]>::to_vec),
            limit,
            reverse,
        };
        let found: Vec<_> = read(&sample(), &ask, |_| false, &MemoryStore::new(|_| false))
            .unwrap()
            .into_iter()
            .map(|row| row.key)
            .collect();
        assert_eq!(found, expected, "{ask:?}");
    }

    #[test]
    fn rows_are_read_by_prefix_from_a_key_in_both_directions() {
        let all: [&[u8]; 5] = [b"h\x01", b"h\x02", b"h\x02\x00", b"h\x03", b"h\xff\xff"];
        check(b"h", None, 10, false, &all);
        check(b"h", None, 2, false, &all[..2]);
        check(b"h", Some(b"h\x02"), 10, false, &all[1..]);
        check(b"h", Some(b"h\x02"), 10, true, &[all[1], all[0]]);
        check(b"h", Some(b"h\x02\x01"), 1, true, &[all[2]]);
        check(b"h", None, 2, true, &[all[4], all[3]]);
        check(b"h\xff", None, 10, false, &all[4..]);
        check(b"h", Some(b"a"), 1, false, &all[..1]);
        check(b"h", Some(b"a"), 10, true, &[]);
        check(b"h", Some(b"z"), 10, false, &[]);
        check(b"h", Some(b"z"), 1, true, &all[4..]);
        check(
            b"",
            None,
            10,
            false,
            &[b"a", all[0], all[1], all[2], all[3], all[4], b"i"],
        );
        check(b"h", None, 0, false, &[]);
    }
}
