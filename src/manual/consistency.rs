//! # What is agreed, what is shared, what is local
//!
//! | Thing | Where it lives | What holds |
//! |---|---|---|
//! | catalog (accounts, keys, services, ...) | Raft | linearizable changes; a change that was answered survives what a majority of disks survives |
//! | files | the storage | what the storage gives; an upload is published whole, by one rename |
//! | staged uploads | the storage, in a hidden folder | owned by one session of one node; another takes over by raising a generation |
//! | live sessions, rates | each node | counted per node |
//! | failed logins | each node, summed by the leader | a limit holds over all nodes while there is a quorum, else by a share per node |
//! | who changed what (the last 10,000 changes) | Raft, on each node's disk | every change of an object, before and after |
//! | events | each node's journal | numbered without a gap, synced within half a second |
//!
//! ## Changes
//!
//! A change is answered with its revision once a majority has it on disk and the answering node has applied it. A
//! change that was refused, changed nothing. A change whose fate is not known is answered as *unknown* (504) with its
//! request id: asked again with the same id, it is applied at most once, and the first outcome is given again.
//!
//! ## Reads
//!
//! The data plane reads the view that this node has applied, at each use. The admin API asks the leader first
//! (ReadIndex), so that it never shows less than what was committed before the question; `?consistency=local` shows
//! what this node has, and `?min_revision=` at least that.
//!
//! ## Enforcement
//!
//! Three things follow a change on each node: the view is swapped, sessions that have lost their ground are closed,
//! ports and host keys are as the services say. A node reports the revision up to which all three were tried;
//! `?wait=enforced` waits for every member's report and says who is late, has failed, or cannot be reached.
//!
//! ## Without a quorum
//!
//! Nodes go on serving logins and transfers from the last view that they applied, and stay ready for the balancer.
//! Changes and linearizable reads are refused at once (503). A node that starts alone serves after five seconds
//! without a leader.
