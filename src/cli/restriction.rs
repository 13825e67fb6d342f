//! Options that restrict what an account, or everybody at a service, may do: when, how much, which files, how fast.

use clap::Args;
use serde_json::{Value, json};

use super::error::CliError;
use super::input::{OrNone, bytes_or_none, listed};
use super::noun::{Fields, Given, put};

const HEADING: &str = "Restrictions";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Restrictions.
#[derive(Debug, Default, Args)]
pub struct RestrictionArgs {
    /// The largest file that may be uploaded, such as 500M or 2G; `none` for no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_none, help_heading = HEADING)]
    upload_bytes_max: Option<OrNone<u64>>,
    /// Only files whose name matches this glob; can be repeated; `none` for all
    #[arg(long, value_name = "GLOB", help_heading = HEADING)]
    files_allowed: Vec<String>,
    /// No files whose name matches this glob, such as `*.exe`; can be repeated; `none` for none
    #[arg(long, value_name = "GLOB", help_heading = HEADING)]
    files_denied: Vec<String>,
    /// When it is open: 'mon-fri 08:00-18:00 Europe/Berlin'; can be repeated; `none` for always
    #[arg(long, value_name = "HOURS", value_parser = hours, help_heading = HEADING)]
    hours: Vec<Value>,
    /// Bytes a second that one session may send, such as 10M; `none` for no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_none, help_heading = HEADING)]
    session_upload_rate: Option<OrNone<u64>>,
    /// Bytes a second that one session may receive
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_none, help_heading = HEADING)]
    session_download_rate: Option<OrNone<u64>>,
    /// Bytes a second that all its sessions on a node may send
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_none, help_heading = HEADING)]
    upload_rate: Option<OrNone<u64>>,
    /// Bytes a second that all its sessions on a node may receive
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_none, help_heading = HEADING)]
    download_rate: Option<OrNone<u64>>,
}

impl Given for RestrictionArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut inner = Fields::new();
        let number = |number: Option<OrNone<u64>>| number.map(|number| json!(number.0));
        put(&mut inner, "upload_bytes_max", number(self.upload_bytes_max));
        put(&mut inner, "files_allowed", listed(&self.files_allowed));
        put(&mut inner, "files_denied", listed(&self.files_denied));
        let hours: Vec<_> = self.hours.iter().filter(|hours| !hours.is_null()).cloned().collect();
        put(&mut inner, "hours", (!self.hours.is_empty()).then_some(hours));
        put(&mut inner, "session_upload_rate", number(self.session_upload_rate));
        put(&mut inner, "session_download_rate", number(self.session_download_rate));
        put(&mut inner, "upload_rate", number(self.upload_rate));
        put(&mut inner, "download_rate", number(self.download_rate));
        let mut fields = Fields::new();
        put(&mut fields, "restrictions", (!inner.is_empty()).then_some(inner));
        Ok(fields)
    }
}

/// `[DAYS] [FROM-TO] [ZONE]` as the API has it; `none` is null.
fn hours(text: &str) -> Result<Value, String> {
    if text == "none" {
        return Ok(Value::Null);
    }
    let mut hours = Fields::new();
    for word in text.split_whitespace() {
        let (field, value) = if word.starts_with(|first: char| first.is_ascii_digit()) {
            let (from, to) = word
                .split_once('-')
                .ok_or_else(|| format!("`{word}` is not like 08:00-18:00"))?;
            hours.insert("from".to_owned(), from.into());
            ("to", json!(to))
        } else if word.contains('/') || word == "UTC" {
            ("zone", json!(word))
        } else {
            ("days", json!(days(word)?))
        };
        if hours.insert(field.to_owned(), value).is_some() {
            return Err(format!(
                "`{word}` comes twice; give the option once for each part of the week"
            ));
        }
    }
    if hours.is_empty() {
        return Err("write them like 'mon-fri 08:00-18:00 Europe/Berlin'".to_owned());
    }
    Ok(hours.into())
}

/// `mon-fri,sun` as days.
fn days(text: &str) -> Result<Vec<&'static str>, String> {
    let refuse = || format!("`{text}` names no days such as mon-fri or sat,sun");
    let number = |word: &str| DAYS.iter().position(|day| *day == word).ok_or_else(refuse);
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (number(first)?, number(last)?);
        // A span can lead over Sunday.
        loop {
            days.push(DAYS[day]);
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Ok(days)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_written_as_people_say_them() {
        let check = |text: &str, expected: Value| assert_eq!(hours(text).unwrap(), expected, "{text}");
        check(
            "mon-wed 08:00-18:00 Europe/Berlin",
            json!({ "days": ["mon", "tue", "wed"], "from": "08:00", "to": "18:00", "zone": "Europe/Berlin" }),
        );
        check("sat-mon", json!({ "days": ["sat", "sun", "mon"] }));
        check("fri,sun UTC", json!({ "days": ["fri", "sun"], "zone": "UTC" }));
        check("22:00-06:00", json!({ "from": "22:00", "to": "06:00" }));
        check("none", Value::Null);
        for text in ["", "08:00", "weekend", "mon tue", "mon-"] {
            assert!(hours(text).is_err(), "{text}");
        }
    }
}
