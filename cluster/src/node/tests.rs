//! Real nodes over real TCP on 127.0.0.1, each with its folder and its consensus runtime.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::{Applied, ApplyContext, Change, CodecError};

const SOON: Duration = Duration::from_secs(10);

/// A map from names to values; the outcome is the value before.
#[derive(Default)]
struct Map(BTreeMap<String, String>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Put(String, String);

impl StateMachine for Map {
    type Command = Put;
    type Outcome = Option<String>;
    type View = BTreeMap<String, String>;

    const FEATURE_LEVEL_MAX: u32 = 1;

    fn encode_command(command: &Put) -> Vec<u8> {
        format!("{}={}", command.0, command.1).into_bytes()
    }

    fn decode_command(bytes: &[u8]) -> Result<Put, CodecError> {
        let text = String::from_utf8_lossy(bytes);
        let (key, value) = text.split_once('=').unwrap();
        Ok(Put(key.to_owned(), value.to_owned()))
    }

    fn encode_outcome(outcome: &Option<String>) -> Vec<u8> {
        outcome
            .as_ref()
            .map(|value| format!("+{value}").into_bytes())
            .unwrap_or_default()
    }

    fn decode_outcome(bytes: &[u8]) -> Result<Option<String>, CodecError> {
        Ok(bytes
            .strip_prefix(b"+")
            .map(|value| String::from_utf8_lossy(value).into_owned()))
    }

    fn restore(rows: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<Self, CodecError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self(rows.map(|(key, value)| (text(key), text(value))).collect()))
    }

    fn apply(&mut self, _context: ApplyContext, command: &Put) -> Applied<Option<String>> {
        let outcome = self.0.insert(command.0.clone(), command.1.clone());
        let change = Change {
            key: command.0.clone().into_bytes(),
            value: Some(command.1.clone().into_bytes()),
        };
        Applied {
            outcome,
            changes: vec![change],
        }
    }

    fn view(&self, _revision: u64) -> BTreeMap<String, String> {
        self.0.clone()
    }
}

/// Answers with its own name and who asked.
struct Named(u64);

impl PeerService for Named {
    fn call<'a>(
        &'a self,
        from: NodeId,
        route: &'a str,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>> {
        Box::pin(async move {
            if route == "fail" {
                return Err("as asked".to_owned());
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            Ok(Bytes::from(format!("{} heard {route} {request} from {from}", self.0)))
        })
    }
}

/// A node's folder and address, running or not.
struct Machine {
    folder: PathBuf,
    address: SocketAddr,
    number: u64,
    running: Option<Cluster<Map>>,
}

struct Place {
    folder: tempfile::TempDir,
    machines: Vec<Machine>,
    made: u64,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Machine {
    async fn start(&mut self) -> Cluster<Map> {
        let options = StartOptions {
            folder: self.folder.clone(),
            peer_listen: self.address,
            heartbeat: Duration::from_millis(100),
            snapshot_every: 5_000,
        };
        let cluster = Cluster::start(options, Arc::new(Named(self.number))).await.unwrap();
        self.running = Some(cluster.clone());
        cluster
    }

    async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    /// As kill -9 does: nothing is handed over or marked.
    fn kill(&mut self) {
        drop(self.running.take().unwrap());
    }

    fn node(&self) -> &Cluster<Map> {
        self.running.as_ref().unwrap()
    }
}

impl Place {
    /// A cluster of one.
    async fn founded() -> Self {
        let mut place = Self {
            folder: tempfile::tempdir().unwrap(),
            machines: Vec::new(),
            made: 0,
        };
        let machine = place.machine();
        let options = InitOptions {
            folder: machine.folder.clone(),
            name: "node-1".into(),
            peer_address: machine.address,
        };
        Cluster::<Map>::init(&options).unwrap();
        place.machines[0].start().await;
        place
    }

    /// A cluster of three voters.
    async fn of_three() -> Self {
        let mut place = Self::founded().await;
        for _ in 0..2 {
            place.grow().await;
        }
        place
            .until("three voters with a quorum", |status| {
                status.members.len() == 3 && status.members.values().all(|member| member.voter) && status.quorum
            })
            .await;
        place
    }

    fn machine(&mut self) -> &mut Machine {
        self.made += 1;
        let number = self.made;
        self.machines.push(Machine {
            folder: self.folder.path().join(format!("node-{number}")),
            address: free_address(),
            number,
            running: None,
        });
        self.machines.last_mut().unwrap()
    }

    /// One more machine joins and starts.
    async fn grow(&mut self) {
        let token = self.machines[0]
            .node()
            .create_join_token(Duration::from_secs(60))
            .await
            .unwrap();
        let joined = self.join(&token).await.unwrap();
        let machine = self.machines.last_mut().unwrap();
        assert_eq!(joined, NodeId(machine.number));
        assert_eq!(machine.start().await.id(), joined);
    }

    async fn join(&mut self, token: &str) -> Result<NodeId, NodeError> {
        let machine = self.machine();
        let options = JoinOptions {
            folder: machine.folder.clone(),
            name: format!("node-{}", machine.number),
            peer_address: machine.address,
            token: token.to_owned(),
        };
        Cluster::<Map>::join(&options).await
    }

    fn running(&self) -> impl Iterator<Item = &Cluster<Map>> {
        self.machines.iter().filter_map(|machine| machine.running.as_ref())
    }

    /// Waits until all running nodes see it so.
    async fn until(&self, what: &str, seen: impl Fn(&ClusterStatus) -> bool) {
        let started = Instant::now();
        while !self.running().all(|node| seen(&node.status())) {
            let all: Vec<_> = self.running().map(Cluster::status).collect();
            assert!(started.elapsed() < 2 * SOON, "{what}: {all:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until all running nodes have this value.
    async fn until_value(&self, key: &str, value: &str) {
        self.until(&format!("{key}={value}"), |_| {
            self.running()
                .all(|node| node.view().get(key).is_some_and(|found| found == value))
        })
        .await;
    }

    fn leader(&self) -> usize {
        let leader = self.running().find_map(|node| node.status().leader).unwrap();
        leader.0 as usize - 1
    }

    fn follower(&self) -> usize {
        let leader = self.leader();
        (0..self.machines.len())
            .find(|at| *at != leader && self.machines[*at].running.is_some())
            .unwrap()
    }
}

fn request() -> RequestId {
    RequestId(crate::identity::random().unwrap())
}

async fn put(node: &Cluster<Map>, key: &str, value: &str) -> Committed<Option<String>> {
    node.propose(request(), Put(key.into(), value.into()), SOON)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_serves_and_comes_back() {
    let mut place = Place::founded().await;
    let committed = put(place.machines[0].node(), "a", "1").await;
    assert_eq!(place.machines[0].node().view().get("a").unwrap(), "1");
    assert_eq!(
        place.machines[0].node().linearize(SOON).await.unwrap(),
        committed.revision
    );
    let sealed = place.machines[0].node().seal(b"row", b"secret").unwrap();
    for graceful in [true, false] {
        if graceful {
            place.machines[0].stop().await;
        } else {
            place.machines[0].kill();
            // The killed node's threads let go of its files and port in their own time.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let node = place.machines[0].start().await;
        node.applied(committed.revision, SOON).await.unwrap();
        assert_eq!(node.view().get("a").unwrap(), "1");
        assert_eq!(node.unseal(b"row", &sealed).await.unwrap().as_slice(), b"secret");
        put(&node, "b", "2").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_and_share_secrets() {
    let place = Place::of_three().await;
    let follower = place.machines[place.follower()].node();
    let before = put(follower, "a", "1").await;
    assert_eq!(
        follower.view().get("a").unwrap(),
        "1",
        "the proposer has applied it when it is answered"
    );
    let after = put(follower, "a", "2").await;
    assert_eq!((before.outcome, after.outcome), (None, Some("1".into())));
    place.until_value("a", "2").await;
    for node in place.running() {
        assert!(node.linearize(SOON).await.unwrap() >= after.revision);
        assert_eq!(node.view().get("a").unwrap(), "2");
    }
    let sealed = place.machines[0].node().seal(b"row", b"secret").unwrap();
    assert_eq!(
        place.machines[2]
            .node()
            .unseal(b"row", &sealed)
            .await
            .unwrap()
            .as_slice(),
        b"secret"
    );
    assert!(place.machines[2].node().unseal(b"other", &sealed).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_is_applied_once_from_whichever_node() {
    let place = Place::of_three().await;
    let id = request();
    let mut revisions = Vec::new();
    for node in place.running() {
        let committed = node.propose(id, Put("a".into(), "1".into()), SOON).await.unwrap();
        assert_eq!(committed.outcome, None);
        revisions.push(committed.revision);
    }
    assert!(revisions.windows(2).all(|two| two[0] == two[1]), "{revisions:?}");
    let other = place.machines[2]
        .node()
        .propose(id, Put("a".into(), "2".into()), SOON)
        .await;
    assert_eq!(other.unwrap_err(), ProposeError::RequestReused { request: id });
    let large = "x".repeat(crate::limits::COMMAND_BYTES_MAX);
    let large = place.machines[1]
        .node()
        .propose(request(), Put("a".into(), large), SOON)
        .await;
    assert!(matches!(large, Err(ProposeError::TooLarge { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_answer_each_other_outside_the_log() {
    let place = Place::of_three().await;
    let ask = async |from: usize, to: u64, route: &str| {
        let node = place.machines[from].node();
        let answer = node.call(NodeId(to), route, Bytes::from_static(b"hi"), SOON).await;
        answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    assert_eq!(ask(0, 3, "sessions").await.unwrap(), "3 heard sessions hi from 1");
    assert_eq!(
        ask(1, 2, "sessions/list").await.unwrap(),
        "2 heard sessions/list hi from 2"
    );
    assert_eq!(
        ask(2, 1, "fail").await.unwrap_err(),
        PeerError::Refused("as asked".into())
    );
    assert!(matches!(ask(2, 9, "x").await, Err(PeerError::Unreachable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_the_leader_is_killed_and_it_catches_up() {
    let mut place = Place::of_three().await;
    put(place.machines[0].node(), "a", "1").await;
    let leader = place.leader();
    let survivor = place.follower();
    place.machines[leader].kill();
    let started = Instant::now();
    put(place.machines[survivor].node(), "a", "2").await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    for n in 0..50 {
        put(place.machines[survivor].node(), &format!("k{n}"), "v").await;
    }
    place.machines[leader].start().await;
    place.until_value("k49", "v").await;
    place
        .until("one cluster", |status| status.quorum && status.members.len() == 3)
        .await;
    put(place.machines[leader].node(), "a", "3").await;
    place.until_value("a", "3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_writes_are_refused_quickly_and_reads_answer() {
    let mut place = Place::of_three().await;
    put(place.machines[0].node(), "a", "1").await;
    place.until_value("a", "1").await;
    let (leader, follower) = (place.leader(), place.follower());
    let third = 3 - leader - follower;
    place.machines[leader].kill();
    place.machines[third].kill();
    let node = place.machines[follower].node();
    let started = Instant::now();
    let refused = node
        .propose(request(), Put("a".into(), "2".into()), SOON)
        .await
        .unwrap_err();
    let took = started.elapsed();
    assert!(matches!(refused, ProposeError::Unavailable { .. }), "{refused:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(node.view().get("a").unwrap(), "1");
    assert!(node.linearize(SOON).await.is_err());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!node.status().quorum);
    // One comes back: two of three are a quorum again.
    place.machines[leader].start().await;
    place.until("a quorum of two", |status| status.quorum).await;
    put(place.machines[follower].node(), "a", "3").await;
    place.until_value("a", "3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_alone_refuses_before_it_appends() {
    let mut place = Place::of_three().await;
    let leader = place.leader();
    for at in (0..3).filter(|at| *at != leader) {
        place.machines[at].kill();
    }
    place.until("the quorum is gone", |status| !status.quorum).await;
    let node = place.machines[leader].node();
    let last = node.status().last_log;
    let started = Instant::now();
    let refused = node
        .propose(request(), Put("a".into(), "2".into()), SOON)
        .await
        .unwrap_err();
    assert!(matches!(refused, ProposeError::Unavailable { .. }), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(node.status().last_log, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lets_one_machine_in_once() {
    let mut place = Place::founded().await;
    let node = place.machines[0].node().clone();
    let token = node.create_join_token(Duration::from_secs(60)).await.unwrap();
    assert_eq!(place.join(&token).await.unwrap(), NodeId(2));
    let used = place.join(&token).await.unwrap_err().to_string();
    assert!(used.contains("used before"), "{used}");
    let short = node.create_join_token(Duration::from_millis(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let expired = place.join(&short).await.unwrap_err().to_string();
    assert!(expired.contains("expired"), "{expired}");
    let foreign = Place::founded().await.machines[0]
        .node()
        .create_join_token(SOON)
        .await
        .unwrap();
    let gone = place.join(&foreign).await.unwrap_err().to_string();
    assert!(gone.contains("none of the token's"), "{gone}");
    let garbled = place.join("argosy-join-garbled").await.unwrap_err().to_string();
    assert!(garbled.contains("not a join token"), "{garbled}");
    assert!(node.create_join_token(Duration::ZERO).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_once_and_a_token_for_another_cluster_opens_nothing() {
    let mut place = Place::founded().await;
    let token = place.machines[0]
        .node()
        .create_join_token(Duration::from_secs(60))
        .await
        .unwrap();
    let options = JoinOptions {
        folder: place.folder.path().join("twin"),
        name: "node-1".into(),
        peer_address: free_address(),
        token: token.clone(),
    };
    let taken = Cluster::<Map>::join(&options).await.unwrap_err().to_string();
    assert!(taken.contains("another member has this name"), "{taken}");
    assert!(!options.folder.exists());
    // The token is still good: nothing was used up.
    assert_eq!(place.join(&token).await.unwrap(), NodeId(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_joins_through_a_follower() {
    let mut place = Place::of_three().await;
    let follower = place.follower();
    let token = place.machines[follower]
        .node()
        .create_join_token(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(place.join(&token).await.unwrap(), NodeId(4));
    place.machines[3].start().await;
    place
        .until("four voters", |status| {
            status.members.values().filter(|member| member.voter).count() == 4
        })
        .await;
    put(place.machines[3].node(), "a", "4").await;
    place.until_value("a", "4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_is_refused_and_the_data_key_changes() {
    let mut place = Place::of_three().await;
    let (leader, follower) = (place.leader(), place.follower());
    let third = 3 - leader - follower;
    let key_before = place.machines[follower].node().data_key_id();
    let removed = place.machines[third].node().clone();
    place.machines[follower].node().remove_node(removed.id()).await.unwrap();
    let gone = place.machines.remove(third);
    place
        .until("two members", |status| status.members.len() == 2 && status.quorum)
        .await;
    place
        .until("a new data key", |_| {
            place.running().all(|node| node.data_key_id() > key_before)
        })
        .await;
    for node in place.running() {
        let refused = removed.call(node.id(), "x", Bytes::new(), SOON).await;
        assert!(matches!(refused, Err(PeerError::Unreachable(_))), "{refused:?}");
    }
    let refused = removed
        .propose(request(), Put("a".into(), "1".into()), Duration::from_secs(2))
        .await;
    assert!(refused.is_err());
    let sealed = place.machines[0].node().seal(b"row", b"secret").unwrap();
    assert_eq!(
        place.machines[1]
            .node()
            .unseal(b"row", &sealed)
            .await
            .unwrap()
            .as_slice(),
        b"secret"
    );
    assert!(
        removed.node().vault.ring().unseal(b"row", &sealed).is_err(),
        "it must not have the new key"
    );
    put(place.machines[0].node(), "a", "2").await;
    // Its id stays used, its name is free again.
    gone.running.unwrap().stop().await;
    let token = place.machines[0]
        .node()
        .create_join_token(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(place.join(&token).await.unwrap(), NodeId(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_removes_itself_by_handing_over_first() {
    let mut place = Place::of_three().await;
    let leader = place.leader();
    let id = NodeId(leader as u64 + 1);
    let error = place.machines[leader]
        .node()
        .remove_node(NodeId(9))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a member"), "{error}");
    place.machines[leader].node().remove_node(id).await.unwrap();
    let gone = place.machines.remove(leader);
    place
        .until("two members", |status| status.members.len() == 2 && status.quorum)
        .await;
    put(place.machines[0].node(), "a", "1").await;
    gone.running.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leadership_goes_where_it_is_sent() {
    let place = Place::of_three().await;
    for _ in 0..2 {
        let (leader, follower) = (place.leader(), place.follower());
        let to = NodeId(follower as u64 + 1);
        place.machines[leader]
            .node()
            .transfer_leadership(Some(to))
            .await
            .unwrap();
        place.until("the new leader", |status| status.leader == Some(to)).await;
        put(place.machines[leader].node(), "a", "1").await;
    }
}
