//! Which bytes of an upload were written: an interrupted one is cut to what is whole from its beginning.
//!
//! Clients send pieces ahead; a client that resumes trusts the size, so no gap may lie below it.

use std::collections::BTreeMap;

use super::limits::PIECES_MAX;

/// What was written so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    /// Everything below this was written.
    whole: u64,
    /// Pieces beyond: start to end.
    beyond: BTreeMap<u64, u64>,
}

impl Pieces {
    /// An upload that goes on at `whole` bytes.
    pub(super) fn from_whole(whole: u64) -> Self {
        Self {
            whole,
            beyond: BTreeMap::new(),
        }
    }

    /// The bytes that are whole from the beginning.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// Bytes from `start` to `end` were written.
    pub(super) fn wrote(&mut self, start: u64, end: u64) {
        if start > self.whole {
            if self.beyond.len() < PIECES_MAX {
                let longest = self.beyond.entry(start).or_insert(end);
                *longest = end.max(*longest);
            }
            return;
        }
        self.whole = self.whole.max(end);
        while let Some(piece) = self.beyond.first_entry() {
            if *piece.key() > self.whole {
                break;
            }
            self.whole = self.whole.max(piece.remove());
        }
    }

    /// The file was cut or grown to `size`.
    pub(super) fn resized(&mut self, size: u64) {
        self.whole = self.whole.min(size);
        self.beyond = std::mem::take(&mut self.beyond)
            .into_iter()
            .filter(|(start, _)| *start < size)
            .map(|(start, end)| (start, end.min(size)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &[(u64, u64)], whole: u64) {
        let mut pieces = Pieces::default();
        for (start, end) in written {
            pieces.wrote(*start, *end);
        }
        assert_eq!(pieces.whole(), whole, "{written:?}");
    }

    #[test]
    fn only_what_is_whole_from_the_beginning_counts() {
        check(&[], 0);
        check(&[(0, 10)], 10);
        check(&[(10, 20)], 0);
        check(&[(10, 20), (0, 10)], 20);
        check(&[(20, 30), (10, 20), (0, 5)], 5);
        check(&[(20, 30), (10, 20), (0, 10)], 30);
        check(&[(0, 10), (5, 8)], 10);
        check(&[(4, 6), (4, 9), (0, 4)], 9);
    }

    #[test]
    fn more_pieces_than_are_remembered_cut_shorter_and_never_longer() {
        let mut pieces = Pieces::default();
        for piece in (1..=2 * PIECES_MAX as u64).rev() {
            pieces.wrote(piece * 10, piece * 10 + 10);
        }
        assert!(pieces.beyond.len() <= PIECES_MAX);
        pieces.wrote(0, 10);
        assert_eq!(pieces.whole(), 10);
    }

    #[test]
    fn a_cut_forgets_what_lay_beyond() {
        let mut pieces = Pieces::default();
        pieces.wrote(0, 10);
        pieces.wrote(20, 30);
        pieces.resized(25);
        pieces.wrote(10, 20);
        assert_eq!(pieces.whole(), 25);
        pieces.resized(3);
        assert_eq!(pieces, Pieces::from_whole(3));
    }
}
