//! A client of the admin API that asks its servers in order: the next one when one is down.
//!
//! A change carries a request id, so that asking again makes it once at most. What is asked, and how the answer
//! looks, is left to the commands; one exchange, to `place`.

use std::time::{Duration, Instant};

use http::{Method, Response};
use hyper::body::Incoming;
use serde_json::Value;

use super::error::{CliError, Exit};
use super::limits;
use super::place::{Access, Ask, Failure, Place, Reply};

/// The header that names a change, so that a repetition is recognised.
pub const REQUEST_ID: &str = "idempotency-key";

/// Asks the admin API.
pub struct Client {
    places: Vec<Place>,
    access: Option<Access>,
    /// How long a change of unknown outcome is asked for again.
    patience: Duration,
}

/// What is known after some tries that gave no answer.
#[derive(Default)]
struct Tries {
    /// Some node may have taken the change.
    maybe_made: bool,
    /// What each place said last.
    said: Vec<(String, CliError)>,
}

impl Client {
    /// A client of `places`, asked in this order; connects at each request.
    pub fn new(places: Vec<Place>, access: Option<Access>) -> Self {
        Self {
            places,
            access,
            patience: limits::RETRY_MAX,
        }
    }

    /// Reads `path`, with its query.
    pub async fn get(&self, path: &str) -> Result<Reply, CliError> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a request. `headers` are names and values.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Reply, CliError> {
        let ask = Ask {
            method,
            path,
            headers,
            body,
        };
        let id = headers.iter().find(|(name, _)| *name == REQUEST_ID);
        let reads = ask.method == Method::GET;
        let begun = Instant::now();
        let mut tries = Tries::default();
        loop {
            if let Some(end) = self.round(&ask, reads || id.is_some(), &mut tries).await {
                return end;
            }
            let again = id.is_some() && tries.maybe_made && begun.elapsed() < self.patience;
            if !again {
                return Err(tries.end(id.map(|(_, id)| id.as_str())));
            }
            tokio::time::sleep(limits::RETRY_PAUSE).await;
        }
    }

    /// Asks each place once; `None`: nobody gave an answer that counts.
    async fn round(&self, ask: &Ask<'_>, repeatable: bool, tries: &mut Tries) -> Option<Result<Reply, CliError>> {
        let connect_max = match self.places.len() {
            1 => limits::CONNECT_DEADLINE,
            _ => limits::CONNECT_DEADLINE_OF_SEVERAL,
        };
        tries.said.clear();
        for place in &self.places {
            let failure = match place.ask(self.access.as_ref(), ask, connect_max).await {
                Ok(reply) => return Some(Ok(reply)),
                Err(failure) => failure,
            };
            let (error, goes_on) = match failure {
                Failure::NotSent(error) => (error, true),
                Failure::Broken(error) => {
                    tries.maybe_made |= ask.method != Method::GET;
                    (error, repeatable)
                }
                Failure::Refused(error, decided) => match error.exit {
                    Exit::Unknown => {
                        tries.maybe_made = true;
                        (error, repeatable)
                    }
                    Exit::Unavailable => (error, true),
                    // Before the cluster has decided, a refusal says nothing about an earlier try.
                    _ if !tries.maybe_made || decided => return Some(Err(error)),
                    _ => (error, true),
                },
            };
            tries.said.push((place.to_string(), error));
            if !goes_on {
                break;
            }
        }
        None
    }

    /// Opens a stream at the first place that answers.
    pub async fn stream(&self, path: &str, headers: &[(&'static str, String)]) -> Result<Response<Incoming>, CliError> {
        let ask = Ask {
            method: Method::GET,
            path,
            headers,
            body: None,
        };
        let mut tries = Tries::default();
        for place in &self.places {
            match place.stream(self.access.as_ref(), &ask).await {
                Ok(response) => return Ok(response),
                Err(Failure::Refused(error, _)) if error.exit != Exit::Unavailable => return Err(error),
                Err(Failure::Refused(error, _) | Failure::NotSent(error) | Failure::Broken(error)) => {
                    tries.said.push((place.to_string(), error));
                }
            }
        }
        Err(tries.end(None))
    }
}

impl Tries {
    /// The error that says what was tried.
    fn end(mut self, id: Option<&str>) -> CliError {
        let last = self.said.pop();
        let earlier: String = self
            .said
            .iter()
            .map(|(place, error)| format!("\n  before that, {place}: {}", first_cause(error)))
            .collect();
        let Some((place, last)) = last else {
            return CliError::unavailable("there is no server to ask");
        };
        if !self.maybe_made {
            return CliError {
                message: format!("{}{earlier}", last.message),
                ..last
            };
        }
        let advice = match id {
            Some(id) => format!(
                "Repeat the same command with --request-id {id}: then the change is made once at most, and you learn \
                 what became of it"
            ),
            None => "Look before you repeat it".to_owned(),
        };
        let message = format!("it is not known whether this was done ({place} was asked last). {advice}{earlier}");
        CliError {
            status: last.status,
            ..CliError::new(Exit::Unknown, message).because(first_cause(&last))
        }
    }
}

fn first_cause(error: &CliError) -> String {
    match &error.source {
        Some(source) => format!("{}: {source}", error.message),
        None => error.message.clone(),
    }
}

/// `text` as one part of a URL's path or query: everything but unreserved characters percent-encoded.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            // A lone `.` or `..` would be taken for a folder on the way.
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
