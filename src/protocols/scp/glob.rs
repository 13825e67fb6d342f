//! Patterns in paths, as a shell reads them: `*`, `?` and `[...]` within one name, where they were not quoted; and `~`.
//!
//! A pattern is held against names with two marks and no recursion, so it takes at most pattern times name steps.

use std::ops::RangeInclusive;

use super::Context;
use super::limits::{LOOKED_AT_MAX, MATCHES_MAX};
use super::words::Word;
use crate::path::VirtualPath;
use crate::vfs::{FileType, VfsError};

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// `?`
    Any,
    /// `*`
    Many,
    /// `[...]`
    Set {
        negated: bool,
        ranges: Vec<RangeInclusive<u8>>,
    },
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    /// As it was written, quotes taken off.
    bytes: Vec<u8>,
    /// `None`: it stands for itself.
    pattern: Option<Vec<Token>>,
}

impl Name {
    fn new(bytes: &[u8], quoted: &[bool]) -> Self {
        let tokens = tokens(bytes, quoted);
        let is_pattern = tokens.iter().any(|token| !matches!(token, Token::Byte(_)));
        Self {
            bytes: bytes.to_vec(),
            pattern: is_pattern.then_some(tokens),
        }
    }
}

fn tokens(bytes: &[u8], quoted: &[bool]) -> Vec<Token> {
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let token = match bytes[at] {
            byte if quoted[at] => Token::Byte(byte),
            b'?' => Token::Any,
            b'*' => Token::Many,
            b'[' => match set(&bytes[at + 1..], &quoted[at + 1..]) {
                Some((set, length)) => {
                    at += length;
                    set
                }
                None => Token::Byte(b'['),
            },
            byte => Token::Byte(byte),
        };
        // Two of them stand for no more than one.
        if token != Token::Many || found.last() != Some(&Token::Many) {
            found.push(token);
        }
        at += 1;
    }
    found
}

/// A set and its length without the bracket that opens it; `None`: no bracket closes it.
fn set(bytes: &[u8], quoted: &[bool]) -> Option<(Token, usize)> {
    let bare = |at: usize, byte: u8| bytes.get(at) == Some(&byte) && !quoted[at];
    let negated = bare(0, b'!') || bare(0, b'^');
    let first = usize::from(negated);
    let mut ranges = Vec::new();
    let mut at = first;
    loop {
        let byte = *bytes.get(at)?;
        // The first place is for a bracket that is meant itself.
        if bare(at, b']') && at > first {
            return Some((Token::Set { negated, ranges }, at + 1));
        }
        if bare(at + 1, b'-') && at + 2 < bytes.len() && !bare(at + 2, b']') {
            ranges.push(byte..=bytes[at + 2]);
            at += 3;
        } else {
            ranges.push(byte..=byte);
            at += 1;
        }
    }
}

/// Whether a name matches as a whole. A dot at its beginning must be written out.
fn matches(pattern: &[Token], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&Token::Byte(b'.')) {
        return false;
    }
    let (mut token, mut byte) = (0, 0);
    // Where to go back to: the last `*`, and how far it reaches.
    let mut mark = None;
    while byte < name.len() {
        let fits = match pattern.get(token) {
            Some(Token::Many) => {
                mark = Some((token, byte));
                token += 1;
                continue;
            }
            Some(Token::Any) => true,
            Some(Token::Byte(expected)) => *expected == name[byte],
            Some(Token::Set { negated, ranges }) => ranges.iter().any(|range| range.contains(&name[byte])) != *negated,
            None => false,
        };
        if fits {
            (token, byte) = (token + 1, byte + 1);
        } else if let Some((many, reached)) = mark {
            mark = Some((many, reached + 1));
            (token, byte) = (many + 1, reached + 1);
        } else {
            return false;
        }
    }
    pattern[token..].iter().all(|token| *token == Token::Many)
}

/// What is left of the bounds of one command.
pub struct Allowance {
    matches: usize,
    looked_at: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            matches: MATCHES_MAX,
            looked_at: LOOKED_AT_MAX,
        }
    }
}

impl Allowance {
    fn take(&mut self, matches: usize, looked_at: usize) -> Result<(), VfsError> {
        let left = |left: usize, taken| left.checked_sub(taken);
        match (left(self.matches, matches), left(self.looked_at, looked_at)) {
            (Some(matches), Some(looked_at)) => {
                (self.matches, self.looked_at) = (matches, looked_at);
                Ok(())
            }
            (None, _) => Err(VfsError::Limit(format!(
                "the patterns stand for more than {MATCHES_MAX} paths: copy the folder instead"
            ))),
            (_, None) => Err(VfsError::Limit(format!(
                "the patterns look at more than {LOOKED_AT_MAX} names: copy the folder instead"
            ))),
        }
    }
}

/// The paths that a word stands for, in the order of their bytes; the word itself where it is no pattern or where
/// nothing matches.
pub(super) async fn expand(
    context: &Context,
    word: &Word,
    allowance: &mut Allowance,
) -> Result<Vec<Vec<u8>>, VfsError> {
    let word = at_home(word, context.session.account().as_str());
    let names = names(&word);
    if names.iter().all(|name| name.pattern.is_none()) {
        allowance.take(1, 0)?;
        return Ok(vec![word.bytes]);
    }
    let root: &[u8] = if word.bytes.first() == Some(&b'/') { b"/" } else { b"" };
    let mut found = vec![root.to_vec()];
    let mut certain = true;
    for name in &names {
        let mut next = Vec::new();
        for folder in &found {
            match &name.pattern {
                Some(pattern) => next.extend(matching(context, folder, pattern, allowance).await?),
                None => {
                    let path = joined(folder, &name.bytes);
                    if certain || look(context, &path).await.is_some() {
                        next.push(path);
                    }
                }
            }
        }
        certain &= name.pattern.is_none();
        found = next;
    }
    if word.bytes.last() == Some(&b'/') {
        let mut folders = Vec::new();
        for path in found {
            if look(context, &path).await == Some(FileType::Folder) {
                folders.push(path);
            }
        }
        found = folders;
    }
    found.sort();
    if found.is_empty() {
        found.push(word.bytes);
    }
    Ok(found)
}

/// `~` and `~NAME` at the beginning are the account's own home, the root of what it sees.
fn at_home(word: &Word, account: &str) -> Word {
    if word.bytes.first() != Some(&b'~') || word.quoted.first() != Some(&false) {
        return word.clone();
    }
    let end = word.bytes.iter().position(|byte| *byte == b'/');
    let end = end.unwrap_or(word.bytes.len());
    let name = &word.bytes[1..end];
    if !name.is_empty() && name != account.as_bytes() {
        return word.clone();
    }
    let mut home = Word::default();
    home.push(b'/', true);
    for (byte, quoted) in word.bytes[end..].iter().zip(&word.quoted[end..]).skip(1) {
        home.push(*byte, *quoted);
    }
    home
}

fn names(word: &Word) -> Vec<Name> {
    let mut names = Vec::new();
    let mut start = 0;
    let ends = word.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for end in ends.map(|(at, _)| at).chain([word.bytes.len()]) {
        if end > start {
            names.push(Name::new(&word.bytes[start..end], &word.quoted[start..end]));
        }
        start = end + 1;
    }
    names
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let between: &[u8] = match folder.last() {
        None | Some(b'/') => b"",
        Some(_) => b"/",
    };
    [folder, between, name].concat()
}

async fn look(context: &Context, path: &[u8]) -> Option<FileType> {
    let path = VirtualPath::parse(path).ok()?;
    let found = context.vfs.attributes(&context.session, &path, true).await.ok()?;
    Some(found.file_type)
}

/// The paths in `folder` whose names match; none where it is no folder or may not be listed.
async fn matching(
    context: &Context,
    folder: &[u8],
    pattern: &[Token],
    allowance: &mut Allowance,
) -> Result<Vec<Vec<u8>>, VfsError> {
    let mut found = Vec::new();
    let Ok(path) = VirtualPath::parse(folder) else {
        return Ok(found);
    };
    let mut listing = match context.vfs.list(&context.session, &path).await {
        Ok(listing) => listing,
        Err(error @ (VfsError::Revoked(_) | VfsError::Io(_) | VfsError::Limit(_))) => return Err(error),
        Err(_) => return Ok(found),
    };
    loop {
        let entries = listing.next(crate::vfs::limits::ENTRIES_MAX).await?;
        if entries.is_empty() {
            return Ok(found);
        }
        let before = found.len();
        let names = entries.iter().map(|entry| &entry.name);
        let matching = names.filter(|name| matches(pattern, name));
        found.extend(matching.map(|name| joined(folder, name)));
        allowance.take(found.len() - before, entries.len())?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocols::scp::words;

    fn first(text: &str) -> Word {
        words::split(text.as_bytes()).unwrap().remove(0)
    }

    fn check(pattern: &str, name: &str, expected: bool) {
        let word = first(pattern);
        let tokens = tokens(&word.bytes, &word.quoted);
        assert_eq!(matches(&tokens, name.as_bytes()), expected, "{pattern} {name}");
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, fitting, others) in [
            (
                "*.txt",
                &["a.txt", "a.b.txt"][..],
                &["a.txtx", ".txt", ".a.txt", "txt"][..],
            ),
            ("*", &["a", "*"], &[".a", ""]),
            (".*", &[".a", "."], &["a"]),
            ("?", &["a", "\\"], &["ab", ".", ""]),
            ("a*b*c", &["abc", "axbxc", "abbbcc"], &["ab", "acb"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "-x"]),
            ("[!a-c]x", &["dx", "-x"], &["ax", ".x"]),
            ("[^a]", &["b", "^"], &["a"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[a", &["[a"], &["a"]),
            ("'*'", &["*"], &["a"]),
            ("\\*a*", &["*a", "*ab"], &["ba"]),
            ("['*'b]", &["*", "b"], &["a"]),
            ("**", &["a", "ab"], &[".a"]),
            ("n*", &["n", "nn"], &["a"]),
        ] {
            fitting.iter().for_each(|name| check(pattern, name, true));
            others
                .iter()
                .filter(|name| !name.is_empty())
                .for_each(|name| check(pattern, name, false));
        }
    }

    #[test]
    fn a_pattern_that_would_never_end_ends() {
        let word = first(&"a*".repeat(2_000));
        let tokens = tokens(&word.bytes, &word.quoted);
        assert!(!matches(&tokens, &[b'a'; 255]));
    }

    #[test]
    fn a_tilde_is_the_accounts_own_home_unless_it_is_quoted() {
        for (sent, expected) in [
            ("~", "/"),
            ("~/", "/"),
            ("~/a/*", "/a/*"),
            ("~alice/a", "/a"),
            ("~bob/a", "~bob/a"),
            ("'~'/a", "~/a"),
            ("a/~", "a/~"),
        ] {
            assert_eq!(at_home(&first(sent), "alice").bytes, expected.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn what_patterns_may_ask_for_is_bounded() {
        let mut allowance = Allowance::default();
        assert!(allowance.take(MATCHES_MAX, LOOKED_AT_MAX).is_ok());
        assert!(allowance.take(0, 0).is_ok());
        assert!(matches!(allowance.take(1, 0), Err(VfsError::Limit(_))));
        assert!(matches!(allowance.take(0, 1), Err(VfsError::Limit(_))));
    }

    proptest! {
        #[test]
        fn a_quoted_name_matches_itself_alone(name in "[^/\0']{1,20}", other in "[^/\0']{1,20}") {
            let word = first(&format!("'{name}'"));
            let tokens = tokens(&word.bytes, &word.quoted);
            prop_assert!(matches(&tokens, name.as_bytes()));
            prop_assert_eq!(matches(&tokens, other.as_bytes()), name == other);
        }
    }
}
