//! The form of a snapshot: magic, format version, head, rows in blocks, checksums. Written and read as a stream, so
//! that memory is bounded by one block besides the rows themselves.
//!
//! ```text
//! "ARGOSNAP"  8 bytes
//! format      u32 big endian, now 1
//! blocks      each: length u32, CRC-32C u32, that many bytes; the first is the head, the others rows
//! end         length 0 (u32), then SHA-256 of everything before it
//! ```
//!
//! Files, names and fsync are left to `snapshots`.

use std::io::{self, Read, Write};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use crate::envelope::wire::{Framed, StateHeadV1};
use crate::limits::{SNAPSHOT_BLOCK_BYTES, SNAPSHOT_BLOCK_BYTES_MAX};
use crate::raft::{Frozen, OnDisk, Rows, in_memory, row_hash};

const MAGIC: &[u8; 8] = b"ARGOSNAP";
const FORMAT: u32 = 1;

/// Writes a snapshot.
pub fn write(out: &mut impl Write, state: &Frozen) -> io::Result<()> {
    let mut out = Hashing {
        inner: out,
        context: Context::new(&SHA256),
    };
    out.write_all(MAGIC)?;
    out.write_all(&FORMAT.to_be_bytes())?;
    block(&mut out, &state.head.encode())?;
    let mut pending = Vec::with_capacity(SNAPSHOT_BLOCK_BYTES);
    state.each(|key, value| {
        put_part(&mut pending, key)?;
        put_part(&mut pending, value)?;
        if pending.len() >= SNAPSHOT_BLOCK_BYTES {
            block(&mut out, &pending)?;
            pending.clear();
        }
        Ok(())
    })?;
    if !pending.is_empty() {
        block(&mut out, &pending)?;
    }
    out.write_all(&0_u32.to_be_bytes())?;
    let Hashing { inner, context } = out;
    inner.write_all(context.finish().as_ref())
}

/// Reads a snapshot whole; every checksum and the state hash must fit. Each row is given to `take` with its value; the
/// result has stubs for the values that are kept on disk.
pub fn read(
    input: impl Read,
    on_disk: OnDisk,
    mut take: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
) -> io::Result<(StateHeadV1, Rows)> {
    let mut rows = Rows::new();
    let mut hash = 0_u128;
    let mut count = 0;
    let head = walk(input, |key, value| {
        hash = hash.wrapping_add(row_hash(key, value));
        count += 1;
        rows.insert(Arc::from(key), in_memory(on_disk, key, value));
        take(key, value)
    })?;
    if head.rows != count || count != rows.len() as u64 || head.state_hash != hash.to_be_bytes() {
        return Err(broken("its rows do not give the state hash that it names"));
    }
    Ok((head, rows))
}

/// Reads a snapshot through without keeping its rows; gives its head.
pub fn verify(input: impl Read) -> io::Result<StateHeadV1> {
    walk(input, |_, _| Ok(()))
}

fn walk(input: impl Read, mut row: impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<StateHeadV1> {
    let mut input = HashingReader {
        inner: io::BufReader::with_capacity(SNAPSHOT_BLOCK_BYTES, input),
        context: Context::new(&SHA256),
    };
    let mut magic = [0; 8];
    input.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(broken("it does not begin as a snapshot does"));
    }
    let format = input.number()?;
    if format != FORMAT {
        return Err(broken(&format!(
            "its format {format} is not known to this build, which knows {FORMAT}: a newer release wrote it; install \
             that release on this node"
        )));
    }
    let head = input.block()?.ok_or_else(|| broken("it has no head"))?;
    let head = StateHeadV1::decode(&Bytes::from(head)).map_err(|error| broken(&error.to_string()))?;
    while let Some(block) = input.block()? {
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let key = take_part(&mut rest)?;
            let value = take_part(&mut rest)?;
            row(key, value)?;
        }
    }
    let HashingReader { mut inner, context } = input;
    let mut checksum = [0; 32];
    inner.read_exact(&mut checksum)?;
    if checksum != context.finish().as_ref() {
        return Err(broken("its checksum does not fit"));
    }
    Ok(head)
}

fn put_part(out: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    let length = u32::try_from(part.len()).map_err(|_| broken("a row is over 4 GiB"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(part);
    Ok(())
}

fn take_part<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk().ok_or_else(|| broken("a row is cut off"))?;
    let length = u32::from_be_bytes(*length) as usize;
    let (part, tail) = tail
        .split_at_checked(length)
        .ok_or_else(|| broken("a row is cut off"))?;
    *rest = tail;
    Ok(part)
}

fn block(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > SNAPSHOT_BLOCK_BYTES_MAX {
        return Err(broken("a row is too large"));
    }
    out.write_all(&(bytes.len() as u32).to_be_bytes())?;
    out.write_all(&crc32c::crc32c(bytes).to_be_bytes())?;
    out.write_all(bytes)
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the snapshot cannot be used: {reason}"),
    )
}

struct Hashing<'a, W> {
    inner: &'a mut W,
    context: Context,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct HashingReader<R> {
    inner: R,
    context: Context,
}

impl<R: Read> HashingReader<R> {
    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The next block, its checksum tested; `None` at the end.
    fn block(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = self.number()? as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > SNAPSHOT_BLOCK_BYTES_MAX {
            return Err(broken("a block is too large"));
        }
        let checksum = self.number()?;
        let mut bytes = vec![0; length];
        self.read_exact(&mut bytes)?;
        if crc32c::crc32c(&bytes) != checksum {
            return Err(broken("the checksum of a block does not fit"));
        }
        Ok(Some(bytes))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.context.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sim::MemoryValues;

    fn on_disk(key: &[u8]) -> bool {
        key[3].is_multiple_of(3)
    }

    fn sample() -> Frozen {
        let (mut rows, mut values) = (Rows::new(), Rows::new());
        for n in 0_u32..5_000 {
            let (key, value) = (n.to_be_bytes(), vec![7; n as usize % 300]);
            rows.insert(Arc::from(key.as_slice()), in_memory(on_disk, &key, &value));
            values.insert(Arc::from(key.as_slice()), value.into());
        }
        let head = StateHeadV1 {
            rows: rows.len() as u64,
            state_hash: crate::raft::hash_of(&rows, on_disk).to_be_bytes(),
            ..StateHeadV1::default()
        };
        Frozen {
            head,
            rows,
            values: Arc::new(MemoryValues(values)),
            on_disk,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let state = sample();
        let mut bytes = Vec::new();
        write(&mut bytes, &state).unwrap();
        let mut values = Rows::new();
        let take = |key: &[u8], value: &[u8]| {
            values.insert(Arc::from(key), Arc::from(value));
            Ok(())
        };
        let (head, rows) = read(bytes.as_slice(), on_disk, take).unwrap();
        assert_eq!((head, rows), (state.head, state.rows));
        assert_eq!(values.len(), 5_000);
        assert!(values.iter().all(|(_, value)| value.iter().all(|byte| *byte == 7)));
    }

    #[test]
    fn a_value_on_disk_that_is_gone_or_changed_makes_no_snapshot() {
        for value in [None, Some(Arc::from(b"another".as_slice()))] {
            let mut state = sample();
            let key: Arc<[u8]> = Arc::from(3_u32.to_be_bytes().as_slice());
            state.values = Arc::new(MemoryValues(
                value.map_or_else(Rows::new, |value| Rows::unit(key, value)),
            ));
            assert!(write(&mut Vec::new(), &state).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let state = sample();
        let mut bytes = Vec::new();
        write(&mut bytes, &state).unwrap();
        for at in (0..bytes.len()).step_by(997) {
            bytes[at] ^= 0x10;
            assert!(
                read(bytes.as_slice(), on_disk, |_, _| Ok(())).is_err(),
                "bit flipped at {at}"
            );
            bytes[at] ^= 0x10;
        }
    }

    #[test]
    fn a_snapshot_that_is_cut_off_is_refused() {
        let state = sample();
        let mut bytes = Vec::new();
        write(&mut bytes, &state).unwrap();
        for keep in [0, 7, 11, 40, bytes.len() / 2, bytes.len() - 1] {
            assert!(read(&bytes[..keep], on_disk, |_, _| Ok(())).is_err(), "cut at {keep}");
        }
    }
}
