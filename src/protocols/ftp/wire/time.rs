//! Times as MDTM, MFMT, MLSD and SITE UTIME write them: `YYYYMMDDHHMMSS`, in UTC (RFC 3659, 2.3).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::UnixMillis;

/// With or without a fraction of a second; `YYYYMMDDHHMM` too.
pub fn parse(text: &str) -> Option<UnixMillis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || !matches!(whole.len(), 12 | 14) || fraction.len() > 9 {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to).map_or(Some(0), |part| part.parse::<i16>().ok());
    let small = |from: usize, to: usize| part(from, to).and_then(|number| i8::try_from(number).ok());
    // A leap second is the second before it.
    let second = small(12, 14)?.min(59);
    let date = DateTime::new(
        part(0, 4)?,
        small(4, 6)?,
        small(6, 8)?,
        small(8, 10)?,
        small(10, 12)?,
        second,
        0,
    );
    let at = date.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(UnixMillis(at + millis))
}

/// To the second.
pub fn show(at: UnixMillis) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_in_utc() {
        for (text, expected) in [
            ("20261124001530", Some("2026-11-24T00:15:30.000Z")),
            ("202611240015", Some("2026-11-24T00:15:00.000Z")),
            ("20261124001530.25", Some("2026-11-24T00:15:30.250Z")),
            ("19700101000000", Some("1970-01-01T00:00:00.000Z")),
            ("20240229235960", Some("2024-02-29T23:59:59.000Z")),
            ("20230229000000", None),
            ("20261324001530", None),
            ("2026112400153", None),
            ("+0261124001530", None),
            ("", None),
        ] {
            let found = parse(text);
            assert_eq!(found.map(UnixMillis::to_rfc3339).as_deref(), expected, "{text}");
        }
        assert_eq!(
            show(UnixMillis::from_rfc3339("2026-11-24T00:15:30.9Z").unwrap()),
            "20261124001530"
        );
    }
}
