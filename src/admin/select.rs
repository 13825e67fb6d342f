//! What a list shows: a page, of a name pattern and of filters. Read strictly: an unknown option is refused.
//!
//! Which filters a kind has is left to `shapes`; what is read, to the routes.

use serde_json::Value;

use super::limits;
use super::problem::{Problem, ProblemKind};
use super::query::{Consistency, ReadQuery};
use crate::ids::Name;

/// What a filter takes as its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// One of these.
    Word(&'static [&'static str]),
}

/// How a value is compared.
enum Test<T: 'static> {
    Flag(fn(&T, bool) -> bool),
    Text(fn(&T, &str) -> bool),
}

/// One thing that objects can be filtered by.
pub struct Filter<T: 'static> {
    /// Its name in the query.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    test: Test<T>,
}

impl<T> Filter<T> {
    /// A filter by true or false.
    pub const fn flag(name: &'static str, test: fn(&T, bool) -> bool) -> Self {
        Self {
            name,
            takes: Takes::Flag,
            test: Test::Flag(test),
        }
    }

    /// A filter by a text.
    pub const fn text(name: &'static str, test: fn(&T, &str) -> bool) -> Self {
        Self {
            name,
            takes: Takes::Text,
            test: Test::Text(test),
        }
    }

    /// A filter by one of some words.
    pub const fn word(name: &'static str, words: &'static [&'static str], test: fn(&T, &str) -> bool) -> Self {
        Self {
            name,
            takes: Takes::Word(words),
            test: Test::Text(test),
        }
    }
}

/// What a list asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Objects a page.
    pub limit: usize,
    /// The page begins behind this name.
    pub after: Option<Name>,
    /// The pattern of the name.
    pub name: Option<Glob>,
    /// Filters with their values; the values fit what the filters take.
    pub filters: Vec<(String, String)>,
}

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// What stands on it.
    pub objects: Vec<Value>,
    /// `after` of the next page, if there may be more. A page can be empty and still have a next one: at most
    /// [`limits::LIST_LOOKED_AT_MAX`] objects are looked at in one request.
    pub next: Option<Name>,
}

impl Selection {
    /// Whether an object `name` may belong on the page.
    pub fn names(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    /// Whether the object `name` belongs on the page.
    pub fn takes<T>(&self, name: &str, object: &T, known: &[Filter<T>]) -> bool {
        self.names(name)
            && self.filters.iter().all(|(asked, value)| {
                known
                    .iter()
                    .find(|filter| filter.name == asked)
                    .is_some_and(|filter| match filter.test {
                        Test::Flag(test) => test(object, value == "true"),
                        Test::Text(test) => test(object, value),
                    })
            })
    }

    /// Reads the options of a list that has the filters `known`.
    pub fn parse(pairs: Vec<(String, String)>, known: &[(&'static str, Takes)]) -> Result<(Self, ReadQuery), Problem> {
        let malformed = |detail: String| Err(Problem::new(ProblemKind::Malformed, detail));
        let mut selection = Self {
            limit: limits::PAGE_DEFAULT,
            ..Self::default()
        };
        let mut read = ReadQuery::default();
        let mut seen = std::collections::BTreeSet::new();
        for (option, value) in pairs {
            if !seen.insert(option.clone()) {
                return malformed(format!("`{}` stands twice in the query", shown(&option)));
            }
            match option.as_str() {
                "limit" => selection.limit = limit(&value)?,
                "after" => match Name::parse(&value) {
                    Ok(name) => selection.after = Some(name),
                    Err(error) => return malformed(format!("`after`: {error}")),
                },
                "name" => selection.name = Some(Glob::parse(&value)?),
                "consistency" => read.consistency = Consistency::parse(&value)?,
                "min_revision" => match value.parse() {
                    Ok(revision) => read.min_revision = Some(revision),
                    Err(_) => return malformed("`min_revision` must be a revision's number".to_owned()),
                },
                other => {
                    let Some((name, takes)) = known.iter().find(|(name, _)| *name == other) else {
                        let filters: Vec<_> = known.iter().map(|(name, _)| *name).collect();
                        let detail = format!(
                            "the query cannot be read: unknown field `{}`; known are limit, after, name, \
                             consistency, min_revision and {}",
                            shown(other),
                            filters.join(", ")
                        );
                        return malformed(detail);
                    };
                    check(name, *takes, &value)?;
                    selection.filters.push((option, value));
                }
            }
        }
        Ok((selection, read))
    }
}

/// Reads a page's length.
pub fn limit(value: &str) -> Result<usize, Problem> {
    let limit = value
        .parse()
        .ok()
        .filter(|limit| (1..=limits::PAGE_MAX).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("`limit` must be from 1 to {}", limits::PAGE_MAX);
        Problem::new(ProblemKind::Malformed, detail)
    })
}

fn check(name: &str, takes: Takes, value: &str) -> Result<(), Problem> {
    let malformed = |detail: String| Err(Problem::new(ProblemKind::Malformed, detail));
    match takes {
        Takes::Flag if !["true", "false"].contains(&value) => malformed(format!("`{name}` must be true or false")),
        Takes::Word(words) if !words.contains(&value) => {
            malformed(format!("`{name}` must be one of {}", words.join(", ")))
        }
        _ if value.len() > limits::FILTER_BYTES_MAX => malformed(format!(
            "`{name}` has {} bytes, over the limit of {}",
            value.len(),
            limits::FILTER_BYTES_MAX
        )),
        _ => Ok(()),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A pattern of names: `*` stands for any characters, `?` for one, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// Reads a pattern of at most [`limits::FILTER_BYTES_MAX`] bytes.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() || text.len() > limits::FILTER_BYTES_MAX {
            let detail = format!("`name` must have from 1 to {} bytes", limits::FILTER_BYTES_MAX);
            return Err(Problem::new(ProblemKind::Malformed, detail));
        }
        Ok(Self(text.chars().collect()))
    }

    /// Whether the whole of `text` fits. Takes at most pattern times text steps, whatever the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut of) = (0, 0);
        // Where the last `*` stands, and how far the text it stands for goes.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(of) {
                Some('*') => {
                    star = Some((of, at));
                    of += 1;
                }
                Some(character) if *character == '?' || *character == text[at] => {
                    at += 1;
                    of += 1;
                }
                _ => match star {
                    Some((place, covered)) => {
                        star = Some((place, covered + 1));
                        at = covered + 1;
                        of = place + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[of..].iter().all(|character| *character == '*')
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_names_only() {
        for (pattern, text, expected) in [
            ("alice", "alice", true),
            ("alice", "alice2", false),
            ("a*", "alice", true),
            ("*", "x", true),
            ("*e", "alice", true),
            ("a*c*e", "alice", true),
            ("a*c*f", "alice", false),
            ("?lice", "alice", true),
            ("?", "ü", true),
            ("??", "ü", false),
            ("a[b]", "ab", false),
            ("a[b]", "a[b]", true),
            ("**a**", "bab", true),
            ("Alice", "alice", false),
        ] {
            assert_eq!(
                Glob::parse(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse(&"*".repeat(limits::FILTER_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_pattern_of_many_stars_does_not_explode() {
        let pattern = Glob::parse(&"*a".repeat(100)).unwrap();
        let begun = std::time::Instant::now();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(128))));
        assert!(begun.elapsed().as_millis() < 100);
    }

    #[test]
    fn options_of_a_list_are_read_strictly() {
        let known = [("enabled", Takes::Flag), ("role", Takes::Word(&["owner"]))];
        let check = |query: &[(&str, &str)], expected: Result<usize, &str>| {
            let pairs = query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            match (Selection::parse(pairs.collect(), &known), expected) {
                (Ok((selection, _)), Ok(filters)) => assert_eq!(selection.filters.len(), filters, "{query:?}"),
                (Err(problem), Err(word)) => assert!(problem.detail.contains(word), "{query:?}: {}", problem.detail),
                (found, expected) => panic!("{query:?}: {found:?}, expected {expected:?}"),
            }
        };
        check(&[], Ok(0));
        check(&[("enabled", "true"), ("role", "owner"), ("name", "a*")], Ok(2));
        check(&[("enabled", "yes")], Err("true or false"));
        check(&[("role", "god")], Err("one of owner"));
        check(&[("enabled", "true"), ("enabled", "true")], Err("stands twice"));
        check(&[("wat", "1")], Err("unknown field `wat`"));
        check(&[("limit", "0")], Err("from 1 to"));
        check(&[("limit", "5001")], Err("from 1 to"));
        check(&[("after", "../x")], Err("after"));
        check(&[("min_revision", "-1")], Err("min_revision"));
        check(&[("consistency", "some")], Err("linearizable"));
    }
}
