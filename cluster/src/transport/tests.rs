//! Two and more transports talking over real TCP on 127.0.0.1.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::identity::{Authority, NodeKey, fingerprint, sign_request};

const CLUSTER: crate::identity::ClusterId = crate::identity::ClusterId([4; 16]);
const SOON: Duration = Duration::from_secs(5);

/// Echoes calls, counts streams, says hello to joiners, and hangs on `/hang`.
struct Echo;

impl Service for Echo {
    fn call<'a>(&'a self, from: NodeId, path: &'a str, body: Bytes) -> Answering<'a> {
        Box::pin(async move {
            match path {
                "/hang" => std::future::pending().await,
                "/refuse" => Err(Refusal::new(409, "not today")),
                "/length" => Ok(Bytes::from(body.len().to_string())),
                _ => Ok(Bytes::from(format!("{from} {path} {}", String::from_utf8_lossy(&body)))),
            }
        })
    }

    fn stream<'a>(&'a self, _from: NodeId, _path: &'a str, head: Bytes, mut body: Incoming) -> Answering<'a> {
        Box::pin(async move {
            let (mut bytes, mut sum) = (0_u64, 0_u32);
            while let Some(piece) = body.next().await? {
                bytes += piece.len() as u64;
                sum = crc32c::crc32c_append(sum, &piece);
            }
            Ok(Bytes::from(format!("{} {bytes} {sum}", String::from_utf8_lossy(&head))))
        })
    }

    /// Gives back what comes, and ends after a message `end`.
    fn converse(&self, _from: NodeId, path: &str, messages: Messages) -> Result<Outgoings, Refusal> {
        if path != "/converse/echo" {
            return Err(Refusal::new(404, "nobody to talk to"));
        }
        let next = |mut messages: Messages| async move {
            let message = messages.next().await.unwrap()?;
            (&message[..] != b"end").then_some((message, messages))
        };
        Ok(Box::pin(futures_util::stream::unfold(messages, next)))
    }

    fn join<'a>(&'a self, _from: SocketAddr, body: Bytes) -> Answering<'a> {
        Box::pin(async move { Ok(Bytes::from(format!("hello, {} bytes", body.len()))) })
    }
}

struct Node {
    id: NodeId,
    credentials: Credentials,
    peers: watch::Sender<Arc<PeerTable>>,
    listening: Listening,
    client: Client,
}

fn credentials(authority: &Authority, id: NodeId) -> Credentials {
    let key = NodeKey::generate().unwrap();
    Credentials {
        cluster: CLUSTER,
        certificate: sign_request(authority, CLUSTER, id, &key.request().unwrap()).unwrap(),
        authority: authority.certificate().clone(),
        key: key.to_pkcs8().to_vec().into(),
    }
}

async fn node(authority: &Authority, id: u64) -> Node {
    let id = NodeId(id);
    let credentials = credentials(authority, id);
    let (peers, table) = watch::channel(Arc::new(PeerTable::new()));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listening = listen(address, &credentials, table.clone(), Arc::new(Echo))
        .await
        .unwrap();
    let client = Client::new(&credentials, table).unwrap();
    Node {
        id,
        credentials,
        peers,
        listening,
        client,
    }
}

impl Node {
    fn peer(&self) -> Peer {
        Peer {
            address: self.listening.address(),
            fingerprint: fingerprint(&self.credentials.certificate),
        }
    }

    fn know(&self, others: &[&Node]) {
        self.peers
            .send_replace(Arc::new(others.iter().map(|node| (node.id, node.peer())).collect()));
    }

    async fn ask(&self, other: &Node, path: &str, body: &str) -> Result<String, CallError> {
        let body = Bytes::from(body.to_owned());
        let answer = self.client.call(other.id, Lane::Peer, path, body, SOON).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

async fn pair() -> (Authority, Node, Node) {
    let authority = Authority::generate(CLUSTER).unwrap();
    let (a, b) = (node(&authority, 1).await, node(&authority, 2).await);
    a.know(&[&a, &b]);
    b.know(&[&a, &b]);
    (authority, a, b)
}

#[tokio::test]
async fn a_conversation_goes_on_in_both_directions_until_one_side_ends_it() {
    let (_, a, b) = pair().await;
    let (say, said) = tokio::sync::mpsc::channel::<Bytes>(1);
    let said = futures_util::stream::unfold(said, |mut said| async move { Some((said.recv().await?, said)) });
    let whom = (b.id, Lane::Consensus);
    let mut heard = a
        .client
        .converse(whom, "/converse/echo", said, SOON, SOON)
        .await
        .unwrap();
    for message in [&b"one"[..], b"", &[7; 300_000]] {
        let message = Bytes::copy_from_slice(message);
        say.send(message.clone()).await.unwrap();
        assert_eq!(heard.next().await.unwrap(), Some(message));
    }
    say.send(Bytes::from_static(b"end")).await.unwrap();
    assert_eq!(heard.next().await.unwrap(), None);
    // The listener's end reaches the speaker.
    say.closed().await;
    let nothing = futures_util::stream::empty();
    let refused = a.client.converse(whom, "/converse/x", nothing, SOON, SOON).await;
    assert!(matches!(refused, Err(CallError::Refused { status: 404, .. })));
}

#[tokio::test]
async fn members_talk_in_both_directions() {
    let (_, a, b) = pair().await;
    assert_eq!(a.ask(&b, "/x", "hi").await.unwrap(), "1 /x hi");
    assert_eq!(b.ask(&a, "/y", "ho").await.unwrap(), "2 /y ho");
    assert_eq!(
        a.ask(&b, "/refuse", "").await.unwrap_err(),
        CallError::Refused {
            status: 409,
            text: "not today".into()
        }
    );
}

#[tokio::test]
async fn a_node_outside_the_membership_is_refused_though_the_authority_signed_it() {
    let (authority, a, b) = pair().await;
    let c = node(&authority, 3).await;
    c.know(&[&a, &b, &c]);
    let refused = c.ask(&a, "/x", "hi").await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Refused { status: 403, text } if text.contains("not a member")),
        "{refused}"
    );
    // Once admitted it is heard, though its earlier connection was refused.
    a.know(&[&a, &b, &c]);
    assert_eq!(c.ask(&a, "/x", "hi").await.unwrap(), "3 /x hi");
    // The id is known, the certificate is another one.
    let forged = node(&authority, 2).await;
    forged.know(&[&a]);
    let refused = forged.ask(&a, "/x", "hi").await.unwrap_err();
    assert!(matches!(&refused, CallError::Refused { status: 403, .. }), "{refused}");
    a.know(&[&a, &forged]);
    assert!(b.ask(&a, "/x", "hi").await.is_err());
}

#[tokio::test]
async fn a_node_of_another_authority_is_refused_both_ways() {
    let (_, a, b) = pair().await;
    let other = Authority::generate(CLUSTER).unwrap();
    let stranger = node(&other, 2).await;
    stranger.know(&[&a]);
    assert!(stranger.ask(&a, "/x", "hi").await.is_err());
    let a_knows = PeerTable::from([(
        b.id,
        Peer {
            address: stranger.listening.address(),
            ..b.peer()
        },
    )]);
    a.peers.send_replace(Arc::new(a_knows));
    assert!(matches!(a.ask(&b, "/x", "hi").await, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn a_caller_takes_no_other_members_answer() {
    let (_, a, b) = pair().await;
    let swapped = PeerTable::from([(
        b.id,
        Peer {
            address: a.listening.address(),
            ..b.peer()
        },
    )]);
    a.peers.send_replace(Arc::new(swapped));
    assert!(matches!(a.ask(&b, "/x", "hi").await, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn a_removed_members_open_connections_are_closed() {
    let (_, a, b) = pair().await;
    a.ask(&b, "/x", "hi").await.unwrap();
    let hanging = a.ask(&b, "/hang", "");
    let removal = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        b.know(&[&b]);
    };
    let (hung, ()) = tokio::join!(hanging, removal);
    assert!(matches!(hung, Err(CallError::Broken(_))), "{hung:?}");
    let refused = a.ask(&b, "/x", "hi").await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { status: 403, .. }), "{refused}");
    // The other way too: who is no longer in the own table is no longer called.
    a.know(&[&a]);
    assert!(matches!(a.ask(&b, "/x", "hi").await, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn without_a_certificate_only_join_is_answered() {
    let (authority, a, _b) = pair().await;
    let (address, pin) = (a.listening.address(), fingerprint(authority.certificate()));
    let answer = join_request(address, CLUSTER, pin, Bytes::from_static(b"me"), SOON)
        .await
        .unwrap();
    assert_eq!(&answer[..], b"hello, 2 bytes");
    let large = Bytes::from(vec![0; limits::JOIN_BODY_BYTES_MAX + 1]);
    let refused = join_request(address, CLUSTER, pin, large, SOON).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { status: 413, .. }), "{refused}");
    for (path, status) in [
        ("/x", 401),
        ("/stream/x", 401),
        ("/join/", 401),
        ("/", 401),
        ("/join", 200),
    ] {
        let answer = super::client::post_without_certificate(address, CLUSTER, pin, path).await;
        let found = match answer {
            Ok(_) => 200,
            Err(CallError::Refused { status, .. }) => status,
            Err(other) => panic!("{path}: {other}"),
        };
        assert_eq!(found, status, "{path}");
    }
}

#[tokio::test]
async fn a_joiner_trusts_only_the_pinned_authority_and_cluster() {
    let (authority, a, _b) = pair().await;
    let pin = fingerprint(authority.certificate());
    let check = async |cluster, pin| {
        let answer = join_request(a.listening.address(), cluster, pin, Bytes::new(), SOON).await;
        assert!(matches!(answer, Err(CallError::NotSent(_))), "{answer:?}");
    };
    check(CLUSTER, [0; 32]).await;
    check(crate::identity::ClusterId([5; 16]), pin).await;
    check(CLUSTER, fingerprint(&a.credentials.certificate)).await;
}

#[tokio::test]
async fn bodies_have_limits_on_both_sides() {
    let (_, a, b) = pair().await;
    let body = Bytes::from(vec![1; limits::BODY_BYTES_MAX]);
    let answer = a.client.call(b.id, Lane::Peer, "/length", body, SOON).await.unwrap();
    assert_eq!(answer, limits::BODY_BYTES_MAX.to_string());
    let body = Bytes::from(vec![1; limits::BODY_BYTES_MAX + 1]);
    let refused = a
        .client
        .call(b.id, Lane::Peer, "/length", body.clone(), SOON)
        .await
        .unwrap_err();
    assert!(matches!(refused, CallError::NotSent(_)));
    let refused = a.client.call_unchecked(b.id, "/length", body, SOON).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { status: 413, .. }), "{refused}");
}

async fn upload(a: &Node, b: &Node, head: &[u8], pieces: Vec<io::Result<Bytes>>) -> Result<Bytes, CallError> {
    a.client
        .upload(
            b.id,
            Lane::Snapshot,
            "/stream/x",
            head,
            futures_util::stream::iter(pieces),
            SOON,
        )
        .await
}

#[tokio::test]
async fn a_stream_arrives_whole() {
    let (_, a, b) = pair().await;
    let bytes = Bytes::from((0..5_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let pieces = (0..50)
        .map(|n| Ok(bytes.slice(n * 100_000..(n + 1) * 100_000)))
        .collect();
    let expected = format!("head {} {}", bytes.len(), crc32c::crc32c(&bytes));
    assert_eq!(upload(&a, &b, b"head", pieces).await.unwrap(), expected);
    assert_eq!(upload(&a, &b, b"", vec![]).await.unwrap(), " 0 0");
}

#[tokio::test]
async fn a_stream_that_breaks_at_its_source_is_no_success() {
    let (_, a, b) = pair().await;
    let pieces = vec![Ok(Bytes::from_static(b"begun")), Err(io::Error::other("disk gone"))];
    let answer = upload(&a, &b, b"head", pieces).await;
    assert!(matches!(answer, Err(CallError::Broken(_))), "{answer:?}");
}

#[tokio::test]
async fn garbage_and_silence_on_the_port_disturb_nobody() {
    let (_, a, b) = pair().await;
    let mut silent = Vec::new();
    for n in 0..limits::STRANGERS_MAX / 2 {
        let mut stream = TcpStream::connect(b.listening.address()).await.unwrap();
        if n % 2 == 0 {
            stream
                .write_all(&[b"\x16\x03\x01\xff\xff".as_slice(), &[n as u8; 300]].concat())
                .await
                .unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        } else {
            silent.push(stream);
        }
    }
    assert_eq!(a.ask(&b, "/x", "hi").await.unwrap(), "1 /x hi");
}

#[tokio::test]
async fn silent_strangers_do_not_keep_members_out() {
    let (_, a, b) = pair().await;
    let mut silent = Vec::new();
    for n in 0..limits::STRANGERS_MAX.div_ceil(limits::STRANGERS_PER_ADDRESS_MAX) {
        for _ in 0..limits::STRANGERS_PER_ADDRESS_MAX {
            silent.push(connect_from([127, 0, 1, n as u8 + 1], b.listening.address()).await);
        }
    }
    let mut closed = connect_from([127, 0, 2, 1], b.listening.address()).await;
    let end = tokio::time::timeout(limits::HANDSHAKE_MAX / 2, closed.read(&mut [0])).await;
    assert!(
        matches!(end, Ok(Ok(0) | Err(_))),
        "all strangers' places are taken: {end:?}"
    );
    assert_eq!(a.ask(&b, "/x", "hi").await.unwrap(), "1 /x hi");
}

async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn what_was_not_sent_is_told_from_what_broke() {
    let (authority, a, b) = pair().await;
    let gone = node(&authority, 3).await;
    a.know(&[&a, &b, &gone]);
    gone.know(&[&a]);
    let (id, peer) = (gone.id, gone.peer());
    a.ask(&gone, "/x", "").await.unwrap();
    let hanging = a.client.call(id, Lane::Peer, "/hang", Bytes::new(), SOON);
    let closing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        gone.listening.close().await;
    };
    let (hung, ()) = tokio::join!(hanging, closing);
    assert!(matches!(hung, Err(CallError::Broken(_))), "{hung:?}");
    assert!(matches!(
        a.client.call(id, Lane::Peer, "/x", Bytes::new(), SOON).await,
        Err(CallError::NotSent(_))
    ));
    assert!(a.client.is_down(id, Lane::Peer) && !a.client.is_down(b.id, Lane::Peer));
    // It comes back on its port and is reached again, with no more than the longest pause between.
    let (_keep, table) = watch::channel(Arc::new(PeerTable::from([(a.id, a.peer())])));
    let again = listen(peer.address, &gone.credentials, table, Arc::new(Echo))
        .await
        .unwrap();
    let started = Instant::now();
    while a.client.call(id, Lane::Peer, "/x", Bytes::new(), SOON).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(3), "not reached again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(again);
}

#[tokio::test]
async fn a_hung_peer_is_given_up_at_the_deadline_and_a_dead_one_within_about_a_second() {
    let (_, a, b) = pair().await;
    let short = Duration::from_millis(100);
    let hung = a.client.call(b.id, Lane::Peer, "/hang", Bytes::new(), short).await;
    assert!(matches!(hung, Err(CallError::Broken(_))), "{hung:?}");
    // A relay that goes silent stands for a machine that lost its power.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (through, target) = (relay.local_addr().unwrap(), b.listening.address());
    let (silence, silenced) = watch::channel(false);
    tokio::spawn(async move {
        let (mut near, _) = relay.accept().await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        let mut silenced = silenced;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = async { let _ = silenced.wait_for(|on| *on).await; } => std::future::pending().await,
        }
    });
    a.peers.send_replace(Arc::new(PeerTable::from([(
        b.id,
        Peer {
            address: through,
            ..b.peer()
        },
    )])));
    a.ask(&b, "/x", "hi").await.unwrap();
    silence.send_replace(true);
    let started = Instant::now();
    let hung = a
        .client
        .call(b.id, Lane::Peer, "/hang", Bytes::new(), Duration::from_secs(20))
        .await;
    assert!(matches!(hung, Err(CallError::Broken(_))), "{hung:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}
