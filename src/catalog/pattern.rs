//! Patterns: globs and regular expressions over virtual paths and file names, compiled once and bounded.
//!
//! Matching takes time linear in the path, whatever the pattern: the engine never backtracks. What a match means is
//! left to `access`.

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;
use regex_automata::{Anchored, Input};

use super::limits::{PATTERN_BYTES_MAX, PATTERN_NESTING_MAX, PATTERN_PROGRAM_BYTES_MAX};

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Syntax {
    /// `*` and `?` stop at `/`, `**` does not; `[a-z]`, `{a,b}` and `\` as usual.
    Glob,
    /// A regular expression of bytes; it must match the whole. `.` is any byte, classes and case are ASCII.
    Regex,
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole virtual path, case counts.
    Path,
    /// The last component, ASCII case does not count: `*.exe` is `SETUP.EXE` too.
    FileName,
}

/// A compiled pattern. Two are equal when they are written alike.
#[derive(Clone)]
pub struct Pattern {
    syntax: Syntax,
    scope: Scope,
    source: String,
    compiled: Regex,
}

impl Pattern {
    /// Compiles `source`, of at most [`PATTERN_BYTES_MAX`] bytes. Refused with the reason: what cannot be read, and
    /// what would grow beyond [`PATTERN_PROGRAM_BYTES_MAX`] bytes of program.
    pub fn parse(syntax: Syntax, scope: Scope, source: &str) -> Result<Self, String> {
        if source.is_empty() {
            return Err("is empty".to_owned());
        }
        if source.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "has {} bytes, over the limit of {PATTERN_BYTES_MAX}",
                source.len()
            ));
        }
        if syntax == Syntax::Regex {
            // Alone first: `a)(b` is no expression, though it would be one between our brackets.
            build(source, scope)?;
        }
        let expression = expression(syntax, source)?;
        Ok(Self {
            syntax,
            scope,
            source: source.to_owned(),
            compiled: build(&expression, scope)?,
        })
    }

    /// Whether `bytes`, a path or a file name by its scope, match as a whole.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.compiled.is_match(bytes)
    }

    /// How the pattern can go on after each of `prefixes`: `None` where nothing that begins so matches; two that are
    /// equal are gone on with by the same endings. The whole is `None` where that cannot be told within
    /// [`PATTERN_PROGRAM_BYTES_MAX`]. Compiles the pattern anew: for rare questions.
    pub fn continued<const N: usize>(&self, prefixes: [&[u8]; N]) -> Option<[Option<Continuation>; N]> {
        let syntax = regex_automata::util::syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .case_insensitive(self.scope == Scope::FileName)
            .nest_limit(PATTERN_NESTING_MAX);
        let nfa = thompson::Compiler::new()
            .syntax(syntax)
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(PATTERN_PROGRAM_BYTES_MAX)),
            )
            .build(&expression(self.syntax, &self.source).ok()?)
            .ok()?;
        let config = DFA::config().cache_capacity(4 * PATTERN_PROGRAM_BYTES_MAX);
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let mut cache = automaton.create_cache();
        let mut continued = [None; N];
        for (prefix, continued) in prefixes.iter().zip(&mut continued) {
            let begin = Input::new(*prefix).anchored(Anchored::Yes);
            let mut state = automaton.start_state_forward(&mut cache, &begin).ok()?;
            for byte in *prefix {
                state = automaton.next_state(&mut cache, state, *byte).ok()?;
            }
            if state.is_quit() || state.is_unknown() {
                return None;
            }
            *continued = (!state.is_dead()).then_some(Continuation(state));
        }
        // Once the cache was cleared, the same name may stand for another state.
        (cache.clear_count() == 0).then_some(continued)
    }

    /// How it is written.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Where a pattern stands after some bytes; only good for being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continuation(LazyStateID);

/// The regular expression of the whole.
fn expression(syntax: Syntax, source: &str) -> Result<String, String> {
    match syntax {
        Syntax::Regex => Ok(format!("^(?:{source})$")),
        Syntax::Glob => globset::GlobBuilder::new(source)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map(|glob| glob.regex().to_owned())
            .map_err(|error| format!("is no glob: {}", error.kind())),
    }
}

fn build(expression: &str, scope: Scope) -> Result<Regex, String> {
    // Bytes, and `.` for line breaks too: no odd name may slip past a pattern that was meant for every name.
    RegexBuilder::new(expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .case_insensitive(scope == Scope::FileName)
        .size_limit(PATTERN_PROGRAM_BYTES_MAX)
        .dfa_size_limit(PATTERN_PROGRAM_BYTES_MAX)
        .nest_limit(PATTERN_NESTING_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!(
                "grows beyond the limit of {PATTERN_PROGRAM_BYTES_MAX} bytes when compiled; use smaller repetitions"
            ),
            other => format!("is no regular expression: {}", one_line(&other.to_string())),
        })
}

/// The engine's messages draw a picture over several lines; the last one says what is wrong.
fn one_line(text: &str) -> String {
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or(text).trim().trim_start_matches("error: ").to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.syntax, self.scope, &self.source) == (other.syntax, other.scope, &other.source)
    }
}

impl Eq for Pattern {}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({:?})", self.syntax, self.source)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_and_every_byte() {
        use Scope::{FileName, Path};
        use Syntax::{Glob, Regex};
        let check = |syntax, scope, source: &str, bytes: &[u8], matches: bool| {
            let pattern = Pattern::parse(syntax, scope, source).unwrap();
            assert_eq!(
                pattern.matches(bytes),
                matches,
                "{source} against {}",
                bytes.escape_ascii()
            );
        };
        check(Glob, Path, "/in/*.csv", b"/in/a.csv", true);
        check(Glob, Path, "/in/*.csv", b"/in/deep/a.csv", false);
        check(Glob, Path, "/in/**", b"/in/deep/a.csv", true);
        check(Glob, Path, "/in/**/b", b"/in/b", true);
        check(Glob, Path, "/in/**", b"/in", false);
        check(Glob, Path, "/in/?.{csv,txt}", b"/in/a.txt", true);
        check(Glob, Path, "/in/*", b"/in/\xff\xfe", true);
        check(Glob, Path, "/in/*.CSV", b"/in/a.csv", false);
        check(Glob, FileName, "*.exe", b"SETUP.EXE", true);
        check(Glob, FileName, "*.exe", b"bad\xffname.exe", true);
        check(Glob, FileName, "*.exe", b"two\nlines.exe", true);
        check(Regex, Path, "/in/[0-9]+", b"/in/12", true);
        check(Regex, Path, "/in/[0-9]+", b"/x/in/12", false);
        check(Regex, Path, "/in/[0-9]+", b"/in/12x", false);
        check(Regex, Path, "/a|/b", b"/b", true);
        check(Regex, Path, "/a|/b", b"/bc", false);
        check(Regex, FileName, r".*\.exe", b"x\xff\n.EXE", true);
    }

    #[test]
    fn a_pattern_says_how_it_goes_on_below_a_folder() {
        use Syntax::{Glob, Regex};
        // Whether it can match below the first and the second, and whether alike.
        let check = |syntax, source: &str, one: &str, other: &str, expected: (bool, bool, bool)| {
            let pattern = Pattern::parse(syntax, Scope::Path, source).unwrap();
            let [first, second] = pattern.continued([one.as_bytes(), other.as_bytes()]).unwrap();
            let found = (first.is_some(), second.is_some(), first == second);
            assert_eq!(found, expected, "{source} below {one} and {other}");
        };
        check(Glob, "/out/*.pdf", "/in/a/", "/in/b/", (false, false, true));
        check(Glob, "/out/*.pdf", "/out/", "/in/", (true, false, false));
        check(Glob, "/out/*.pdf", "/out/deep/", "/in/", (false, false, true));
        check(Glob, "/**/*.exe", "/in/a/", "/in/b/c/", (true, true, true));
        check(Glob, "/in/**/*.exe", "/in/a/", "/in/b/c/", (true, true, true));
        check(Glob, "/in/**/*.exe", "/in/a/", "/out/b/", (true, false, false));
        check(Glob, "/in/*/*.exe", "/in/a/", "/in/a/b/", (true, false, false));
        check(Regex, "/in/[a-f]+/x", "/in/abc/", "/in/xyz/", (true, false, false));
        check(Regex, "/in/.*", "/in/abc/", "/in/xyz/", (true, true, true));
        check(Regex, ".*secret.*", "/in/", "/in/secret/", (true, true, false));
    }

    #[test]
    fn what_cannot_be_read_or_explodes_is_refused_with_the_reason() {
        let check = |syntax, source: &str, word: &str| {
            let error = Pattern::parse(syntax, Scope::Path, source).unwrap_err();
            assert!(error.contains(word) && !error.contains('\n'), "{source}: {error}");
        };
        check(Syntax::Regex, "(", "unclosed group");
        check(Syntax::Regex, "a)(b", "unopened group");
        check(Syntax::Regex, "((a{1000}){1000}){1000}", "grows beyond");
        check(Syntax::Regex, &"(".repeat(500), "");
        check(Syntax::Regex, r"(?=look)", "look-around");
        check(Syntax::Regex, r"(a)\1", "backreferences");
        check(Syntax::Glob, "[a", "glob");
        check(Syntax::Glob, "{a", "glob");
        check(Syntax::Glob, "", "empty");
        check(Syntax::Glob, &"a".repeat(PATTERN_BYTES_MAX + 1), "limit");
    }
}
