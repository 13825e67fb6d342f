//! # Words, one for each thing
//!
//! * **account**: who transfers. **administrator**: who changes the catalog. **principal**: a proven account.
//! * **credential**: what proves a principal: a password, a key, a token.
//! * **catalog**: all replicated objects. **object**: kind, name, spec, revision. **view**: the catalog at a revision.
//! * **revision**: the log index of a change; an object's ETag is the revision of its last change.
//! * **storage**: where files live. **mount**: a storage's folder at a virtual path. **home**: the mount at `/`.
//! * **grant**: what may be done at a path and below, or where a pattern matches. **operation**: one of the eleven
//!   things a grant names. **group**: mounts and grants that members inherit. **role**: grants under a name.
//! * **virtual path**: what a client names; absolute, normalised, bytes.
//! * **staged upload**: bytes not yet published. **publish**: make them the file, by one rename. **partial**: a staged
//!   upload that was interrupted and kept.
//! * **service**: a protocol on a port of every node. **listener**: the accept loop behind it. **session**: one
//!   principal on one connection.
//! * **node**: a machine's part of the cluster. **member**: a node in the membership. **voter**, **learner**,
//!   **leader**, **follower**, **term**, **log index**, **quorum**, **snapshot**: as in Raft.
//! * **enforced**: view swapped, sessions closed, ports tried. **event**: a fact in the journal.
