//! The JSON of restrictions, and of networks.
//!
//! ```json
//! {"upload_bytes_max": 1000000, "files_allowed": ["*.csv"], "files_denied": [{"regex": ".*[.]exe"}],
//!  "hours": [{"days": ["mon", "fri"], "from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}],
//!  "session_upload_rate": null, "session_download_rate": null, "upload_rate": null, "download_rate": null}
//! ```

use ipnet::IpNet;
use serde_json::{Value, json};

use super::fields::{self, Fields};
use crate::admin::limits::RATE_MIN;
use crate::admin::problem::Problem;
use crate::catalog::limits::{FILE_PATTERNS_MAX, HOURS_MAX, SOURCES_MAX};
use crate::catalog::pattern::{Scope, Syntax};
use crate::catalog::{Hours, Pattern, Restrictions};

/// The words of the days of the week, in the order of the bits.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The field `restrictions`; absent: none.
pub fn restrictions(fields: &mut Fields) -> Result<Restrictions, Problem> {
    let path = fields.at("restrictions");
    let value = match fields.raw("restrictions") {
        None | Some(Value::Null) => return Ok(Restrictions::default()),
        Some(value) => value,
    };
    let mut fields = Fields::of(value, &path)?;
    let restrictions = Restrictions {
        upload_bytes_max: number(&mut fields, "upload_bytes_max", 0)?,
        files_allowed: fields.list("files_allowed", FILE_PATTERNS_MAX, file_pattern)?,
        files_denied: fields.list("files_denied", FILE_PATTERNS_MAX, file_pattern)?,
        hours: fields.list("hours", HOURS_MAX, hours)?,
        session_upload_rate: number(&mut fields, "session_upload_rate", RATE_MIN)?,
        session_download_rate: number(&mut fields, "session_download_rate", RATE_MIN)?,
        upload_rate: number(&mut fields, "upload_rate", RATE_MIN)?,
        download_rate: number(&mut fields, "download_rate", RATE_MIN)?,
    };
    fields.done()?;
    Ok(restrictions)
}

/// Restrictions as JSON.
pub fn show(restrictions: &Restrictions) -> Value {
    json!({
        "upload_bytes_max": restrictions.upload_bytes_max,
        "files_allowed": restrictions.files_allowed.iter().map(show_pattern).collect::<Vec<_>>(),
        "files_denied": restrictions.files_denied.iter().map(show_pattern).collect::<Vec<_>>(),
        "hours": restrictions.hours.iter().map(show_hours).collect::<Vec<_>>(),
        "session_upload_rate": restrictions.session_upload_rate,
        "session_download_rate": restrictions.session_download_rate,
        "upload_rate": restrictions.upload_rate,
        "download_rate": restrictions.download_rate,
    })
}

/// A list of networks and single addresses.
pub fn networks(fields: &mut Fields, name: &'static str) -> Result<Vec<IpNet>, Problem> {
    fields.list(name, SOURCES_MAX, |value, path| {
        network(&fields::text(value, path)?, path)
    })
}

/// Parses a network (`10.0.0.0/8`) or a single address.
pub fn network(text: &str, path: &str) -> Result<IpNet, Problem> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| Problem::invalid(path, "is neither a network such as 10.0.0.0/8 nor an address"))?;
    if network != network.trunc() {
        let reason = format!("has bits behind its prefix; {} may be meant", network.trunc());
        return Err(Problem::invalid(path, reason));
    }
    Ok(network)
}

fn number(fields: &mut Fields, name: &'static str, min: u64) -> Result<Option<u64>, Problem> {
    let number: Option<u64> = fields.take(name)?;
    if number.is_some_and(|number| number < min) {
        return Err(Problem::invalid(
            &fields.at(name),
            format!("must be at least {min}, or null"),
        ));
    }
    Ok(number)
}

/// A bare text is a glob.
fn file_pattern(value: Value, path: &str) -> Result<Pattern, Problem> {
    let value = if value.is_string() {
        json!({ "glob": value })
    } else {
        value
    };
    let mut fields = Fields::of(value, path)?;
    let glob: Option<String> = fields.take("glob")?;
    let regex: Option<String> = fields.take("regex")?;
    fields.done()?;
    let (syntax, source) = match (glob, regex) {
        (Some(source), None) => (Syntax::Glob, source),
        (None, Some(source)) => (Syntax::Regex, source),
        _ => return Err(Problem::invalid(path, "must have one of `glob` and `regex`")),
    };
    if source.contains('/') {
        return Err(Problem::invalid(
            path,
            "holds a `/`; it is held against names of files, not paths",
        ));
    }
    Pattern::parse(syntax, Scope::FileName, &source).map_err(|reason| Problem::invalid(path, reason))
}

fn show_pattern(pattern: &Pattern) -> Value {
    match pattern.syntax() {
        Syntax::Glob => pattern.source().into(),
        Syntax::Regex => json!({ "regex": pattern.source() }),
    }
}

fn hours(value: Value, path: &str) -> Result<Hours, Problem> {
    let mut fields = Fields::of(value, path)?;
    let days = fields.list("days", DAYS.len(), |value, path| {
        let word = fields::text(value, path)?;
        let day = DAYS.iter().position(|day| *day == word);
        day.map(|day| 1_u8 << day)
            .ok_or_else(|| Problem::invalid(path, format!("is no day; known are {}", DAYS.join(", "))))
    })?;
    let every_day = 0x7f;
    let days = days.into_iter().reduce(|days, day| days | day).unwrap_or(every_day);
    let from_minute = minute(&mut fields, "from", "00:00")?;
    let to_minute = minute(&mut fields, "to", "24:00")?;
    let zone = fields.take::<String>("zone")?.unwrap_or_else(|| "UTC".to_owned());
    jiff::tz::TimeZone::get(&zone)
        .map_err(|_| Problem::invalid(&fields.at("zone"), "is no time zone such as Europe/Berlin"))?;
    if from_minute == to_minute || from_minute == MINUTES_OF_DAY || to_minute == 0 {
        let reason = "must be before 24:00, differ from `to`, and `to` must be after 00:00";
        return Err(Problem::invalid(&fields.at("from"), reason));
    }
    fields.done()?;
    Ok(Hours {
        days,
        from_minute,
        to_minute,
        zone,
    })
}

const MINUTES_OF_DAY: u16 = 24 * 60;

fn minute(fields: &mut Fields, name: &'static str, default: &str) -> Result<u16, Problem> {
    let text = fields.take::<String>(name)?.unwrap_or_else(|| default.to_owned());
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let two = |part: &str| digits(part).then(|| part.parse::<u16>().ok()).flatten();
    text.split_once(':')
        .and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)))
        .filter(|(_, minute)| *minute < 60)
        .map(|(hour, minute)| hour * 60 + minute)
        .filter(|minutes| *minutes <= MINUTES_OF_DAY)
        .ok_or_else(|| Problem::invalid(&fields.at(name), "must be a time from 00:00 to 24:00"))
}

fn show_hours(hours: &Hours) -> Value {
    let days: Vec<_> = (0..)
        .zip(DAYS)
        .filter(|(bit, _)| hours.days >> bit & 1 == 1)
        .map(|(_, day)| day)
        .collect();
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    json!({ "days": days, "from": time(hours.from_minute), "to": time(hours.to_minute), "zone": hours.zone })
}
