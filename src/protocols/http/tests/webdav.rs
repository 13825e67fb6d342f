//! WebDAV as clients speak it, good and bad: properties, trees, destinations, XML.

use super::world::{World, basic};

const HOST: &str = "http://files.example.org";

fn at(path: &str) -> String {
    format!("/dav{path}")
}

/// The status, and the body as text.
async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let answer = world.ask(method, &at(path), headers, body.as_bytes()).await;
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_is_to_everybody_and_its_files_to_nobody_without_a_proof() {
    let world = World::plain();
    for target in ["/", "/dav", "/dav/", "/dav/none/x", "*"] {
        let answer = world.ask_plainly("OPTIONS", target, &[], b"").await;
        let said = (answer.status, answer.header("dav"), answer.header("ms-author-via"));
        assert_eq!(said, (200, Some("1, 2, 3"), Some("DAV")), "{target}");
    }
    for method in ["PROPFIND", "GET", "PUT", "DELETE", "LOCK"] {
        let refused = world.ask_plainly(method, "/dav/", &[], b"").await;
        assert_eq!(refused.status, 401, "{method}");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
    }
    let off = World::new(|service| {
        service.http.webdav = false;
        service.http.file_manager = false;
    });
    assert_eq!(off.ask("PROPFIND", "/dav/", &[], b"").await.status, 404);
    assert_eq!(off.ask("OPTIONS", "/", &[], b"").await.status, 404);
    let (status, _) = ask(&world, "PATCH", "/", &[], "").await;
    assert_eq!(status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_are_made_read_replaced_and_removed() {
    let world = World::plain();
    for (method, path, body, status) in [
        ("MKCOL", "/d", "", 201),
        ("MKCOL", "/d", "", 405),
        ("MKCOL", "/none/d", "", 409),
        ("MKCOL", "/e", "x", 415),
        ("PUT", "/d/f", "one", 201),
        ("PUT", "/d/f", "two", 204),
        ("PUT", "/d/._f", "fork", 201),
        ("PUT", "/d", "x", 405),
        ("PUT", "/d/f/", "x", 405),
        ("PUT", "/none/f", "x", 409),
        ("PUT", "/d/f/g", "x", 409),
        ("GET", "/d/f", "", 200),
        ("GET", "/d/", "", 200),
        ("GET", "/d/none", "", 404),
        ("DELETE", "/", "", 403),
        ("DELETE", "/d/none", "", 404),
        ("DELETE", "/d", "", 204),
        ("DELETE", "/d", "", 404),
        ("GET", "/..%2f..%2fetc/passwd", "", 400),
        ("GET", "/%2e%2e/x", "", 400),
        ("PUT", "/../x", "x", 400),
    ] {
        let (found, text) = ask(&world, method, path, &[], body).await;
        assert_eq!(found, status, "{method} {path}: {text}");
    }
    let dated = [("X-OC-MTime", "981173106")];
    let put = world.ask("PUT", &at("/dated"), &dated, b"x").await;
    assert_eq!((put.status, put.header("x-oc-mtime")), (201, Some("accepted")));
    let (_, text) = ask(&world, "PROPFIND", "/dated", &[("Depth", "0")], "").await;
    assert!(text.contains("Sat, 03 Feb 2001 04:05:06 GMT"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_elsewhere_or_in_itself_is_no_destination() {
    let world = World::plain();
    std::fs::create_dir_all(world.file("d/e")).unwrap();
    std::fs::write(world.file("d/e/f"), b"foo").unwrap();
    std::fs::write(world.file("x"), b"other").unwrap();
    for (method, path, to, extra, status) in [
        ("MOVE", "/x", "http://evil.example.org/dav/y", None, 502),
        ("MOVE", "/x", "http://files.example.org.evil.org/dav/y", None, 502),
        ("MOVE", "/x", "http://files.example.org@evil.org/dav/y", None, 502),
        ("MOVE", "/x", "ftp://files.example.org/dav/y", None, 502),
        ("COPY", "/x", "//evil.example.org/dav/y", None, 400),
        ("COPY", "/x", "http://files.example.org/api/files/v1/tree/y", None, 502),
        ("COPY", "/x", "/davy", None, 502),
        ("COPY", "/x", "/dav/../y", None, 400),
        ("COPY", "/x", "/dav/%2e%2e/y", None, 400),
        ("COPY", "/x", "/dav/a%2fb", None, 400),
        ("COPY", "/x", "/dav/a%00b", None, 400),
        ("COPY", "/x", "y", None, 400),
        ("COPY", "/x", "/dav/none/y", None, 409),
        ("COPY", "/x", "/dav/x", None, 403),
        ("COPY", "/d", "/dav/d/e/g", None, 403),
        ("MOVE", "/d/e", "/dav/d", None, 403),
        ("MOVE", "/", "/dav/y", None, 403),
        ("COPY", "/x", "/dav/d/e/f", Some(("Overwrite", "F")), 412),
        ("COPY", "/x", "/dav/d/e/f", Some(("Overwrite", "maybe")), 400),
        ("COPY", "/x", "/dav/d/e/f", Some(("Depth", "1")), 400),
        ("COPY", "/none", "/dav/y", None, 404),
    ] {
        let mut headers = vec![("Destination", to)];
        headers.extend(extra);
        let (found, text) = ask(&world, method, path, &headers, "").await;
        assert_eq!(found, status, "{method} {path} to {to} {extra:?}: {text}");
    }
    assert_eq!(std::fs::read(world.file("d/e/f")).unwrap(), b"foo");
    let whole = format!("{HOST}/dav/c%20%C3%A9/");
    for (method, path, to, depth, status) in [
        ("COPY", "/d", &*whole, "infinity", 201),
        ("COPY", "/d", &*whole, "infinity", 204),
        ("COPY", "/d", "/dav/shallow", "0", 201),
        ("COPY", "/x", "http://FILES.example.org:80/dav/shallow", "infinity", 204),
        ("MOVE", "/d", "/dav/shallow", "infinity", 204),
    ] {
        let (found, text) = ask(&world, method, path, &[("Destination", to), ("Depth", depth)], "").await;
        assert_eq!(found, status, "{method} {path} to {to}: {text}");
    }
    assert_eq!(std::fs::read(world.file("c é/e/f")).unwrap(), b"foo");
    assert_eq!(std::fs::read(world.file("shallow/e/f")).unwrap(), b"foo");
    assert!(!world.file("d").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_told_as_they_are_asked_for() {
    let world = World::plain();
    std::fs::create_dir_all(world.file("d")).unwrap();
    std::fs::write(world.file("d/a&b <é>"), b"12345").unwrap();
    let (status, text) = ask(&world, "PROPFIND", "/d", &[("Depth", "1")], "").await;
    assert_eq!(status, 207);
    for part in [
        "<D:href>/dav/d/</D:href>",
        "<D:href>/dav/d/a%26b%20%3C%C3%A9%3E</D:href>",
        "<D:displayname>a&amp;b &lt;é&gt;</D:displayname>",
        "<D:getcontentlength>5</D:getcontentlength>",
        "<D:resourcetype><D:collection/></D:resourcetype>",
        "<D:supportedlock><D:lockentry>",
        "</D:multistatus>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("quota"), "{text}");
    let (status, text) = ask(&world, "PROPFIND", "/d", &[], "").await;
    assert!(status == 403 && text.contains("propfind-finite-depth"), "{text}");
    let some = "<propfind xmlns='DAV:'><prop><quota-available-bytes/><getetag/><x xmlns='u'/></prop></propfind>";
    let (_, text) = ask(&world, "PROPFIND", "/d", &[("Depth", "0")], some).await;
    let (there, missing) = text.split_once("200 OK").unwrap();
    assert!(there.contains("<D:quota-available-bytes>"), "{text}");
    assert!(
        missing.contains("<getetag xmlns=\"DAV:\"/><x xmlns=\"u\"/></D:prop><D:status>HTTP/1.1 404"),
        "{text}"
    );
    let names = "<propfind xmlns='DAV:'><propname/></propfind>";
    let (_, text) = ask(&world, "PROPFIND", "/d/", &[("Depth", "0")], names).await;
    assert!(
        text.contains("<resourcetype xmlns=\"DAV:\"/>") && !text.contains("getetag"),
        "{text}"
    );
}

/// As one client sets a property and another reads it.
async fn set(world: &World, path: &str, inner: &str) -> (u16, String) {
    let body = format!(
        "<D:propertyupdate xmlns:D='DAV:' xmlns:u='urn:u' xmlns:w='urn:schemas-microsoft-com:'>{inner}\
         </D:propertyupdate>"
    );
    ask(world, "PROPPATCH", path, &[], &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_set_stays_with_the_file_wherever_it_goes() {
    let world = World::plain();
    ask(&world, "MKCOL", "/d", &[], "").await;
    ask(&world, "PUT", "/d/f", &[], "one").await;
    let value = "<u:a xml:lang='en'>x &amp; <b xmlns=''/></u:a>";
    for path in ["/d/f", "/d"] {
        let (status, text) = set(&world, path, &format!("<D:set><D:prop>{value}</D:prop></D:set>")).await;
        assert!(status == 207 && text.contains("200 OK"), "{text}");
    }
    let kept = "<a xmlns=\"urn:u\" xml:lang=\"en\">x &amp; <b xmlns=\"\"/></a>";
    let shows = async |path: &str| {
        let (_, text) = ask(&world, "PROPFIND", path, &[("Depth", "0")], "").await;
        text.contains(kept)
    };
    ask(&world, "PUT", "/d/f", &[], "two").await;
    assert!(shows("/d/f").await, "a PUT has lost it");
    ask(&world, "MOVE", "/d", &[("Destination", "/dav/e")], "").await;
    assert!(shows("/e").await && shows("/e/f").await, "a MOVE has lost it");
    ask(&world, "COPY", "/e", &[("Destination", "/dav/c")], "").await;
    assert!(shows("/c").await && shows("/c/f").await, "a COPY has lost it");
    ask(&world, "PUT", "/plain", &[], "plain").await;
    ask(&world, "COPY", "/plain", &[("Destination", "/dav/c/f")], "").await;
    assert!(
        !shows("/c/f").await,
        "a COPY keeps the properties of what it has replaced"
    );
    let (_, listed) = ask(&world, "PROPFIND", "/e", &[("Depth", "1")], "").await;
    assert_eq!(listed.matches(kept).count(), 2, "{listed}");
    let (_, text) = set(&world, "/e/f", "<D:remove><D:prop><u:a/></D:prop></D:remove>").await;
    assert!(text.contains("200 OK") && !shows("/e/f").await, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_properties_of_a_request_are_set_or_none() {
    let world = World::plain();
    ask(&world, "PUT", "/f", &[], "one").await;
    let two = "<D:set><D:prop><u:a>1</u:a><D:getetag>x</D:getetag></D:prop></D:set>";
    let (_, text) = set(&world, "/f", two).await;
    assert!(
        text.contains("<a xmlns=\"urn:u\"/></D:prop><D:status>HTTP/1.1 424")
            && text.contains("403 Forbidden")
            && text.contains("cannot-modify-protected-property"),
        "{text}"
    );
    let (_, text) = ask(&world, "PROPFIND", "/f", &[("Depth", "0")], "").await;
    assert!(!text.contains("urn:u"), "{text}");
    let windows = "<D:set><D:prop><w:Win32LastModifiedTime>Sat, 03 Feb 2001 04:05:06 GMT</w:Win32LastModifiedTime>\
                   <w:Win32FileAttributes>00000020</w:Win32FileAttributes></D:prop></D:set>";
    let (_, text) = set(&world, "/f", windows).await;
    assert!(text.contains("200 OK") && !text.contains("424"), "{text}");
    let (_, text) = ask(&world, "PROPFIND", "/f", &[("Depth", "0")], "").await;
    assert!(
        text.contains("<D:getlastmodified>Sat, 03 Feb 2001 04:05:06 GMT") && text.contains(">00000020<"),
        "{text}"
    );
    let long = format!("<D:set><D:prop><u:a>{}</u:a></D:prop></D:set>", "x".repeat(20_000));
    let (_, text) = set(&world, "/f", &long).await;
    assert!(text.contains("507 Insufficient"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_that_is_deep_long_or_of_more_than_itself_is_refused() {
    let world = World::plain();
    let deep = "<a>".repeat(20_000);
    let long = format!("<a>{}</a>", "x".repeat(70_000));
    let entity =
        "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><propfind xmlns='DAV:'><prop>&e;</prop></propfind>";
    let many = format!("<propfind xmlns='DAV:'><prop>{}</prop></propfind>", "<a/>".repeat(300));
    for (method, body, status) in [
        ("PROPFIND", &*deep, 400),
        ("PROPFIND", &*long, 413),
        ("PROPFIND", entity, 400),
        ("PROPFIND", "<propfind xmlns='DAV:'/>", 400),
        ("PROPFIND", "<a/>", 400),
        ("PROPFIND", &*many, 400),
        ("PROPPATCH", "", 400),
        ("PROPPATCH", "<propertyupdate xmlns='DAV:'/>", 400),
        ("PROPPATCH", entity, 400),
        ("LOCK", &*deep, 400),
        ("LOCK", "<lockinfo xmlns='DAV:'/>", 400),
    ] {
        let (found, text) = ask(&world, method, "/", &[("Depth", "0")], body).await;
        assert_eq!(found, status, "{method} {body:.50}: {text}");
    }
    let half = format!(
        "PROPFIND /dav/ HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: 99999999\r\n\r\n<a>",
        basic("alice", "secret")
    );
    assert!(world.raw(half.as_bytes()).await.starts_with("HTTP/1.1 413"));
}
