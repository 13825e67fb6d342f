//! Nodes that are killed, cut off or away for long.

use super::*;

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
    // Until the dead leader's connection is seen to be closed, a proposal may have reached it: unknown, not refused.
    let dead = NodeId(leader as u64 + 1);
    while !node.node().client.is_down(dead, Lane::Peer) {
        let _ = node.call(dead, "x", Bytes::new(), Duration::from_millis(20)).await;
    }
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
    place.until("the quorum is gone", |status| !status.quorum).await;
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
    let node = place.machines[leader].node();
    // Long before one election timeout has passed.
    while node.node().check_quorum_here().is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = node.status().last_log;
    let started = Instant::now();
    let refused = node
        .propose(request(), Put("a".into(), "2".into()), SOON)
        .await
        .unwrap_err();
    assert!(matches!(refused, ProposeError::Unavailable { .. }), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(node.status().last_log, last);
    assert!(node.linearize(SOON).await.is_err());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_for_long_catches_up_by_a_snapshot() {
    let mut place = Place::of_three().await;
    let follower = place.follower();
    place.machines[follower].stop().await;
    let leader = place.leader();
    for n in 0..SNAPSHOT_EVERY * 4 {
        put(place.machines[leader].node(), &format!("k{}", n % 50), &n.to_string()).await;
    }
    place.machines[follower].start().await;
    place.until_value("k49", &(SNAPSHOT_EVERY * 4 - 1).to_string()).await;
    place
        .until("one state", |status| {
            status.quorum && status.applied >= SNAPSHOT_EVERY * 4
        })
        .await;
    let hashes: Vec<_> = place.running().map(|node| node.status().state_hash).collect();
    assert!(hashes.windows(2).all(|two| two[0] == two[1]), "{hashes:?}");
    // And a machine that joins now begins with one.
    place.grow().await;
    place.until_value("k49", &(SNAPSHOT_EVERY * 4 - 1).to_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_commands_reach_a_node_that_was_away() {
    let mut place = Place::of_three().await;
    let follower = place.follower();
    place.machines[follower].kill();
    let leader = place.leader();
    let large = "x".repeat(2 * 1024 * 1024);
    for n in 0..6 {
        put(place.machines[leader].node(), &format!("k{n}"), &large).await;
    }
    place.machines[follower].start().await;
    place.until_value("k5", &large).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_missed_who_is_a_member_now_finds_the_leader() {
    let mut place = Place::of_three().await;
    // Node 4 joins and leads while node 3 is away; node 3 has never heard of it.
    place.machines[2].stop().await;
    place.grow().await;
    place
        .until("four voters", |status| {
            status.members.values().filter(|member| member.voter).count() == 4
        })
        .await;
    place.machines[0]
        .node()
        .transfer_leadership(Some(NodeId(4)))
        .await
        .unwrap();
    place
        .until("node 4 leads", |status| status.leader == Some(NodeId(4)))
        .await;
    put(place.machines[0].node(), "a", "1").await;
    place.machines[2].start().await;
    place.until_value("a", "1").await;
    place
        .until("node 4 leads all", |status| {
            status.leader == Some(NodeId(4)) && status.quorum
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_the_node_that_panics_stops_the_node() {
    let place = Place::founded().await;
    let node = place.machines[0].node();
    node.node().keep("is tested", async { panic!("as planned") });
    let reason = node.failed().await;
    assert!(reason.contains("is tested has ended by a fault"), "{reason}");
}
