//! # Who is kept out, and by what
//!
//! | Who | Wants | What stands against it |
//! |---|---|---|
//! | a stranger on the SFTP port | a login | argon2id off the async threads in a bounded queue, growing delays by address and account, the same work and answer for unknown names |
//! | | memory or time | bounds before allocation, limits on connections that have not signed in, a login grace time |
//! | | many guesses, through many nodes | failures counted by the leader over all nodes; too many ban the address everywhere ([`connections`](super::connections)) |
//! | | another address | a PROXY header counts from the networks named for it, and ends the connection from anywhere else |
//! | | a crash | a wall round each connection: its panic or garbage ends that connection only |
//! | a partner with an account | other folders | one path type normalised once, decisions by `access` alone, resolution beneath the mount's root by the kernel |
//! | | to stay in after being shut out | sessions registered, then judged again; judged at each view; each read, write and publish asks |
//! | a stranger on the admin port | the catalog | bearer tokens of 256 bits, only hashes kept; roles by one table; the command judged again in apply |
//! | a stranger on the peer port | the log, the keys | mutual TLS; node id and certificate fingerprint must stand in the membership |
//! | who has a node's disk | secrets | sealed in log, state and snapshots; the key is in one file of mode 0600 |
//! | who had a node that was removed | later secrets | a removed node is not heard; a new data key is made and everything is sealed again |
//!
//! Not kept out: root on a node of the cluster, and whoever writes to the storage beside Argosy.
