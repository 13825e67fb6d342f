//! What a cluster answers while all is well.

use super::*;

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
            let node = place.machines[0].node().clone();
            place.machines[0].stop().await;
            let refused = node.propose(request(), Put("a".into(), "9".into()), SOON).await;
            assert!(matches!(refused, Err(ProposeError::Unavailable { .. })), "{refused:?}");
            assert_eq!(node.status().role, "stopped");
            assert_eq!(node.view().get("a").unwrap(), "1");
        } else {
            place.machines[0].kill();
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
