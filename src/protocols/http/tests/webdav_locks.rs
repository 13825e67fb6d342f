//! Locks of WebDAV: who is kept out, who is let in, and how they end.

use super::world::World;

const EXCLUSIVE: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>\
                         </D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>";

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let answer = world
        .ask(method, &format!("/dav{path}"), headers, body.as_bytes())
        .await;
    (answer.status, answer.text())
}

/// Takes a lock; gives its token in angle brackets.
async fn take(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let answer = world
        .ask("LOCK", &format!("/dav{path}"), headers, body.as_bytes())
        .await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.header("lock-token").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_keeps_out_whoever_does_not_show_its_token() {
    let world = World::plain();
    std::fs::create_dir_all(world.file("d")).unwrap();
    let token = take(&world, "/d/f", &[("Timeout", "Second-60")], EXCLUSIVE).await;
    assert_eq!(std::fs::read(world.file("d/f")).unwrap(), b"");
    let shown = format!("({token})");
    let elsewhere = format!("</dav/d/f> ({token})");
    let to = ("Destination", "/dav/g");
    for (method, path, headers, status) in [
        ("PUT", "/d/f", &[][..], 423),
        ("DELETE", "/d/f", &[], 423),
        ("DELETE", "/d", &[], 423),
        ("MOVE", "/d/f", &[to], 423),
        ("MOVE", "/d", &[to], 423),
        ("LOCK", "/d/f", &[], 423),
        ("LOCK", "/d", &[], 423),
        ("PUT", "/d/other", &[], 201),
        ("COPY", "/d/f", &[to], 201),
        ("GET", "/d/f", &[], 200),
        (
            "PUT",
            "/d/f",
            &[("If", "(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)")],
            423,
        ),
        ("PUT", "/d/f", &[("If", "nonsense")], 400),
        ("PUT", "/d/f", &[("If", &*shown)], 204),
        ("PUT", "/d/f", &[("If", &*elsewhere)], 204),
        ("PUT", "/d/other", &[("If", "(<DAV:no-lock>)")], 412),
        ("PUT", "/d/other", &[("If", "(Not <DAV:no-lock>)")], 204),
        ("UNLOCK", "/d/other", &[("Lock-Token", &*token)], 409),
        ("UNLOCK", "/d/f", &[("Lock-Token", "x")], 400),
        ("UNLOCK", "/d/f", &[("Lock-Token", &*token)], 204),
        ("PUT", "/d/f", &[], 204),
    ] {
        let body = if method == "LOCK" { EXCLUSIVE } else { "" };
        let (found, text) = ask(&world, method, path, headers, body).await;
        assert_eq!(found, status, "{method} {path} {headers:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_a_folder_is_on_all_in_it_and_goes_with_it() {
    let world = World::plain();
    std::fs::create_dir_all(world.file("d/e")).unwrap();
    let token = take(&world, "/d", &[], EXCLUSIVE).await;
    let shown = format!("</dav/d/> ({token})");
    for (method, path, headers, status) in [
        ("PUT", "/d/e/f", &[][..], 423),
        ("MKCOL", "/d/new", &[], 423),
        ("PUT", "/d/e/f", &[("If", &*shown)], 201),
        ("LOCK", "/d/e/f", &[("If", &*shown)], 200),
        ("DELETE", "/d", &[("If", &*shown)], 204),
        ("MKCOL", "/d", &[], 201),
    ] {
        let (found, text) = ask(&world, method, path, headers, "").await;
        assert_eq!(found, status, "{method} {path} {headers:?}: {text}");
    }
    let alone = take(&world, "/d", &[("Depth", "0")], EXCLUSIVE).await;
    assert_eq!(ask(&world, "PUT", "/d/f", &[], "").await.0, 423, "its names are locked");
    let (_, text) = ask(&world, "PROPFIND", "/d", &[("Depth", "1")], "").await;
    let bare = alone.trim_matches(['<', '>']);
    assert!(
        text.contains(bare) && text.contains("<D:lockroot><D:href>/dav/d</D:href>"),
        "{text}"
    );
    assert!(
        text.contains("<owner xmlns=\"DAV:\"><href xmlns=\"DAV:\">me</href></owner>"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_locks_stand_beside_each_other_and_one_token_is_enough() {
    let world = World::plain();
    let shared = EXCLUSIVE.replace("exclusive", "shared");
    let one = take(&world, "/f", &[], &shared).await;
    let other = take(&world, "/f", &[], &shared).await;
    assert_ne!(one, other);
    assert_eq!(ask(&world, "LOCK", "/f", &[], EXCLUSIVE).await.0, 423);
    assert_eq!(ask(&world, "PUT", "/f", &[], "x").await.0, 423);
    for token in [&one, &other] {
        let shown = format!("({token})");
        assert_eq!(ask(&world, "PUT", "/f", &[("If", &shown)], "x").await.0, 204);
    }
    let long = EXCLUSIVE.replace("me", &"x".repeat(2000));
    assert_eq!(ask(&world, "LOCK", "/g", &[], &long).await.0, 400);
    assert!(!world.file("g").exists());
}
