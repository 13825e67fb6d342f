//! Buffers for bytes of files on their way between the storage and the wire: given back and used again, so that a
//! read or a long packet costs no fresh pages and no clearing.
//!
//! How many bytes may be on their way is left to the protocols.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::limits::{BUFFER_BYTES, BUFFERS_KEPT_BYTES_MAX, HEAD_BYTES_MAX};

/// The buffers that nobody uses now, the last used on top: it is the one that is still in the processor's cache.
#[derive(Debug, Default)]
pub struct Buffers {
    /// One for each of [`BUFFER_BYTES`].
    shelves: [Mutex<Vec<Vec<u8>>>; BUFFER_BYTES.len()],
}

impl Buffers {
    /// A chunk of `length` bytes to be written over. What an earlier user left there is still in it: whoever takes
    /// one fills it or cuts it.
    pub fn take(self: &Arc<Self>, length: usize) -> Chunk {
        let shelf = BUFFER_BYTES.iter().position(|size| length <= *size);
        let kept = shelf.and_then(|shelf| self.shelf(shelf).pop());
        let size = shelf.map_or(length, |shelf| BUFFER_BYTES[shelf]);
        Chunk {
            bytes: kept.unwrap_or_else(|| vec![0; HEAD_BYTES_MAX + size]),
            start: HEAD_BYTES_MAX,
            end: HEAD_BYTES_MAX + length,
            home: self.clone(),
        }
    }

    fn shelf(&self, shelf: usize) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.shelves[shelf].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let size = bytes.len() - HEAD_BYTES_MAX;
        if let Some(shelf) = BUFFER_BYTES.iter().position(|known| *known == size) {
            let mut kept = self.shelf(shelf);
            if (kept.len() + 1) * size <= BUFFERS_KEPT_BYTES_MAX {
                kept.push(bytes);
            }
        }
    }
}

/// Bytes of a file, with room before them for a protocol's header.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    home: Arc<Buffers>,
}

impl Chunk {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Nothing is in it: a read at the end of the file.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Puts `head` right before the bytes, without moving them. Of a head longer than
    /// [`HEAD_BYTES_MAX`](super::limits::HEAD_BYTES_MAX) all is copied.
    pub fn headed(mut self, head: &[u8]) -> Bytes {
        match self.start.checked_sub(head.len()) {
            Some(start) => {
                self.bytes[start..self.start].copy_from_slice(head);
                self.start = start;
                Bytes::from_owner(self)
            }
            None => [head, self.as_ref()].concat().into(),
        }
    }

    /// Where the bytes are put.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Fewer bytes than asked for were there.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start + length);
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl From<Chunk> for Bytes {
    fn from(chunk: Chunk) -> Self {
        chunk.headed(&[])
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filled(buffers: &Arc<Buffers>, content: &[u8]) -> Chunk {
        let mut chunk = buffers.take(content.len() + 10);
        chunk.room()[..content.len()].copy_from_slice(content);
        chunk.truncate(content.len());
        chunk
    }

    #[test]
    fn a_header_stands_right_before_the_bytes_whatever_its_length() {
        let buffers = Arc::new(Buffers::default());
        for head in [0, 1, 13, HEAD_BYTES_MAX, HEAD_BYTES_MAX + 1] {
            let head = vec![7; head];
            let sent = filled(&buffers, b"content").headed(&head);
            assert_eq!(sent, [&head[..], b"content"].concat());
        }
    }

    #[test]
    fn a_buffer_is_used_again_and_shows_nothing_of_its_earlier_user() {
        let buffers = Arc::new(Buffers::default());
        let first = Bytes::from(filled(&buffers, b"a secret of somebody else"));
        let part = first.slice(2..8);
        drop(first);
        assert_eq!(buffers.shelf(0).len(), 0, "a part is still in use");
        drop(part);
        assert_eq!(buffers.shelf(0).len(), 1);
        let second = Bytes::from(filled(&buffers, b"mine"));
        assert_eq!(buffers.shelf(0).len(), 0);
        assert_eq!(second, &b"mine"[..]);
    }

    #[test]
    fn no_more_buffers_are_kept_than_the_limit_and_none_of_an_odd_size() {
        let buffers = Arc::new(Buffers::default());
        let kept =
            |buffers: &Buffers| -> usize { (0..BUFFER_BYTES.len()).map(|shelf| buffers.shelf(shelf).len()).sum() };
        for (shelf, size) in BUFFER_BYTES.into_iter().enumerate() {
            let before = kept(&buffers);
            let most = BUFFERS_KEPT_BYTES_MAX / size;
            let many: Vec<Chunk> = (0..most + 5).map(|_| buffers.take(size)).collect();
            drop(many);
            assert_eq!(buffers.shelf(shelf).len(), most, "{size}");
            assert_eq!(kept(&buffers), before + most, "{size}");
        }
        let before = kept(&buffers);
        drop(buffers.take(BUFFER_BYTES[3] + 1));
        assert_eq!(kept(&buffers), before);
    }
}
