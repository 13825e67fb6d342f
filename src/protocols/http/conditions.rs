//! Conditions and ranges of a request (RFC 9110, 13 and 14). Pure.
//!
//! Reading the file is left to `files`.

use http::{HeaderMap, Method, header};

use super::limits::RANGES_MAX;
use crate::clock::UnixMillis;
use crate::vfs::Attributes;

/// The strong validator of a file's content: `"..."`.
pub fn etag(attributes: &Attributes) -> String {
    format!("\"{:x}-{:x}\"", attributes.mark, attributes.size)
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They hold, or there are none.
    Go,
    /// The client has it already: 304.
    NotModified,
    /// One does not hold: 412.
    Failed,
}

/// What is there now.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    /// Its validator.
    pub etag: &'a str,
    /// When it was changed.
    pub modified: UnixMillis,
}

/// Whether the request has conditions at all.
pub fn any(headers: &HeaderMap) -> bool {
    let names = [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ];
    names.iter().any(|name| headers.contains_key(name))
}

/// Judges If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC 9110, 13.2.2; `None`:
/// nothing is there.
pub fn judge(method: &Method, headers: &HeaderMap, current: Option<Current<'_>>) -> Verdict {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let listed = |name: header::HeaderName| {
        headers
            .contains_key(&name)
            .then(|| matches(headers, name, current, false))
    };
    if let Some(holds) = listed(header::IF_MATCH) {
        if !holds {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(current)) = (date(headers, header::IF_UNMODIFIED_SINCE), current)
        && seconds(current.modified) > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if matches(headers, header::IF_NONE_MATCH, current, true) {
            return if reads { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if let (true, Some(since), Some(current)) = (reads, date(headers, header::IF_MODIFIED_SINCE), current)
        && seconds(current.modified) <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether a list of validators names what is there.
fn matches(headers: &HeaderMap, name: header::HeaderName, current: Option<Current<'_>>, weak: bool) -> bool {
    let Some(current) = current else { return false };
    let lists = headers.get_all(name);
    let mut tags = lists
        .iter()
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    tags.any(|tag| {
        let tag = tag.trim_ascii();
        let strong = if weak {
            tag.strip_prefix(b"W/").unwrap_or(tag)
        } else {
            tag
        };
        tag == b"*" || strong == current.etag.as_bytes()
    })
}

fn seconds(time: UnixMillis) -> i64 {
    time.0.div_euclid(1000)
}

fn date(headers: &HeaderMap, name: header::HeaderName) -> Option<i64> {
    parse_date(headers.get(name)?.to_str().ok()?)
}

/// An HTTP date (RFC 9110, 5.6.7) in Unix seconds; the form that is sent today.
pub fn parse_date(text: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(time.timestamp().as_second())
}

/// `Tue, 24 Nov 2026 08:49:37 GMT`.
pub fn show_date(time: UnixMillis) -> String {
    let timestamp = jiff::Timestamp::from_second(seconds(time)).unwrap_or_default();
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Which bytes are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// All: no range was asked for, or none that we obey.
    Whole,
    /// These, first and last byte, in the order that was asked for; at least one.
    Some(Vec<(u64, u64)>),
    /// None of them exists: 416.
    Unsatisfiable,
}

/// The ranges of a request for a file of `size` bytes. What is malformed counts as not said; If-Range that no longer
/// holds makes it the whole.
pub fn ranges(headers: &HeaderMap, size: u64, current: Current<'_>) -> Ranges {
    let Some(text) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else {
        return Ranges::Whole;
    };
    if let Some(condition) = headers.get(header::IF_RANGE) {
        let same_date = || {
            let date = condition.to_str().ok().and_then(parse_date);
            date == Some(seconds(current.modified))
        };
        if condition.as_bytes() != current.etag.as_bytes() && !same_date() {
            return Ranges::Whole;
        }
    }
    let Some(list) = text.trim().strip_prefix("bytes=") else {
        return Ranges::Whole;
    };
    let mut found = Vec::new();
    for (count, one) in list.split(',').map(str::trim).filter(|one| !one.is_empty()).enumerate() {
        let Some((first, last)) = one.split_once('-') else {
            return Ranges::Whole;
        };
        let number = |text: &str| {
            text.parse::<u64>()
                .ok()
                .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        };
        let range = match (first.is_empty(), number(first), last.is_empty(), number(last)) {
            (false, Some(first), true, _) => (first, u64::MAX),
            (false, Some(first), false, Some(last)) if first <= last => (first, last),
            (true, _, false, Some(0)) => continue,
            (true, _, false, Some(length)) if size > 0 => (size.saturating_sub(length), u64::MAX),
            (true, _, false, Some(_)) => continue,
            _ => return Ranges::Whole,
        };
        if count >= RANGES_MAX {
            return Ranges::Whole;
        }
        if range.0 < size {
            found.push((range.0, range.1.min(size - 1)));
        }
    }
    // Ranges that together are more than the file ask for work and not for bytes.
    let wanted = found
        .iter()
        .map(|(first, last)| last - first + 1)
        .fold(0, u64::saturating_add);
    match found.is_empty() {
        true => Ranges::Unsatisfiable,
        false if found.len() > 1 && wanted > size => Ranges::Whole,
        false => Ranges::Some(found),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TAG: &str = "\"1-2\"";
    const NOW: Current<'_> = Current {
        etag: TAG,
        modified: UnixMillis(1_000_500),
    };

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn conditions_are_judged_in_the_order_of_the_rfc() {
        let (at, before, after) = (
            "Thu, 01 Jan 1970 00:16:40 GMT",
            "Thu, 01 Jan 1970 00:16:39 GMT",
            "Thu, 01 Jan 1970 00:16:41 GMT",
        );
        assert_eq!(show_date(NOW.modified), at);
        for (method, pairs, there, expected) in [
            ("GET", &[][..], true, Verdict::Go),
            (
                "GET",
                &[("if-none-match", "\"x\", \"1-2\"")],
                true,
                Verdict::NotModified,
            ),
            ("GET", &[("if-none-match", "W/\"1-2\"")], true, Verdict::NotModified),
            ("HEAD", &[("if-none-match", "*")], true, Verdict::NotModified),
            ("PUT", &[("if-none-match", "*")], true, Verdict::Failed),
            ("PUT", &[("if-none-match", "*")], false, Verdict::Go),
            ("PUT", &[("if-match", TAG)], true, Verdict::Go),
            ("PUT", &[("if-match", "W/\"1-2\"")], true, Verdict::Failed),
            ("PUT", &[("if-match", "*")], false, Verdict::Failed),
            ("PUT", &[("if-match", "\"x\"")], true, Verdict::Failed),
            ("GET", &[("if-modified-since", at)], true, Verdict::NotModified),
            ("GET", &[("if-modified-since", before)], true, Verdict::Go),
            (
                "GET",
                &[("if-modified-since", after), ("if-none-match", "\"x\"")],
                true,
                Verdict::Go,
            ),
            ("PUT", &[("if-modified-since", after)], true, Verdict::Go),
            ("PUT", &[("if-unmodified-since", before)], true, Verdict::Failed),
            ("PUT", &[("if-unmodified-since", at)], true, Verdict::Go),
            (
                "PUT",
                &[("if-unmodified-since", before), ("if-match", TAG)],
                true,
                Verdict::Go,
            ),
            ("GET", &[("if-modified-since", "yesterday")], true, Verdict::Go),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let verdict = judge(&method, &headers(pairs), there.then_some(NOW));
            assert_eq!(verdict, expected, "{method} {pairs:?}");
        }
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        for (range, size, expected) in [
            ("bytes=0-4", 10, Ranges::Some(vec![(0, 4)])),
            ("bytes=5-", 10, Ranges::Some(vec![(5, 9)])),
            ("bytes=-3", 10, Ranges::Some(vec![(7, 9)])),
            ("bytes=-30", 10, Ranges::Some(vec![(0, 9)])),
            ("bytes=8-100", 10, Ranges::Some(vec![(8, 9)])),
            ("bytes=0-0,9-9", 10, Ranges::Some(vec![(0, 0), (9, 9)])),
            ("bytes=20-30,1-2", 10, Ranges::Some(vec![(1, 2)])),
            ("bytes=10-", 10, Ranges::Unsatisfiable),
            ("bytes=-0", 10, Ranges::Unsatisfiable),
            ("bytes=0-", 0, Ranges::Unsatisfiable),
            ("bytes=4-2", 10, Ranges::Whole),
            ("bytes=a-b", 10, Ranges::Whole),
            ("bytes=+1-2", 10, Ranges::Whole),
            ("lines=1-2", 10, Ranges::Whole),
            ("bytes=0-9,0-9", 10, Ranges::Whole),
            ("bytes=18446744073709551616-", 10, Ranges::Whole),
        ] {
            assert_eq!(
                ranges(&headers(&[("range", range)]), size, NOW),
                expected,
                "{range} of {size}"
            );
        }
        let many = format!("bytes={}", vec!["0-0"; RANGES_MAX + 1].join(","));
        assert_eq!(ranges(&headers(&[("range", &many)]), 1000, NOW), Ranges::Whole);
    }

    #[test]
    fn a_range_of_another_content_is_the_whole() {
        for (condition, expected) in [
            (TAG, Ranges::Some(vec![(1, 2)])),
            ("\"x\"", Ranges::Whole),
            ("W/\"1-2\"", Ranges::Whole),
            ("Thu, 01 Jan 1970 00:16:40 GMT", Ranges::Some(vec![(1, 2)])),
            ("Thu, 01 Jan 1970 00:16:41 GMT", Ranges::Whole),
        ] {
            let headers = headers(&[("range", "bytes=1-2"), ("if-range", condition)]);
            assert_eq!(ranges(&headers, 10, NOW), expected, "{condition}");
        }
    }
}
