//! Where namespaces are not allowed: every node lives on a loopback address, and other nodes reach it through a proxy of
//! ours, whose address stands in the membership.
//!
//! All nodes dial from one address, so the dialler is found by its socket: `/proc` tells which process holds it. What a
//! proxy can't do as a network does: a connection to a node that is cut off is accepted and then silent; a lost packet
//! is a pause, now and then a broken connection; packets don't overtake one another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argosy_cluster::sim::Dice;

use super::limits::{CONNECT_MAX, PEER_PORT, PROXY_LOOK_EVERY, PROXY_PIECE_BYTES, RESEND_AFTER};
use super::net::Trouble;

/// Of a hundred lost packets, so many end the connection.
const BROKEN_OF_HUNDRED: u64 = 3;

/// The loopback addresses of a run, and the proxies.
#[derive(Default)]
pub struct Loopback {
    links: Arc<Links>,
    open: Mutex<BTreeSet<usize>>,
}

#[derive(Default)]
struct Links {
    troubles: Mutex<BTreeMap<(usize, usize), Trouble>>,
    processes: Mutex<BTreeMap<usize, u32>>,
    over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs of several harnesses at once do not meet.
fn place(second: u8, at: usize) -> Ipv4Addr {
    let third = u8::try_from(std::process::id() % 250).unwrap_or(1);
    Ipv4Addr::new(127, second, third, u8::try_from(at + 1).unwrap_or(1))
}

impl Loopback {
    /// The address of node `at` itself.
    pub fn address(&self, at: usize) -> Ipv4Addr {
        place(87, at)
    }

    /// Where node `at` listens for others.
    pub fn inside(&self, at: usize) -> SocketAddr {
        (self.address(at), PEER_PORT).into()
    }

    /// Where others reach it: its proxy.
    pub fn outside(&self, at: usize) -> SocketAddr {
        (place(88, at), PEER_PORT).into()
    }

    /// Node `at` runs as this process; its proxy is open from now on.
    ///
    /// # Errors
    /// The proxy's address cannot be had.
    pub fn started(&self, at: usize, pid: u32) -> Result<(), String> {
        locked(&self.links.processes).insert(at, pid);
        if !locked(&self.open).insert(at) {
            return Ok(());
        }
        let (outside, inside) = (self.outside(at), self.inside(at));
        let told = |error: std::io::Error| format!("the proxy at {outside}: {error}");
        let listener = TcpListener::bind(outside).map_err(told)?;
        let links = self.links.clone();
        std::thread::spawn(move || {
            for (number, stream) in (0_u64..).zip(listener.incoming()) {
                if links.over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    let links = links.clone();
                    std::thread::spawn(move || links.carry(stream, (at, inside), number));
                }
            }
        });
        Ok(())
    }

    /// From now on what node `from` sends to node `to` has this trouble.
    pub fn trouble(&self, from: usize, to: usize, trouble: Trouble) {
        locked(&self.links.troubles).insert((from, to), trouble);
    }

    /// All links work.
    pub fn heal(&self) {
        locked(&self.links.troubles).clear();
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.links.over.store(true, Ordering::Relaxed);
        self.heal();
        for at in locked(&self.open).iter() {
            // Wakes the proxy, so that it sees that it is over.
            drop(TcpStream::connect_timeout(&self.outside(*at), CONNECT_MAX));
        }
    }
}

impl Links {
    fn trouble(&self, way: (usize, usize)) -> Option<Trouble> {
        locked(&self.troubles).get(&way).copied()
    }

    /// One connection to node `to`, until it ends.
    fn carry(self: &Arc<Self>, dialler: TcpStream, (to, inside): (usize, SocketAddr), number: u64) {
        let from = self.holder_of(&dialler).unwrap_or(to);
        if !self.comes_through((from, to), 0, &mut Dice::new(number)) {
            return;
        }
        // A node that is down refuses: so does its proxy, by closing.
        let Ok(node) = TcpStream::connect_timeout(&inside, CONNECT_MAX) else {
            return;
        };
        let (Ok(there), Ok(back)) = (dialler.try_clone(), node.try_clone()) else {
            return;
        };
        drop((dialler.set_nodelay(true), node.set_nodelay(true)));
        let links = self.clone();
        let upwards = std::thread::spawn(move || links.pump(there, node, (from, to), Dice::new(number * 2)));
        self.pump(back, dialler, (to, from), Dice::new(number * 2 + 1));
        drop(upwards.join());
    }

    /// Carries bytes one way until the end.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, way: (usize, usize), mut dice: Dice) {
        let mut piece = vec![0; PROXY_PIECE_BYTES];
        loop {
            let read = from.read(&mut piece).unwrap_or(0);
            // The end of a connection too is heard only where something comes through.
            if !self.comes_through(way, read, &mut dice) {
                drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
                return;
            }
            let sent = piece.get(..read).filter(|bytes| !bytes.is_empty());
            if sent.is_none_or(|bytes| to.write_all(bytes).is_err()) {
                drop((from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write)));
                return;
            }
        }
    }

    /// Waits as the trouble of this way wants it for so many bytes; false where the connection breaks of it.
    fn comes_through(&self, way: (usize, usize), bytes: usize, dice: &mut Dice) -> bool {
        if way.0 == way.1 {
            return true;
        }
        while self.trouble(way) == Some(Trouble::Cut) {
            std::thread::sleep(PROXY_LOOK_EVERY);
        }
        match self.trouble(way) {
            Some(Trouble::Loss(percent)) => {
                // A packet that is sent again may be lost again; each time it waits twice as long.
                let mut wait = RESEND_AFTER;
                while bytes > 0 && dice.below(100) < percent {
                    if dice.below(100) < BROKEN_OF_HUNDRED {
                        return false;
                    }
                    std::thread::sleep(wait);
                    wait *= 2;
                }
            }
            Some(Trouble::Slow(rate)) => {
                let seconds = bytes as f64 / rate.max(1) as f64;
                std::thread::sleep(Duration::from_secs_f64(seconds));
            }
            Some(Trouble::Cut) | None => {}
        }
        true
    }

    /// The node whose process holds the other end of this connection; none for a process that is no node.
    fn holder_of(&self, stream: &TcpStream) -> Option<usize> {
        let (SocketAddr::V4(theirs), SocketAddr::V4(ours)) = (stream.peer_addr().ok()?, stream.local_addr().ok()?)
        else {
            return None;
        };
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        let socket = format!("socket:[{}]", inode(&table, theirs, ours)?);
        let processes = locked(&self.processes).clone();
        let holds = |pid: u32| {
            let handles = std::fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            let mut named = handles.filter_map(|handle| std::fs::read_link(handle.path()).ok());
            named.any(|name| name.to_str() == Some(&socket))
        };
        processes.into_iter().find(|(_, pid)| holds(*pid)).map(|(at, _)| at)
    }
}

/// The inode of the socket with these two ends, out of `/proc/net/tcp`.
fn inode(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u64> {
    let shown = |end: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_le_bytes(end.ip().octets()), end.port());
    let (local, remote) = (shown(local), shown(remote));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.get(1) == Some(&local.as_str()) && words.get(2) == Some(&remote.as_str()))?;
    line.get(9)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A node that sends back what it gets, and a way to it through its proxy; this process dials as node 1.
    fn echo(at: usize) -> (Loopback, TcpStream) {
        let loopback = Loopback::default();
        let listener = TcpListener::bind(loopback.inside(at)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        });
        locked(&loopback.links.processes).insert(1, std::process::id());
        loopback.started(at, 0).unwrap();
        let stream = TcpStream::connect(loopback.outside(at)).unwrap();
        (loopback, stream)
    }

    fn answer(stream: &mut TcpStream, within: Duration) -> Option<Vec<u8>> {
        stream.set_read_timeout(Some(within)).unwrap();
        let mut bytes = vec![0; 5];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_cut_holds_back_what_is_sent_one_way_until_it_is_healed() {
        for (at, way) in [(20, (1, 20)), (21, (21, 1))] {
            let (loopback, mut stream) = echo(at);
            stream.write_all(b"first").unwrap();
            assert_eq!(answer(&mut stream, LONG).unwrap(), b"first");
            loopback.trouble(way.0, way.1, Trouble::Cut);
            stream.write_all(b"other").unwrap();
            assert_eq!(answer(&mut stream, SHORT), None, "{way:?}");
            loopback.heal();
            assert_eq!(answer(&mut stream, LONG).unwrap(), b"other", "{way:?}");
        }
    }

    #[test]
    fn the_link_of_another_node_troubles_nobody_here() {
        let (loopback, mut stream) = echo(22);
        loopback.trouble(2, 22, Trouble::Cut);
        loopback.trouble(22, 2, Trouble::Cut);
        stream.write_all(b"first").unwrap();
        assert_eq!(answer(&mut stream, LONG).unwrap(), b"first");
    }

    #[test]
    fn a_slow_link_takes_its_time() {
        let (loopback, mut stream) = echo(23);
        loopback.trouble(1, 23, Trouble::Slow(10));
        let begun = Instant::now();
        stream.write_all(b"first").unwrap();
        assert_eq!(answer(&mut stream, LONG).unwrap(), b"first");
        assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_socket_is_found_in_the_table_of_the_kernel() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:9C40 0201587F:1CE9 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 20 4 \
                     30 10 -1\n";
        let (local, remote) = ("127.0.0.1:40000".parse().unwrap(), "127.88.1.2:7401".parse().unwrap());
        assert_eq!(inode(table, local, remote), Some(4711));
        assert_eq!(inode(table, remote, local), None);
    }
}
