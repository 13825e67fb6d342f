//! Single scenarios on the simulated cluster: what is refused without a quorum, how members come and go.

use std::time::Duration;

use openraft::{AsyncRuntime, Instant};

use super::scoped::Scoped;
use super::trial::{Plan, SimCore, Trial, write_once};
use super::world::record;
use crate::NodeId;
use crate::envelope::Answer;
use crate::raft::{CoreError, Role};

pub fn scenario<F: Future<Output = ()>>(test: impl FnOnce(Trial) -> F) {
    scenario_with(11, test);
}

/// The same scenario takes another course with each seed.
pub fn scenario_with<F: Future<Output = ()>>(seed: u64, test: impl FnOnce(Trial) -> F) {
    let plan = Plan {
        seed,
        faults: 0,
        disks_lie: false,
        sync_takes: Duration::from_millis(1),
    };
    let mut runtime = Scoped::with_seed(plan.seed);
    runtime.block_on(async {
        let world = Trial::new(plan);
        world.form().await.unwrap();
        test(world).await;
    });
}

pub async fn sleep(millis: u64) {
    Scoped::sleep(Duration::from_millis(millis)).await;
}

pub async fn leader(world: &Trial) -> SimCore {
    for _ in 0..200 {
        if let Some(id) = world.leader() {
            return world.core(id).unwrap();
        }
        sleep(20).await;
    }
    panic!("no leader within 4 s");
}

#[test]
fn a_leader_that_hears_no_quorum_refuses_before_it_appends() {
    scenario(|world| async move {
        let core = world.core(1).unwrap();
        write_once(&core, 1).await.unwrap();
        assert!(core.metrics().quorum);
        world.net.cut_off(1);
        sleep(320).await;
        let before = core.metrics();
        assert!(!before.quorum);
        assert!(matches!(write_once(&core, 2).await, Err(CoreError::Unavailable { .. })));
        assert_eq!(core.metrics().last_log, before.last_log, "nothing was appended");
        let read = core.read_index().await;
        assert!(
            matches!(read, Err(CoreError::Unavailable { .. } | CoreError::NotLeader { .. })),
            "{read:?}"
        );
    });
}

#[test]
fn a_linearizable_read_on_a_follower_sees_what_was_acknowledged() {
    scenario(|world| async move {
        let leads = leader(&world).await;
        for operation in 0..20 {
            let Ok(Answer::App { revision, .. }) = write_once(&leads, operation).await else {
                panic!()
            };
            let index = leads.read_index().await.unwrap();
            assert!(index >= revision);
            let follower = world.core(2).unwrap();
            assert!(follower.wait_applied(index, Duration::from_secs(1)).await);
            assert_eq!(follower.view().len() as u64, operation + 1);
        }
    });
}

#[test]
fn a_follower_names_the_leader_and_appends_nothing() {
    scenario(|world| async move {
        sleep(300).await;
        let refused = write_once(&world.core(3).unwrap(), 1).await;
        assert_eq!(
            refused,
            Err(CoreError::NotLeader {
                leader: Some(NodeId(1))
            })
        );
    });
}

#[test]
fn the_leadership_is_handed_over_within_an_election_timeout() {
    scenario(|world| async move {
        world
            .core(1)
            .unwrap()
            .transfer_leadership(Some(NodeId(3)))
            .await
            .unwrap();
        sleep(300).await;
        assert_eq!(world.core(3).unwrap().metrics().role, Role::Leader);
    });
}

#[test]
fn a_removed_node_is_no_member_and_the_others_go_on() {
    scenario(|world| async move {
        let core = world.core(1).unwrap();
        core.remove(NodeId(3)).await.unwrap();
        core.remove(NodeId(3)).await.unwrap();
        let metrics = core.metrics();
        assert_eq!(metrics.members.into_keys().collect::<Vec<_>>(), [NodeId(1), NodeId(2)]);
        assert_eq!(metrics.voters.into_iter().collect::<Vec<_>>(), [NodeId(1), NodeId(2)]);
        sleep(2_000).await;
        write_once(&leader(&world).await, 1).await.unwrap();
    });
}

#[test]
fn the_only_voter_is_not_removed() {
    scenario(|world| async move {
        let core = world.core(1).unwrap();
        core.remove(NodeId(3)).await.unwrap();
        core.remove(NodeId(2)).await.unwrap();
        assert!(matches!(
            core.remove(NodeId(1)).await,
            Err(CoreError::Membership { .. })
        ));
    });
}

#[test]
fn a_leader_that_removes_itself_hands_over() {
    scenario(|world| async move {
        world.core(1).unwrap().remove(NodeId(1)).await.unwrap();
        sleep(1_500).await;
        let leads = leader(&world).await;
        let metrics = leads.metrics();
        assert_ne!(metrics.leader, Some(NodeId(1)));
        write_once(&leads, 1).await.unwrap();
    });
}

#[test]
fn an_empty_node_catches_up_by_snapshot_and_has_the_same_state() {
    scenario(|world| async move {
        let core = world.core(1).unwrap();
        core.remove(NodeId(3)).await.unwrap();
        world.replace_disk(3);
        for operation in 0..100 {
            write_once(&core, operation).await.unwrap();
        }
        world.start(3).await.unwrap();
        core.add_learner(NodeId(3), record(3)).await.unwrap();
        core.promote(NodeId(3)).await.unwrap();
        let upto = core.applied();
        let joined = world.core(3).unwrap();
        assert!(joined.wait_applied(upto, Duration::from_secs(5)).await);
        assert!(joined.metrics().snapshot > 0);
        assert_eq!(joined.metrics().state_hash, core.metrics().state_hash);
        assert_eq!(joined.view(), core.view());
    });
}

#[test]
fn writes_go_on_soon_after_the_leader_is_killed() {
    scenario(|world| async move {
        let core = world.core(1).unwrap();
        write_once(&core, 1).await.unwrap();
        sleep(500).await;
        world.crash(1, true);
        let started = <<Scoped as AsyncRuntime>::Instant as Instant>::now();
        while write_once(&leader(&world).await, 2).await.is_err() {
            sleep(10).await;
        }
        let outage = started.elapsed();
        assert!(
            outage < Duration::from_millis(900),
            "{outage:?} at a heartbeat of 50 ms"
        );
    });
}
