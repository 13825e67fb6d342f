use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::Client;
use super::world::World;
use crate::catalog::{PassiveAddress, PassiveNetwork, Service, ServiceKind, ServiceOverride};

fn told(address: &str) -> PassiveAddress {
    PassiveAddress::Address(address.parse().unwrap())
}

/// What PASV tells a client from 127.0.0.1 of a service with these settings.
async fn pasv(change: impl FnOnce(&mut Service)) -> String {
    let world = World::new(ServiceKind::Ftp, change);
    let mut client = world.alice().await;
    let (code, text) = client.ask("PASV").await;
    assert_eq!(code, 227, "{text}");
    let numbers: Vec<&str> = text.split(['(', ')']).nth(1).unwrap().split(',').collect();
    numbers[..4].join(".")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pasv_tells_the_address_that_is_set_for_the_client_the_node_or_all() {
    assert_eq!(pasv(|_| {}).await, "127.0.0.1");
    assert_eq!(
        pasv(|service| service.ftp.passive_address = told("192.0.2.1")).await,
        "192.0.2.1"
    );
    let name = PassiveAddress::Name("localhost".to_owned());
    assert_eq!(pasv(|service| service.ftp.passive_address = name).await, "127.0.0.1");
    let of_node = |service: &mut Service, node: &str| {
        service.ftp.passive_address = told("192.0.2.1");
        let differs = ServiceOverride {
            passive_address: Some(told("192.0.2.2")),
            ..ServiceOverride::default()
        };
        service.nodes.insert(node.to_owned(), differs);
    };
    assert_eq!(pasv(|service| of_node(service, "node-1")).await, "192.0.2.2");
    assert_eq!(pasv(|service| of_node(service, "node-2")).await, "192.0.2.1");
    let of_network = |service: &mut Service, clients: &str| {
        of_node(service, "node-1");
        service.ftp.passive_networks = vec![PassiveNetwork {
            clients: clients.parse().unwrap(),
            address: told("192.0.2.3"),
        }];
    };
    assert_eq!(pasv(|service| of_network(service, "127.0.0.0/8")).await, "192.0.2.3");
    assert_eq!(pasv(|service| of_network(service, "10.0.0.0/8")).await, "192.0.2.2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipv6_has_its_own_commands() {
    let world = World::on("[::1]:0", ServiceKind::Ftp, |_| {});
    world.put("f", b"content");
    let mut client = world.alice().await;
    assert_eq!(client.code("PASV").await, 425);
    assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    let there = TcpListener::bind("[::1]:0").await.unwrap();
    let port = there.local_addr().unwrap().port();
    assert_eq!(client.code(&format!("EPRT |2|::1|{port}|")).await, 200);
    client.send("RETR f").await;
    let mut back = Vec::new();
    let (mut stream, _) = there.accept().await.unwrap();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(
        (client.reply().await.0, client.reply().await.0, &back[..]),
        (150, 226, &b"content"[..])
    );
    assert_eq!(client.code(&format!("EPRT |2|::2|{port}|")).await, 501);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_both_connections_carry_a_header() {
    let world = World::new(ServiceKind::Ftp, |service| {
        service.proxy_networks = vec!["127.0.0.0/8".parse().unwrap()];
    });
    world.put("f", b"content");
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 21\r\n";
    let mut control = world.connect().await;
    control.write_all(header).await.unwrap();
    let mut client = Client::new(control, world.connector());
    assert_eq!(client.reply().await.0, 220);
    client.sign_in().await;
    let (_, text) = client.ask("PASV").await;
    assert!(
        text.contains("(198,51,100,9,"),
        "the address that the client came to: {text}"
    );
    assert_eq!(world.registry.list()[0].peer.to_string(), "192.0.2.7:5000");
    let port = client.port().await;
    let mut bare = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    bare.write_all(b"no header\r\n").await.unwrap();
    assert!(!matches!(bare.read(&mut [0; 8]).await, Ok(1..)));
    let mut data = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    data.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.9 5001 50000\r\n")
        .await
        .unwrap();
    assert_eq!(client.code("RETR f").await, 150);
    let mut back = Vec::new();
    data.read_to_end(&mut back).await.unwrap();
    assert_eq!((client.reply().await.0, &back[..]), (226, &b"content"[..]));
    assert_eq!(
        client.code("PORT 127,0,0,1,200,1").await,
        501,
        "the client is elsewhere"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_given_to_many_sessions_one_after_the_other() {
    let world = World::new(ServiceKind::Ftp, |service| service.ftp.passive_ports = (42_990, 42_993));
    world.put("f", b"content");
    let mut client = world.alice().await;
    for _ in 0..20 {
        assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
    }
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..6 {
        let mut client = world.alice().await;
        refused += u32::from(client.code("EPSV").await == 425);
        waiting.push(client);
    }
    assert!(
        refused >= 2,
        "four ports for sessions of one address that wait at one time"
    );
    drop(waiting);
    world.until("they are gone", |world| world.registry.count() == 1).await;
    assert_eq!(client.download("RETR f").await, (226, b"content".to_vec()));
}
