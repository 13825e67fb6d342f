use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use super::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn expected(client: &str, peer: DataPeer) -> Expected {
    Expected {
        client: client.parse().unwrap(),
        peer,
        balancers: None,
    }
}

fn behind(client: &str) -> Expected {
    Expected {
        balancers: Some(vec!["127.0.0.0/8".parse().unwrap()].into()),
        ..expected(client, DataPeer::SameAddress)
    }
}

/// A port that nobody has, so that only this test is there.
fn free() -> (u16, u16) {
    let port = std::net::TcpListener::bind((HOME, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    (port, port)
}

async fn connect(from: &str, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(SocketAddr::new(HOME, port)).await.unwrap()
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.unwrap()
}

async fn is_closed(stream: &TcpStream) -> bool {
    soon(stream.readable()).await.unwrap();
    !matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn who_may_come_depends_on_the_policy() {
    use DataPeer::{Resumed, SameAddress, SameNetwork};
    for (control, peer, data, takes) in [
        ("10.0.0.1", SameAddress, "10.0.0.1", true),
        ("10.0.0.1", SameAddress, "::ffff:10.0.0.1", true),
        ("10.0.0.1", SameAddress, "10.0.0.2", false),
        ("10.0.0.1", SameNetwork, "10.0.0.2", true),
        ("10.0.0.1", SameNetwork, "10.0.1.1", false),
        ("2001:db8::1", SameNetwork, "2001:db8::ffff", true),
        ("2001:db8::1", SameNetwork, "2001:db8:0:1::1", false),
        ("2001:db8::1", SameAddress, "2001:db8::2", false),
        ("10.0.0.1", Resumed, "192.0.2.1", true),
    ] {
        assert_eq!(
            expected(control, peer).takes(data.parse().unwrap()),
            takes,
            "{control} {data}"
        );
    }
}

#[test]
fn sessions_share_a_port_only_if_no_connection_could_be_meant_for_both() {
    use DataPeer::{Resumed, SameAddress, SameNetwork};
    for (one, other, alike) in [
        (("10.0.0.1", SameAddress), ("10.0.0.1", SameAddress), true),
        (("10.0.0.1", SameAddress), ("10.0.0.2", SameAddress), false),
        (("10.0.0.1", SameAddress), ("10.0.0.2", SameNetwork), true),
        (("10.0.0.1", SameNetwork), ("10.0.1.2", SameNetwork), false),
        (("10.0.0.1", Resumed), ("192.0.2.1", SameAddress), true),
    ] {
        let (one, other) = (expected(one.0, one.1), expected(other.0, other.1));
        assert_eq!(
            (one.is_like(&other), other.is_like(&one)),
            (alike, alike),
            "{one:?} {other:?}"
        );
    }
}

#[tokio::test]
async fn two_clients_share_a_port_and_each_gets_its_own() {
    let (ports, range) = (Arc::new(Passive::default()), free());
    let one = ports
        .lease(HOME, range, expected("127.0.0.1", DataPeer::SameAddress))
        .unwrap();
    let two = ports
        .lease(HOME, range, expected("127.0.0.2", DataPeer::SameAddress))
        .unwrap();
    assert_eq!(one.port, two.port);
    let again = ports.lease(HOME, range, expected("127.0.0.2", DataPeer::SameAddress));
    assert_eq!(again.err().unwrap().kind(), io::ErrorKind::AddrInUse);
    let _second = connect("127.0.0.2", one.port).await;
    assert_eq!(soon(two.given()).await.unwrap().client.to_string(), "127.0.0.2");
    let _first = connect("127.0.0.1", one.port).await;
    assert_eq!(soon(one.given()).await.unwrap().client.to_string(), "127.0.0.1");
}

#[tokio::test]
async fn a_thief_gets_nothing_and_the_client_its_connection() {
    let (ports, range) = (Arc::new(Passive::default()), free());
    let lease = ports
        .lease(HOME, range, expected("127.0.0.1", DataPeer::SameAddress))
        .unwrap();
    let port = lease.port;
    let thief = connect("127.0.0.9", port).await;
    assert!(is_closed(&thief).await);
    let _client = connect("127.0.0.1", port).await;
    assert!(soon(lease.given()).await.is_some());
    let late = connect("127.0.0.1", port).await;
    assert!(is_closed(&late).await, "one connection for one PASV");
}

#[tokio::test]
async fn a_place_that_was_given_up_is_free_again() {
    let (ports, range) = (Arc::new(Passive::default()), free());
    let lease = ports
        .lease(HOME, range, expected("127.0.0.1", DataPeer::SameAddress))
        .unwrap();
    drop(lease);
    let stray = connect("127.0.0.1", range.0).await;
    assert!(is_closed(&stray).await);
    assert!(
        ports
            .lease(HOME, range, expected("127.0.0.1", DataPeer::Resumed))
            .is_ok()
    );
}

#[tokio::test]
async fn a_header_is_read_exactly_when_the_control_connection_had_one() {
    let (ports, range) = (Arc::new(Passive::default()), free());
    let lease = ports.lease(HOME, range, behind("192.0.2.1")).unwrap();
    let port = lease.port;
    let mut foreign = connect("127.0.0.1", port).await;
    foreign
        .write_all(b"PROXY TCP4 192.0.2.2 198.51.100.9 5 6\r\n")
        .await
        .unwrap();
    assert!(is_closed(&foreign).await, "another client behind the same balancer");
    let mut bare = connect("127.0.0.1", port).await;
    bare.write_all(b"bytes of a file\n").await.unwrap();
    assert!(is_closed(&bare).await, "no header");
    let mut balancer = connect("127.0.0.3", port).await;
    balancer
        .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.9 5 6\r\nbytes")
        .await
        .unwrap();
    let given = soon(lease.given()).await.unwrap();
    assert_eq!(
        (given.client.to_string(), &given.early[..]),
        ("192.0.2.1".to_owned(), &b"bytes"[..])
    );
    // Without one, a header is nothing but bytes of the file.
    let direct = ports
        .lease(HOME, range, expected("127.0.0.1", DataPeer::SameAddress))
        .unwrap();
    let mut client = connect("127.0.0.1", port).await;
    client
        .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.9 5 6\r\n")
        .await
        .unwrap();
    assert!(soon(direct.given()).await.unwrap().early.is_empty());
}
