//! How answers look: a table for people, exact JSON or YAML for programs.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::error::CliError;
use super::limits::COLUMN_MIN;
use crate::clock::UnixMillis;

/// How answers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON value.
    Json,
    /// One YAML document.
    Yaml,
}

/// A column of a table: its title, and where its value stands in a row (`spec.home.storage`).
pub type Column = (&'static str, &'static str);

/// Writes rows as a table, or `whole` as JSON or YAML.
pub fn rows(format: Format, columns: &[Column], rows: &[Value], whole: &Value) -> Result<(), CliError> {
    match format {
        Format::Table => emit(&table(columns, rows, terminal_columns())),
        Format::Json | Format::Yaml => value(format, whole),
    }
}

/// Writes one value; as a table, a line each for its fields.
pub fn value(format: Format, value: &Value) -> Result<(), CliError> {
    emit(&written(format, value)?)
}

/// One value as text.
pub fn written(format: Format, value: &Value) -> Result<String, CliError> {
    match format {
        Format::Table => Ok(details(value)),
        Format::Json => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| CliError::failed("the answer cannot be written as JSON").because(error)),
        Format::Yaml => serde_yaml_ng::to_string(value)
            .map_err(|error| CliError::failed("the answer cannot be written as YAML").because(error)),
    }
}

/// Writes a sentence for people; programs get `whole`.
pub fn told(format: Format, sentence: &str, whole: &Value) -> Result<(), CliError> {
    match format {
        Format::Table => emit(&format!("{}\n", clean(sentence))),
        Format::Json | Format::Yaml => value(format, whole),
    }
}

/// Writes text to standard output; a reader that has left (`| head`) is no error.
pub fn emit(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::failed("the answer cannot be written").because(error))
        }
        _ => Ok(()),
    }
}

/// Text without control characters (other than line breaks) that could change a terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' => '\n',
            character if character.is_control() => '\u{FFFD}',
            character => character,
        })
        .collect()
}

/// The terminal's width in characters; `None`: the answer goes elsewhere, and nothing is cut.
fn terminal_columns() -> Option<usize> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok());
    size.flatten()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
}

fn table(columns: &[Column], rows: &[Value], width_max: Option<usize>) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| cell(at(row, column.1))).collect())
        .collect();
    let width = |index: usize| {
        let longest = cells.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
        longest.max(columns[index].0.len())
    };
    let mut widths: Vec<_> = (0..columns.len()).map(width).collect();
    narrow(&mut widths, width_max);
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:<width$}", cut(cell, *width)));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let titles: Vec<_> = columns.iter().map(|column| column.0.to_owned()).collect();
    cells.iter().fold(line(&titles), |text, row| text + &line(row))
}

/// Takes from the widest columns until a line fits.
fn narrow(widths: &mut [usize], width_max: Option<usize>) {
    let Some(width_max) = width_max else { return };
    loop {
        let whole = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        match widths.iter_mut().max() {
            Some(widest) if whole > width_max && *widest > COLUMN_MIN => *widest -= 1,
            _ => return,
        }
    }
}

/// `text` in at most `width` characters; what is cut ends in `…`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn at<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |value, part| &value[part])
}

fn cell(value: &Value) -> String {
    match value {
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) if values.iter().all(Value::is_object) => values.len().to_string(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(_) => clean(&value.to_string()),
        plain => word(plain),
    }
}

/// A value that holds no others, on one line.
pub fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => clean(&moment(text).unwrap_or_else(|| text.clone())).replace('\n', " "),
        other => other.to_string(),
    }
}

/// A time as people read it, in UTC and to the second; `None`: it is none.
fn moment(text: &str) -> Option<String> {
    let looks = text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    let moment = looks
        .then(|| UnixMillis::from_rfc3339(text).ok())
        .flatten()?
        .to_rfc3339();
    let (day, time) = moment.split_once('T')?;
    Some(format!("{day} {} UTC", time.get(..8)?))
}

/// The fields of a value, one a line, their values aligned.
fn details(value: &Value) -> String {
    let mut lines = Vec::new();
    gather("", value, &mut lines);
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, text): &(String, String)| format!("{}\n", format!("{name:<width$}  {text}").trim_end());
    lines.iter().map(line).collect()
}

/// A value's fields as name and text; what holds nothing is one line.
fn gather(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let within = |field: &str| match name {
        "" => field.to_owned(),
        name => format!("{name}.{field}"),
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                gather(&within(&clean(field)), value, lines);
            }
        }
        Value::Array(values) if values.iter().any(|value| value.is_object() || value.is_array()) => {
            for (index, value) in values.iter().enumerate() {
                gather(&format!("{name}[{index}]"), value, lines);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            let words: Vec<_> = values.iter().map(word).collect();
            lines.push((name.to_owned(), words.join(", ")));
        }
        Value::Array(_) | Value::Object(_) => lines.push((name.to_owned(), "-".to_owned())),
        plain => lines.push((name.to_owned(), word(plain))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 4] = [
        ("NAME", "name"),
        ("ENABLED", "spec.enabled"),
        ("KEYS", "spec.keys"),
        ("SOURCES", "spec.sources"),
    ];

    #[test]
    fn a_table_is_aligned_and_cannot_change_the_terminal() {
        let rows = [
            json!({ "name": "alice", "spec": { "enabled": true, "keys": [{}, {}], "sources": ["10.0.0.0/8"] } }),
            json!({ "name": "b\u{1b}[2J", "spec": { "enabled": false, "keys": [] } }),
        ];
        assert_eq!(
            table(&COLUMNS, &rows, None),
            "NAME   ENABLED  KEYS  SOURCES\nalice  yes      2     10.0.0.0/8\nb\u{FFFD}[2J  no       -     -\n"
        );
    }

    #[test]
    fn a_line_is_cut_to_the_terminal_at_its_widest_columns_and_never_elsewhere() {
        let rows =
            [json!({ "name": "alice", "spec": { "enabled": true, "sources": ["192.0.2.0/24", "2001:db8::/32"] } })];
        assert_eq!(
            table(&COLUMNS, &rows, Some(40)),
            "NAME   ENABLED  KEYS  SOURCES\nalice  yes      -     192.0.2.0/24,2001…\n"
        );
        assert!(table(&COLUMNS, &rows, None).contains("2001:db8::/32"));
        // A terminal too narrow for anything keeps what can be read.
        assert!(table(&COLUMNS, &rows, Some(1)).contains("192.0.2…"));
    }

    #[test]
    fn a_time_is_shown_as_people_read_it() {
        for (text, shown) in [
            ("2027-01-31T12:00:05.123Z", "2027-01-31 12:00:05 UTC"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31 10:00:00 UTC"),
            ("2027-01-31", "2027-01-31"),
            ("a-name-with-T-in-it-and-more", "a-name-with-T-in-it-and-more"),
            ("überlang-überlang-überlang", "überlang-überlang-überlang"),
        ] {
            assert_eq!(cell(&json!(text)), shown);
        }
    }

    #[test]
    fn one_object_is_a_line_a_field() {
        let object = json!({
            "name": "alice",
            "spec": { "home": { "folder": "/a" }, "keys": [{ "comment": "x\ny" }], "sources": ["a", "b"], "mounts": [] },
        });
        assert_eq!(
            details(&object),
            "name                  alice\n\
             spec.home.folder      /a\n\
             spec.keys[0].comment  x y\n\
             spec.mounts           -\n\
             spec.sources          a, b\n"
        );
    }
}
