//! Real nodes over real TCP on 127.0.0.1, each with its folder and its consensus runtime.
#![allow(clippy::unwrap_used)]

mod full_disk;
mod losses;
mod members;
mod serving;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::transport::Lane;
use crate::{Applied, ApplyContext, Change, CodecError, StoredRow};

const SOON: Duration = Duration::from_secs(20);
const SNAPSHOT_EVERY: u64 = 100;

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

    fn restore(rows: &mut dyn Iterator<Item = StoredRow<'_>>) -> Result<Self, CodecError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self(rows.map(|(key, value)| (text(key), text(value))).collect()))
    }

    fn apply(&mut self, _context: ApplyContext, command: &Put) -> Applied<Option<String>> {
        let outcome = self.0.insert(command.0.clone(), command.1.clone());
        let change = Change {
            key: command.0.clone().into_bytes(),
            value: Some(command.1.as_bytes().into()),
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
            snapshot_every: SNAPSHOT_EVERY,
        };
        // The threads of a node that was killed let go of its port and its files in their own time.
        let started = Instant::now();
        loop {
            match Cluster::start(options.clone(), Arc::new(Named(self.number))).await {
                Ok(cluster) => return self.running.insert(cluster).clone(),
                Err(error) => assert!(started.elapsed() < SOON, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
    let committed = node.propose(request(), Put(key.into(), value.into()), SOON).await;
    committed.unwrap_or_else(|error| panic!("{error}: {:#?}", node.status()))
}
