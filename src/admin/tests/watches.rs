//! Watches: what is told, from where on, and how a watch ends.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::*;

struct Watch {
    body: axum::body::Body,
    text: String,
}

/// An event: its name, its id, its data.
type Told = (String, Option<u64>, Value);

impl Watch {
    async fn open(node: &Node, query: &str, headers: &[(&str, &str)]) -> Result<Self, Answer> {
        let mut request = http::Request::get(format!("/api/v1/watch{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request
            .extensions_mut()
            .insert(Origin::Remote("192.0.2.7:40000".parse().unwrap()));
        if headers.iter().all(|(name, _)| *name != "authorization") {
            request.extensions_mut().insert(Origin::Local);
        }
        let answer = node.api.router().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        if parts.status != 200 {
            let bytes = body.collect().await.unwrap().to_bytes();
            return Err(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: serde_json::from_slice(&bytes).unwrap(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
        assert_eq!(parts.headers["content-type"], "text/event-stream");
        Ok(Self {
            body,
            text: String::new(),
        })
    }

    /// The next event; `None` once the watch has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let prefix = format!("{name}: ");
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(&prefix))
                        .map(str::to_owned)
                };
                let told = (
                    field("event").unwrap(),
                    field("id").map(|id| id.parse().unwrap()),
                    serde_json::from_str(&field("data").unwrap()).unwrap(),
                );
                self.text = rest.to_owned();
                return Some(told);
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await;
            let frame = frame.expect("nothing was told")?.unwrap().into_data().unwrap();
            self.text += std::str::from_utf8(&frame).unwrap();
        }
    }

    #[track_caller]
    fn told(told: Option<Told>, event: &str, id: Option<u64>, name: &str) -> Value {
        let (found, found_id, data) = told.expect("the watch has ended");
        assert_eq!((found.as_str(), found_id), (event, id), "{data}");
        assert_eq!(data["name"], name);
        data
    }
}

#[tokio::test]
async fn changes_are_told_as_they_come_and_from_a_revision_on() {
    let node = Node::new();
    let mut watch = Watch::open(&node, "", &[]).await.unwrap();
    let (begin, id, data) = watch.next().await.unwrap();
    assert_eq!((begin.as_str(), id, &data["revision"]), ("begin", Some(0), &json!(0)));
    node.put("storage/files", json!({ "root": "/srv" })).await;
    let data = Watch::told(watch.next().await, "put", Some(1), "files");
    assert_eq!(data["object"]["spec"]["root"], "/srv");
    node.put("account/alice", json!({ "password": "correct horse" })).await;
    let data = Watch::told(watch.next().await, "put", Some(2), "alice");
    assert_eq!(data["kind"], "account");
    assert!(!data.to_string().contains("argon2"));
    node.ask("DELETE", "/api/v1/account/alice", &[], "").await;
    Watch::told(watch.next().await, "delete", Some(3), "alice");

    let mut again = Watch::open(&node, "?from=1", &[]).await.unwrap();
    again.next().await.unwrap();
    Watch::told(again.next().await, "delete", Some(3), "alice");
    // What a browser sends when it comes back wins over the address it was given first.
    let mut again = Watch::open(&node, "?from=3", &[("last-event-id", "0")]).await.unwrap();
    again.next().await.unwrap();
    Watch::told(again.next().await, "put", Some(1), "files");
    let mut some = Watch::open(&node, "?kinds=account,service&from=0", &[]).await.unwrap();
    some.next().await.unwrap();
    Watch::told(some.next().await, "delete", Some(3), "alice");
}

#[tokio::test]
async fn a_revision_is_whole_before_its_id_is_told() {
    let node = Node::new();
    let storage = |name: &str| json!({ "kind": "storage", "name": name, "spec": { "root": "/srv" } });
    let both = json!({ "objects": [storage("a"), storage("b")] }).to_string();
    let mut watch = Watch::open(&node, "", &[]).await.unwrap();
    watch.next().await.unwrap();
    assert_eq!(node.ask("POST", "/api/v1/apply", &[], &both).await.status, 200);
    Watch::told(watch.next().await, "put", None, "a");
    Watch::told(watch.next().await, "put", Some(1), "b");
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let node = Node::new();
    for (query, headers, status, word) in [
        ("?kinds=robot", &[][..], 400, "malformed"),
        ("?kinds=", &[][..], 400, "malformed"),
        ("?from=-1", &[][..], 400, "malformed"),
        ("?wat=1", &[][..], 400, "malformed"),
        ("", &[("last-event-id", "abc")][..], 400, "malformed"),
        ("?from=99", &[][..], 503, "not-confirmed"),
        ("", &[("authorization", "Bearer argosy_x")][..], 401, "unauthorized"),
    ] {
        let Err(answer) = Watch::open(&node, query, headers).await else {
            panic!("{query} {headers:?} was taken");
        };
        problem(&answer, status, word, "");
    }
    // What was changed before the node began to remember.
    let late = Node::new();
    for (number, name) in [(7, "one"), (8, "two")] {
        let fields = json!({ "root": "/srv" });
        let mut fields = crate::admin::shapes::fields::Fields::of(fields, "spec").unwrap();
        let storage = crate::admin::shapes::storage::build(&mut fields).unwrap();
        let transaction = crate::catalog::Transaction {
            puts: vec![(crate::ids::Name::parse(name).unwrap(), storage)],
            ..crate::catalog::Transaction::default()
        };
        let actor = crate::catalog::Actor::Root {
            node: "node-1".to_owned(),
        };
        let command = crate::catalog::Command {
            actor,
            from: None,
            at: late.clock.now(),
            transaction,
        };
        let (id, deadline) = (argosy_cluster::RequestId([number; 16]), Duration::from_secs(1));
        late.cluster
            .propose_request(id, [0; 32], command, deadline)
            .await
            .unwrap();
    }
    // It is read from the history then ...
    let mut watch = Watch::open(&late, "?from=1", &[]).await.unwrap();
    watch.next().await.unwrap();
    Watch::told(watch.next().await, "put", Some(2), "two");
    late.put("storage/three", json!({ "root": "/srv" })).await;
    Watch::told(watch.next().await, "put", Some(3), "three");
    let Err(answer) = Watch::open(&late, "?from=0", &[]).await else {
        panic!("forgotten changes were promised");
    };
    // ... unless it is gone from there too.
    problem(&answer, 410, "gone", "list again");
    assert_eq!(answer.body["oldest"], 1);
}

#[tokio::test]
async fn a_watch_ends_when_its_token_does() {
    let node = Node::new();
    let token = administrator(&node, "anna", "viewer").await;
    let header = format!("Bearer {token}");
    let mut watch = Watch::open(&node, "?kinds=storage", &[("authorization", &header)])
        .await
        .unwrap();
    watch.next().await.unwrap();
    node.ask("DELETE", "/api/v1/api-token/anna", &[], "").await;
    node.put("storage/files", json!({ "root": "/srv" })).await;
    let (event, _, data) = watch.next().await.unwrap();
    assert_eq!(event, "end");
    assert!(data["reason"].as_str().unwrap().contains("was deleted"), "{data}");
    assert!(watch.next().await.is_none());
}

/// A node whose watches beat often and wait for a reader as long as it is told.
fn impatient(send_deadline: Duration) -> Node {
    let mut node = Node::new();
    Arc::get_mut(&mut node.api).unwrap().watch_pace = crate::admin::watch::Pace {
        heartbeat: Duration::from_millis(1),
        send_deadline,
    };
    node
}

/// Reads to the last event, which must come before a watch that lives would have told this many.
async fn end_of(watch: &mut Watch) -> Value {
    const TOLD_MAX: usize = 3 * limits::WATCH_CHANGES_MAX;
    let mut last = None;
    for _ in 0..TOLD_MAX {
        match watch.next().await {
            Some(told) => last = Some(told),
            None => {
                let (event, id, data) = last.unwrap();
                assert_eq!((event.as_str(), id), ("end", None), "{data}");
                return data;
            }
        }
    }
    panic!("the watch goes on: {last:?}");
}

#[tokio::test]
async fn a_watch_that_nobody_reads_ends_and_says_so_to_who_reads_it_late() {
    let node = impatient(Duration::from_millis(200));
    node.put("storage/files", json!({ "root": "/srv" })).await;
    let mut watch = Watch::open(&node, "", &[]).await.unwrap();
    // Heartbeats fill its frames, and it gives its place back: read before that, it would go on for ever.
    let until = tokio::time::Instant::now() + Duration::from_secs(50);
    while node.api.watchers.available_permits() < limits::WATCHERS_MAX {
        assert!(
            tokio::time::Instant::now() < until,
            "the watch that nobody reads goes on"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let data = end_of(&mut watch).await;
    let (reason, advice) = (data["reason"].as_str().unwrap(), data["advice"].as_str().unwrap());
    assert!(reason.contains("nothing was read for 200ms"), "{data}");
    assert!(advice.contains("from `revision`"), "{data}");
    // From there it goes on.
    node.put("storage/more", json!({ "root": "/srv" })).await;
    let mut again = Watch::open(&node, &format!("?from={}", data["revision"]), &[])
        .await
        .unwrap();
    loop {
        let told = again.next().await.expect("the watch has ended");
        if told.0 == "put" {
            Watch::told(Some(told), "put", Some(2), "more");
            break;
        }
        assert_ne!(told.0, "end", "{}", told.2);
    }
}

#[tokio::test]
async fn a_watch_that_falls_behind_what_is_remembered_ends_and_says_so() {
    let node = impatient(Duration::from_secs(60));
    let mut watch = Watch::open(&node, "", &[]).await.unwrap();
    // More than is remembered and all frames hold, an event being longer than this; nobody has waited for too long yet.
    let event_bytes_min = 80;
    let held = limits::WATCH_FRAMES_MAX * (limits::WATCH_FRAME_BYTES / event_bytes_min);
    let of = |number: usize| json!({ "kind": "account", "name": format!("a{number}"), "spec": {} });
    let most = 1_000;
    for part in 0..=(limits::WATCH_CHANGES_MAX + held) / most {
        let objects: Vec<_> = (0..most).map(|number| of(part * most + number)).collect();
        let body = json!({ "objects": objects }).to_string();
        assert_eq!(node.ask("POST", "/api/v1/apply", &[], &body).await.status, 200);
    }
    let data = end_of(&mut watch).await;
    assert!(data["reason"].as_str().unwrap().contains("more was changed"), "{data}");
    assert!(data["advice"].as_str().unwrap().contains("list again"), "{data}");
}

#[tokio::test]
async fn watches_are_counted_and_given_back() {
    let node = Node::new();
    let mut open = Vec::new();
    for _ in 0..limits::WATCHERS_MAX {
        open.push(Watch::open(&node, "", &[]).await.unwrap());
    }
    let Err(answer) = Watch::open(&node, "", &[]).await else {
        panic!("one watch too many was opened");
    };
    problem(&answer, 429, "too-many-watchers", "another node");
    open.clear();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while Watch::open(&node, "", &[]).await.is_err() {
        assert!(tokio::time::Instant::now() < until, "no place was given back");
        tokio::task::yield_now().await;
    }
}
