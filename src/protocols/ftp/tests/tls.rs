use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::Client;
use super::world::{World, content};
use crate::catalog::{DataPeer, Service, ServiceKind};

fn explicit(change: impl FnOnce(&mut Service)) -> World {
    World::new(ServiceKind::Ftps, change)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn implicit_tls_begins_with_the_first_byte() {
    let world = World::new(ServiceKind::FtpsImplicit, |_| {});
    let mut client = Client::new(world.connect().await, world.connector());
    client.begin_tls().await;
    assert_eq!(client.reply().await.0, 220);
    client.sign_in().await;
    assert_eq!(client.upload("STOR f", b"content").await, 226);
    assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    assert_eq!(world.registry.list()[0].protocol(), "ftps");
    let mut plain = world.connect().await;
    plain.write_all(b"USER alice\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"220"), "{}", rest.escape_ascii());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_in_clear_after_auth_is_forgotten() {
    let world = explicit(|service| service.ftp.require_tls_control = false);
    let mut client = world.client().await;
    client.send("AUTH TLS\r\nUSER eve\r\nNOOP").await;
    assert_eq!(client.reply().await.0, 234);
    client.begin_tls().await;
    assert_eq!(client.code("PASS secret").await, 503, "eve was not named");
    client.sign_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_signs_in_before_tls_where_it_is_required() {
    let world = explicit(|_| {});
    let mut client = world.client().await;
    assert_eq!(client.code("USER alice").await, 534);
    assert_eq!(client.code("PASS secret").await, 503);
    client.secure().await;
    client.sign_in().await;
    let stream = client.passive().await;
    assert_eq!(client.code("LIST").await, 521, "no data in clear");
    drop(stream);
    assert_eq!(client.code("PBSZ 0").await, 200);
    assert_eq!(client.code("PROT C").await, 534);
    assert_eq!(client.code("PROT P").await, 200);
    assert_eq!(client.download("LIST").await.0, 226);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_handshake_on_data_is_answered_and_the_session_goes_on() {
    let world = explicit(|_| {});
    world.put("f", b"content");
    let mut client = world.secure_alice().await;
    for line in ["RETR f", "STOR g"] {
        let mut stream = client.passive().await;
        assert_eq!(client.code(line).await, 150);
        stream
            .write_all(b"this is no handshake, this is text in clear")
            .await
            .unwrap();
        let (code, text) = client.reply().await;
        assert!(code == 425 && text.contains("TLS"), "{text}");
        drop(stream);
        let stream = client.passive().await;
        assert_eq!(client.code(line).await, 150);
        drop(stream);
        assert_eq!(client.reply().await.0, 425);
    }
    assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    world.until("nothing is left", |world| world.staged() == 0).await;
    assert_eq!(world.get("g"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_handshake_on_control_ends_it() {
    let world = explicit(|_| {});
    let mut client = world.client().await;
    assert_eq!(client.code("AUTH TLS").await, 234);
    client.send("this is no handshake, this is text in clear").await;
    let mut rest = Vec::new();
    let _ = client.stream().read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"5"), "{}", rest.escape_ascii());
    world.client().await.secure().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_no_handshake_in_time_has_no_connection_and_leaves_no_place_taken() {
    for kind in [ServiceKind::Ftps, ServiceKind::FtpsImplicit] {
        let world = World::new(kind, |service| {
            service.login_grace_seconds = 1;
            service.unauthenticated_per_address_max = 1;
        });
        for begins in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"USER alice\r\nPASS secret\r\n"] {
            let mut silent = world.connect().await;
            if kind == ServiceKind::Ftps {
                silent.write_all(b"AUTH TLS\r\n").await.unwrap();
            }
            silent.write_all(begins).await.unwrap();
            let mut said = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut said)).await;
            assert!(ended.is_ok(), "{kind:?}: it stays");
            let text = said.escape_ascii().to_string();
            assert!(!text.contains("331") && !text.contains("230"), "{kind:?}: {text}");
        }
        // The one place for who has not signed in is free.
        let mut client = Client::new(world.connect().await, world.connector());
        if kind == ServiceKind::Ftps {
            assert_eq!(client.reply().await.0, 220);
            client.secure().await;
        } else {
            client.begin_tls().await;
            assert_eq!(client.reply().await.0, 220);
        }
        client.sign_in().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_without_close_notify_is_published_only_where_that_is_taken() {
    for lenient in [false, true] {
        let world = explicit(|service| service.ftp.lenient_tls_end = lenient);
        let content = content(1_000_000);
        let mut client = world.secure_alice().await;
        let stream = client.passive().await;
        assert_eq!(client.code("STOR f").await, 150);
        let (below, there) = tokio::io::duplex(1 << 20);
        // Between client and server, so that the connection can be cut below TLS.
        let (mut below_read, mut below_write) = tokio::io::split(below);
        let (mut read, mut write) = stream.into_split();
        let up = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut below_read, &mut write).await;
            let _ = write.shutdown().await;
        });
        let down = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut read, &mut below_write).await;
        });
        let host = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut tls = client.connector.connect(host, there).await.unwrap();
        tls.write_all(&content).await.unwrap();
        tls.flush().await.unwrap();
        drop(tls);
        up.await.unwrap();
        let (code, text) = client.reply().await;
        down.abort();
        assert_eq!(code, if lenient { 226 } else { 426 }, "{text}");
        assert_eq!(world.get("f").is_some_and(|found| found == content), lenient);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_connection_resumes_the_controls_session_where_that_is_asked_for() {
    let world = explicit(|service| service.ftp.data_peer = DataPeer::Resumed);
    world.put("f", b"content");
    let mut client = world.secure_alice().await;
    for _ in 0..5 {
        assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    }
    // Another client's session, also a resumed one, is not the control's.
    let mut other = world.secure_alice().await;
    client.connector = world.connector();
    let stream = client.passive().await;
    assert_eq!(client.code("RETR f").await, 150);
    let _fresh = client.wrapped(stream).await;
    assert_eq!(client.reply().await.0, 522);
    std::mem::swap(&mut client.connector, &mut other.connector);
    let stream = client.passive().await;
    assert_eq!(client.code("RETR f").await, 150);
    let _foreign = client.wrapped(stream).await;
    assert_eq!(client.reply().await.0, 522);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abor_ends_a_private_transfer_and_the_next_one_works() {
    let world = explicit(|_| {});
    world.put("f", &content(30_000_000));
    let mut client = world.secure_alice().await;
    let stream = client.begin("RETR f").await;
    assert_eq!(client.code("ABOR").await, 426);
    assert_eq!(client.reply().await.0, 226);
    drop(stream);
    let (code, back) = client.download("RETR f").await;
    assert_eq!((code, back.len()), (226, 30_000_000));
}
