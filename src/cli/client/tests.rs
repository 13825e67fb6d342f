//! Servers that are down, break off or refuse, and what the client makes of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

/// What a server of a test does with a request.
#[derive(Clone)]
enum Answer {
    /// Takes it and hangs up.
    HangUp,
    /// Answers with this status and body.
    With(u16, Value),
}

/// Servers on sockets; the first has the answers in order, the last of which is repeated.
struct Servers {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Servers {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            asked: Arc::default(),
        }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{number}.sock"))
    }

    fn start(&self, number: usize, answers: &[Answer]) {
        let listener = UnixListener::bind(self.path(number)).unwrap();
        let (asked, answers) = (self.asked.clone(), answers.to_vec());
        tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let id = head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
                asked.lock().unwrap().push((number, id.unwrap_or("-").to_owned()));
                if let Answer::With(status, body) = &answers[turn.min(answers.len() - 1)] {
                    let body = body.to_string();
                    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(text.as_bytes()).await;
                }
            }
        });
    }

    /// Asks servers 1 and 2 for a change, with a request id or without.
    async fn change(&self, id: Option<&str>) -> Result<Reply, CliError> {
        let places = vec![Place::Socket(self.path(1)), Place::Socket(self.path(2))];
        let headers: Vec<_> = id.map(|id| (REQUEST_ID, id.to_owned())).into_iter().collect();
        let mut client = Client::new(places, None);
        client.patience = Duration::from_secs(2);
        client.send(Method::PUT, "/x", &headers, Some(&json!({}))).await
    }

    fn asked(&self) -> Vec<(usize, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn at(number: usize, id: &str) -> (usize, String) {
    (number, id.to_owned())
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_down_or_has_no_quorum() {
    let servers = Servers::new();
    servers.start(2, &[Answer::With(200, json!({ "revision": 7 }))]);
    assert_eq!(servers.change(Some("a")).await.unwrap().body["revision"], 7);
    servers.start(1, &[Answer::With(503, json!({ "title": "no quorum" }))]);
    assert_eq!(servers.change(None).await.unwrap().body["revision"], 7);
    assert_eq!(servers.asked(), [at(2, "a"), at(1, "-"), at(2, "-")]);
}

#[tokio::test]
async fn a_change_that_broke_off_is_asked_for_again_by_its_id_and_never_without_one() {
    let servers = Servers::new();
    servers.start(1, &[Answer::HangUp]);
    servers.start(2, &[Answer::With(200, json!({ "revision": 7 }))]);
    assert!(servers.change(Some("a")).await.is_ok());
    assert_eq!(servers.asked(), [at(1, "a"), at(2, "a")]);
    let error = servers.change(None).await.unwrap_err();
    assert_eq!(error.exit, Exit::Unknown);
    assert_eq!(servers.asked().len(), 3);
}

#[tokio::test]
async fn a_change_of_unknown_fate_stays_unknown_until_the_cluster_has_decided() {
    let unknown = Answer::With(504, json!({ "outcome": "unknown", "request": "a" }));
    // A refusal before the cluster is asked says nothing about the first try.
    let undecided = Answer::With(401, json!({ "title": "who are you?" }));
    let decided = Answer::With(412, json!({ "title": "stale", "request": "a" }));
    let servers = Servers::new();
    servers.start(1, std::slice::from_ref(&unknown));
    servers.start(2, &[undecided.clone(), decided]);
    let error = servers.change(Some("a")).await.unwrap_err();
    assert_eq!(error.exit, Exit::Precondition);
    assert_eq!(servers.asked().len(), 4);

    let servers = Servers::new();
    servers.start(1, &[unknown]);
    servers.start(2, &[undecided]);
    let error = servers.change(Some("abc")).await.unwrap_err();
    assert_eq!(error.exit, Exit::Unknown);
    assert!(error.message.contains("--request-id abc"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_final_and_everybody_down_is_unavailable_with_all_reasons() {
    let servers = Servers::new();
    let error = servers.change(Some("a")).await.unwrap_err();
    assert_eq!(error.exit, Exit::Unavailable);
    assert!(
        error.message.contains("1.sock") && error.message.contains("2.sock"),
        "{error}"
    );
    servers.start(1, &[Answer::With(422, json!({ "title": "invalid" }))]);
    servers.start(2, &[Answer::With(200, json!({}))]);
    assert_eq!(servers.change(Some("a")).await.unwrap_err().exit, Exit::Failed);
    assert_eq!(servers.asked(), [at(1, "a")]);
}

#[test]
fn a_name_becomes_one_part_of_a_path() {
    for (text, expected) in [
        ("alice", "alice"),
        ("..", "%2E%2E"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("Ü 1", "%C3%9C%201"),
    ] {
        assert_eq!(encoded(text), expected);
    }
}
