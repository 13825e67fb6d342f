use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Tells each client who it is and where it came in, then echoes; panics on `!`.
struct Echo {
    terms: Mutex<Terms>,
    security: Security,
}

impl Serve for Echo {
    fn terms(&self) -> Result<Terms, String> {
        Ok(self.terms.lock().unwrap().clone())
    }

    fn security(&self) -> Result<Security, String> {
        Ok(self.security.clone())
    }

    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
        Box::pin(async move {
            let Accepted {
                mut stream,
                peer,
                local,
                permit: _permit,
                mut drain,
                ..
            } = accepted;
            let greeting = format!("{peer} {local}\n");
            stream.write_all(greeting.as_bytes()).await.unwrap();
            let mut byte = [0];
            loop {
                tokio::select! {
                    read = stream.read_exact(&mut byte) => if read.is_err() { return },
                    _ = drain.begun() => {
                        let _ = stream.write_all(b"bye\n").await;
                        let _ = stream.shutdown().await;
                        return;
                    }
                }
                assert_ne!(&byte, b"!", "on purpose");
                stream.write_all(&byte).await.unwrap();
            }
        })
    }
}

fn terms() -> Terms {
    Terms {
        unauthenticated: PermitLimits {
            all: 100,
            per_address: 2,
        },
        connections_per_address_max: 0,
        proxy_networks: Vec::new(),
        sources: Vec::new(),
    }
}

struct World {
    listener: Listener,
    counts: Arc<Counts>,
    banned: Arc<Mutex<Option<IpAddr>>>,
}

fn name() -> Name {
    Name::parse("echo").unwrap()
}

impl World {
    fn new(terms: Terms) -> Self {
        Self::secured(terms, Security::Plain)
    }

    fn secured(terms: Terms, security: Security) -> Self {
        let banned = Arc::new(Mutex::new(None));
        let counts = Arc::new(Counts::default());
        let surroundings = Surroundings {
            journal: Journal::default(),
            counts: counts.clone(),
            banned: {
                let banned = banned.clone();
                Arc::new(move |address| (*banned.lock().unwrap() == Some(address)).then(|| "banned".to_owned()))
            },
        };
        let serve = Arc::new(Echo {
            terms: Mutex::new(terms),
            security,
        });
        let listener = Listener::open("127.0.0.1:0".parse().unwrap(), name(), serve, surroundings).unwrap();
        Self {
            listener,
            counts,
            banned,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.listener.local_addr()).await.unwrap()
    }

    fn refused(&self, word: &'static str) -> u64 {
        self.counts.refused().get(&(name(), word)).copied().unwrap_or_default()
    }
}

/// The line that the server says first; `None`: it closed without one.
async fn line(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => return Some(String::from_utf8(text).unwrap()),
            Ok(byte) => text.push(byte),
            Err(_) => return None,
        }
    }
}

async fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"a").await.is_ok() && stream.read_exact(&mut byte).await.is_ok() && byte == *b"a"
}

fn nets(text: &str) -> Vec<IpNet> {
    vec![text.parse().unwrap()]
}

#[tokio::test]
async fn connections_that_run_outlive_their_port() {
    let world = World::new(terms());
    let address = world.listener.local_addr();
    let mut stream = world.connect().await;
    line(&mut stream).await.unwrap();
    let remaining = world.listener.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(echoes(&mut stream).await && !remaining.is_empty());
    let address_again = TcpSocket::new_v4().unwrap();
    address_again.set_reuseaddr(true).unwrap();
    address_again.bind(address).unwrap();
    drop(remaining);
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn a_drained_connection_is_told_and_ends() {
    let world = World::new(terms());
    let mut stream = world.connect().await;
    line(&mut stream).await.unwrap();
    let remaining = world.listener.stop().await;
    remaining.drain(Duration::from_secs(60));
    assert_eq!(line(&mut stream).await.as_deref(), Some("bye"));
    remaining.ended().await;
    assert!(remaining.is_empty());
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    let world = World::new(terms());
    let (mut doomed, mut other) = (world.connect().await, world.connect().await);
    line(&mut doomed).await.unwrap();
    line(&mut other).await.unwrap();
    doomed.write_all(b"!").await.unwrap();
    assert_eq!(line(&mut doomed).await, None);
    assert!(echoes(&mut other).await);
    let mut third = world.connect().await;
    line(&mut third).await.unwrap();
}

#[tokio::test]
async fn connections_over_a_limit_are_closed_and_counted_by_reason() {
    let many = Terms {
        connections_per_address_max: 1,
        ..terms()
    };
    for (terms, reason) in [
        (terms(), "unauthenticated-per-address"),
        (many, "connections-per-address"),
    ] {
        let world = World::new(terms);
        let (mut first, mut second) = (world.connect().await, world.connect().await);
        line(&mut first).await.unwrap();
        let second_in = line(&mut second).await.is_some();
        assert_eq!(second_in, reason == "unauthenticated-per-address");
        let mut third = world.connect().await;
        assert_eq!(line(&mut third).await, None);
        assert_eq!(world.refused(reason), if second_in { 1 } else { 2 });
        assert_eq!(world.counts.accepted()[&name()], if second_in { 2 } else { 1 });
        drop((first, second));
    }
}

#[tokio::test]
async fn a_banned_or_foreign_address_is_closed_at_once() {
    let world = World::new(terms());
    *world.banned.lock().unwrap() = Some("127.0.0.1".parse().unwrap());
    assert_eq!(line(&mut world.connect().await).await, None);
    *world.banned.lock().unwrap() = None;
    assert!(line(&mut world.connect().await).await.is_some());
    let foreign = World::new(Terms {
        sources: nets("10.0.0.0/8"),
        ..terms()
    });
    assert_eq!(line(&mut foreign.connect().await).await, None);
    assert_eq!((world.refused("banned"), foreign.refused("source")), (1, 1));
}

fn behind_balancer() -> Terms {
    Terms {
        proxy_networks: nets("127.0.0.0/8"),
        sources: nets("192.0.2.0/24"),
        ..terms()
    }
}

#[tokio::test]
async fn the_address_of_the_header_counts_for_everything() {
    let world = World::new(behind_balancer());
    let greeted = async |header: &str| {
        let mut stream = world.connect().await;
        stream.write_all(header.as_bytes()).await.unwrap();
        let line = line(&mut stream).await;
        (stream, line)
    };
    let from = |source: &str| format!("PROXY TCP4 {source} 198.51.100.9 5 22\r\n");
    let (_first, line_1) = greeted(&from("192.0.2.1")).await;
    assert_eq!(line_1.as_deref(), Some("192.0.2.1:5 198.51.100.9:22"));
    let (_second, line_2) = greeted(&from("192.0.2.1")).await;
    assert!(line_2.is_some());
    let (_third, line_3) = greeted(&from("192.0.2.1")).await;
    assert_eq!((line_3, world.refused("unauthenticated-per-address")), (None, 1));
    *world.banned.lock().unwrap() = Some("192.0.2.2".parse().unwrap());
    for (source, word) in [("192.0.2.2", "banned"), ("10.0.0.1", "source")] {
        assert_eq!(greeted(&from(source)).await.1, None, "{source}");
        assert_eq!(world.refused(word), 1, "{source}");
    }
    let (mut fourth, line_4) = greeted(&format!("{}a", from("192.0.2.3"))).await;
    assert!(line_4.is_some());
    assert_eq!(
        fourth.read_u8().await.unwrap(),
        b'a',
        "what came with the header is not lost"
    );
    // The balancer for itself, which `sources` does not let in.
    assert_eq!(greeted("PROXY UNKNOWN\r\n").await.1, None);
}

#[tokio::test]
async fn a_header_from_a_stranger_and_a_missing_one_from_a_balancer_end_the_connection() {
    let world = World::new(terms());
    let v2 = [proxy::V2_SIGNATURE, &[0x21, 0x11, 0, 12], &[1; 12]].concat();
    for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\na"[..], &v2] {
        let mut stream = world.connect().await;
        let greeting = line(&mut stream).await.unwrap();
        assert!(greeting.starts_with("127.0.0.1"), "{greeting}");
        stream.write_all(&header[..4]).await.unwrap();
        let mut early = [0; 4];
        stream.read_exact(&mut early).await.unwrap();
        stream.write_all(&header[4..]).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.len() < 12, "{}", rest.escape_ascii());
    }
    assert_eq!(world.counts.proxy_errors(), [("stranger", 2)].into());
    let world = World::new(behind_balancer());
    let mut stream = world.connect().await;
    stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    assert_eq!(line(&mut stream).await, None);
    drop(world.connect().await);
    assert_eq!(world.counts.proxy_errors(), [("missing", 1)].into());
    let mut again = world.connect().await;
    let twice = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    again.write_all(twice).await.unwrap();
    line(&mut again).await;
    let mut rest = Vec::new();
    let _ = again.read_to_end(&mut rest).await;
    assert!(
        rest.len() < 6,
        "a second header is no client's: {}",
        rest.escape_ascii()
    );
}

#[tokio::test]
async fn a_silent_balancer_holds_a_permit_only_while_its_header_is_awaited() {
    let few = Terms {
        unauthenticated: PermitLimits { all: 1, per_address: 1 },
        ..behind_balancer()
    };
    let world = World::new(few);
    let silent = world.connect().await;
    while world.listener.unauthenticated() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(line(&mut world.connect().await).await, None);
    assert_eq!(world.refused("unauthenticated"), 1);
    drop(silent);
    while world.listener.unauthenticated() > 0 {
        tokio::task::yield_now().await;
    }
}

fn certificate() -> (rustls::pki_types::CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    (der, Arc::new(config))
}

#[tokio::test]
async fn tls_begins_after_the_header_and_only_then_the_protocol() {
    let (certificate, config) = certificate();
    let world = World::secured(behind_balancer(), Security::Tls(config));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let mut socket = world.connect().await;
    socket
        .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.9 5 22\r\n")
        .await
        .unwrap();
    let server_name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(server_name, socket).await.unwrap();
    assert_eq!(line(&mut stream).await.as_deref(), Some("192.0.2.1:5 198.51.100.9:22"));

    let mut plain = world.connect().await;
    plain
        .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.9 5 22\r\nSSH-2.0-x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"192"), "{}", rest.escape_ascii());
    assert_eq!(world.refused("tls"), 1);
}
