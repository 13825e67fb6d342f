//! Loopback addresses: each node and each client has its own, so that no test meets another's ports or counters.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

static CLUSTERS: AtomicU8 = AtomicU8::new(0);
static CLIENTS: AtomicU16 = AtomicU16::new(0);

/// The most clusters of one test process: four addresses each, in the last byte.
const CLUSTERS_MAX: u8 = 60;

/// The most clients of one test process, in blocks of so many.
const CLIENTS_MAX: u16 = 1_000;
const CLIENTS_OF_BLOCK: u16 = 250;
/// How far apart two blocks lie in the second byte: further than processes do.
const BLOCK_STEP: u8 = 32;

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
    assert!(
        number < CLIENTS_MAX,
        "more than {CLIENTS_MAX} client addresses in one test process"
    );
    let (second, third) = of_process(64);
    let block = (number / CLIENTS_OF_BLOCK) as u8 * BLOCK_STEP;
    Ipv4Addr::new(127, second + block, third, (number % CLIENTS_OF_BLOCK) as u8 + 1)
}
