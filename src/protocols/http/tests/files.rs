//! The file API as programs use it.

use std::time::Duration;

use super::world::{TREE, World, basic};

fn at(path: &str) -> String {
    format!("{TREE}{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_got_back_whole_and_in_ranges() {
    let world = World::plain();
    let content: Vec<u8> = (0..1_500_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let put = world.ask("PUT", &at("/a%20b.bin"), &[], &content).await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(std::fs::read(world.file("a b.bin")).unwrap(), content);
    let etag = put.header("etag").unwrap().to_owned();
    let got = world.ask("GET", &at("/a%20b.bin"), &[], b"").await;
    assert_eq!((got.status, got.header("etag")), (200, Some(&*etag)));
    assert!(got.body == content && got.header("accept-ranges") == Some("bytes"));
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-1299999", 100, 1_300_000),
        ("bytes=-5", 1_499_995, 1_500_000),
        ("bytes=1499990-", 1_499_990, 1_500_000),
    ] {
        let part = world.ask("GET", &at("/a%20b.bin"), &[("Range", range)], b"").await;
        assert_eq!((part.status, part.body == content[from..to]), (206, true), "{range}");
        let shown = format!("bytes {from}-{}/1500000", to - 1);
        assert_eq!(part.header("content-range"), Some(&*shown));
    }
    let several = world
        .ask("GET", &at("/a%20b.bin"), &[("Range", "bytes=0-1,10-11")], b"")
        .await;
    assert_eq!(several.status, 206);
    assert_eq!(
        several.header("content-length").unwrap(),
        several.body.len().to_string()
    );
    assert!(several.text().contains("Content-Range: bytes 10-11/1500000"));
    let none = world
        .ask("GET", &at("/a%20b.bin"), &[("Range", "bytes=1500000-")], b"")
        .await;
    assert_eq!(
        (none.status, none.header("content-range")),
        (416, Some("bytes */1500000"))
    );
    let same = world
        .ask("GET", &at("/a%20b.bin"), &[("If-None-Match", &etag)], b"")
        .await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = world.ask("HEAD", &at("/a%20b.bin"), &[], b"").await;
    assert_eq!(
        (head.status, head.body.len(), head.header("content-length")),
        (200, 0, Some("1500000"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_keep_one_writer_from_undoing_another() {
    let world = World::plain();
    let only_new = [("If-None-Match", "*")];
    let first = world.ask("PUT", &at("/f"), &only_new, b"one").await;
    assert_eq!(first.status, 201);
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(world.ask("PUT", &at("/f"), &only_new, b"two").await.status, 412);
    let second = world.ask("PUT", &at("/f"), &[("If-Match", &etag)], b"two").await;
    assert_eq!(second.status, 204);
    assert_ne!(second.header("etag"), Some(&*etag));
    for method in ["PUT", "DELETE"] {
        let stale = world.ask(method, &at("/f"), &[("If-Match", &etag)], b"").await;
        assert_eq!(stale.status, 412, "{method}");
    }
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"two");
    let digest = "sha-256=:LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=:";
    let checked = world.ask("PUT", &at("/g"), &[("Repr-Digest", digest)], b"foo").await;
    assert_eq!(checked.status, 201, "{checked:?}");
    let wrong = world.ask("PUT", &at("/h"), &[("Repr-Digest", digest)], b"bar").await;
    assert_eq!((wrong.status, world.file("h").exists()), (400, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_made_listed_by_pages_and_removed() {
    let world = World::plain();
    assert_eq!(world.ask("POST", &at("/d?make-folder"), &[], b"").await.status, 201);
    assert_eq!(world.ask("POST", &at("/d?make-folder"), &[], b"").await.status, 409);
    for n in 0..25 {
        std::fs::write(world.file(&format!("d/{n:02} é")), b"x").unwrap();
    }
    let (mut names, mut next, mut pages) = (Vec::new(), at("/d/?limit=10"), 0);
    loop {
        let page = world.ask("GET", &next, &[], b"").await.json();
        let entries = page["entries"].as_array().unwrap();
        names.extend(entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            Some(more) => next = more.to_owned(),
            None => break,
        }
    }
    let expected: Vec<_> = (0..25).map(|n| format!("{n:02} é")).collect();
    assert_eq!((names, pages), (expected, 3));
    let lines = world
        .ask("GET", &at("/d/"), &[("Accept", "application/x-ndjson")], b"")
        .await;
    assert_eq!(lines.text().lines().count(), 25);
    assert_eq!(world.ask("HEAD", &at("/d"), &[], b"").await.status, 200);
    assert_eq!(world.ask("HEAD", &at("/none"), &[], b"").await.status, 404);
    assert_eq!(world.ask("DELETE", &at("/d"), &[], b"").await.status, 409);
    for top in ["?recursive", "/?recursive", "//?recursive"] {
        assert_eq!(world.ask("DELETE", &at(top), &[], b"").await.status, 403, "{top}");
    }
    assert_eq!(world.ask("DELETE", &at("/d?recursive"), &[], b"").await.status, 204);
    assert!(!world.file("d").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_moved_copied_and_described() {
    let world = World::plain();
    std::fs::create_dir_all(world.file("d/e")).unwrap();
    std::fs::write(world.file("d/e/f"), b"foo").unwrap();
    std::fs::write(world.file("x"), b"other").unwrap();
    let ask = |method: &'static str, target: &str| {
        let target = at(target);
        let world = &world;
        async move { world.ask(method, &target, &[], b"").await.status }
    };
    assert_eq!(ask("POST", "/d?copy-to=/c").await, 201);
    assert_eq!(std::fs::read(world.file("c/e/f")).unwrap(), b"foo");
    assert_eq!(ask("POST", "/d?copy-to=/d/e/g").await, 422);
    assert_eq!(ask("POST", "/x?copy-to=/c/e/f").await, 409);
    assert_eq!(ask("POST", "/x?copy-to=/c/e/f&overwrite").await, 201);
    assert_eq!(std::fs::read(world.file("c/e/f")).unwrap(), b"other");
    assert_eq!(ask("POST", "/d/e/f?move-to=/x").await, 409);
    assert_eq!(ask("POST", "/d/e/f?move-to=/moved%2B").await, 201);
    assert_eq!(std::fs::read(world.file("moved+")).unwrap(), b"foo");
    assert_eq!(ask("POST", "/x").await, 400);
    assert_eq!(ask("POST", "/x?move-to=relative").await, 400);
    let stat = world
        .ask("GET", &at("/moved%2B?checksum=sha-256"), &[], b"")
        .await
        .json();
    assert_eq!((stat["size"].as_u64(), stat["type"].as_str()), (Some(3), Some("file")));
    let sum = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    assert_eq!(stat["checksum"]["value"], sum);
    let change = br#"{"modified": "2001-02-03T04:05:06Z", "mode": "0600"}"#;
    let patched = world.ask("PATCH", &at("/x"), &[], change).await.json();
    assert_eq!(
        (
            &patched["mode"],
            patched["modified"].as_str().unwrap().starts_with("2001-02-03")
        ),
        (&"0600".into(), true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_asked_for_and_requests_share_a_session() {
    let world = World::plain();
    let nothing = world.ask_plainly("GET", &at("/"), &[], b"").await;
    assert_eq!(nothing.status, 401);
    assert!(nothing.header("www-authenticate").unwrap().starts_with("Basic"));
    for proof in [
        basic("alice", "wrong"),
        basic("nobody", "secret"),
        "Bearer x".to_owned(),
        "Basic ?".to_owned(),
    ] {
        let refused = world
            .ask_plainly("GET", &at("/"), &[("Authorization", &proof)], b"")
            .await;
        assert_eq!(refused.status, 401, "{proof}");
    }
    for _ in 0..3 {
        assert_eq!(world.ask("GET", &at("/"), &[], b"").await.status, 200);
    }
    assert_eq!(world.registry.count(), 1);
    world.change_alice(|account| account.enabled = false);
    for session in world.registry.list() {
        session.close(crate::session::CloseReason::Revoked("disabled".to_owned()));
    }
    assert_eq!(world.ask("GET", &at("/"), &[], b"").await.status, 401);
    assert_eq!(world.registry.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_go_over_one_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::plain();
    std::fs::write(world.file("f"), b"0123456789").unwrap();
    let mut stream = world.connect().await;
    let proof = basic("alice", "secret");
    for _ in 0..50 {
        let request = format!("GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\n\r\n", at("/f"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"0123456789") {
            let mut part = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut part));
            let read = read.await.unwrap().unwrap();
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&part[..read]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_proof_on_many_connections_at_once_is_judged_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new(|service| {
        service.unauthenticated_max = 100;
        service.unauthenticated_per_address_max = 100;
    });
    std::fs::write(world.file("f"), b"0123456789").unwrap();
    let proof = basic("alice", "secret");
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: {proof}\r\nConnection: close\r\n\r\n",
        at("/f")
    );
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = world.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for mut stream in streams {
        let mut seen = String::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut seen));
        read.await.unwrap().unwrap();
        assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
    }
    assert_eq!(world.registry.list().len(), 1);
}
