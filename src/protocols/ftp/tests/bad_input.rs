use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::world::{World, content};
use crate::catalog::ServiceKind;
use crate::protocols::ftp::limits::LINE_DISCARD_BYTES_MAX;
use crate::session::CloseReason;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_no_commands_are_answered_and_the_session_goes_on() {
    let world = World::plain();
    let mut client = world.alice().await;
    let megabyte = "x".repeat(1024 * 1024);
    for (line, code) in [
        ("XYZZY", 500),
        (&*megabyte, 500),
        ("CWD a\0b", 501),
        ("\u{ff}\u{fe}", 500),
        ("", 500),
        ("REST x", 501),
        ("OPTS x y", 501),
        ("MODE Z", 504),
        ("PORT 1", 501),
        ("NOOP", 200),
    ] {
        assert_eq!(client.code(line).await, code, "{}", line.get(..20).unwrap_or(line));
    }
    client.stream().write_all(&[255, 251, 3]).await.unwrap();
    assert_eq!(client.code("NOOP").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_nothing_but_nonsense_is_sent_away() {
    let world = World::plain();
    let mut client = world.client().await;
    let mut last = 500;
    for _ in 0..200 {
        last = client.code("XYZZY").await;
        if last != 500 {
            break;
        }
    }
    // The last one got its own reply before.
    assert_eq!(last, 421);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_an_unknown_account_and_a_disabled_one_are_refused_alike() {
    let world = World::new(ServiceKind::Ftp, |service| service.login_attempts_max = 3);
    let mut client = world.client().await;
    let mut texts = Vec::new();
    for (user, password) in [("alice", "wrong"), ("bob", "secret"), ("../alice", "secret")] {
        assert_eq!(client.code(&format!("USER {user}")).await, 331);
        texts.push(client.ask(&format!("PASS {password}")).await);
    }
    assert_eq!(texts[0].0, 530);
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[2].0, 421, "that was the last try");
    assert_eq!((client.reply().await.0, world.registry.count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounced_port_is_refused_before_a_packet_leaves() {
    let world = World::plain();
    world.put("f", b"content");
    let mut client = world.alice().await;
    let there = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = there.local_addr().unwrap().port();
    for line in [
        format!("PORT 127,0,0,2,{},{}", port >> 8, port & 255),
        format!("EPRT |1|127.0.0.2|{port}|"),
        "PORT 127,0,0,1,0,22".to_owned(),
        "EPRT |1|127.0.0.1|22|".to_owned(),
    ] {
        assert_eq!(client.code(&line).await, 501, "{line}");
        assert_eq!(client.code("RETR f").await, 425, "{line}");
    }
    use futures_util::FutureExt;
    assert!(there.accept().now_or_never().is_none(), "nobody came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_a_data_port_the_sessions_own_client_wins() {
    let world = World::plain();
    world.put("f", b"content");
    let mut client = world.alice().await;
    let port = client.port().await;
    let thief = TcpSocket::new_v4().unwrap();
    thief.bind("127.0.0.9:0".parse().unwrap()).unwrap();
    let thief = thief.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    thief.readable().await.unwrap();
    assert!(
        !matches!(thief.try_read(&mut [0; 8]), Ok(1..)),
        "nothing for a stranger"
    );
    let own = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(client.code("RETR f").await, 150);
    drop(own);
    assert_eq!(client.reply().await.0, 226);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_in_an_upload_leaves_only_what_its_account_may_resume() {
    for keep in [true, false] {
        let world = World::plain();
        world.storage(|storage| storage.keep_interrupted = keep);
        let mut client = world.alice().await;
        let mut stream = client.begin("STOR f").await;
        stream.write_all(&content(1_000_000)).await.unwrap();
        // The control connection first, as the kernel does it for a process that is killed.
        drop(client);
        drop(stream);
        world
            .until("the session is gone", |world| world.registry.count() == 0)
            .await;
        world
            .until("it is in order", |world| world.staged() == usize::from(keep))
            .await;
        assert_eq!(world.get("f"), None, "it is not published");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_not_as_long_as_announced_is_not_published() {
    let world = World::plain();
    let mut client = world.alice().await;
    for (announced, code) in [("ALLO 4", 426), ("ALLO 3", 226)] {
        assert_eq!(client.code(announced).await, 200);
        assert_eq!(client.upload("STOR f", b"abc").await, code);
        assert_eq!(world.get("f").is_some(), code == 226);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_to_a_full_disk_is_refused_and_leaves_nothing() {
    let world = World::plain();
    world.storage(|storage| storage.reserve_bytes = u64::MAX / 2);
    let mut client = world.alice().await;
    assert_eq!(client.upload("STOR f", b"abc").await, 452);
    assert_eq!((world.get("f"), world.staged()), (None, 0));
    assert_eq!(client.code("NOOP").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_without_a_login_or_without_a_byte_is_told_why_it_ends() {
    let hasty = World::new(ServiceKind::Ftp, |service| service.login_grace_seconds = 1);
    let (code, text) = hasty.client().await.reply().await;
    assert!(code == 421 && text.contains("No login"), "{text}");
    let world = World::new(ServiceKind::Ftp, |service| service.idle_seconds = 2);
    let (code, text) = world.alice().await.reply().await;
    assert!(code == 421 && text.contains("idle"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_over_the_limit_are_told_so_and_a_closed_one_frees_its_place() {
    let world = World::new(ServiceKind::Ftp, |service| service.sessions_max = 1);
    let mut first = world.alice().await;
    let mut second = world.client().await;
    assert_eq!(second.code("USER alice").await, 331);
    let (code, text) = second.ask("PASS secret").await;
    assert!(code == 421 && text.contains("Too many sessions"), "{text}");
    world.registry.list()[0].close(CloseReason::Administrator);
    let (code, text) = first.reply().await;
    assert!(code == 421 && text.contains("administrator"), "{text}");
    world.until("it is gone", |world| world.registry.count() == 0).await;
    let mut third = world.alice().await;
    assert_eq!(third.code("REIN").await, 220);
    assert_eq!((world.registry.count(), third.code("PWD").await), (0, 530));
    third.sign_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_connection_that_never_comes_is_answered_and_nothing_is_left() {
    let world = World::plain();
    let mut client = world.alice().await;
    let _port = client.port().await;
    client.send("STOR f").await;
    assert_eq!(client.ask("NOOP").await.0, 200, "the wait keeps nobody up");
    assert_eq!(client.ask("ABOR").await.0, 426);
    assert_eq!(client.reply().await.0, 226);
    assert_eq!((world.get("f"), world.staged()), (None, 0));
    assert_eq!(client.upload("STOR f", b"abc").await, 226);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_never_ends_ends_its_connection_and_no_other() {
    let world = World::plain();
    let mut other = world.alice().await;
    let mut stream = world.connect().await;
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while sent <= 2 * LINE_DISCARD_BYTES_MAX && stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < 2 * LINE_DISCARD_BYTES_MAX, "the server takes it for ever");
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"500"), "{}", said.escape_ascii());
    assert_eq!(other.code("NOOP").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_in_a_download_leaves_no_session_and_no_port() {
    let world = World::new(ServiceKind::Ftp, |service| service.ftp.passive_ports = (42_980, 42_980));
    world.put("f", &content(30_000_000));
    for control_first in [true, false] {
        let mut client = world.alice().await;
        let stream = client.begin("RETR f").await;
        match control_first {
            true => drop(client),
            false => {
                drop(stream);
                assert_eq!(client.reply().await.0, 426);
                continue;
            }
        }
        world
            .until("the session is gone", |world| world.registry.count() == 0)
            .await;
        drop(stream);
    }
    world
        .until("the session is gone", |world| world.registry.count() == 0)
        .await;
    // The one port there is can be had again.
    let mut client = world.alice().await;
    assert_eq!(client.download("RETR f").await.1.len(), 30_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_an_upload_ends_it_with_452_and_publishes_nothing() {
    for keep in [true, false] {
        let world = World::plain();
        world.storage(|storage| storage.keep_interrupted = keep);
        world.put("f", b"before");
        let mut client = world.alice().await;
        for line in ["STOR f", "APPE g", "STOU f"] {
            world.put("g", b"begun");
            let mut stream = client.begin(line).await;
            stream.write_all(&content(1_000_000)).await.unwrap();
            stream.flush().await.unwrap();
            world.full.store(true, Ordering::SeqCst);
            let _ = stream.write_all(&content(3_000_000)).await;
            drop(stream);
            let (code, text) = client.reply().await;
            assert_eq!(code, 452, "{line}: {text}");
            world.full.store(false, Ordering::SeqCst);
            assert_eq!(world.get("f").unwrap(), b"before", "{line}");
        }
        // What may be gone on with is kept for its account, if it is to be; nothing else.
        world
            .until("the rest is in order", |world| keep || world.staged() == 0)
            .await;
        assert_eq!(client.upload("STOR f", b"after").await, 226);
        assert_eq!(world.get("f").unwrap(), b"after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_over_the_size_that_is_allowed_is_refused_and_leaves_nothing() {
    let world = World::plain();
    world.account(|account| account.restrictions.upload_bytes_max = Some(1_000_000));
    let mut client = world.alice().await;
    let mut stream = client.begin("STOR f").await;
    let _ = stream.write_all(&content(3_000_000)).await;
    drop(stream);
    assert_eq!(client.reply().await.0, 552);
    world.until("nothing is left", |world| world.staged() == 0).await;
    assert_eq!(world.get("f"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_limit_and_an_addresss_limit_are_kept() {
    let world = World::new(ServiceKind::Ftp, |service| service.connections_per_address_max = 2);
    world.account(|account| account.sessions_max = Some(1));
    let _first = world.alice().await;
    let mut second = world.client().await;
    assert_eq!(second.code("USER alice").await, 331);
    let (code, text) = second.ask("PASS secret").await;
    assert!(code == 421 && text.contains("of this account"), "{text}");
    drop(second);
    let _second = world.client().await;
    let mut third = world.connect().await;
    assert!(
        !matches!(third.read(&mut [0; 8]).await, Ok(1..)),
        "one connection too many"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_banner_is_the_greeting_line_by_line_and_forges_no_reply() {
    let world = World::new(ServiceKind::Ftp, |service| {
        service.banner = "Welcome.\r\n230 Signed in.\nNo strangers.\n".to_owned();
    });
    let mut stream = world.connect().await;
    let expected = b"220-Welcome.\r\n 230 Signed in.\r\n220 No strangers.\r\n";
    let mut greeting = vec![0; expected.len()];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting.escape_ascii().to_string(), expected.escape_ascii().to_string());
}
