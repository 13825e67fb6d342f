//! # Connections before a login, and who is kept out
//!
//! ## In what order a connection is looked at
//!
//! 1. A place among those that have not signed in (`unauthenticated_max`). Without one it is closed at once: no byte
//!    is read, no task is begun.
//! 2. From one of the service's `proxy_networks` (or the node's own, in `nodes`): a PROXY header of version 1 or 2
//!    must come within 5 s. From there on the address that it names is the client's, for limits, networks, bans,
//!    sessions and the journal. A header that is missing, malformed, too long (107 bytes; 4096 with TLVs), wrong by
//!    its checksum, or for anything but TCP over IP ends the connection, so that a mistake in the balancer is seen.
//!    `LOCAL` and `UNKNOWN` (health checks) count as the balancer's own address. A balancer that only opens and
//!    closes the port leaves no event.
//! 3. From any other network a PROXY header is never read as one: the connection ends, is counted
//!    (`argosy_listener_proxy_errors_total`) and recorded.
//! 4. The service's `sources`, then bans, then `unauthenticated_per_address_max` and `connections_per_address_max`.
//!    An IPv4 address and its form mapped into IPv6 are one address; an IPv6 client counts by its /64, which one
//!    customer holds as a whole.
//! 5. TLS, where the service begins with it, within 15 s of the accept.
//!
//! Refusals are all counted; in a flood 20 a second are recorded one by one, and the next one tells how many were
//! not.
//!
//! ## When a port closes
//!
//! Nothing new is accepted at once. A port that *moves* disturbs nobody: sessions go on without an end. A service
//! that is switched *off*, and a node that stops, tell their connections: who has not signed in, or has moved nothing
//! for 2 s, is sent away; a transfer goes on for `drain_seconds` (at most 10 s when the node stops) and is then ended.
//! *Removing* a service ends its sessions at once.
//!
//! ## Failed logins
//!
//! A password that is wrong, or right for an account that may not sign in, is a failure of the address and of the
//! account claimed. Keys are no guesses and are not counted; nor is a try that the node was too busy to look at. Each
//! failure makes the next try wait longer (`login_delay_millis`).
//!
//! Every node tells the leader its own counts at each failure and holds the answer back, for at most a second, until
//! the leader has added them up. When the sum over all nodes reaches `failures_per_address_max` the leader makes a
//! ban of the address (its /64 for IPv6) for `ban_seconds`; so an attack over three nodes has the same number of
//! tries as one on a single node, and those that were under way at that moment. A new leader hears each node's counts
//! again with that node's next failure. A node that *starts again* has forgotten its own counts, but the leader has
//! not, and adds to them what the node counts from then on. A *leader* that starts again has forgotten both its own
//! counts and the sum: that gives whoever guesses at most one fewer than the limit of further tries before the ban, each
//! with its delay and its hash. Nobody but who administers the nodes can restart them, and a ban that was made outlives
//! every restart, for it stands in the catalog. Without a leader each node refuses by its own count once it reaches its share
//! (the limit divided by the voters, at least one), and says so in the journal.
//!
//! `failures_per_account_max` does the same for accounts and is 0, off, by default: whoever knows a name could use it
//! to lock its owner out. Where it is on,
//!
//! * such a ban holds for passwords alone: keys go on letting in, and sessions that run go on;
//! * it does not hold where the account signed in from within the last 24 hours, as far as the node remembers;
//! * failures from outside the account's own `sources` are the address's alone;
//! * a banned try costs a hash and answers as a wrong password does, so that nobody learns that the account exists;
//!   names that do not exist are never banned.
//!
//! A ban that an *administrator* makes, of a network or an account, holds for every proof and ends what runs. Bans
//! are objects: `argosy ban list`, `argosy ban delete NAME`; one that has ended keeps nobody out, and the leader
//! removes it. What was counted is settled by the ban, so that lifting it gives a new start (the delay of the next try
//! fades by itself). Networks in
//! `throttle.allow` are never delayed, counted or banned, not even by an administrator's ban of a wider network: name
//! only what you trust, and never the balancer's own network.
//!
//! Events: `ban-began` and `ban-ended` on each node that keeps it, `connection-banned` for what it turned away, and
//! `login-refused` with the ban's name for a login on a connection that was open already.
