//! Certificates through the API: what an export says of their keys, and what a rollback needs of them.

use serde_json::json;

use super::*;
use crate::admin::certificates::issue::{self, Wanted};
use crate::admin::certificates::pem;

/// A certificate as somebody brings it, with its key.
fn brought(node: &Node) -> Value {
    let key = issue::generate("ecdsa-p256").unwrap();
    let wanted = Wanted {
        names: vec!["files.example.org".to_owned()],
        ..Wanted::default()
    };
    let certificate = key.self_signed(&wanted, 90, node.clock.now()).unwrap();
    let private = String::from_utf8(key.pair().unwrap().private.to_vec()).unwrap();
    json!({ "chain": pem::write_chain(&[certificate]), "private": private })
}

async fn export(node: &Node, with_credentials: bool) -> Value {
    let path = format!("/api/v1/export?with_credentials={with_credentials}");
    let answer = node.ask("GET", &path, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

async fn post(node: &Node, path: &str, body: &Value) -> Answer {
    node.ask("POST", &format!("/api/v1/{path}"), &[], &body.to_string())
        .await
}

#[tokio::test]
async fn an_export_tells_that_keys_are_left_out_and_is_applied_once_they_were_brought() {
    let (node, other) = (Node::new(), Node::new());
    let main = brought(&node);
    node.put("certificate/main", main.clone()).await;
    node.put(
        "certificate/asked",
        json!({ "request": { "names": ["files.example.org"] } }),
    )
    .await;
    node.put(
        "service/ftps",
        json!({ "kind": "ftps", "port": 21, "tls": { "certificates": ["main"] } }),
    )
    .await;
    for with_credentials in [false, true] {
        let document = export(&node, with_credentials).await;
        let text = document.to_string();
        assert!(!text.contains("PRIVATE KEY") && !text.contains("sealed"), "{text}");
        let objects = document["objects"].as_array().unwrap();
        let certificates: Vec<_> = objects.iter().filter(|one| one["kind"] == "certificate").collect();
        assert_eq!(certificates.len(), 1, "{text}");
        assert_eq!(certificates[0]["spec"]["chain"], main["chain"]);
        let left = |name: &str| {
            let all = document["left_out"].as_array().unwrap().iter();
            let of = |one: &&Value| one["kind"] == "certificate" && one["name"] == name;
            all.clone().find(of).unwrap()["what"].as_str().unwrap().to_owned()
        };
        assert!(left("main").contains("argosy certificate import"), "{}", left("main"));
        assert!(left("asked").starts_with("everything"), "{}", left("asked"));
    }
    let document = export(&node, true).await;
    let refused = post(&other, "apply", &document).await;
    problem(&refused, 422, "invalid", "an export never holds one");
    assert!(
        refused.text.contains("argosy certificate import main"),
        "{}",
        refused.text
    );
    assert!(other.cluster.view().certificates.is_empty());
    other.put("certificate/main", main).await;
    let applied = post(&other, "apply", &document).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let there = other.cluster.view();
    assert!(there.services.get("ftps").is_some());
    let opened = there.certificates.get("main").unwrap().spec.issued.clone().unwrap();
    assert!(
        !opened.key.sealed_private.is_empty(),
        "the key that was brought is kept"
    );
}

#[tokio::test]
async fn a_rollback_to_a_certificate_is_refused_once_its_key_cannot_be_opened() {
    for bring in [
        |node: &Node| brought(node),
        |_: &Node| json!({ "request": { "names": ["files.example.org"] } }),
    ] {
        let node = Node::new();
        node.put("certificate/main", bring(&node)).await;
        node.cluster.data_key.store(2, Ordering::SeqCst);
        node.put("certificate/main", brought(&node)).await;
        let back = json!({ "revision": 1, "with_credentials": true });
        let plan = post(&node, "rollback?dry_run=true", &back).await;
        assert_eq!(plan.status, 200, "{}", plan.text);
        node.cluster.oldest_data_key.store(2, Ordering::SeqCst);
        let refused = post(&node, "rollback", &back).await;
        problem(
            &refused,
            410,
            "gone",
            "certificate `main` of that revision cannot be opened any more",
        );
        assert_eq!(node.cluster.view().revision, 2);
        node.cluster.oldest_data_key.store(1, Ordering::SeqCst);
        assert_eq!(post(&node, "rollback", &back).await.status, 200);
        assert_eq!(node.cluster.view().revision, 3);
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_is_refused_with_its_field_and_changes_nothing() {
    let node = Node::new();
    let (one, other) = (brought(&node), brought(&node));
    let weak = include_str!("../../x509/fixtures/weak.key");
    for (spec, field, word) in [
        (
            json!({ "chain": one["chain"], "private": other["private"] }),
            "spec.chain",
            "does not belong to the key",
        ),
        (json!({ "chain": one["chain"] }), "spec.chain", "stands alone"),
        (json!({ "private": one["private"] }), "spec.private", "stands alone"),
        (
            json!({ "chain": one["chain"], "private": weak }),
            "spec.private",
            "RSA from 2048 bits",
        ),
        (
            json!({ "chain": "x", "private": one["private"] }),
            "spec.chain",
            "holds no certificate",
        ),
        (json!({ "pkcs12": "x!" }), "spec.pkcs12", "is not base64"),
        (json!({ "pkcs12": "MAA=" }), "spec.pkcs12", "is not a PKCS#12 file"),
        (
            json!({ "self_signed": { "names": [] } }),
            "spec.self_signed.names",
            "is empty",
        ),
        (json!({}), "spec", "says nothing of what to make"),
    ] {
        let body = super::spec(&spec);
        let answer = node.ask("PUT", "/api/v1/certificate/main", &[], &body).await;
        problem(&answer, 422, "invalid", word);
        assert_eq!(answer.body["field"], field, "{}", answer.text);
        assert!(!answer.text.contains("PRIVATE KEY"), "{}", answer.text);
    }
    assert_eq!(node.cluster.view().revision, 0);
}
