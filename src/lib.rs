//! Argosy: a clustered managed-file-transfer appliance.
//!
//! # The problem
//!
//! Partners and staff move files over SFTP, SCP, FTP, FTPS and HTTP (later WebDAV too) through any of several equal
//! nodes. Administrators change accounts, keys and services on any node while it runs. What the nodes must agree on
//! is configuration, and that is replicated by Raft; what they must share is files, and those live on a storage that
//! all of them see. No file is copied to keep nodes alike, no database stands beside them, no node is special.
//!
//! # The map, in reading order
//!
//! | Room | What it is |
//! |---|---|
//! | [`ids`], [`path`], [`clock`] | names and ids, the one client path type, the one source of now |
//! | [`x509`] | certificates and revocation lists as facts. Pure |
//! | [`config`] | this machine's own configuration; nothing that is shared |
//! | [`catalog`] | WHAT is replicated: objects, transactions, apply, the view. Pure |
//! | [`auth`] | WHO: a proof becomes a [`session::Principal`]; whether a session's proof still stands |
//! | [`access`] | MAY: one decision for every protocol. Pure |
//! | [`session`] | who is signed in on this node |
//! | [`events`] | facts in the past tense: the journal and its counts |
//! | [`vfs`] | the only door to files |
//! | [`listener`] | one accept loop for all protocols |
//! | [`protocols`] | a folder per protocol: wire, state, status |
//! | [`admin`] | the admin API |
//! | [`reconcile`] | makes the world as the view says: sessions, keys, ports |
//! | [`node`] | the composition root: start and stop order |
//! | [`cli`] | the command line; `main` only calls it |
//! | [`manual`] | prose: access, connections, consistency, defaults, FTP, HTTP, SSH, TLS, threats, upgrades, words |
//!
//! The crate `argosy-cluster` replicates a state machine and knows nothing of the above.
//!
//! # Absences
//!
//! * `catalog`, `access` and `path` never do I/O, read a clock or draw a random number.
//! * `protocols` never see `access`, a [`catalog::Command`], the cluster handle or `std::fs`, nor one another (only
//!   `ssh` hosts `sftp` and `scp`): what one refuses, all refuse.
//! * `events` call no one.
//! * Nobody but the cluster crate knows the stores.
//! * No file's bytes pass through Raft, and no per-transfer event.
//!
//! The integration tests keep the table of who may import whom.
//!
//! # An upload, any protocol
//!
//! `listener` (permit) → `protocols::*::wire` (bytes to a typed request) → `auth` (a principal) → a
//! [`session::Session`], registered and then judged again → [`vfs::Vfs::open`] (mount, decision on the *latest*
//! view, a staged file) → `write_at` → `commit` (sync, atomic rename, sync of the folder, event) → the protocol's own
//! status. A dropped upload cleans up after itself; a revoked one is never published.
//!
//! # A setting, from any node to every node
//!
//! An admin route authenticates and parses (an invalid value cannot be built; time, ids, salts and hashes are fixed
//! here) → `propose`, which a follower forwards and which answers applied, refused, unavailable or *unknown* → Raft →
//! pure `apply` on every node → a new view swapped in. Reads see it at their next use. What is not a read, an open
//! port or a live session, `reconcile` does, and each node reports the revision up to which it has.

pub mod access;
pub mod admin;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod events;
pub mod ids;
pub mod listener;
pub mod manual;
pub mod node;
pub mod path;
#[cfg(feature = "planted")]
pub mod planted;
pub mod protocols;
pub mod reconcile;
pub mod session;
pub mod vfs;
pub mod x509;
