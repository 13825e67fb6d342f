//! Uploads in steps as tus clients use them.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;

use super::world::{Answer, World, basic};

const UPLOADS: &str = "/api/files/v1/uploads";
const VERSION: (&str, &str) = ("Tus-Resumable", "1.0.0");
const BYTES: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

fn to(path: &str) -> String {
    format!("path {}", STANDARD.encode(path))
}

async fn begin(world: &World, metadata: &str, length: &str) -> Answer {
    let headers = [VERSION, ("Upload-Length", length), ("Upload-Metadata", metadata)];
    world.ask("POST", UPLOADS, &headers, b"").await
}

async fn begun(world: &World, path: &str, length: usize) -> String {
    let answer = begin(world, &to(path), &length.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

async fn patch(world: &World, at: &str, offset: usize, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let offset = offset.to_string();
    let mut headers = vec![VERSION, BYTES, ("Upload-Offset", &*offset)];
    headers.extend_from_slice(more);
    world.ask("PATCH", at, &headers, body).await
}

async fn offset(world: &World, at: &str) -> Option<u64> {
    let answer = world.ask("HEAD", at, &[VERSION], b"").await;
    answer.header("upload-offset").and_then(|offset| offset.parse().ok())
}

fn staged(world: &World) -> Vec<String> {
    let folder = world.file(".argosy-staging");
    let accounts = std::fs::read_dir(folder).into_iter().flatten();
    let files = accounts.flat_map(|account| std::fs::read_dir(account.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_steps_is_published_with_its_last_byte_and_leaves_nothing() {
    let world = World::plain();
    let at = begun(&world, "/f", 10).await;
    assert_eq!(offset(&world, &at).await, Some(0));
    let first = patch(&world, &at, 0, &[], b"0123").await;
    assert_eq!((first.status, first.header("upload-offset")), (204, Some("4")));
    assert!(first.header("upload-expires").is_some());
    let head = world.ask("HEAD", &at, &[VERSION], b"").await;
    assert_eq!(
        (
            head.status,
            head.header("upload-offset"),
            head.header("upload-length"),
            head.header("cache-control")
        ),
        (200, Some("4"), Some("10"), Some("no-store"))
    );
    assert!(!world.file("f").exists());
    let listed = world.ask("GET", "/api/files/v1/tree/", &[], b"").await.json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 0);
    let last = patch(&world, &at, 4, &[], b"456789").await;
    assert_eq!(
        (last.status, last.header("upload-offset")),
        (204, Some("10")),
        "{last:?}"
    );
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"0123456789");
    assert_eq!(world.ask("HEAD", &at, &[VERSION], b"").await.status, 404);
    assert_eq!(staged(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_and_nothing_of_it_counts() {
    let world = World::new(|service| service.http.body_bytes_max = 1000);
    let at = begun(&world, "/f", 10).await;
    assert_eq!(patch(&world, &at, 0, &[], b"0123").await.status, 204);
    for (offset, more, body, status) in [
        (3, &[][..], &b"x"[..], 409),
        (5, &[], b"x", 409),
        (4, &[], b"4567890", 413),
        (4, &[("Upload-Checksum", "sha256 AAAA")], b"4567", 460),
        (4, &[("Upload-Checksum", "crc32 AAAA")], b"4567", 400),
        (4, &[("Upload-Length", "11")], b"4567", 400),
    ] {
        let answer = patch(&world, &at, offset, more, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(self::offset(&world, &at).await, Some(4), "{status}");
    }
    let sum = format!("sha256 {}", STANDARD.encode(digest::digest(&digest::SHA256, b"4567")));
    assert_eq!(
        patch(&world, &at, 4, &[("Upload-Checksum", &sum)], b"4567")
            .await
            .status,
        204
    );
    assert_eq!(patch(&world, &at, 8, &[], b"89").await.status, 204);
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"0123456789");
    let no_version = world.ask("HEAD", &at, &[], b"").await;
    assert_eq!(
        (no_version.status, no_version.header("tus-version")),
        (412, Some("1.0.0"))
    );
    for (metadata, length, status) in [
        (to("/f"), "1", 409),
        (to("/f/"), "1", 400),
        (to("f"), "1", 400),
        (to("/../f"), "1", 400),
        (to("/none/f"), "1", 404),
        (to("/.argosy-staging/f"), "1", 422),
        ("path ?".to_owned(), "1", 400),
        (String::new(), "1", 400),
        (to("/g"), "1001", 413),
        (to("/g"), "-1", 400),
    ] {
        let answer = begin(&world, &metadata, length).await;
        assert_eq!(answer.status, status, "{metadata} {length}: {answer:?}");
    }
    assert_eq!(staged(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_only_where_that_was_said() {
    let world = World::plain();
    let at = begun(&world, "/f", 3).await;
    std::fs::write(world.file("f"), b"other").unwrap();
    assert_eq!(patch(&world, &at, 0, &[], b"new").await.status, 409);
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"other");
    assert_eq!(world.ask("DELETE", &at, &[VERSION], b"").await.status, 204);
    assert_eq!(world.ask("DELETE", &at, &[VERSION], b"").await.status, 404);
    let again = begin(&world, &format!("{},overwrite", to("/f")), "3").await;
    let at = again.header("location").unwrap();
    assert_eq!(patch(&world, at, 0, &[], b"new").await.status, 204);
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"new");
    assert_eq!(staged(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_begin_with_bytes_and_say_its_length_later() {
    let world = World::plain();
    let metadata = to("/f");
    let headers = [
        VERSION,
        BYTES,
        ("Upload-Defer-Length", "1"),
        ("Upload-Metadata", &*metadata),
    ];
    let first = world.ask("POST", UPLOADS, &headers, b"0123").await;
    assert_eq!(
        (first.status, first.header("upload-offset")),
        (201, Some("4")),
        "{first:?}"
    );
    let at = first.header("location").unwrap();
    let head = world.ask("HEAD", at, &[VERSION], b"").await;
    assert_eq!(head.header("upload-defer-length"), Some("1"));
    assert_eq!(patch(&world, at, 4, &[("Upload-Length", "6")], b"4").await.status, 204);
    assert_eq!(patch(&world, at, 5, &[], b"5").await.status, 204);
    assert_eq!(std::fs::read(world.file("f")).unwrap(), b"012345");
    let empty = begin(&world, &to("/empty"), "0").await;
    assert_eq!(
        (empty.status, std::fs::read(world.file("empty")).unwrap()),
        (201, Vec::new()),
        "{empty:?}"
    );
    let options = world.ask_plainly("OPTIONS", UPLOADS, &[], b"").await;
    assert_eq!((options.status, options.header("tus-version")), (204, Some("1.0.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_counts_as_far_as_it_came_and_meanwhile_nobody_else_goes_on() {
    let world = World::plain();
    let at = begun(&world, "/f", 200_000).await;
    let head = format!(
        "PATCH {at} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nTus-Resumable: 1.0.0\r\n\
         Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 200000\r\n\r\n",
        basic("alice", "secret")
    );
    let mut stream = world.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !staged(&world).iter().any(|name| name.contains("-a-")) {
        assert!(tokio::time::Instant::now() < soon, "nobody takes the bytes");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(patch(&world, &at, 1, &[], b"y").await.status, 423);
    assert_eq!(world.ask("HEAD", &at, &[VERSION], b"").await.status, 423);
    assert_eq!(world.ask("DELETE", &at, &[VERSION], b"").await.status, 423);
    drop(stream);
    let came = loop {
        match offset(&world, &at).await {
            Some(offset) => break offset,
            None => assert!(tokio::time::Instant::now() < soon, "the upload stays locked"),
        }
    };
    assert!(came > 0 && came <= 100_000, "{came} bytes came");
    let rest = vec![b'x'; 200_000 - usize::try_from(came).unwrap()];
    let last = patch(&world, &at, usize::try_from(came).unwrap(), &[], &rest).await;
    assert_eq!(last.status, 204, "{last:?}");
    assert!(std::fs::read(world.file("f")).unwrap() == vec![b'x'; 200_000]);
    assert_eq!(staged(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_gone_and_what_is_too_much_does_not_begin() {
    let world = World::plain();
    let at = begun(&world, "/f", 10).await;
    let account = std::fs::read_dir(world.file(".argosy-staging"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let record = account.join(format!("upload-{}", at.rsplit('/').next().unwrap()));
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains("\"keep_seconds\":86400"), "{text}");
    std::fs::write(&record, text.replace("86400", "0")).unwrap();
    assert_eq!(world.ask("HEAD", &at, &[VERSION], b"").await.status, 404);
    assert_eq!(staged(&world), Vec::<String>::new());
    let at = begun(&world, "/f", 10).await;
    for n in 1..crate::vfs::limits::STEP_UPLOADS_MAX {
        std::fs::write(account.join(format!("upload-{n:032x}")), text.as_bytes()).unwrap();
    }
    let refused = begin(&world, &to("/g"), "10").await;
    assert_eq!(refused.status, 413, "{refused:?}");
    world.change_alice(|account| account.enabled = false);
    for session in world.registry.list() {
        session.close(crate::session::CloseReason::Revoked("disabled".to_owned()));
    }
    assert_eq!(patch(&world, &at, 0, &[], b"x").await.status, 401);
}
