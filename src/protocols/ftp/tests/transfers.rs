use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::world::{World, content};
use crate::catalog::ServiceKind;
use crate::session::CloseReason;

/// More than a few pieces, and not a whole number of them.
const LONG: u32 = 3_000_003;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_back_as_they_went() {
    for kind in [ServiceKind::Ftp, ServiceKind::Ftps] {
        let world = World::new(kind, |_| {});
        let mut client = match kind {
            ServiceKind::Ftp => world.alice().await,
            _ => world.secure_alice().await,
        };
        for (name, bytes) in [("empty", 0), ("one", 1), ("piece", 262_144), ("long", LONG)] {
            let content = content(bytes);
            assert_eq!(client.upload(&format!("STOR {name}"), &content).await, 226, "{name}");
            assert!(world.get(name).unwrap() == content, "{name}");
            let (code, back) = client.download(&format!("RETR {name}")).await;
            assert_eq!(code, 226, "{name}");
            assert!(back == content, "{name}");
        }
        assert_eq!(world.staged(), 0);
        assert_eq!(client.code("QUIT").await, 221);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_begins_where_rest_says() {
    let world = World::plain();
    let content = content(LONG);
    world.put("f", &content);
    let mut client = world.alice().await;
    assert_eq!(client.code("REST 1000000").await, 350);
    let (code, back) = client.download("RETR f").await;
    assert_eq!(code, 226);
    assert!(back == content[1_000_000..]);
    assert_eq!(client.code(&format!("REST {LONG}")).await, 350);
    assert_eq!(client.download("RETR f").await, (226, Vec::new()));
    assert_eq!(client.code(&format!("REST {}", LONG + 1)).await, 350);
    assert_eq!(client.download("RETR f").await.0, 554);
    world.put("g", &content[..1_000_000]);
    assert_eq!(client.code("REST 1000000").await, 350);
    assert_eq!(client.upload("STOR g", &content[1_000_000..]).await, 226);
    assert!(world.get("g").unwrap() == content);
    world.put("h", b"abc");
    assert_eq!(client.code("REST 4").await, 350);
    assert_eq!(client.upload("STOR h", b"x").await, 554);
    assert_eq!(client.code("REST 4").await, 350);
    assert_eq!(client.upload("STOR missing", b"x").await, 550);
    assert_eq!(client.upload("APPE h", b"def").await, 226);
    assert_eq!(world.get("h").unwrap(), b"abcdef");
    assert_eq!(client.upload("APPE new", b"n").await, 226);
    assert_eq!((world.get("new").unwrap(), world.staged()), (b"n".to_vec(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_upload_is_kept_and_gone_on_with() {
    let world = World::plain();
    let content = content(LONG);
    let mut client = world.alice().await;
    let mut stream = client.begin("STOR f").await;
    stream.write_all(&content[..2_000_000]).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(client.ask("ABOR").await.0, 426);
    assert_eq!(client.reply().await.0, 226);
    drop(stream);
    assert_eq!(world.get("f"), None);
    let (code, text) = client.ask("SIZE f").await;
    assert_eq!(code, 213, "{text}");
    let kept: usize = text[4..].parse().unwrap();
    assert!(kept > 0 && kept <= 2_000_000, "{kept}");
    assert_eq!(client.code(&format!("REST {kept}")).await, 350);
    assert_eq!(client.upload("STOR f", &content[kept..]).await, 226);
    assert!(world.get("f").unwrap() == content);
    assert_eq!(world.staged(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ascii_converts_ends_of_lines_and_nothing_else() {
    let world = World::plain();
    let mut client = world.alice().await;
    assert_eq!(client.code("TYPE A").await, 200);
    assert_eq!(client.upload("STOR f", b"a\r\nb\rc\nd\r\n\r").await, 226);
    assert_eq!(world.get("f").unwrap(), b"a\nb\rc\nd\n\r");
    world.put("g", b"a\nb\r\nc");
    assert_eq!(client.download("RETR g").await, (226, b"a\r\nb\r\nc".to_vec()));
    let long: Vec<u8> = b"line of a text\r\n".repeat(100_000);
    assert_eq!(client.upload("STOR h", &long).await, 226);
    assert!(world.get("h").unwrap() == b"line of a text\n".repeat(100_000));
    assert!(client.download("RETR h").await == (226, long));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_channel_answers_during_a_transfer() {
    let world = World::plain();
    let content = content(30_000_000);
    world.put("f", &content);
    let mut client = world.alice().await;
    let mut stream = client.begin("RETR f").await;
    assert_eq!(client.ask("NOOP").await.0, 200);
    let (code, text) = client.ask("STAT").await;
    assert!(code == 211 && text.contains("transfer runs"), "{text}");
    // What may wait is answered after the transfer, in order.
    client.send("PWD").await;
    client.send("NOOP").await;
    client.send("QUIT").await;
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == content);
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(client.reply().await.0);
    }
    assert_eq!(codes, [226, 257, 200, 221, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abor_ends_a_download_also_with_telnets_commands_before_it() {
    let world = World::plain();
    world.put("f", &content(30_000_000));
    let mut client = world.alice().await;
    let stream = client.begin("RETR f").await;
    client.stream().write_all(b"\xff\xf4\xff\xf2ABOR\r\n").await.unwrap();
    assert_eq!(client.reply().await.0, 426);
    assert_eq!(client.reply().await.0, 226);
    drop(stream);
    assert_eq!(client.code("ABOR").await, 226);
    let (code, back) = client.download("RETR f").await;
    assert_eq!((code, back.len()), (226, 30_000_000));
}

/// As ftplib and the BSD client do it: the last byte of the line is urgent, and nothing follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abor_in_an_urgent_segment_is_heard() {
    let world = World::plain();
    world.put("f", &content(30_000_000));
    let stream = world.connect().await;
    let socket = std::os::fd::AsFd::as_fd(&stream).try_clone_to_owned().unwrap();
    let mut client = super::client::Client::new(stream, world.connector());
    assert_eq!(client.reply().await.0, 220);
    client.sign_in().await;
    let _stream = client.begin("RETR f").await;
    rustix::net::send(&socket, b"ABOR\r\n", rustix::net::SendFlags::OOB).unwrap();
    assert_eq!((client.reply().await.0, client.reply().await.0), (426, 226));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_mode_connects_to_the_client() {
    let world = World::plain();
    world.put("f", b"content");
    let mut client = world.alice().await;
    let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = there.local_addr().unwrap().port();
    assert_eq!(
        client
            .code(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255))
            .await,
        200
    );
    client.send("RETR f").await;
    let (mut stream, _) = there.accept().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(
        (client.reply().await.0, client.reply().await.0, &back[..]),
        (150, 226, &b"content"[..])
    );
    assert_eq!(client.code(&format!("EPRT |1|127.0.0.1|{port}|")).await, 200);
    client.send("STOR g").await;
    let (mut stream, _) = there.accept().await.unwrap();
    stream.write_all(b"up").await.unwrap();
    drop(stream);
    assert_eq!((client.reply().await.0, client.reply().await.0), (150, 226));
    assert_eq!(world.get("g").unwrap(), b"up");
    drop(there);
    assert_eq!(client.code(&format!("EPRT |1|127.0.0.1|{port}|")).await, 200);
    assert_eq!(client.code("RETR f").await, 425);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stou_makes_a_name_that_nothing_has() {
    let world = World::plain();
    let mut client = world.alice().await;
    for line in ["STOU", "STOU report"] {
        let mut stream = client.passive().await;
        let (code, text) = client.ask(line).await;
        assert_eq!(code, 150, "{text}");
        let name = text.strip_prefix("150 FILE: ").unwrap().to_owned();
        stream.write_all(b"x").await.unwrap();
        drop(stream);
        let (code, text) = client.reply().await;
        assert!(code == 226 && text.contains(&name), "{text}");
        assert_eq!(world.get(&name).unwrap(), b"x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_session_ends_its_transfer_at_once_and_publishes_nothing() {
    let world = World::plain();
    let mut client = world.alice().await;
    let mut stream = client.begin("STOR f").await;
    stream.write_all(&content(LONG)).await.unwrap();
    world.registry.list()[0].close(CloseReason::Revoked("the account was disabled".to_owned()));
    assert_eq!(client.reply().await.0, 426);
    let (code, text) = client.reply().await;
    assert!(code == 421 && !text.contains("disabled"), "{text}");
    assert_eq!(client.reply().await.0, 0);
    drop(stream);
    world
        .until("the session is gone", |world| world.registry.count() == 0)
        .await;
    assert_eq!(world.get("f"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_a_transfer_end_and_tells_the_others() {
    let mut world = World::plain();
    let content = content(20_000_000);
    world.put("f", &content);
    let (mut idle, mut busy) = (world.alice().await, world.alice().await);
    let mut stream = busy.begin("RETR f").await;
    let remaining = world.listener.take().unwrap().stop().await;
    remaining.drain(std::time::Duration::from_secs(60));
    let (code, text) = idle.reply().await;
    assert!(code == 421 && text.contains("closing"), "{text}");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == content);
    assert_eq!((busy.reply().await.0, busy.reply().await.0), (226, 421));
    remaining.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_stands_still_is_ended_and_the_session_goes_on() {
    let world = World::new(ServiceKind::Ftp, |service| service.ftp.data_idle_seconds = 2);
    world.put("f", &content(30_000_000));
    let mut client = world.alice().await;
    let stream = client.begin("RETR f").await;
    let (code, text) = client.reply().await;
    assert!(code == 426 && text.contains("2 seconds"), "{text}");
    drop(stream);
    assert_eq!(client.code("NOOP").await, 200);
}
