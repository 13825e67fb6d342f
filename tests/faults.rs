//! Nodes are killed and frozen while changes and uploads run: nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Login, alone, eventually, limits, process};

/// One acknowledged change: what was written, when it was first sent, when it was answered.
struct Acked {
    name: String,
    value: u64,
    sent: Instant,
    answered: Instant,
}

/// Writes accounts until told to stop; each is retried under its own request id until some node has answered.
fn write_changes(cluster: &Cluster, writer: usize, stop: &AtomicBool, acked: &Mutex<Vec<Acked>>) {
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("w{writer}-{}", number % 40);
        let value = number + 1;
        let id = format!("{:016x}{number:016x}", writer + 1);
        let spec = json!({"sessions_max": value});
        let sent = Instant::now();
        let until = sent + Duration::from_secs(20);
        for at in (writer..).map(|turn| turn % cluster.nodes.len()) {
            let api = cluster.api(at).with_limit(Duration::from_secs(3));
            let path = format!("/api/v1/account/{name}");
            if let Ok(answer) = api.try_put(&path, &[("x-request-id", &id)], &spec) {
                if answer.status == 200 {
                    let answered = Instant::now();
                    acked.lock().unwrap().push(Acked {
                        name,
                        value,
                        sent,
                        answered,
                    });
                    break;
                }
                assert!(
                    [503, 504].contains(&answer.status),
                    "{}: {}",
                    answer.status,
                    answer.text()
                );
            }
            assert!(
                Instant::now() < until,
                "a change was not made within 20 s, whichever node was asked"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Every acknowledged account is on node `at`, with the last acknowledged value or a later one.
#[track_caller]
fn all_there(cluster: &Cluster, at: usize, acked: &[Acked]) {
    let mut last = BTreeMap::new();
    for change in acked {
        last.insert(change.name.as_str(), change.value);
    }
    for (name, value) in last {
        let path = format!("/api/v1/account/{name}?consistency=local");
        let found = cluster.api(at).get(&path).json();
        let found = found["spec"]["sessions_max"].as_u64();
        assert!(
            found >= Some(value),
            "{name} on node {at}: {found:?}, but {value} was acknowledged"
        );
    }
}

/// Waits until node `at` has applied all that the others have.
fn caught_up(cluster: &Cluster, at: usize) {
    eventually("the node catches up", Duration::from_secs(30), || {
        let applied = |at: usize| -> Result<u64, String> {
            let status = cluster.api(at).ask("GET", "/api/v1/status", &[], b"")?.json();
            status["applied"].as_u64().ok_or_else(|| status.to_string())
        };
        let (there, here) = (applied((at + 1) % 3)?, applied(at)?);
        if here >= there {
            Ok(())
        } else {
            Err(format!("{here} of {there}"))
        }
    });
}

#[test]
fn a_killed_leader_loses_no_acknowledged_change_and_no_acknowledged_upload() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    let hosts: Vec<_> = cluster.nodes.iter().map(|node| node.address).collect();
    let mut uploaders: Vec<_> = (0..3_usize)
        .map(|number| {
            let mut hosts = hosts.clone();
            hosts.rotate_left(number);
            let arguments = json!({"hosts": hosts, "prefix": format!("u{number}")});
            Login::new(&cluster, &account, number).talk("uploader.py", arguments)
        })
        .collect();
    let (stop, acked) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let leader = cluster.leader(0);
    let killed = std::thread::scope(|scope| {
        for writer in 0..3 {
            let (cluster, stop, acked) = (&cluster, &stop, &acked);
            scope.spawn(move || write_changes(cluster, writer, stop, acked));
        }
        for uploader in &mut uploaders {
            uploader.expect("acked");
        }
        std::thread::sleep(Duration::from_secs(2));
        cluster.nodes[leader].kill();
        let killed = Instant::now();
        std::thread::sleep(Duration::from_secs(6));
        stop.store(true, Ordering::Relaxed);
        killed
    });
    let acked = acked.into_inner().unwrap();
    let before = acked.iter().filter(|change| change.answered < killed).count();
    assert!(before > 20, "only {before} changes before the kill");
    let resumed = acked
        .iter()
        .filter(|change| change.sent > killed)
        .map(|change| change.answered)
        .min();
    let resumed = resumed.expect("no change after the kill").duration_since(killed);
    assert!(
        resumed < Duration::from_secs(3),
        "changes went on only after {resumed:?}"
    );
    let files = finish(uploaders);
    let survivors: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    for at in &survivors {
        all_there(&cluster, *at, &acked);
    }
    cluster.nodes[leader].start();
    cluster.wait_ready(leader);
    caught_up(&cluster, leader);
    all_there(&cluster, leader, &acked);
    all_whole(&account, &files);
    assert!(Login::new(&cluster, &account, leader).works());
    let (name, digest) = files.iter().next_back().unwrap();
    let back = cluster.path("back");
    let get = format!("get /{name} {}", back.display());
    Login::new(&cluster, &account, leader).sftp(&get).ok();
    assert_eq!(&sha256(&back), digest);
    cluster.no_panics();
}

/// Stops the uploaders; gives the name and digest of each acknowledged file.
fn finish(uploaders: Vec<crate::rig::stream::Talk>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for mut uploader in uploaders {
        uploader.say("stop");
        uploader.within("stopped", Duration::from_secs(30));
        for report in uploader.seen() {
            if let Some(name) = report["acked"].as_str() {
                files.insert(name.to_owned(), report["sha256"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(files.len() > 10, "only {} uploads", files.len());
    files
}

fn sha256(path: &std::path::Path) -> String {
    let mut command = process::command("sha256sum");
    command.arg(path);
    process::run(command, b"")
        .ok()
        .out
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

/// Every acknowledged file is under its name, byte for byte; nothing else has a name that clients see.
#[track_caller]
fn all_whole(account: &Account, files: &BTreeMap<String, String>) {
    for (name, digest) in files {
        assert_eq!(&sha256(&account.home.join(name)), digest, "{name}");
    }
}

#[test]
fn a_transfer_on_another_node_does_not_stall_when_the_leader_is_killed() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    account.plant("long", &noise(6, 32 << 20));
    let leader = cluster.leader(0);
    let other = (leader + 1) % 3;
    let arguments = json!({"path": "/long", "pause": 0.01});
    let mut reader = Login::new(&cluster, &account, other).talk("slow_get.py", arguments);
    reader.expect("bytes");
    cluster.nodes[leader].kill();
    let mut last = reader.expect("bytes")["time"].as_f64().unwrap();
    let mut worst = 0.0_f64;
    let until = last + 4.0;
    while last < until {
        let time = reader.expect("bytes")["time"].as_f64().unwrap();
        worst = worst.max(time - last);
        last = time;
    }
    assert!(worst < 1.0, "the transfer stalled for {worst} s");
    assert!(Login::new(&cluster, &account, other).works());
}

#[test]
fn a_stopped_leader_hands_over_and_a_follower_restarts_without_a_gap() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let account = Account::create(&cluster);
    for _ in 0..2 {
        let asked = (0..3)
            .find(|at| cluster.nodes[*at].process().as_mut().unwrap().ended().is_none())
            .unwrap();
        let leader = cluster.leader(asked);
        let other = (leader + 1) % 3;
        cluster.nodes[leader].stop();
        let begun = Instant::now();
        eventually("a change after the leader was stopped", Duration::from_secs(5), || {
            let api = cluster.api(other).with_limit(Duration::from_secs(2));
            let answer = api.try_put(&account.path(), &[], &account.spec)?;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.text())
            }
        });
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        cluster.nodes[leader].start();
        cluster.wait_ready(leader);
        caught_up(&cluster, leader);
    }
}

#[test]
fn a_change_answered_as_unknown_is_never_answered_as_failed() {
    let _alone = alone();
    let cluster = Cluster::start(3);
    let leader = cluster.leader(0);
    let others: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    // The leader can append, but nobody answers it.
    for at in &others {
        cluster.nodes[*at].freeze();
    }
    let api = cluster.api(leader).with_limit(Duration::from_secs(20));
    let id = "0000000000000000000000000000abcd";
    let spec = json!({"sessions_max": 9});
    let answer = api.put_with("/api/v1/account/unknown", &[("x-request-id", id)], &spec);
    let problem = answer.clone().problem(&[503, 504]).json();
    if answer.status == 504 {
        assert_eq!(problem["outcome"], "unknown", "{problem}");
        assert!(problem.to_string().contains(id), "{problem}");
    }
    for at in &others {
        cluster.nodes[*at].thaw();
    }
    // The same request, repeated, ends in one change, whatever became of the first try.
    eventually("the repeated request is made", limits::START, || {
        let api = cluster.api(others[0]);
        let answer = api.try_put("/api/v1/account/unknown", &[("x-request-id", id)], &spec)?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    });
    let seen: Value = cluster.api(others[1]).get("/api/v1/account/unknown").ok().json();
    assert_eq!(seen["spec"]["sessions_max"], 9);
}
