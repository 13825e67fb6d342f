//! ETags and preconditions (RFC 9110, section 13): an object's ETag is its revision in quotes.
//!
//! Whether a precondition holds is decided when the change is applied, not here.

use http::{HeaderMap, HeaderName, header};

use super::problem::{Problem, ProblemKind};
use crate::catalog::Expected;

/// The ETag of an object whose last change is `revision`.
pub fn of(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// What `If-Match` and `If-None-Match` of a write ask for.
pub fn expected(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    let matches = single(headers, &header::IF_MATCH)?;
    let none = single(headers, &header::IF_NONE_MATCH)?;
    match (matches, none) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("If-Match and If-None-Match exclude each other; send one")),
        (None, Some("*")) => Ok(Some(Expected::Absent)),
        (None, Some(_)) => Err(malformed(
            "a write understands If-None-Match only as `*`: make it, never replace it",
        )),
        (Some("*"), None) => Ok(Some(Expected::Present)),
        (Some(tag), None) => match revision(tag) {
            // What was never written is answered with revision 0.
            Some(0) => Ok(Some(Expected::Absent)),
            Some(revision) => Ok(Some(Expected::Revision(revision))),
            None if tag.contains(',') => Err(malformed("If-Match must name one revision")),
            None => Err(Problem::new(
                ProblemKind::Stale,
                "If-Match names no revision of this object; read it again and send its ETag",
            )),
        },
    }
}

/// Whether `If-None-Match` of a read names `revision`, so that 304 is the answer. Compared weakly.
pub fn not_modified(headers: &HeaderMap, revision: u64) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || self::revision(tag.strip_prefix("W/").unwrap_or(tag)) == Some(revision))
}

fn revision(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok()).flatten()
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value.trim())),
            Err(_) => Err(malformed(&format!("{name} is not plain text"))),
        },
        (Some(_), Some(_)) => Err(malformed(&format!("{name} stands twice"))),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::Malformed, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn preconditions_of_a_write_are_read_strictly() {
        let check = |pairs: &[(HeaderName, &str)], expected: Result<Option<Expected>, u16>| {
            let found = super::expected(&headers(pairs)).map_err(|problem| problem.kind.status().as_u16());
            assert_eq!(found, expected, "{pairs:?}");
        };
        let (matches, none) = (header::IF_MATCH, header::IF_NONE_MATCH);
        check(&[], Ok(None));
        check(&[(matches.clone(), "\"12\"")], Ok(Some(Expected::Revision(12))));
        check(&[(matches.clone(), "\"0\"")], Ok(Some(Expected::Absent)));
        check(&[(matches.clone(), "*")], Ok(Some(Expected::Present)));
        check(&[(none.clone(), "*")], Ok(Some(Expected::Absent)));
        check(&[(matches.clone(), "12")], Err(412));
        check(&[(matches.clone(), "\"012\"")], Err(412));
        check(&[(matches.clone(), "\"+1\"")], Err(412));
        check(&[(matches.clone(), "W/\"12\"")], Err(412));
        check(&[(matches.clone(), "\"99999999999999999999\"")], Err(412));
        check(&[(matches.clone(), "\"1\", \"2\"")], Err(400));
        check(&[(matches.clone(), "\"1\""), (matches.clone(), "\"2\"")], Err(400));
        check(&[(none.clone(), "\"1\"")], Err(400));
        check(&[(matches, "*"), (none, "*")], Err(400));
    }

    #[test]
    fn a_read_is_not_repeated_for_whoever_has_the_revision() {
        for (value, expected) in [
            ("\"12\"", true),
            ("W/\"12\"", true),
            ("\"11\", \"12\"", true),
            ("*", true),
            ("\"11\"", false),
            ("12", false),
        ] {
            let headers = headers(&[(header::IF_NONE_MATCH, value)]);
            assert_eq!(not_modified(&headers, 12), expected, "{value}");
        }
        assert!(!not_modified(&HeaderMap::new(), 12));
    }
}
