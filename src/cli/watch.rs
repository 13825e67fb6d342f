//! `argosy watch`: changes of objects as they are made, until Ctrl-C.
//!
//! A watch that breaks goes on at the next server from the last revision that was told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::Context;
use super::error::CliError;
use super::limits;
use super::noun::Run;
use super::output::{self, Format};
use crate::catalog::Kind;

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only these kinds, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = super::get::kind)]
    kind: Vec<Kind>,
    /// Begin with the changes after this revision, instead of now
    #[arg(long, value_name = "REVISION")]
    from: Option<u64>,
}

/// An event of a stream (WHATWG server-sent events).
#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: Option<u64>,
    data: String,
}

/// Text that becomes events as it arrives.
#[derive(Default)]
struct Reader {
    pending: Vec<u8>,
    event: Event,
}

impl Reader {
    /// The events that are complete with `bytes`. Fails where one grows over the limit.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, CliError> {
        self.pending.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() || !event.name.is_empty() {
                    events.push(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.event.name = value.to_owned(),
                "id" => self.event.id = value.parse().ok(),
                "data" if self.event.data.is_empty() => self.event.data = value.to_owned(),
                "data" => {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                }
                _ => {}
            }
        }
        if self.pending.len() + self.event.data.len() > limits::STREAM_EVENT_BYTES_MAX {
            return Err(CliError::failed("the node sent an event over the limit"));
        }
        Ok(events)
    }
}

/// How one stream ended.
enum End {
    /// It may go on elsewhere.
    Broken(String),
    /// The node said that it is over.
    Over(CliError),
}

impl Run for WatchArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        let words: Vec<_> = self.kind.iter().map(|kind| kind.word()).collect();
        let mut last = self.from;
        let mut since: Option<Instant> = None;
        loop {
            let mut query = Vec::new();
            if !words.is_empty() {
                query.push(format!("kinds={}", words.join(",")));
            }
            if let Some(last) = last {
                query.push(format!("from={last}"));
            }
            let path = format!("/api/v1/watch?{}", query.join("&"));
            let reason = match context
                .client
                .stream(&path, &[("accept", "text/event-stream".to_owned())])
                .await
            {
                Ok(response) => {
                    since = None;
                    match follow(context, response.into_body(), &mut last).await? {
                        End::Over(error) => return Err(error),
                        End::Broken(reason) => reason,
                    }
                }
                // Only a watch that once ran is begun anew.
                Err(error) if last.is_none() || error.exit != super::error::Exit::Unavailable => return Err(error),
                Err(error) if since.is_some_and(|since| since.elapsed() > limits::RETRY_MAX) => return Err(error),
                Err(error) => error.to_string(),
            };
            if since.is_none() {
                since = Some(Instant::now());
                let revision = last.unwrap_or_default();
                eprintln!(
                    "the watch broke off ({}); it goes on after revision {revision}",
                    output::clean(&reason)
                );
            }
            tokio::time::sleep(limits::RETRY_PAUSE).await;
        }
    }
}

/// Tells the events of one stream.
async fn follow(context: &Context, mut body: Incoming, last: &mut Option<u64>) -> Result<End, CliError> {
    let mut reader = Reader::default();
    loop {
        let bytes = match next(&mut body, limits::STREAM_SILENCE_MAX).await {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(End::Broken(reason)),
        };
        for event in reader.feed(&bytes)? {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            match event.name.as_str() {
                "begin" | "heartbeat" => {}
                "end" => {
                    let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
                    if text("reason").contains("stops") {
                        return Ok(End::Broken(text("reason")));
                    }
                    let message = format!("the watch ended: {}; {}", text("reason"), text("advice"));
                    return Ok(End::Over(CliError::failed(message)));
                }
                name => tell(context.format, name, &data)?,
            }
            *last = event.id.or(*last);
        }
    }
}

async fn next(body: &mut Incoming, silence_max: Duration) -> Result<Bytes, String> {
    loop {
        match tokio::time::timeout(silence_max, body.frame()).await {
            Err(_) => return Err(format!("nothing came for {} s", silence_max.as_secs())),
            Ok(None) => return Err("the node closed it".to_owned()),
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(bytes);
                }
            }
        }
    }
}

/// One change: a line for people, a JSON line, or a YAML document.
fn tell(format: Format, name: &str, data: &Value) -> Result<(), CliError> {
    let mut whole = data.clone();
    whole["event"] = name.into();
    match format {
        Format::Json => output::emit(&format!("{whole}\n")),
        Format::Yaml => {
            output::emit("---\n")?;
            output::value(format, &whole)
        }
        Format::Table => output::emit(&format!("{}\n", sentence(name, data))),
    }
}

fn sentence(name: &str, data: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let object = &data["object"];
    let by = match object["changed_by"].as_str() {
        Some(by) => format!(" by {by}, {}", output::word(&object["changed_at"])),
        None => String::new(),
    };
    let said = if name == "delete" { "deleted" } else { "changed" };
    let line = format!(
        "{:>8}  {said} {} `{}`{by}",
        data["revision"].as_u64().unwrap_or_default(),
        text(&data["kind"]),
        text(&data["name"]),
    );
    output::clean(&line).replace('\n', " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = b"event: put\nid: 12\ndata: {\"a\":\ndata: 1}\n\n: comment\nevent: heartbeat\r\ndata: {}\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let mut events = Vec::new();
            for part in text.chunks(size) {
                events.extend(reader.feed(part).unwrap());
            }
            let found: Vec<_> = events
                .iter()
                .map(|event| (event.name.as_str(), event.id, event.data.as_str()))
                .collect();
            let expected = [("put", Some(12), "{\"a\":\n1}"), ("heartbeat", None, "{}")];
            assert_eq!(found, expected, "in parts of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let mut reader = Reader::default();
        let part = vec![b'x'; 1024 * 1024];
        let fed = (0..32).try_for_each(|_| reader.feed(&part).map(|_| ()));
        assert!(fed.is_err());
    }

    #[test]
    fn a_change_is_one_line_that_cannot_change_the_terminal() {
        let data = json!({
            "revision": 12, "kind": "account", "name": "a\u{1b}",
            "object": { "changed_by": "anna", "changed_at": "2027-01-31T12:00:00.000Z" },
        });
        assert_eq!(
            sentence("put", &data),
            "      12  changed account `a\u{FFFD}` by anna, 2027-01-31 12:00:00 UTC"
        );
        let gone = json!({ "revision": 13, "kind": "account", "name": "a" });
        assert_eq!(sentence("delete", &gone), "      13  deleted account `a`");
    }
}
