use super::*;
use crate::catalog::{Account, Object};
use crate::ids::Name;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

fn object<T>(name: &str, spec: T) -> Arc<Object<T>> {
    Arc::new(Object {
        name: Name::parse(name).unwrap(),
        spec,
        revision: 1,
        changed_by: String::new(),
        changed_at: UnixMillis(0),
    })
}

/// A leader in the same process; it makes bans by writing them into the view.
struct Cluster {
    view: Mutex<Arc<View>>,
    ledger: Ledger,
    standing: Mutex<Standing>,
}

struct Member(Arc<Cluster>, u64);

impl Leader for Member {
    fn standing(&self) -> Standing {
        *self.0.standing.lock().unwrap()
    }

    fn report(&self, report: FailureReport) -> BoxFuture<'static, Result<Totals, String>> {
        let (cluster, node) = (self.0.clone(), self.1);
        Box::pin(async move {
            if !cluster.standing.lock().unwrap().is_led {
                return Err("no leader".to_owned());
            }
            let mut latest = cluster.view.lock().unwrap();
            let mut view = View::clone(&latest);
            let mut totals = cluster.ledger.enter(node, &report, &view.settings(), Instant::now());
            let due = Ledger::due(&view, &Bans::of(&view), &report, &totals, UnixMillis(0));
            for (name, ban) in &due {
                match ban.target {
                    crate::catalog::BanTarget::Network(_) => totals.address_banned = true,
                    crate::catalog::BanTarget::Account(_) => totals.account_banned = true,
                }
                view.bans.insert(name.clone(), object(name.as_str(), ban.clone()));
            }
            cluster.ledger.settle(&due);
            *latest = Arc::new(view);
            Ok(totals)
        })
    }
}

/// Three nodes with the account `alice`, which may come from anywhere, and `bob`, from 198.51.100.0/24 alone.
fn cluster(per_address: u32, per_account: u32) -> (Arc<Cluster>, Vec<Throttle>) {
    let mut view = View::default();
    let mut settings = Settings::default();
    settings.throttle.failures_per_address_max = per_address;
    settings.throttle.failures_per_account_max = per_account;
    settings.throttle.allow = vec!["203.0.113.0/24".parse().unwrap()];
    let put = |view: &mut View, name: &str, sources: Vec<ipnet::IpNet>| {
        let account = Account {
            enabled: true,
            sources,
            ..Account::default()
        };
        view.accounts.insert(Name::parse(name).unwrap(), object(name, account));
    };
    put(&mut view, "alice", Vec::new());
    put(&mut view, "bob", vec!["198.51.100.0/24".parse().unwrap()]);
    view.settings
        .insert(Name::parse("cluster").unwrap(), object("cluster", settings));
    let cluster = Arc::new(Cluster {
        view: Mutex::new(Arc::new(view)),
        ledger: Ledger::default(),
        standing: Mutex::new(Standing {
            is_led: true,
            voters: 3,
        }),
    });
    let nodes = (1..=3).map(|node| started(&cluster, node, 0));
    (cluster.clone(), nodes.collect())
}

/// A node of it that started at this moment.
fn started(cluster: &Arc<Cluster>, node: u64, at: i64) -> Throttle {
    let views: ViewSource = {
        let cluster = cluster.clone();
        Arc::new(move || cluster.view.lock().unwrap().clone())
    };
    let member = Member(cluster.clone(), node);
    Throttle::new(views, Clock::fixed(UnixMillis(at)), Arc::new(member))
}

/// Fails at the nodes in turn until kept out; how often it could.
async fn tries(nodes: &[&Throttle], claimed: &str, from: IpAddr) -> u32 {
    let mut tries = 0;
    while tries < 100 {
        let node = nodes[tries as usize % nodes.len()];
        if node.keeps_out(claimed, from, Proof::Password).is_some() {
            break;
        }
        node.failed(claimed, from).await;
        tries += 1;
    }
    tries
}

fn bans(cluster: &Cluster) -> Vec<String> {
    let view = cluster.view.lock().unwrap();
    view.bans.keys().map(|name| name.as_str().to_owned()).collect()
}

#[tokio::test]
async fn an_attack_over_three_nodes_gets_no_more_tries_than_on_one() {
    let (one, nodes) = cluster(10, 0);
    assert_eq!(tries(&[&nodes[0]], "alice", HERE).await, 10);
    assert_eq!(bans(&one), ["auto-address-192.0.2.1"]);
    let (three, nodes) = cluster(10, 0);
    let all: Vec<_> = nodes.iter().collect();
    assert_eq!(tries(&all, "alice", HERE).await, 10);
    assert_eq!(bans(&three), ["auto-address-192.0.2.1"]);
    assert_eq!(nodes[2].keeps_out("bob", THERE, Proof::Password), None);
    assert!(matches!(
        nodes[1].keeps_out("bob", HERE, Proof::Key),
        Some(KeptOut::AtOnce(_))
    ));
}

#[tokio::test]
async fn a_lifted_ban_leaves_nothing_counted() {
    let (cluster, nodes) = cluster(5, 0);
    let all: Vec<_> = nodes.iter().collect();
    assert_eq!(tries(&all, "alice", HERE).await, 5);
    let mut view = View::clone(&cluster.view.lock().unwrap());
    view.bans.clear();
    *cluster.view.lock().unwrap() = Arc::new(view);
    assert_eq!(tries(&all, "alice", HERE).await, 5);
}

#[tokio::test]
async fn a_ban_of_an_account_for_guesses_does_not_shut_its_owner_out() {
    let (cluster, nodes) = cluster(0, 4);
    nodes[0].held("alice", THERE);
    let all: Vec<_> = nodes.iter().collect();
    assert_eq!(tries(&all, "alice", HERE).await, 4);
    assert_eq!(bans(&cluster), ["auto-account-alice"]);
    let out = |node: usize, from, proof| nodes[node].keeps_out("alice", from, proof).is_some();
    assert!(out(1, HERE, Proof::Password), "whoever guesses");
    assert!(!out(1, HERE, Proof::Key), "a key is no guess");
    assert!(!out(0, THERE, Proof::Password), "where alice signed in from");
    assert!(out(1, THERE, Proof::Password), "a node at which she did not");
    // An administrator's ban holds for all of it.
    let mut view = View::clone(&cluster.view.lock().unwrap());
    let ban = crate::catalog::Ban {
        target: crate::catalog::BanTarget::Account(Name::parse("alice").unwrap()),
        reason: String::new(),
        until: None,
        automatic: false,
    };
    view.bans.insert(Name::parse("abuse").unwrap(), object("abuse", ban));
    *cluster.view.lock().unwrap() = Arc::new(view);
    let out = |node: usize, from, proof| nodes[node].keeps_out("alice", from, proof).is_some();
    assert!(out(0, THERE, Proof::Password) && out(0, THERE, Proof::Key));
}

#[tokio::test]
async fn guesses_from_where_an_account_may_not_be_used_and_at_nobody_ban_no_account() {
    let (cluster, nodes) = cluster(0, 4);
    let all: Vec<_> = nodes.iter().collect();
    for claimed in ["bob", "nobody"] {
        assert_eq!(tries(&all, claimed, HERE).await, 100, "{claimed}");
    }
    assert!(bans(&cluster).is_empty());
    assert_eq!(tries(&all, "bob", THERE).await, 4);
}

#[tokio::test]
async fn an_allowed_network_is_never_delayed_or_banned() {
    let (cluster, nodes) = cluster(3, 3);
    let office: IpAddr = "203.0.113.9".parse().unwrap();
    let all: Vec<_> = nodes.iter().collect();
    assert_eq!(tries(&all, "alice", office).await, 100);
    assert_eq!(nodes[0].delay("alice", office), Duration::ZERO);
    assert!(bans(&cluster).is_empty());
}

#[tokio::test]
async fn without_a_leader_each_node_allows_its_share() {
    let (cluster, nodes) = cluster(10, 0);
    cluster.standing.lock().unwrap().is_led = false;
    let all: Vec<_> = nodes.iter().collect();
    assert_eq!(tries(&all, "alice", HERE).await, 9, "3 on each of 3 nodes");
    // With a leader again, its count goes on from what each node has counted.
    cluster.standing.lock().unwrap().is_led = true;
    assert_eq!(tries(&all, "alice", HERE).await, 3);
    assert_eq!(bans(&cluster), ["auto-address-192.0.2.1"]);
}

#[tokio::test]
async fn a_node_that_starts_again_gives_no_further_tries() {
    let (cluster, mut nodes) = cluster(10, 0);
    for start in 1..=3 {
        for _ in 0..2 {
            nodes[0].failed("alice", HERE).await;
        }
        nodes[0] = started(&cluster, 1, start);
    }
    assert_eq!(tries(&[&nodes[0]], "alice", HERE).await, 4);
    assert_eq!(bans(&cluster), ["auto-address-192.0.2.1"]);
}

#[tokio::test]
async fn a_login_that_holds_clears_the_account_at_the_leader_too() {
    let (cluster, nodes) = cluster(0, 4);
    for _ in 0..3 {
        nodes[0].failed("alice", HERE).await;
    }
    nodes[0].held("alice", HERE);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tries(&[&nodes[1]], "alice", THERE).await, 4);
    assert_eq!(bans(&cluster), ["auto-account-alice"]);
}

#[test]
fn the_ledger_adds_up_nodes_keeps_to_the_memory_and_bears_reports_that_overtake() {
    let (ledger, settings) = (Ledger::default(), Settings::default());
    let start = Instant::now();
    let report = |life, failures, started_anew| FailureReport {
        life: UnixMillis(life),
        address: Some(Tallied { whose: HERE, failures }),
        account: None,
        started_anew,
    };
    let memory = Duration::from_secs(settings.login_memory_seconds.into());
    for (node, life, failures, anew, after, expected) in [
        (1, 7, 3, false, 0, 3),
        (2, 7, 2, false, 0, 5),
        (1, 7, 2, false, 0, 5),
        (1, 7, 4, false, 0, 6),
        // The node starts again, twice; then a login holds.
        (1, 8, 1, false, 0, 7),
        (1, 8, 2, false, 0, 8),
        (1, 9, 1, false, 0, 9),
        (1, 9, 1, true, 0, 3),
        (3, 7, 1, false, 1, 1),
    ] {
        let now = start + memory * after;
        let totals = ledger.enter(node, &report(life, failures, anew), &settings, now);
        assert_eq!(totals.address, expected, "node {node}: {failures}");
    }
}
