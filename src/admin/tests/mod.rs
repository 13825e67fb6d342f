//! The API as a whole, over the real catalog.

mod callers;
mod certificates;
mod history;
mod lists;
mod nodes;
mod objects;
mod patches;
mod watches;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::caller::Origin;
use super::limits;
use super::port::ClusterPort;
use super::testing::{Answer, Node};

const ID: &str = "00112233445566778899aabbccddeeff";

fn spec(spec: &Value) -> String {
    json!({ "spec": spec }).to_string()
}

#[track_caller]
fn problem(answer: &Answer, status: u16, word: &str, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(
        answer.body["type"],
        format!("urn:argosy:problem:{word}"),
        "{}",
        answer.text
    );
    assert!(
        answer.body["detail"].as_str().unwrap().contains(part),
        "{}",
        answer.text
    );
}

/// An administrator with a token, besides an owner who is always there; gives the token.
async fn administrator(node: &Node, name: &str, role: &str) -> String {
    node.put("administrator/first", json!({ "role": "owner" })).await;
    node.put(&format!("administrator/{name}"), json!({ "role": role }))
        .await;
    let answer = node
        .put(&format!("api-token/{name}"), json!({ "administrator": name }))
        .await;
    answer.body["secrets"][0]["secret"].as_str().unwrap().to_owned()
}

/// Asks from an address that nobody asked from before, so that no failure before it counts.
async fn remote(node: &Node, method: &str, path: &str, authorization: &[&str]) -> Answer {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x0a00_0000);
    let address = std::net::Ipv4Addr::from(NEXT.fetch_add(1, Ordering::SeqCst));
    remote_from(node, SocketAddr::from((address, 50000)), method, path, authorization).await
}

async fn remote_from(node: &Node, peer: SocketAddr, method: &str, path: &str, authorization: &[&str]) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    node.send(request.body(String::new()).unwrap(), Some(Origin::Remote(peer)))
        .await
}
