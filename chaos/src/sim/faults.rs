//! The faults of a simulated run: each begins, lasts, and is ended by healing everything.
//!
//! When they come, and what is judged, is left to `run`.

use std::time::Duration;

use argosy_cluster::sim::{Dice, World, now, sleep};

use super::limits::{MEMBERSHIP_MAX, SYNC_TAKES};
use super::machine::Registers;

/// A fault, with whom it strikes where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The power of the leader fails.
    LeaderLosesPower,
    /// The leader's process is killed.
    LeaderKilled,
    /// The power of some node fails.
    NodeLosesPower,
    /// The power of all nodes fails.
    AllLosePower,
    /// The leader stands still, and wakes.
    LeaderPaused,
    /// Some node stands still, and wakes.
    NodePaused,
    /// The leader is cut off.
    LeaderCutOff,
    /// Some node is cut off.
    NodeCutOff,
    /// The leader is not heard; it hears.
    LeaderMute,
    /// The leader does not hear; it is heard.
    LeaderDeaf,
    /// A majority and a minority, with the leader in the minority.
    Halves,
    /// Each node reaches its neighbours only.
    Ring,
    /// Messages are lost.
    Loss,
    /// Messages come late, after later ones.
    Reorder,
    /// Messages take longer.
    Delay,
    /// The disk of some node is slow.
    SlowDisk,
    /// The leader's disk stands still.
    StalledDisk,
    /// The storage of all nodes stands still.
    StalledStorage,
    /// Clocks run at different rates.
    ClockSkew,
    /// The leadership is handed over.
    HandOver,
    /// A node is removed and another joins in its place.
    Replacement,
    /// All nodes write snapshots, under load.
    Snapshots,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 22] = [
        Self::LeaderLosesPower,
        Self::LeaderKilled,
        Self::NodeLosesPower,
        Self::AllLosePower,
        Self::LeaderPaused,
        Self::NodePaused,
        Self::LeaderCutOff,
        Self::NodeCutOff,
        Self::LeaderMute,
        Self::LeaderDeaf,
        Self::Halves,
        Self::Ring,
        Self::Loss,
        Self::Reorder,
        Self::Delay,
        Self::SlowDisk,
        Self::StalledDisk,
        Self::StalledStorage,
        Self::ClockSkew,
        Self::HandOver,
        Self::Replacement,
        Self::Snapshots,
    ];

    /// Whether the leader must stay while this lasts, if it is the only fault.
    pub fn spares_the_leader(self) -> bool {
        matches!(self, Self::StalledStorage | Self::Snapshots)
    }

    /// The word for it.
    pub fn name(self) -> String {
        let name = format!("{self:?}");
        let mut words = String::new();
        for (at, letter) in name.chars().enumerate() {
            if letter.is_uppercase() && at > 0 {
                words.push('-');
            }
            words.push(letter.to_ascii_lowercase());
        }
        words
    }
}

/// Begins a fault.
pub async fn begin(fault: Fault, world: &World, dice: &mut Dice, next_id: &mut u64) {
    let all = world.ids();
    let any = dice.pick(&all).copied().unwrap_or(1);
    let leader = world.leader().unwrap_or(any);
    let others: Vec<u64> = all.iter().copied().filter(|id| *id != leader).collect();
    match fault {
        Fault::LeaderLosesPower => world.crash(leader, true),
        Fault::LeaderKilled => world.crash(leader, false),
        Fault::NodeLosesPower => world.crash(any, true),
        Fault::AllLosePower => all.iter().for_each(|id| world.crash(*id, true)),
        Fault::LeaderPaused => world.pause(leader),
        Fault::NodePaused => world.pause(any),
        Fault::LeaderCutOff => world.net.cut_off(leader),
        Fault::NodeCutOff => world.net.cut_off(any),
        Fault::LeaderMute => others.iter().for_each(|id| world.net.cut_way(leader, *id)),
        Fault::LeaderDeaf => others.iter().for_each(|id| world.net.cut_way(*id, leader)),
        Fault::Halves => {
            let with = others.iter().take(all.len().div_ceil(2).saturating_sub(2));
            let minority: Vec<u64> = with.copied().chain([leader]).collect();
            cut_between(world, |one, other| minority.contains(&one) != minority.contains(&other));
        }
        Fault::Ring => {
            let place = |id| all.iter().position(|one| *one == id).unwrap_or(0);
            let count = all.len();
            cut_between(world, |one, other| {
                let apart = place(one).abs_diff(place(other));
                // Three in a ring all know one another: there, one link is cut.
                if count > 3 {
                    apart != 1 && apart != count - 1
                } else {
                    apart == 2
                }
            });
        }
        Fault::Loss => world.net.lose_percent(5 + dice.below(30)),
        Fault::Reorder => world.net.late_percent(10 + dice.below(40)),
        Fault::Delay => world.net.set_jitter(Duration::from_millis(20 + dice.below(200))),
        Fault::SlowDisk => each_disk(world, any, |disk| {
            disk.set_sync_takes(Duration::from_millis(50 + 250 * (any % 2)));
        }),
        Fault::StalledDisk => each_disk(world, leader, |disk| disk.set_stalled(true)),
        Fault::StalledStorage => {
            for id in all {
                each_disk(world, id, |disk| disk.set_storage_stalled(true));
                drop(world.snapshot(id).await);
            }
        }
        Fault::ClockSkew => all
            .iter()
            .for_each(|id| world.set_clock_rate(*id, 850 + dice.below(300))),
        Fault::HandOver => drop(world.transfer_leadership(leader, any).await),
        Fault::Replacement => {
            let gone = dice.pick(&others).copied().unwrap_or(any);
            *next_id += 1;
            replace(world, leader, gone, *next_id).await;
        }
        Fault::Snapshots => {
            for id in all {
                drop(world.snapshot(id).await);
            }
        }
    }
}

fn each_disk(world: &World, id: u64, change: impl Fn(&argosy_cluster::sim::Disk)) {
    if let Some(disk) = world.disk(id) {
        change(&disk);
    }
}

fn cut_between(world: &World, apart: impl Fn(u64, u64) -> bool) {
    for one in world.ids() {
        for other in world.ids() {
            if apart(one, other) {
                world.net.cut_way(one, other);
            }
        }
    }
}

/// Ends all faults; every node runs again.
///
/// # Errors
/// A node that does not start.
pub async fn heal(world: &World) -> Result<(), String> {
    world.net.heal();
    for id in world.ids() {
        world.resume(id);
        world.set_clock_rate(id, 1_000);
        each_disk(world, id, |disk| {
            disk.set_stalled(false);
            disk.set_storage_stalled(false);
            disk.set_sync_takes(SYNC_TAKES);
        });
        if !world.is_up(id) {
            world.start(id).await?;
        }
    }
    Ok(())
}

/// A member leaves for good and a new node, with a new id, joins and votes.
async fn replace(world: &World, leader: u64, gone: u64, new: u64) {
    let until = now() + MEMBERSHIP_MAX;
    let mut at = leader;
    while world.remove(at, gone).await.is_err() && now() < until {
        sleep(Duration::from_millis(100)).await;
        at = world.leaders().last().copied().unwrap_or(at);
    }
    let left = world.sight(at).is_some_and(|sight| !sight.members.contains(&gone));
    if !left {
        return;
    }
    world.forget(gone);
    world.add_node::<Registers<2>>(new);
    drop(world.start(new).await);
    finish_joining(world, new).await;
}

/// Brings a node into the membership, whatever was done of it before.
pub async fn finish_joining(world: &World, new: u64) {
    let until = now() + MEMBERSHIP_MAX;
    while now() < until {
        if let Some(at) = world.leaders().last().copied()
            && let Some(sight) = world.sight(at)
        {
            if sight.voters.contains(&new) {
                return;
            }
            if !sight.members.contains(&new) {
                drop(world.add_learner(at, new).await);
            } else {
                drop(world.promote(at, new).await);
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
