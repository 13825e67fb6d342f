//! Machines that join, and members that leave.

use super::*;

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
    let forgotten = |node: &Cluster<Map>| !node.node().peers.borrow().contains_key(&removed.id());
    place
        .until("it is heard no more", |_| place.running().all(forgotten))
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
    let reason = tokio::time::timeout(SOON, removed.failed()).await.unwrap();
    assert!(reason.contains("it was removed"), "{reason}");
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

/// Ends a removal that stopped once the node was no member any more.
async fn half_removed(end: impl AsyncFnOnce(&Place)) {
    let mut place = Place::of_three().await;
    let third = 3 - place.leader() - place.follower();
    let id = NodeId(third as u64 + 1);
    let key_before = place.machines[third].node().data_key_id();
    place.machines[third].kill();
    let leader = place.machines[place.leader()].node().node().clone();
    leader.core.remove(id).await.unwrap();
    place
        .until("two members", |status| status.members.len() == 2 && status.quorum)
        .await;
    assert!(place.running().all(|node| node.known_nodes().contains_key(&id)));
    end(&place).await;
    place
        .until("it is forgotten and the key is new", |_| {
            place
                .running()
                .all(|node| !node.known_nodes().contains_key(&id) && node.data_key_id() > key_before)
        })
        .await;
    assert_eq!(place.running().next().unwrap().known_nodes().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_stopped_half_way_goes_on_when_it_is_asked_for_again() {
    half_removed(async |place| {
        let gone = place.machines.iter().position(|machine| machine.running.is_none());
        let id = NodeId(gone.unwrap() as u64 + 1);
        place.machines[place.follower()].node().remove_node(id).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_stopped_half_way_is_ended_by_the_leader() {
    half_removed(async |place| {
        let leader = place.machines[place.leader()].node().node();
        let _change = leader.changing.lock().await;
        let metrics = leader.core.metrics();
        let now = tokio::time::Instant::now();
        leader.end_left_over(&metrics, now).await;
        assert_eq!(leader.core.cluster_rows().nodes().len(), 3, "not at once");
        leader.end_left_over(&metrics, now + limits::LEFT_OVER_MAX).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_names_and_addresses_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, address: &str, expected: &str| {
        let options = InitOptions {
            folder: folder.path().join("node"),
            name: name.into(),
            peer_address: address.parse().unwrap(),
        };
        let error = Cluster::<Map>::init(&options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!options.folder.exists());
    };
    check("", "127.0.0.1:7400", "cannot be a node's name");
    check("a b", "127.0.0.1:7400", "cannot be a node's name");
    check(&"n".repeat(64), "127.0.0.1:7400", "cannot be a node's name");
    check("n", "0.0.0.0:7400", "other nodes can reach");
    check("n", "127.0.0.1:0", "other nodes can reach");
}
