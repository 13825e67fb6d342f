//! What is no request, or one for another place, gets an answer and changes nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{TREE, World, basic};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_out_is_refused_in_every_encoding() {
    let world = World::plain();
    std::fs::write(world.file("inside"), b"x").unwrap();
    let secret = world.folder.path().parent().unwrap().join("argosy-http-secret");
    std::fs::write(&secret, b"secret").unwrap();
    std::os::unix::fs::symlink(&secret, world.file("link")).unwrap();
    for (path, status) in [
        ("/../argosy-http-secret", 400),
        ("/%2e%2e/argosy-http-secret", 400),
        ("/%2E./argosy-http-secret", 400),
        ("/..%2fargosy-http-secret", 400),
        ("/..%5cargosy-http-secret", 404),
        ("/..;/argosy-http-secret", 404),
        ("/%252e%252e/argosy-http-secret", 404),
        ("/%c0%ae%c0%ae/argosy-http-secret", 404),
        ("/inside%00", 400),
        ("/inside%", 400),
        ("//../argosy-http-secret", 400),
        ("/link", 403),
    ] {
        let answer = world.ask("GET", &format!("{TREE}{path}"), &[], b"").await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(
            !answer.text().contains("secret\n") && answer.body != b"secret",
            "{path}"
        );
    }
    std::fs::remove_file(secret).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_can_be_read_in_two_ways_has_one_answer_and_the_connection_is_closed() {
    let world = World::plain();
    let proof = basic("alice", "secret");
    // The length is as chunked says it, and nothing after it is looked at (RFC 9112, 6.1).
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let next = format!("DELETE {TREE}/f HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n\r\n");
        let head = format!("PUT {TREE}/f HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n{headers}\r\n");
        let said = world.raw(format!("{head}3\r\nabc\r\n0\r\n\r\n{next}").as_bytes()).await;
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "{headers}: {said}");
        assert!(
            said.contains("400 Bad Request") || std::fs::read(world.file("f")).unwrap() == b"abc",
            "{said}"
        );
        drop(std::fs::remove_file(world.file("f")));
    }
    for (headers, body) in [
        ("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("Content-Length: +1\r\n", "a"),
    ] {
        let request = format!("PUT {TREE}/f HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n{headers}\r\n{body}");
        let said = world.raw(request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{headers}: {said}");
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "{headers}: {said}");
    }
    assert!(!world.file("f").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_apply_is_405_and_what_is_not_there_404() {
    let world = World::plain();
    for method in ["PROPFIND", "TRACE", "BREW", "CONNECT"] {
        if method == "CONNECT" {
            continue;
        }
        let answer = world.ask(method, &format!("{TREE}/"), &[], b"").await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").unwrap().contains("GET"), "{method}");
    }
    for target in [
        "/api/files/v1/other",
        "/api/files/v2/tree/",
        "/api/files/v1/trees",
        "/nothing",
    ] {
        assert_eq!(world.ask("GET", target, &[], b"").await.status, 404, "{target}");
    }
    for target in ["/?what=1", "/?limit=0", "/?limit=x", "/?checksum=crc"] {
        let answer = world.ask("GET", &format!("{TREE}{target}"), &[], b"").await;
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(
        world.ask("PUT", &format!("{TREE}/folder/"), &[], b"x").await.status,
        400
    );
    let part = [("Content-Range", "bytes 0-1/3")];
    assert_eq!(world.ask("PUT", &format!("{TREE}/f"), &part, b"xy").await.status, 400);
    assert!(
        std::fs::read_dir(world.folder.path())
            .unwrap()
            .all(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with('.') })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_or_is_too_long_leaves_nothing_behind() {
    let world = World::new(|service| service.http.body_bytes_max = 100_000);
    let proof = basic("alice", "secret");
    let head = format!("PUT {TREE}/f HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n");
    let mut stream = world.connect().await;
    let cut = format!("{head}Content-Length: 50000\r\n\r\n{}", "x".repeat(20_000));
    stream.write_all(cut.as_bytes()).await.unwrap();
    drop(stream);
    let mut stream = world.connect().await;
    let cut = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n4e20\r\n{}\r\n",
        "x".repeat(20_000)
    );
    stream.write_all(cut.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = Vec::new();
    drop(
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said))
            .await
            .unwrap(),
    );
    let long = world.ask("PUT", &format!("{TREE}/f"), &[], &vec![b'x'; 100_001]).await;
    assert_eq!(long.status, 413, "{long:?}");
    let chunked = format!(
        "{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n186A1\r\n{}\r\n0\r\n\r\n",
        "x".repeat(100_001)
    );
    let said = world.raw(chunked.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert_eq!(world.ask("GET", &format!("{TREE}/f"), &[], b"").await.status, 404);
    let left = |folder: &std::path::Path| walk(folder);
    assert_eq!(left(world.folder.path()), Vec::<String>::new());
}

/// Every file below, hidden ones too.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_takes_nothing_is_closed() {
    let world = World::new(|service| {
        service.login_grace_seconds = 1;
        service.http.header_seconds = 1;
        service.http.body_idle_seconds = 2;
    });
    for said in ["", "GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut stream = world.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut all)).await;
        assert!(closed.is_ok(), "{said:?} is kept");
    }
    std::fs::write(world.file("big"), vec![0; 64 << 20]).unwrap();
    let mut stream = world.connect().await;
    let proof = basic("alice", "secret");
    let request = format!("GET {TREE}/big HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut all = Vec::new();
    drop(stream.read_to_end(&mut all).await);
    assert!(
        all.len() < 64 << 20,
        "the whole file came to one who took nothing for long"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_redirects_serves_nothing_else() {
    let world = World::new(|service| service.http.redirect_port = Some(8443));
    let answer = world.ask("GET", &format!("{TREE}/a?b=c"), &[], b"").await;
    assert_eq!(answer.status, 308);
    assert_eq!(
        answer.header("location"),
        Some("https://files.example.org:8443/api/files/v1/tree/a?b=c")
    );
}
