//! How answers look: a table for people, JSON or YAML for programs.

use std::io::Write;

use clap::ValueEnum;
use serde_json::Value;

use super::error::CliError;

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
        Format::Table => emit(&table(columns, rows)),
        Format::Json | Format::Yaml => value(format, whole),
    }
}

/// Writes one value; as a table it looks like YAML.
pub fn value(format: Format, value: &Value) -> Result<(), CliError> {
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            emit(&format!("{text}\n"))
        }
        Format::Table | Format::Yaml => {
            let text = serde_yaml_ng::to_string(value)
                .map_err(|error| CliError::failed("the answer cannot be written as YAML").because(error))?;
            emit(&text)
        }
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

fn table(columns: &[Column], rows: &[Value]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| cell(at(row, column.1))).collect())
        .collect();
    let width = |index: usize| {
        let longest = cells.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
        longest.max(columns[index].0.len())
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let titles: Vec<_> = columns.iter().map(|column| column.0.to_owned()).collect();
    cells.iter().fold(line(&titles), |text, row| text + &line(row))
}

fn at<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |value, part| &value[part])
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(Value::is_object) => values.len().to_string(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    clean(&text).replace('\n', " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_cannot_change_the_terminal() {
        let rows = [
            json!({ "name": "alice", "spec": { "enabled": true, "keys": [{}, {}], "sources": ["10.0.0.0/8"] } }),
            json!({ "name": "b\u{1b}[2J", "spec": { "enabled": false, "keys": [] } }),
        ];
        let columns = [
            ("NAME", "name"),
            ("ENABLED", "spec.enabled"),
            ("KEYS", "spec.keys"),
            ("SOURCES", "spec.sources"),
        ];
        assert_eq!(
            table(&columns, &rows),
            "NAME   ENABLED  KEYS  SOURCES\nalice  yes      2     10.0.0.0/8\nb\u{FFFD}[2J  no       0     -\n"
        );
    }
}
