//! A client that runs in the background and reports by lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::limits;

/// A running client.
pub struct Talk {
    child: std::process::Child,
    lines: mpsc::Receiver<Value>,
    seen: Vec<Value>,
}

impl Talk {
    /// Starts `command`, which prints one JSON object a line.
    pub fn start(mut command: Command) -> Self {
        let line = format!("{command:?}");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = super::process::spawn(command).unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Sends one line.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// The next report that has the field `key`, within [`limits::LINE`].
    #[track_caller]
    pub fn expect(&mut self, key: &str) -> Value {
        self.within(key, limits::LINE)
    }

    /// The next report that has the field `key`, within `limit`.
    #[track_caller]
    pub fn within(&mut self, key: &str, limit: Duration) -> Value {
        let until = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(value) => {
                    self.seen.push(value.clone());
                    if value.get(key).is_some() {
                        return value;
                    }
                }
                Err(error) => {
                    let last: Vec<_> = self.seen.iter().rev().take(5).collect();
                    panic!("no report of `{key}` within {limit:?} ({error}); the last reports: {last:?}")
                }
            }
        }
    }

    /// The reports so far that nobody has read.
    pub fn drain(&mut self) -> Vec<Value> {
        let unread: Vec<_> = self.lines.try_iter().collect();
        self.seen.extend(unread.iter().cloned());
        unread
    }

    /// All reports that were read.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
