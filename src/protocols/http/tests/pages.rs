//! Web sessions and pages, asked as a browser asks and as one who forges does.

use crate::auth;
use crate::catalog::{Account, Grant, Operation, Operations, Reach};
use crate::path::VirtualPath;
use crate::protocols::http::pages::html::POLICY;

use super::world::{Answer, TREE, World};

const OURS: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

async fn form(world: &World, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    world.ask_plainly("POST", target, &all, body.as_bytes()).await
}

/// Signs alice in; gives the cookie as it is sent.
async fn cookie(world: &World) -> String {
    let answer = form(world, "/sign-in", &[OURS], "name=alice&password=secret&next=/files/a/").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/files/a/")),
        "{answer:?}"
    );
    let set = answer.header("set-cookie").unwrap();
    assert!(
        set.ends_with("; HttpOnly; SameSite=Strict") && set.contains("; Path=/;"),
        "{set}"
    );
    set.split(';').next().unwrap().to_owned()
}

async fn get(world: &World, target: &str, cookie: &str) -> Answer {
    world.ask_plainly("GET", target, &[("Cookie", cookie)], b"").await
}

fn clears(answer: &Answer) -> bool {
    answer
        .header("set-cookie")
        .is_some_and(|set| set.starts_with("argosy=; ") && set.contains("Max-Age=0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_sees_the_files_and_signs_out() {
    let world = World::plain();
    let first = get(&world, "/", "").await;
    assert_eq!((first.status, first.header("location")), (303, Some("/files/")));
    let asked = get(&world, "/files/?sort=size", "").await;
    assert_eq!(asked.status, 401);
    assert!(
        asked.text().contains("name=\"next\" value=\"/files/?sort=size\""),
        "{}",
        asked.text()
    );
    let cookie = cookie(&world).await;
    std::fs::write(world.file("report.txt"), b"12345").unwrap();
    std::fs::create_dir(world.file("more")).unwrap();
    let page = get(&world, "/files/", &cookie).await;
    assert_eq!(page.status, 200);
    for part in [
        "<bdi>report.txt</bdi>",
        "5 B",
        "/files/more/",
        "2 entries",
        "Sign out",
        "<bdi>alice</bdi>",
    ] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    assert_eq!(world.registry.list().len(), 1, "one session for all that a person does");
    let api = get(&world, &format!("{TREE}/report.txt"), &cookie).await;
    assert_eq!((api.status, &*api.body), (200, &b"12345"[..]));
    let file = get(&world, "/files/report.txt", &cookie).await;
    assert_eq!(file.header("location"), Some("/api/files/v1/tree/report.txt"));
    let folder = get(&world, "/files/more", &cookie).await;
    assert_eq!(folder.header("location"), Some("/files/more/"));
    let out = form(&world, "/sign-out", &[OURS, ("Cookie", &cookie)], "").await;
    assert_eq!((out.status, clears(&out)), (303, true));
    for target in ["/files/", "/account"] {
        let stolen = get(&world, target, &cookie).await;
        assert_eq!(
            (stolen.status, clears(&stolen)),
            (401, true),
            "a stolen cookie after sign-out: {target}"
        );
    }
    let stolen = get(&world, &format!("{TREE}/report.txt"), &cookie).await;
    assert_eq!((stolen.status, stolen.header("www-authenticate")), (401, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_and_passwords_get_one_and_the_same_page() {
    let world = World::plain();
    for sent in [
        "name=alice&password=wrong",
        "name=nobody&password=secret",
        "name=&password=",
        "x=%",
    ] {
        let answer = form(&world, "/sign-in", &[OURS], sent).await;
        let expected = if sent == "x=%" { 400 } else { 401 };
        assert_eq!((answer.status, answer.header("set-cookie")), (expected, None), "{sent}");
        assert!(
            expected == 400 || answer.text().contains("or you may not sign in here."),
            "{sent}"
        );
    }
    let long = form(&world, "/sign-in", &[OURS], &format!("name={}", "a".repeat(20_000))).await;
    assert_eq!(long.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_ends_with_whatever_it_stood_on() {
    type Change = fn(&mut Account);
    let changes: [(&str, Change); 4] = [
        ("the password", |alice| {
            alice.password = Some(auth::hash_password("other").unwrap())
        }),
        ("no password", |alice| alice.password = None),
        ("disabled", |alice| alice.enabled = false),
        ("other sources", |alice| {
            alice.sources = vec!["192.0.2.0/24".parse().unwrap()]
        }),
    ];
    for (what, change) in changes {
        let world = World::plain();
        let cookie = cookie(&world).await;
        assert_eq!(get(&world, "/files/", &cookie).await.status, 200, "{what}");
        world.change_alice(change);
        let page = get(&world, "/files/", &cookie).await;
        assert_eq!((page.status, clears(&page)), (401, true), "{what}");
        assert_eq!(get(&world, TREE, &cookie).await.status, 401, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_not_ours_or_too_old_opens_nothing() {
    let world = World::new(|service| service.http.web_session_seconds = 0);
    let expired = cookie(&world).await;
    assert_eq!(get(&world, "/files/", &expired).await.status, 401, "expired");
    let world = World::plain();
    let good = cookie(&world).await;
    let tampered = format!("{}A{}", &good[..20], &good[21..]);
    for (what, shown) in [
        ("tampered", &*tampered),
        ("cut", &good[..good.len() - 1]),
        ("empty", "argosy="),
        ("of the other kind", &good.replace("argosy=", "__Host-argosy=")),
        ("nonsense", "argosy=%%%"),
    ] {
        assert_eq!(get(&world, "/files/", shown).await.status, 401, "{what}");
    }
    let among = format!("other=1; {good}; more=2");
    assert_eq!(get(&world, "/files/", &among).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_no_page_of_ours_asked_for_is_not_made() {
    let world = World::plain();
    let cookie = cookie(&world).await;
    std::fs::write(world.file("kept"), b"x").unwrap();
    let shown = ("Cookie", &*cookie);
    let same = ("Origin", "http://files.example.org");
    for forged in [
        &[("Sec-Fetch-Site", "cross-site"), same][..],
        &[("Sec-Fetch-Site", "same-site"), same],
        &[("Sec-Fetch-Site", "none"), same],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "https://files.example.org")],
        &[("Origin", "http://files.example.org.evil.example")],
        &[],
    ] {
        let headers = [&[shown], forged].concat();
        for (method, target) in [
            ("DELETE", "/api/files/v1/tree/kept"),
            ("POST", "/api/files/v1/tree/kept?move-to=/gone"),
            ("PUT", "/api/files/v1/tree/new"),
            ("POST", "/sign-out"),
            ("POST", "/sign-in"),
            ("POST", "/account"),
        ] {
            let answer = world.ask_plainly(method, target, &headers, b"").await;
            assert_eq!(answer.status, 403, "{method} {target} {forged:?}");
        }
    }
    assert!(world.file("kept").exists() && !world.file("new").exists());
    let deleted = world
        .ask_plainly("DELETE", &format!("{TREE}/kept"), &[shown, same], b"")
        .await;
    assert_eq!(
        deleted.status, 204,
        "a page of ours, where browsers say no more than the origin"
    );
    let program = world.ask("PUT", &format!("{TREE}/by-program"), &[], b"x").await;
    assert_eq!(program.status, 201);
    let lured = world
        .ask(
            "DELETE",
            &format!("{TREE}/by-program"),
            &[("Sec-Fetch-Site", "cross-site")],
            b"",
        )
        .await;
    assert_eq!(lured.status, 403, "a browser that remembers a password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_elsewhere_leads_in_all_the_same() {
    let world = World::plain();
    let link = ("Sec-Fetch-Site", "cross-site");
    let answer = world.ask_plainly("GET", "/files/a/?q=%22", &[link], b"").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("content=\"0;url=/files/a/?q=%22\""),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_shown_escaped_and_linked_exactly() {
    let world = World::plain();
    let cookie = cookie(&world).await;
    let names: [&[u8]; 5] = [
        b"\"><script>alert(1)<\xff",
        "annual\u{202e}gpj.exe".as_bytes(),
        b"it's & so.txt",
        b"page.html.png",
        b"<img src=x onerror=alert(1)>",
    ];
    for name in names {
        use std::os::unix::ffi::OsStrExt;
        let path = world.folder.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, b"<script>alert(1)</script>").unwrap();
    }
    let page = get(&world, "/files/", &cookie).await;
    let text = page.text();
    for part in [
        "<bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;\u{fffd}</bdi>",
        "href=\"/api/files/v1/tree/%22%3E%3Cscript%3Ealert%281%29%3C%FF\"",
        "<bdi>annual⟨U+202E⟩gpj.exe</bdi>",
        "<bdi>it&#39;s &amp; so.txt</bdi>",
        "<bdi>&lt;img src=x onerror=alert(1)&gt;</bdi>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<script>alert") && !text.contains("<img src=x") && !text.contains('\u{202e}'));
    for (header, expected) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", POLICY),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(page.header(header), Some(expected));
    }
    let sent = get(&world, "/api/files/v1/tree/page.html.png", &cookie).await;
    assert!(sent.header("content-disposition").unwrap().starts_with("attachment;"));
    assert_eq!(sent.header("content-type"), Some("application/octet-stream"));
    assert_eq!(sent.header("x-content-type-options"), Some("nosniff"));
    let filtered = get(&world, "/files/?q=%22%3E%3Cscript", &cookie).await.text();
    assert!(
        filtered.contains("1 of 5 entries") && !filtered.contains("<script>"),
        "{filtered}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_answered_properly() {
    let world = World::plain();
    let cookie = cookie(&world).await;
    for (method, target, status) in [
        ("GET", "/files/none/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/filesystem", 404),
        ("GET", "/files/..%2f..%2fetc/", 400),
        ("GET", "/files/%2e%2e/", 400),
        ("GET", "/files/%", 400),
        ("PUT", "/files/", 405),
        ("GET", "/sign-out", 405),
        ("HEAD", "/files/", 200),
        ("GET", "/files/?page=99999999999999999999999&after=%ff&q=%ff", 200),
    ] {
        let answer = world
            .ask_plainly(method, target, &[OURS, ("Cookie", &cookie)], b"")
            .await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(method != "HEAD" || answer.body.is_empty());
    }
    let off = World::new(|service| service.http.file_manager = false);
    for target in ["/", "/files/", "/sign-in", "/assets/x/app.js"] {
        assert_eq!(get(&off, target, "").await.status, 404, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_may_not_do_is_not_offered() {
    let world = World::plain();
    let cookie = cookie(&world).await;
    std::fs::write(world.file("file"), b"x").unwrap();
    let all = get(&world, "/files/", &cookie).await.text();
    assert!(
        all.contains("data-do=\"upload\"") && all.contains("data-may=\"rnd\""),
        "{all}"
    );
    world.change_alice(|alice| {
        let reads = Operations::NONE.with(Operation::Read).with(Operation::List);
        let home = alice.home.as_mut().unwrap();
        home.grants = Some(vec![Grant {
            reach: Reach::Below(VirtualPath::root()),
            allow: reads,
            deny: Operations::NONE,
        }]);
    });
    let less = get(&world, "/files/", &cookie).await.text();
    for absent in ["data-do=\"upload\"", "data-do=\"make-folder\"", "data-may=\"rnd\""] {
        assert!(!less.contains(absent), "{absent}: {less}");
    }
    assert!(less.contains("data-may=\"r\""), "{less}");
    world.change_alice(|alice| {
        let home = alice.home.as_mut().unwrap();
        for grant in home.grants.iter_mut().flatten() {
            grant.allow = Operations::NONE.with(Operation::Write);
        }
    });
    let blind = get(&world, "/files/", &cookie).await.text();
    assert!(
        blind.contains("data-do=\"upload\"") && blind.contains("but not see") && !blind.contains("data-path"),
        "{blind}"
    );
}
