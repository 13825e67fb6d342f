//! Which entries of a folder a page shows: sorted and filtered where it is small enough, by name page after page where
//! it is not. Memory is bounded by [`SORTED_ENTRIES_MAX`], whatever the folder holds.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::protocols::http::limits::{ENTRIES_PER_STEP, FILTER_BYTES_MAX, PAGE_ROWS, SORTED_ENTRIES_MAX};
use crate::protocols::http::target::Query;
use crate::vfs::{Attributes, Entry, FileType, Listing, VfsError};

/// By what a folder is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Without regard to upper and lower case.
    Name,
    /// In bytes.
    Size,
    /// By the last change.
    Modified,
}

impl Sort {
    /// All, in the order of the columns, with their words in links.
    pub(super) const ALL: [(Self, &str, &str); 3] = [
        (Self::Name, "name", "Name"),
        (Self::Size, "size", "Size"),
        (Self::Modified, "modified", "Modified"),
    ];
}

/// What a page was asked to show.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) sort: Sort,
    pub(super) descending: bool,
    /// Part of a name; empty: all.
    pub(super) filter: String,
    /// From 0.
    pub(super) page: usize,
    /// In a large folder: names after this one.
    pub(super) after: Option<Vec<u8>>,
}

impl Wish {
    /// What a query says; what makes no sense in it is left out.
    pub(super) fn of(query: &Query) -> Self {
        let text = |name| String::from_utf8_lossy(query.get(name).unwrap_or_default()).into_owned();
        let word = text("sort");
        let sort = Sort::ALL.iter().find(|(_, of, _)| *of == word);
        let mut filter = text("q").trim().to_owned();
        while filter.len() > FILTER_BYTES_MAX {
            filter.pop();
        }
        Self {
            sort: sort.map_or(Sort::Name, |(sort, _, _)| *sort),
            descending: text("order") == "desc",
            filter,
            page: text("page").parse::<usize>().unwrap_or(1).saturating_sub(1),
            after: query.get("after").map(<[u8]>::to_vec),
        }
    }
}

/// What a page shows.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) rows: Vec<Entry>,
    /// How many entries fit the filter.
    pub(super) fitting: usize,
    /// How many the folder has.
    pub(super) all: usize,
    /// It is too large to be sorted; `rows` are by name.
    pub(super) large: bool,
    /// More follow.
    pub(super) more: bool,
    /// The page that was shown; another than wished where that would be empty.
    pub(super) page: usize,
}

/// Reads the folder to its end.
pub(super) async fn gather(mut listing: Listing, wish: &Wish) -> Result<Gathered, VfsError> {
    let mut gathering = Gathering::new(wish, SORTED_ENTRIES_MAX, PAGE_ROWS);
    loop {
        let entries = listing.next(ENTRIES_PER_STEP).await?;
        if entries.is_empty() {
            return Ok(gathering.finish());
        }
        for entry in entries {
            gathering.put(entry);
        }
    }
}

struct Gathering<'a> {
    wish: &'a Wish,
    filter: String,
    sorted_max: usize,
    rows_max: usize,
    held: Vec<Entry>,
    /// Once there were too many: the first by name after the wish's `after`, one more than fit a page.
    first: Option<BTreeMap<Bytes, Attributes>>,
    fitting: usize,
    all: usize,
}

impl<'a> Gathering<'a> {
    fn new(wish: &'a Wish, sorted_max: usize, rows_max: usize) -> Self {
        Self {
            wish,
            filter: wish.filter.to_lowercase(),
            sorted_max,
            rows_max,
            held: Vec::new(),
            first: None,
            fitting: 0,
            all: 0,
        }
    }

    fn put(&mut self, entry: Entry) {
        self.all += 1;
        let fits = self.filter.is_empty() || lower(&entry.name).contains(&self.filter);
        if !fits {
            return;
        }
        self.fitting += 1;
        if self.first.is_none() {
            self.held.push(entry);
            if self.held.len() > self.sorted_max {
                self.first = Some(BTreeMap::new());
                for entry in std::mem::take(&mut self.held) {
                    self.put_large(entry);
                }
            }
        } else {
            self.put_large(entry);
        }
    }

    fn put_large(&mut self, entry: Entry) {
        let Some(first) = &mut self.first else { return };
        let passed = self.wish.after.as_ref().is_some_and(|after| *entry.name <= **after);
        let full = first.len() > self.rows_max;
        let too_late = full && first.last_key_value().is_some_and(|(last, _)| *last <= entry.name);
        if passed || too_late {
            return;
        }
        first.insert(entry.name, entry.attributes);
        if first.len() > self.rows_max + 1 {
            first.pop_last();
        }
    }

    fn finish(self) -> Gathered {
        let (fitting, all, rows_max) = (self.fitting, self.all, self.rows_max);
        if let Some(first) = self.first {
            let more = first.len() > rows_max;
            let entries = first.into_iter().map(|(name, attributes)| Entry { name, attributes });
            return Gathered {
                rows: entries.take(rows_max).collect(),
                fitting,
                all,
                large: true,
                more,
                page: 0,
            };
        }
        let mut held: Vec<(String, Entry)> = self.held.into_iter().map(|entry| (lower(&entry.name), entry)).collect();
        held.sort_by(|a, b| order(self.wish, a, b));
        let page = self.wish.page.min(fitting.saturating_sub(1) / rows_max);
        let rows = held.into_iter().map(|(_, entry)| entry).skip(page * rows_max);
        Gathered {
            rows: rows.take(rows_max).collect(),
            fitting,
            all,
            large: false,
            more: (page + 1) * rows_max < fitting,
            page,
        }
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

/// Folders stand first, whatever the order.
fn order(wish: &Wish, a: &(String, Entry), b: &(String, Entry)) -> Ordering {
    let is_file = |entry: &Entry| entry.attributes.file_type != FileType::Folder;
    let kind = is_file(&a.1).cmp(&is_file(&b.1));
    let by_name = || natural(&a.0, &b.0).then_with(|| a.1.name.cmp(&b.1.name));
    let by_wish = match wish.sort {
        Sort::Name => by_name(),
        Sort::Size if is_file(&a.1) && is_file(&b.1) => a.1.attributes.size.cmp(&b.1.attributes.size),
        Sort::Size => Ordering::Equal,
        Sort::Modified => a.1.attributes.modified.cmp(&b.1.attributes.modified),
    };
    let by_wish = if wish.descending { by_wish.reverse() } else { by_wish };
    kind.then(by_wish).then_with(by_name)
}

/// Numbers in names count as numbers: `a2` stands before `a10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(left), Some(right)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len());
        };
        if left.is_ascii_digit() && right.is_ascii_digit() {
            let (first, rest_a) = number(a);
            let (second, rest_b) = number(b);
            let by_number = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
            if by_number != Ordering::Equal {
                return by_number;
            }
            (a, b) = (rest_a, rest_b);
        } else if left == right {
            a = &a[left.len_utf8()..];
            b = &b[right.len_utf8()..];
        } else {
            return left.cmp(&right);
        }
    }
}

/// The digits at the beginning, without leading zeros, and the rest.
fn number(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn entry(name: &str, file_type: FileType, size: u64) -> Entry {
        Entry {
            name: Bytes::copy_from_slice(name.as_bytes()),
            attributes: Attributes {
                file_type,
                size,
                mode: 0,
                uid: 0,
                gid: 0,
                accessed: UnixMillis(0),
                modified: UnixMillis(i64::try_from(size).unwrap()),
                links: 1,
                mark: 0,
            },
        }
    }

    fn shown(query: &str, sorted_max: usize, rows_max: usize) -> (Vec<String>, Gathered) {
        let wish = Wish::of(&Query::parse(Some(query)).unwrap());
        let mut gathering = Gathering::new(&wish, sorted_max, rows_max);
        for (name, file_type, size) in [
            ("b10", FileType::File, 5),
            ("B2", FileType::File, 9),
            ("zoo", FileType::Folder, 0),
            ("a", FileType::File, 7),
            ("Äpfel", FileType::File, 1),
        ] {
            gathering.put(entry(name, file_type, size));
        }
        let gathered = gathering.finish();
        let names = gathered
            .rows
            .iter()
            .map(|row| String::from_utf8_lossy(&row.name).into_owned());
        (names.collect(), gathered)
    }

    #[test]
    fn a_folder_is_sorted_as_was_asked_with_folders_first() {
        for (query, expected) in [
            ("", "zoo a B2 b10 Äpfel"),
            ("order=desc", "zoo Äpfel b10 B2 a"),
            ("sort=size", "zoo Äpfel b10 a B2"),
            ("sort=modified&order=desc", "zoo B2 a b10 Äpfel"),
            ("sort=nonsense&page=x", "zoo a B2 b10 Äpfel"),
            ("q=b", "B2 b10"),
            ("q=%C3%A4P", "Äpfel"),
        ] {
            assert_eq!(shown(query, 9, 9).0.join(" "), expected, "{query}");
        }
    }

    #[test]
    fn pages_follow_one_another_and_none_is_empty() {
        let (first, gathered) = shown("", 9, 2);
        assert_eq!(
            (first.join(" "), gathered.more, gathered.fitting),
            ("zoo a".to_owned(), true, 5)
        );
        let (last, gathered) = shown("page=77", 9, 2);
        assert_eq!(
            (last.join(" "), gathered.more, gathered.page),
            ("Äpfel".to_owned(), false, 2)
        );
    }

    #[test]
    fn a_folder_that_is_too_large_comes_by_name_page_after_page() {
        let (first, gathered) = shown("sort=size", 3, 2);
        assert_eq!(
            (first.join(" "), gathered.large, gathered.more),
            ("B2 a".to_owned(), true, true)
        );
        let (second, gathered) = shown("after=a", 3, 2);
        assert_eq!((second.join(" "), gathered.more), ("b10 zoo".to_owned(), true));
        let (last, gathered) = shown("after=zoo", 3, 2);
        assert_eq!(
            (last.join(" "), gathered.more, gathered.all),
            ("Äpfel".to_owned(), false, 5)
        );
    }
}
