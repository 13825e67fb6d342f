//! What comes in other than by arguments: passwords, tokens, key files, times. Secrets never stand in argv.

use std::io::{BufRead, Read};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::CliError;
use super::limits::{FILE_BYTES_MAX, SECRET_BYTES_MAX};
use super::noun::{Fields, Given};
use crate::clock::{Clock, UnixMillis};

/// Where a password comes from.
#[derive(Debug, Default, Args)]
pub struct PasswordArgs {
    /// Ask for a password on the terminal
    #[arg(long, conflicts_with = "password_stdin")]
    password: bool,
    /// Read the password from standard input (first line)
    #[arg(long)]
    password_stdin: bool,
}

impl Given for PasswordArgs {
    fn given(self, whose: &str) -> Result<Fields, CliError> {
        let mut fields = Fields::new();
        if self.password || self.password_stdin {
            let password = password(self.password_stdin, whose)?;
            fields.insert("password".to_owned(), password.as_str().into());
        }
        Ok(fields)
    }
}

/// A password: the first line of standard input, or asked for twice on the terminal.
pub fn password(stdin: bool, whose: &str) -> Result<Zeroizing<String>, CliError> {
    if stdin {
        return secret_line(std::io::stdin().lock(), "standard input");
    }
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
            CliError::usage("a password can be asked for only on a terminal; else pipe it in (--help names the flag)")
                .because(error)
        })
    };
    let first = ask(format!("New password for {whose}: "))?;
    let second = ask("The same again: ".to_owned())?;
    if *first != *second {
        return Err(CliError::usage("the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

/// The password of something that has one already: the first line of standard input, or asked for once.
pub fn present_password(stdin: bool, whose: &str) -> Result<Zeroizing<String>, CliError> {
    if stdin {
        return secret_line(std::io::stdin().lock(), "standard input");
    }
    let asked = rpassword::prompt_password(format!("Password of {whose}: ")).map(Zeroizing::new);
    asked.map_err(|error| {
        CliError::usage("a password can be asked for only on a terminal; else pipe it in (--help names the flag)")
            .because(error)
    })
}

/// The first line of a secret's source, without the line break.
fn secret_line(source: impl BufRead, whence: &str) -> Result<Zeroizing<String>, CliError> {
    let mut line = Zeroizing::new(String::new());
    let failed = |reason: &str| CliError::usage(format!("no secret could be read from {whence}: {reason}"));
    source
        .take(SECRET_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| failed("it is not UTF-8 text").because(error))?;
    let trimmed = line.strip_suffix('\n').unwrap_or(&line);
    let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
    if trimmed.is_empty() {
        return Err(failed("its first line is empty"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}

/// A token in the file `path`: its first line.
pub fn token_file(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = Zeroizing::new(text(path)?);
    secret_line(text.as_bytes(), &path.display().to_string())
}

/// A token from standard input: its first line.
pub fn token_stdin() -> Result<Zeroizing<String>, CliError> {
    secret_line(std::io::stdin().lock(), "standard input")
}

/// A token that is asked for on the terminal; `None` where there is none.
pub fn token_prompt(whose: &str) -> Result<Option<Zeroizing<String>>, CliError> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let token = rpassword::prompt_password(format!("API token for {whose}: ")).map(Zeroizing::new);
    let token = token.map_err(|error| CliError::usage("the token could not be asked for").because(error))?;
    let token = Zeroizing::new(token.trim().to_owned());
    if token.is_empty() {
        return Err(CliError::usage(
            "no token was given; `argosy api-token create` makes one",
        ));
    }
    Ok(Some(token))
}

/// The join token: from standard input, or from `file`.
pub fn join_token(stdin: bool, file: Option<&Path>) -> Result<Zeroizing<String>, CliError> {
    match file {
        Some(file) => token_file(file),
        None if stdin => token_stdin(),
        None => Err(CliError::usage(
            "`join` needs the token that `argosy token create` prints on a member: pipe it in with --token-stdin, \
             or use --token-file FILE",
        )),
    }
}

/// A text file; `-` is standard input.
pub fn text(path: &Path) -> Result<String, CliError> {
    text_up_to(path, FILE_BYTES_MAX)
}

/// The same, of at most `bytes_max` bytes.
pub fn text_up_to(path: &Path, bytes_max: u64) -> Result<String, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("cannot read {}", path.display())).because(error);
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(bytes_max + 1).read_to_string(&mut text)
    };
    let bytes = read.map_err(failed)?;
    if bytes as u64 > bytes_max {
        return Err(CliError::failed(format!(
            "{} is over the limit of {bytes_max} bytes",
            path.display()
        )));
    }
    Ok(text)
}

/// A file of any bytes; `-` is standard input.
pub fn file_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("cannot read {}", path.display())).because(error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    }
    .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let shown = path.display();
        return Err(CliError::failed(format!(
            "{shown} is over the limit of {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes)
}

/// What stands in a file as PEM; one in DER is written as PEM under this label.
pub fn pem(path: &Path, label: &str) -> Result<String, CliError> {
    let bytes = file_bytes(path)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => Ok(text),
        Ok(text) => Ok(crate::admin::certificates::pem::write(label, text.as_bytes())),
        Err(error) => Ok(crate::admin::certificates::pem::write(label, error.as_bytes())),
    }
}

/// The lines of an `authorized_keys` or `.pub` file, without comments.
pub fn key_lines(path: &Path) -> Result<Vec<String>, CliError> {
    let lines: Vec<_> = text(path)?
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        return Err(CliError::failed(format!("{} holds no public key", path.display())));
    }
    Ok(lines)
}

/// A length of time: `90s`, `15m`, `1h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a length of time such as 90s, 15m, 1h or 30d");
    let split = text
        .find(|character: char| !character.is_ascii_digit())
        .ok_or_else(refuse)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refuse()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refuse)
}

/// An option's value, or `none`, which takes away what was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

/// A moment: RFC 3339, or a length of time from now; `none` for never. Gives RFC 3339.
pub fn moment(text: &str) -> Result<OrNone<String>, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    if let Ok(from_now) = duration(text) {
        let millis = i64::try_from(from_now.as_millis()).map_err(|_| format!("`{text}` is too long"))?;
        let now = Clock::system().now();
        return Ok(OrNone(Some(UnixMillis(now.0.saturating_add(millis)).to_rfc3339())));
    }
    let moment = UnixMillis::from_rfc3339(text)
        .map_err(|_| format!("`{text}` is neither a time such as 2027-01-31T12:00:00Z nor one from now such as 30d"))?;
    Ok(OrNone(Some(moment.to_rfc3339())))
}

/// An option that can be repeated: nothing given is nothing to change, `none` alone is the empty list.
pub fn listed(words: &[String]) -> Option<Value> {
    match words {
        [] => None,
        [none] if none == "none" => Some(json!([])),
        words => Some(json!(words)),
    }
}

/// A number, or `none`.
pub fn number_or_none(text: &str) -> Result<OrNone<u32>, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    text.parse()
        .map(|number| OrNone(Some(number)))
        .map_err(|_| format!("`{text}` is neither a number nor `none`"))
}

/// A number of bytes, with K, M, G or T for powers of 1024; or `none`.
pub fn bytes_or_none(text: &str) -> Result<OrNone<u64>, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    bytes(text).map(|bytes| OrNone(Some(bytes)))
}

/// A number of bytes, with K, M, G or T for powers of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not a number of bytes such as 1000, 64K, 500M, 2G or 1T");
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(refuse()),
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_mul(1 << shift).ok_or_else(refuse)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_can_have_a_binary_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("64K", Some(65_536)),
            ("2G", Some(2 << 30)),
            ("1T", Some(1 << 40)),
            ("K", None),
            ("1KK", None),
            ("1k", None),
            ("-1", None),
            ("99999999T", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
        assert_eq!(bytes_or_none("none"), Ok(OrNone(None)));
    }

    #[test]
    fn lengths_of_time_need_a_unit() {
        let seconds = |text: &str| duration(text).map(|duration| duration.as_secs()).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("1h"), Some(3_600));
        assert_eq!(seconds("30d"), Some(2_592_000));
        for text in [
            "",
            "1",
            "h",
            "1w",
            "-1h",
            "1.5h",
            "99999999999999999999h",
            "18446744073709551615d",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_length_from_now_or_none() {
        assert_eq!(moment("none").unwrap(), OrNone(None));
        let text = moment("2027-01-31T12:00:00+01:00").unwrap();
        assert_eq!(text.0.as_deref(), Some("2027-01-31T11:00:00.000Z"));
        assert!(moment("1h").unwrap().0.is_some());
        assert!(moment("tomorrow").is_err());
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_source() {
        let read = |text: &str| {
            secret_line(text.as_bytes(), "test")
                .map(|secret| secret.to_string())
                .ok()
        };
        assert_eq!(read("s3cret\n"), Some("s3cret".to_owned()));
        assert_eq!(read(" s3 cret \r\nmore"), Some(" s3 cret ".to_owned()));
        assert_eq!(read("\n"), None);
        assert_eq!(read(""), None);
    }
}
