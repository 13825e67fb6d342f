//! Loopback addresses: each node and each client has its own, so that no test meets another's ports or counters.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

static CLUSTERS: AtomicU8 = AtomicU8::new(0);
static CLIENTS: AtomicU8 = AtomicU8::new(0);

/// The most clusters of one test process: four addresses each, in the last byte.
const CLUSTERS_MAX: u8 = 60;

fn of_process(base: u8) -> (u8, u8) {
    let pid = std::process::id();
    (base + (pid >> 8 & 0x1f) as u8, (pid & 0xff) as u8)
}

/// Four neighbouring addresses for the nodes of a new cluster, and their clients' default.
pub fn of_cluster() -> [Ipv4Addr; 4] {
    let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
    assert!(
        number < CLUSTERS_MAX,
        "more than {CLUSTERS_MAX} clusters in one test process"
    );
    let (second, third) = of_process(16);
    [0, 1, 2, 3].map(|node| Ipv4Addr::new(127, second, third, number * 4 + node + 1))
}

/// A new address that no other client uses: what is counted by address concerns this client alone.
pub fn of_client() -> Ipv4Addr {
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    assert!(number < 250, "more than 250 client addresses in one test process");
    let (second, third) = of_process(64);
    Ipv4Addr::new(127, second, third, number + 1)
}
